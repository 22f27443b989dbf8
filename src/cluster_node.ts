/**
 * A node of a cluster, in the process of `cluster`, or in a thread of a driver
 * that joined one: put together, run until it is to end, taken apart.
 *
 * Decides nothing. A driver's own node gives no resources; it has the driver's
 * job, whose home it is. The head is such a node with `cluster_head.ts` beside
 * it.
 *
 * @module
 */
import {
  type ActorId,
  type NodeId,
  nodeProcessIdOf,
  type NodeTag,
  nodeTagOf,
  type ProcessId,
} from "./base/ids.ts";
import type { NodeView } from "./base/nodes.ts";
import type { ResourceAmounts } from "./base/spec.ts";
import { Bundles } from "./node/bundles.ts";
import { FarNodes } from "./node/far_nodes.ts";
import { FarProcesses } from "./node/far_processes.ts";
import { FarSegments } from "./node/far_segments.ts";
import { JobHomes } from "./node/job_homes.ts";
import type { JobPart } from "./node/job_part.ts";
import { Jobs } from "./node/jobs.ts";
import { LeaseRouter } from "./node/lease_router.ts";
import { Machine } from "./node/machine.ts";
import { Member } from "./node/member.ts";
import { type ActorEnd, PlacedActors } from "./node/placed_actors.ts";
import type { RecentLines } from "./node/recent_lines.ts";
import type { CodeKeeper } from "./node/shipped_code.ts";
import { Relay } from "./node/relay.ts";
import { ClusterView } from "./state/cluster_view.ts";
import type { Channel, Link } from "./wire/link.ts";
import type { NodeAbout } from "./wire/command_messages.ts";
import type { LogLine } from "./wire/facts.ts";
import { headId, Network } from "./wire/network.ts";
import type {
  NoticeHandlers,
  PeerHandlers,
  RequestHandlers,
} from "./wire/peer.ts";
import type { SocketConn } from "./wire/socket.ts";
import { StandingPeer } from "./wire/standing_peer.ts";
import { dialSocket, socketPath } from "./wire/unix_sockets.ts";

/** What a node is made of. */
export interface ClusterNodeOptions {
  folder: string;
  /** Files and folders of its own, that no sandbox may see. */
  secrets?: string[];
  nodeId: NodeId;
  tag: NodeTag;
  /** Where it listens; empty for one that does not. */
  address: string;
  isDriver: boolean;
  resources: ResourceAmounts;
  labels: Record<string, string>;
  capacityBytes: number;
  memoryLimitBytes: number | undefined;
  workerCount: number;
  about: NodeAbout;
  recent: RecentLines;
  /** Makes a link to where a node listens; without an address, to the head. */
  dial(address?: string): Promise<Link>;
  /** The programs' files on this machine. */
  code: CodeKeeper;
  printed(lines: LogLine[], from: NodeId): void;
  /** This node was declared dead: it is to end, and may start anew. */
  fenced(reason: string): void;
  /** This node is told to leave. */
  stopped?(reason: string): void;
  /** What only this node is asked. */
  requests?: RequestHandlers;
  notices?: NoticeHandlers;
}

/** What stands beside a node that is the head. */
export interface HeadPart {
  readonly requests: RequestHandlers;
  readonly notices: NoticeHandlers;
  ownChanged(view: NodeView): void;
  viewChanged(): void;
  lost(tag: NodeTag, reason: string): void;
  /** A process is gone, wherever it was. */
  ownerEnded(processId: ProcessId): void;
  processEnded: NonNullable<PeerHandlers["ended"]>;
}

/** Runs one node of a cluster. */
export class ClusterNode {
  readonly view: ClusterView;
  readonly machine: Machine;
  readonly jobs: Jobs;
  readonly network: Network;
  readonly member: Member;
  readonly far: FarNodes;
  readonly #options: ClusterNodeOptions;
  readonly #router: LeaseRouter;
  readonly #processes: FarProcesses;
  readonly #segments: FarSegments;
  readonly #relay: Relay;
  readonly #bundles: Bundles;
  readonly #actors: PlacedActors;
  readonly #headPeer: StandingPeer;
  readonly #homes: JobHomes;
  readonly #handlers: PeerHandlers = { requests: {}, notices: {} };
  #head: HeadPart | undefined;
  #isClosed = false;

