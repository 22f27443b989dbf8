/**
 * Lease requests of this machine's processes, wherever they are granted, and
 * those of other nodes' processes that are granted here.
 *
 * Where a request goes is decided by `state/lease_routes.ts`; here it is
 * carried, and what an owner says of a lease goes the same way.
 *
 * @module
 */
import { afterMs } from "../base/clock.ts";
import { RuntimeEnvSetupError, unreachable } from "../base/errors.ts";
import {
  type JobId,
  type LeaseId,
  type NodeId,
  nodeProcessIdOf,
  type NodeTag,
  nodeTagOf,
  type ProcessId,
} from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import type { LeaseNeeds, ResourceAmounts } from "../base/spec.ts";
import type { ClusterView } from "../state/cluster_view.ts";
import { LeaseRoutes, type RouteCommand } from "../state/lease_routes.ts";
import type { LeaseAnswer } from "../wire/facts.ts";
import type { Fate, Notices } from "../wire/messages.ts";
import type { Network } from "../wire/network.ts";
import type { NoticeHandlers, RequestHandlers } from "../wire/peer.ts";
import type { EnvNodes } from "./env_nodes.ts";
import { GroupRequests } from "./group_requests.ts";
import type { Leaseholder } from "./node.ts";
import type { Processes } from "./processes.ts";

/** What routing takes. */
export interface RouterRooms {
  readonly self: NodeTag;
  readonly view: ClusterView;
  readonly processes: Processes;
  readonly network: Network;
  /** A job's part on this machine; made if there is none yet. */
  nodeOf(jobId: JobId, home: ProcessId): Promise<EnvNodes>;
  /** All parts that are there. */
  knownNodes(): Iterable<EnvNodes>;
  /** The part that is there. */
  knownNodeOf(jobId: JobId): EnvNodes | undefined;
  /** The id of a node, also of one that is gone. */
  nodeIdOf(tag: NodeTag): NodeId;
  /** Why a node is gone, if it is. */
  reasonOf(tag: NodeTag): string | undefined;
  /** A process of another node has something here: its end is to be told. */
  watch(processId: ProcessId): void;
}

interface Asked {
  readonly jobId: JobId;
  readonly home: ProcessId;
  readonly ownerId: ProcessId;
  readonly needs: LeaseNeeds;
  readonly answer: PromiseWithResolvers<LeaseAnswer>;
  /** What was granted, where. */
  grant: LeaseAnswer | undefined;
  /** Why a node can't do it that has what it asks for. */
  refusal: LeaseAnswer | undefined;
  /** Its worker is to be replaced. */
  isSpent: boolean;
}

/** Routes the lease requests of one machine. */
export class LeaseRouter {
  readonly #rooms: RouterRooms;
  readonly #routes: LeaseRoutes;
  readonly #asked = new Map<LeaseId, Asked>();
  /** Granted or asked for here, by processes of other nodes. */
  readonly #foreign = new Map<LeaseId, JobId>();
  readonly #groups = new GroupRequests();
  #isClosed = false;

  constructor(rooms: RouterRooms) {
    this.#rooms = rooms;
    this.#routes = new LeaseRoutes(rooms.view);
  }

  /** What is asked for here that no node can do. */
  infeasible(): ResourceAmounts[] {
    return this.#routes.infeasible().map(({ resources }) => resources);
  }