  constructor(options: ClusterNodeOptions) {
    this.#options = options;
    const { folder, tag } = options;
    const self = nodeProcessIdOf(tag);
    this.view = new ClusterView(tag, Math.random);
    this.machine = new Machine(options);
    const dialFar = (id: ProcessId) => this.#open(id);
    this.network = new Network(
      folder,
      { processId: self, pid: Deno.pid, role: "node" },
      this.#handlers,
      { dialFar },
    );
    this.#bundles = new Bundles(this.machine.pool, () => {
      for (const part of this.jobs.all()) part.resourcesGiven();
      this.member.loaded();
    });
    this.#relay = new Relay(folder, { self: tag, dialFar });
    this.far = new FarNodes({
      self: tag,
      dial: options.dial,
      find: (tag) => this.view.get(tag),
      headTag: () => this.member.headTag,
      askFor: (to) => this.#headPeer.notify("link.ask", { from: tag, to }),
      arrived: (to, ...how) => this.#arrived(to as ProcessId, ...how),
      lost: (tag, reason) => this.#lost(tag, reason),
    });
    this.#headPeer = new StandingPeer(this.network, headId);
    this.#homes = new JobHomes({
      ...options,
      network: this.network,
      head: this.#headPeer,
      isThere: (tag) => this.view.get(tag) !== undefined,
    });
    this.member = new Member({
      view: this.view,
      head: this.#headPeer,
      dialHead: () => options.dial(),
      describe: () => this.describe(),
      ownChanged: (view) => this.#head?.ownChanged(view),
      actors: () => this.#actors.places(),
      bundles: () => this.#bundles.all(),
      infeasible: () => this.#router.infeasible(),
      linked: (link) => this.far.linked(link),
      changed: () => this.#viewChanged(),
      gone: (tag, reason) => this.#gone(tag, reason),
      reach: (tag) => this.far.reach(tag),
      fenced: options.fenced,
    });
    const actorEnded = (actorId: ActorId, how: ActorEnd) =>
      this.#headPeer.notify("actor.ended", { actorId, ...how });
    this.#actors = new PlacedActors({
      partOf: (jobId, home) => this.jobs.of(jobId, home),
      parts: () => this.jobs.all(),
      ended: actorEnded,
      loaded: () => this.member.loaded(),
    });
    this.jobs = new Jobs({
      ...options,
      machine: this.machine,
      nodeProcessId: self,
      storeBytes: options.capacityBytes,
      network: this.network,
      describe: (jobId, home) => this.#homes.ready(jobId, home),
      released: (jobId) => options.code.released(jobId),
      actorEnded,
      printed: (home, lines) => this.network.tell(home, "log.lines", { lines }),
      loaded: () => this.member.loaded(),
    });
    const { network } = this;
    this.#processes = new FarProcesses({
      network,
      ended: (id) => {
        this.machine.objects.processEnded(id);
        this.#processEnded(id);
      },
    });
    this.#router = new LeaseRouter({
      self: tag,
      view: this.view,
      processes: this.machine.processes,
      network,
      nodeOf: async (jobId, home) => (await this.jobs.of(jobId, home)).node,
      knownNodes: () => this.jobs.nodes(),
      knownNodeOf: (jobId) => this.jobs.known(jobId)?.node,
      nodeIdOf: (tag) => this.member.nodeIdOf(tag),
      reasonOf: (tag) => this.far.reasonOf(tag),
      watch: (id) => this.#processes.watch(id),
    });
    this.#segments = new FarSegments({
      self,
      objects: this.machine.objects,
      network,
      open: (tag, to) => this.far.openAt(tag, to),
      watch: (id) => this.#processes.watch(id),
    });
    this.machine.facts.origins = () => this.#segments.origins();
    this.#assemble();
  }

  /** Takes connections of this machine's processes. */
  listen(): void {
    this.network.listen();
    this.#relay.listen();
  }

  /** This node is the head too. */
  lead(head: HeadPart): void {
    this.#head = head;
    Object.assign(this.#handlers.requests, head.requests);
    Object.assign(this.#handlers.notices, head.notices);
    this.member.isHead(this.#options.tag);
    this.member.loaded();
  }

  /** A link came in. */
  linked(link: Link): void {
    this.far.linked(link);
  }

  /** How others see it. */
  describe(): NodeView {
    const { nodeId, tag, address, isDriver, labels } = this.#options;
    const { pool } = this.machine;
    let waitingCount = 0;
    let leaseCount = 0;
    for (const node of this.jobs.nodes()) {
      waitingCount += node.waitingCount;
      leaseCount += node.leaseCount;
    }
    return {
      tag,
      nodeId,
      address,
      isDriver,
      isHead: this.#head !== undefined,
      pid: Deno.pid,
      resources: isDriver ? {} : pool.total(),
      available: isDriver ? {} : pool.available(),
      labels,
      isDraining: this.view.get(tag)?.isDraining ?? false,
      leaseCount,
      waitingCount,
    };
  }

  /** Requests of this machine that no node can do. */
  infeasible(): ResourceAmounts[] {
    return this.#router.infeasible();
  }

  /** The driver's own job. */
  own(part: JobPart): void {
    this.jobs.add(part);
  }

  /** Leaves: asks all to end, and ends those that don't. */
  async close(reason: string): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.member.close();
    this.#router.close();
    const objects = this.machine.objects.close();
    await this.jobs.close(reason);
    this.#headPeer.close();
    this.#relay.close();
    await this.network.close();
    await this.far.close(reason);
    await objects;
  }

  #assemble(): void {
    const { requests, notices } = this.#handlers;
    const { objects } = this.machine;
    Object.assign(
      requests,
      {
        ...objects.requests(),
        ...this.machine.facts.requests(),
        ...this.#segments.requests(),
        ...this.#router.requests(),
        ...this.#homes.requests(),
        ...this.#processes.requests(this.machine.processes),
        "bundle.reserve": (bundle) => ({
          isReserved: this.#bundles.reserve(bundle),
        }),
        ...this.#actors.requests(),
        ...this.#options.requests,
      } satisfies RequestHandlers,
    );
    Object.assign(
      notices,
      {
        ...objects.notices(),
        ...this.#segments.notices(),
        ...this.jobs.notices(),
        ...this.#router.notices(),
        ...this.member.notices(),
        garbage: () => {
          for (const { peer } of this.machine.processes.all()) {
            peer.notify("garbage", {});
          }
        },
        "bundle.release": (bundle) => this.#bundles.release(bundle),
        "groups.removed": ({ groupIds }) => {
          for (const groupId of groupIds) this.#router.groupRemoved(groupId);
        },
        "node.stop": ({ reason }) => this.#options.stopped?.(reason),
        ...this.#actors.notices(),
        "log.lines": ({ lines }, peer) =>
          this.#options.printed(
            lines,
            this.member.nodeIdOf(nodeTagOf(peer.remote!.processId)),
          ),
        "node.register": (registration, peer) => {
          this.machine.joined(registration, peer);
          this.jobs.known(registration.jobId)?.joined({
            ...registration,
            peer,
          });
        },
        ...this.#options.notices,
      } satisfies NoticeHandlers,
    );
    this.#handlers.ended = (peer) => {
      const ended = this.machine.ended(peer);
      if (ended !== undefined) this.#processEnded(ended.processId);
      this.#head?.processEnded(peer);
      this.member.loaded();
    };
  }

  async #open(processId: ProcessId): Promise<SocketConn> {
    const isHere = processId === headId && this.#head !== undefined;
    if (!isHere) return await this.far.open(processId);
    const { processId: own } = this.network.self;
    return await dialSocket(socketPath(this.#options.folder, own));
  }

  #arrived(to: ProcessId, channel: Channel, isCommand: boolean): void {
    if (this.#segments.arrived(to, channel)) return;
    const isOwn = to === this.network.self.processId ||
      (to === headId && this.#head !== undefined);
    if (isOwn) return this.network.accept(channel);
    if (isCommand) this.#relay.forward(to, channel);
    else this.#relay.deliver(to, channel);
  }

  #viewChanged(): void {
    this.#router.viewChanged();
    this.#head?.viewChanged();
  }

  #lost(tag: NodeTag, reason: string): void {
    if (this.#isClosed) return;
    this.#head?.lost(tag, reason);
    if (this.#head !== undefined) this.#gone(tag, reason);
  }

  #gone(tag: NodeTag, reason: string): void {
    this.far.gone(tag, reason);
    this.#router.nodeGone(tag);
    this.#segments.nodeGone(tag);
    this.#processes.nodeGone(tag);
    this.jobs.homeGone(nodeProcessIdOf(tag), reason);
  }

  /** A process of any node is of interest: its end is heard of. */
  watch(processId: ProcessId): void {
    this.#processes.watch(processId);
  }

  #processEnded(processId: ProcessId): void {
    this.#head?.ownerEnded(processId);
    this.#router.ownerEnded(processId);
    this.#segments.processEnded(processId);
    for (const part of this.jobs.all()) part.processEnded(processId);
    this.member.loaded();
  }
}