  /** What it answers: to processes of this machine, and to other nodes. */
  requests(): RequestHandlers {
    return {
      "lease.request": ({ leaseId, needs }, peer) => {
        const ownerId = peer.remote!.processId;
        const owner = this.#rooms.processes.find(ownerId);
        if (owner === undefined) {
          return { kind: "failed", reason: "its process has not joined" };
        }
        const known = this.#asked.get(leaseId);
        if (known !== undefined) return known.answer.promise;
        const asked: Asked = {
          jobId: owner.jobId,
          home: owner.home,
          ownerId,
          needs,
          answer: Promise.withResolvers(),
          grant: undefined,
          refusal: undefined,
          isSpent: false,
        };
        this.#asked.set(leaseId, asked);
        return this.#groups.answer(needs.resources, () => {
          this.#carryOut(this.#routes.requested(leaseId, needs));
          return asked.answer.promise;
        }, () => this.#returned(leaseId));
      },
      "lease.ask": async ({ leaseId, ownerId, jobId, home, needs }, peer) => {
        this.#foreign.set(leaseId, jobId);
        this.#rooms.watch(ownerId);
        const reclaim = () => peer.notify("lease.reclaim", { leaseId });
        const answer = await this.#grant(leaseId, {
          ...{ jobId, home, needs },
          holder: { ownerId, reclaim },
          isWanted: () => this.#foreign.has(leaseId),
        });
        if (answer.kind === "setup_failed") this.#foreign.delete(leaseId);
        return answer;
      },
      "worker.fate": ({ processId }) => this.#fate(processId),
    };
  }

  /** What it hears: from processes of this machine, and from other nodes. */
  notices(): NoticeHandlers {
    return {
      "lease.return": ({ leaseId, isSpent }) =>
        this.#returned(leaseId, isSpent),
      "lease.withdraw": ({ leaseIds }) => {
        for (const leaseId of leaseIds) this.#returned(leaseId);
      },
      "lease.rest": ({ leaseId }) => {
        const tag = this.#routes.grantedBy(leaseId);
        if (tag === undefined || tag === this.#rooms.self) {
          return this.#hereFor(leaseId)?.rested(leaseId);
        }
        this.#tell(tag, "lease.rest", { leaseId });
      },
      "lease.reclaim": ({ leaseId }) => this.#reclaim(leaseId),
      "worker.kill": ({ processId, reason }) => {
        const tag = nodeTagOf(processId);
        if (tag === this.#rooms.self) {
          const { jobId } = this.#rooms.processes.find(processId) ?? {};
          return jobId &&
            this.#rooms.knownNodeOf(jobId)?.kill(processId, reason);
        }
        this.#tell(tag, "worker.kill", { processId, reason });
      },
    };
  }

  /** A placement group is no more. */
  groupRemoved(groupId: string): void {
    this.#groups.removed(groupId);
  }

  /** Nodes have joined, or have more room. */
  viewChanged(): void {
    this.#carryOut(this.#routes.viewChanged());
  }

  /** A node is gone. */
  nodeGone(tag: NodeTag): void {
    this.#carryOut(this.#routes.nodeGone(tag));
  }

  /** A process is gone, here or elsewhere, and its requests with it. */
  ownerEnded(ownerId: ProcessId): void {
    for (const [leaseId, asked] of [...this.#asked]) {
      if (asked.ownerId === ownerId) this.#returned(leaseId);
    }
    for (const leaseId of [...this.#foreign.keys()]) {
      if (leaseId.startsWith(ownerId)) this.#foreign.delete(leaseId);
    }
  }

  /** This node leaves: what waits is asked for nowhere else. */
  close(): void {
    this.#isClosed = true;
  }

  #returned(leaseId: LeaseId, isSpent = false): void {
    const asked = this.#asked.get(leaseId);
    if (asked === undefined) {
      const node = this.#hereFor(leaseId);
      this.#foreign.delete(leaseId);
      node?.returned(leaseId, isSpent);
      return;
    }
    asked.isSpent = isSpent;
    this.#asked.delete(leaseId);
    asked.answer.resolve({ kind: "withdrawn" });
    this.#carryOut(this.#routes.returned(leaseId), asked);
  }

  #reclaim(leaseId: LeaseId): void {
    const asked = this.#asked.get(leaseId);
    if (asked === undefined) return;
    this.#rooms.processes.find(asked.ownerId)?.peer
      .notify("lease.reclaim", { leaseId });
  }

  /** The part of this machine that a lease is of. */
  #hereFor(leaseId: LeaseId): EnvNodes | undefined {
    const jobId = this.#asked.get(leaseId)?.jobId ??
      this.#foreign.get(leaseId);
    return jobId && this.#rooms.knownNodeOf(jobId);
  }

  #carryOut(commands: RouteCommand[], asked?: Asked): void {
    for (const command of commands) this.#do(command, asked);
  }

  #do(command: RouteCommand, before: Asked | undefined): void {
    const { leaseId } = command;
    const asked = this.#asked.get(leaseId) ?? before;
    switch (command.kind) {
      case "ask":
        this.#ask(leaseId, command.tag, asked!);
        return;
      case "granted":
        return asked?.answer.resolve(asked.grant!);
      case "failed":
        this.#asked.delete(leaseId);
        return asked?.answer.resolve(
          asked.refusal ?? { kind: "failed", reason: command.reason },
        );
      case "withdraw":
      case "give_back": {
        if (command.tag === this.#rooms.self) {
          const node = asked && this.#rooms.knownNodeOf(asked.jobId);
          return node?.returned(leaseId, asked?.isSpent);
        }
        const word = asked?.isSpent === true
          ? { leaseId, isSpent: true }
          : { leaseId };
        return this.#tell(command.tag, "lease.return", word);
      }
      default:
        unreachable(command);
    }
  }

  async #ask(leaseId: LeaseId, tag: NodeTag, asked: Asked): Promise<void> {
    try {
      const answer = await this.#answerOf(leaseId, tag, asked);
      switch (answer.kind) {
        case "granted":
          if (asked.grant === undefined) asked.grant = answer;
          return this.#carryOut(this.#routes.granted(leaseId, tag), asked);
        case "unschedulable":
          return this.#carryOut(this.#routes.refused(leaseId, tag));
        case "failed":
        case "setup_failed":
          asked.refusal = answer;
          return this.#carryOut(
            this.#routes.refused(leaseId, tag, answer.reason),
          );
        case "withdrawn":
          return;
        default:
          unreachable(answer);
      }
    } catch (error) {
      // It is going, and its end is told; or it has just gone. Not at once:
      // where nobody can be reached, each would send it on to the next.
      log.debug(`node ${tag} did not answer for a lease: ${error}`);
      afterMs(limits.redialMs, () => {
        if (this.#isClosed) return;
        this.#carryOut(this.#routes.unanswered(leaseId, tag));
      });
    }
  }

  async #answerOf(
    leaseId: LeaseId,
    tag: NodeTag,
    { jobId, home, ownerId, needs }: Asked,
  ): Promise<LeaseAnswer> {
    if (tag === this.#rooms.self) {
      const reclaim = () => this.#reclaim(leaseId);
      return await this.#grant(leaseId, {
        ...{ jobId, home, needs },
        holder: { ownerId, reclaim },
        isWanted: () => true,
      });
    }
    const peer = await this.#rooms.network.peer(nodeProcessIdOf(tag));
    const ask = { leaseId, ownerId, jobId, home, needs };
    return await peer.request("lease.ask", ask);
  }

  /** What this machine answers, once the job's part is there; it may be that it can't be made. */
  async #grant(
    leaseId: LeaseId,
    { jobId, home, needs, holder, isWanted }: {
      jobId: JobId;
      home: ProcessId;
      needs: LeaseNeeds;
      holder: Leaseholder;
      isWanted(): boolean;
    },
  ): Promise<LeaseAnswer> {
    try {
      const node = await this.#rooms.nodeOf(jobId, home);
      if (!isWanted()) return { kind: "withdrawn" };
      return await node.requested(leaseId, { needs, holder });
    } catch (error) {
      if (!(error instanceof RuntimeEnvSetupError)) throw error;
      const nodeId = this.#rooms.nodeIdOf(this.#rooms.self);
      const reason = `node ${nodeId} could not: ${error.message}`;
      return { kind: "setup_failed", reason };
    }
  }

  /** How a worker ended, wherever it was. */
  async #fate(processId: ProcessId): Promise<Fate> {
    const tag = nodeTagOf(processId);
    if (tag === this.#rooms.self) return await this.#fateHere(processId);
    try {
      const peer = await this.#rooms.network.peer(nodeProcessIdOf(tag));
      return await peer.request("worker.fate", { processId });
    } catch (error) {
      const nodeId = this.#rooms.nodeIdOf(tag);
      const reason = this.#rooms.reasonOf(tag) ??
        `it was not reached: ${error}`;
      return { reason, diedWith: nodeId };
    }
  }

  #fateHere(processId: ProcessId): Promise<Fate> {
    for (const node of this.#rooms.knownNodes()) {
      const fate = node.fate(processId);
      if (fate !== undefined) return fate;
    }
    return Promise.resolve({});
  }

  #tell<K extends keyof Notices>(
    tag: NodeTag,
    kind: K,
    notice: Notices[K],
  ): void {
    this.#rooms.network.tell(nodeProcessIdOf(tag), kind, notice);
  }
}
