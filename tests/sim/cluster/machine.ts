/**
 * A machine of a simulated cluster: routes the lease requests of its program,
 * grants leases to any, runs workers, keeps its membership. Mirrors
 * `src/node/lease_router.ts`, `node.ts`, `member.ts` and `cluster_node.ts`.
 *
 * @module
 */
import {
  type LeaseId,
  type NodeId,
  nodeProcessIdOf,
  type NodeTag,
  nodeTagOf,
  type ProcessId,
} from "../../../src/base/ids.ts";
import type { NodeView } from "../../../src/base/nodes.ts";
import type { ClusterView } from "../../../src/state/cluster_view.ts";
import type { LeaseCommand } from "../../../src/state/lease_events.ts";
import type {
  LeaseRoutes,
  RouteCommand,
} from "../../../src/state/lease_routes.ts";
import type { LeaseTable } from "../../../src/state/leases.ts";
import { leaseNeeds } from "../../support/cluster_rooms.ts";
import type { ClusterHead } from "./head.ts";
import type { End } from "./net.ts";
import { Owner } from "./owner.ts";
import type { Grant, LeaseAnswer } from "./things.ts";
import { Worker } from "./worker.ts";
import type { ClusterWorld } from "./world.ts";

interface Asked {
  /** What was granted, where. */
  grant: Grant | undefined;
  answer: ((answer: LeaseAnswer) => void) | undefined;
}

const needs = leaseNeeds();

/** One machine. */
export class Machine implements End {
  readonly tag: NodeTag;
  readonly gone = new Set<NodeTag>();
  readonly view: ClusterView;
  readonly routes: LeaseRoutes;
  readonly table: LeaseTable;
  readonly owner: Owner | undefined;
  readonly slowness: number;
  readonly isDriver: boolean;
  head: ClusterHead | undefined;
  isAlive = true;
  isJoined = false;
  readonly #world: ClusterWorld;
  readonly #cpus: number;
  readonly #asked = new Map<LeaseId, Asked>();
  /** Requests of other machines that wait for an answer, and who has a lease here. */
  readonly #waiting = new Map<LeaseId, ((answer: LeaseAnswer) => void)[]>();
  readonly #holders = new Map<LeaseId, ProcessId>();
  readonly #workers = new Map<number, Worker>();
  #isTelling = false;

  constructor(
    world: ClusterWorld,
    { tag, cpus, isDriver, hasOwner }: {
      tag: NodeTag;
      cpus: number;
      isDriver: boolean;
      hasOwner: boolean;
    },
  ) {
    this.#world = world;
    this.tag = tag;
    this.isDriver = isDriver;
    this.#cpus = cpus;
    const { kernel, rooms } = world;
    this.slowness = kernel.chance(0.2) ? 3 + kernel.int(6) : 1;
    this.view = rooms.view(tag, () => kernel.int(1 << 30) / (1 << 30));
    this.routes = rooms.routes(this.view);
    this.table = rooms.leases(cpus);
    const id = `${tag}0000000f` as ProcessId;
    this.owner = hasOwner ? new Owner(world, this, id) : undefined;
    this.view.updated(this.describe());
    if (!isDriver) this.#carryOut(this.table.prestarted());
  }

  /** What it tells the head. */
  describe(): NodeView {
    const { pool, waitingCount, grantedCount } = this.table;
    return {
      tag: this.tag,
      nodeId: `id-${this.tag}` as NodeId,
      address: this.isDriver ? "" : "somewhere",
      isDriver: this.isDriver,
      isHead: this.head !== undefined,
      pid: 1,
      resources: this.isDriver ? {} : { CPU: this.#cpus },
      available: this.isDriver ? {} : pool.available(),
      labels: {},
      isDraining: false,
      leaseCount: grantedCount,
      waitingCount,
    };
  }

  /** Joins whichever head there is, until it has. */
  join(): void {
    if (!this.isAlive || this.isJoined || this.head !== undefined) return;
    const again = () => this.#world.after(this, 5, () => this.join());
    const headMachine = this.#world.headMachine;
    if (headMachine === undefined) return again();
    // Who is no more is refused at the door.
    if (headMachine.gone.has(this.tag)) {
      const isReached = this.#world.net.reaches(this, headMachine);
      return isReached ? this.#world.fenced(this) : again();
    }
    const known = [...this.view.all()].map(({ tag }) => tag);
    this.#world.net.ask<NodeView[] | "fenced">(this, headMachine, {
      what: "node.join",
      put: (give) =>
        give(headMachine.head!.joined(this, this.describe(), known)),
      answered: (answer) => {
        if (this.isJoined || !this.isAlive) return;
        if (answer === "fenced") return this.#world.fenced(this);
        this.isJoined = true;
        this.nodesChanged(answer);
        for (const { tag, isHead } of [...this.view.all()]) {
          if (isHead && tag !== headMachine.tag) this.nodeGone(tag);
        }
        this.loaded();
      },
      failed: again,
    });
  }

  /** The head tells of nodes. */
  nodesChanged(nodes: readonly NodeView[]): void {
    for (const node of nodes) {
      // Late news of the dead, or of what is known better here.
      if (!this.gone.has(node.tag) && node.tag !== this.tag) {
        this.view.updated(node);
      }
    }
    this.#route(this.routes.viewChanged());
  }

  /** A node is no more. */
  nodeGone(tag: NodeTag): void {
    if (this.gone.has(tag) || tag === this.tag) return;
    this.view.gone(tag);
    this.gone.add(tag);
    this.#world.net.abort(this, tag);
    this.#route(this.routes.nodeGone(tag));
    this.#ownersEnded(tag);
    this.owner?.linkEnded(tag);
  }

  /** The link to another machine is no more: its processes are taken to be gone. */
  linkEnded(tag: NodeTag): void {
    this.#ownersEnded(tag);
    this.owner?.linkEnded(tag);
    this.head?.lost(tag);
    if (this.isJoined && this.#world.isHeadTag(tag)) {
      this.isJoined = false;
      this.join();
    }
  }

  /** The program asks for a lease. A retry gets the same answer. */
  leaseRequested(leaseId: LeaseId, owner: Owner): void {
    const answer = (answer: LeaseAnswer) =>
      this.#world.net.stream(
        this,
        this,
        "answer",
        () => owner.answered(leaseId, answer),
      );
    this.#world.net.stream(this, this, "lease.request", () => {
      if (this.#asked.has(leaseId)) return;
      this.#asked.set(leaseId, { grant: undefined, answer });
      this.#route(this.routes.requested(leaseId, needs));
    });
  }

  /** The program gives a lease or a request back. */
  leaseReturned(leaseId: LeaseId): void {
    this.#world.net.stream(this, this, "lease.return", () => {
      this.#asked.delete(leaseId);
      this.#route(this.routes.returned(leaseId));
    });
  }

  /** Some worker of it dies. */
  killSome(): void {
    const no = this.#world.kernel.pick([...this.#workers.keys()]);
    if (no !== undefined) this.#kill(no);
  }

  /** The machine is no more, and all on it. */
  die(): void {
    this.isAlive = false;
    for (const worker of this.#workers.values()) worker.isAlive = false;
    this.#world.net.died(this.tag);
  }

  validate(): void {
    this.view.validate();
    this.routes.validate();
    this.table.validate();
    this.owner?.validate();
  }

  leftovers(): string[] {
    const left = this.owner?.leftovers() ?? [];
    const { table } = this;
    const counts = {
      routes: this.routes.validate().routeCount,
      asked: this.#asked.size,
      "unanswered requests": this.#waiting.size,
      "granted leases": table.grantedCount,
      "waiting leases": table.waitingCount,
    };
    for (const [what, count] of Object.entries(counts)) {
      if (count > 0) left.push(`${count} ${what}`);
    }
    const free = table.pool.available()["CPU"];
    if (free !== this.#cpus) left.push(`${free} of ${this.#cpus} CPUs free`);
    return left.map((what) => `${this.tag}: ${what}`);
  }

  /** Something of its load has changed: the head is told in a moment. */
  loaded(): void {
    if (this.#isTelling || this.isDriver) return;
    this.#isTelling = true;
    this.#world.after(this, 3, () => {
      this.#isTelling = false;
      const own = this.describe();
      this.view.updated(own);
      this.#route(this.routes.viewChanged());
      if (this.head !== undefined) return this.head.load(own);
      const headMachine = this.#world.headMachine;
      if (!this.isJoined || headMachine === undefined) return;
      // One word for one state: an old one that comes late changes nothing for long.
      this.#world.net.stream(
        this,
        headMachine,
        "node.load",
        () => headMachine.head!.load(own),
      );
    });
  }

  #route(commands: readonly RouteCommand[]): void {
    if (!this.isAlive) return;
    for (const command of commands) {
      const { kind, leaseId } = command;
      const asked = this.#asked.get(leaseId);
      this.#world.kernel.reach(`route: ${kind}`);
      if (kind === "granted") {
        asked?.answer?.({ kind, grant: asked.grant! });
      } else if (kind === "failed") {
        this.#asked.delete(leaseId);
        asked?.answer?.({ kind, reason: command.reason });
      } else if (kind === "ask") this.#ask(leaseId, command.tag);
      else {
        const to = this.#world.machine(command.tag);
        if (kind === "give_back") {
          this.#world.ledger.givenBack(this.owner!, leaseId, command.tag);
        }
        this.#world.net.tell(
          this,
          to,
          `lease.return ${leaseId}`,
          () => to!.returned(leaseId),
        );
      }
    }
  }

  #ask(leaseId: LeaseId, tag: NodeTag): void {
    const to = this.#world.machine(tag);
    const ownerId = this.owner!.id;
    this.#world.net.ask<LeaseAnswer>(this, to, {
      what: `lease.ask ${leaseId}`,
      put: (give) => to!.asked(leaseId, ownerId, give),
      answered: (answer) => {
        if (answer.kind === "granted") {
          const asked = this.#asked.get(leaseId);
          if (asked !== undefined) asked.grant ??= answer.grant;
          return this.#route(this.routes.granted(leaseId, tag));
        }
        const reason = answer.kind === "failed" ? answer.reason : undefined;
        this.#route(this.routes.refused(leaseId, tag, reason));
      },
      failed: () =>
        this.#world.after(
          this,
          10,
          () => this.#route(this.routes.refused(leaseId, tag)),
        ),
    });
  }

  /** Another machine, or this one, asks for a lease for its program. */
  asked(
    leaseId: LeaseId,
    ownerId: ProcessId,
    give: (answer: LeaseAnswer) => void,
  ): void {
    const gives = this.#waiting.get(leaseId) ?? [];
    this.#waiting.set(leaseId, [...gives, give]);
    this.#holders.set(leaseId, ownerId);
    this.#carryOut(this.table.requested(leaseId, { ownerId, needs }));
  }

  /** A lease, or a request for one, is given back. */
  returned(leaseId: LeaseId): void {
    this.#waiting.delete(leaseId);
    this.#holders.delete(leaseId);
    this.#carryOut(this.table.returned(leaseId));
  }

  #ownersEnded(tag: NodeTag): void {
    const owners = new Set(this.#holders.values());
    for (const ownerId of owners) {
      if (nodeTagOf(ownerId) !== tag) continue;
      const { orphans } = this.table.ownerEnded(ownerId);
      for (const [leaseId, holder] of [...this.#holders]) {
        if (holder !== ownerId) continue;
        this.#holders.delete(leaseId);
        this.#waiting.delete(leaseId);
      }
      for (const leaseId of orphans) {
        this.#world.kernel.reach("lease orphaned");
        const no = [...this.#workers.keys()].find((one) =>
          this.table.leasesOf(one).includes(leaseId)
        );
        if (no !== undefined) this.#kill(no);
      }
      this.loaded();
    }
  }

  #carryOut(commands: readonly LeaseCommand[]): void {
    this.loaded();
    for (const command of commands) {
      if (command.kind === "start_worker") this.#startWorker(command.workerNo);
      else if (command.kind === "stop_worker") this.#kill(command.workerNo);
      else if (command.kind === "reclaim") this.#reclaim(command.leaseId);
      else if (command.kind === "grant") {
        const { leaseId, workerNo } = command;
        const workerId = this.#workers.get(workerNo)!.id;
        this.#world.ledger.leased(leaseId, this.tag, workerId);
        const grant = { leaseId, tag: this.tag, workerId };
        this.#answer(leaseId, { kind: "granted", grant });
      } else if (command.kind === "reject") {
        const { leaseId, reason } = command;
        this.#world.kernel.reach(`lease rejected: ${reason}`);
        this.#answer(leaseId, { kind: "failed", reason });
        this.#holders.delete(leaseId);
      } else this.#answer(command.leaseId, { kind: "unschedulable" });
    }
  }

  #answer(leaseId: LeaseId, answer: LeaseAnswer): void {
    for (const give of this.#waiting.get(leaseId) ?? []) give(answer);
    this.#waiting.delete(leaseId);
  }

  #reclaim(leaseId: LeaseId): void {
    const ownerId = this.#holders.get(leaseId);
    const to = ownerId && this.#world.machine(nodeTagOf(ownerId));
    if (!to) return;
    this.#world.net.tell(
      this,
      to,
      "lease.reclaim",
      () => to.owner!.reclaimed(leaseId),
    );
  }

  #startWorker(workerNo: number): void {
    const id = `${nodeProcessIdOf(this.tag).slice(0, 8)}${
      workerNo.toString(16).padStart(8, "0")
    }` as ProcessId;
    const worker = new Worker(this.#world, this, id);
    this.#world.workers.set(id, worker);
    this.#world.after(this, this.#world.kernel.delay(5), () => {
      this.#workers.set(workerNo, worker);
      this.#carryOut(this.table.workerStarted(workerNo, id));
    });
  }

  #kill(workerNo: number): void {
    const worker = this.#workers.get(workerNo);
    if (!worker?.isAlive) return;
    this.#world.kernel.reach("worker killed");
    worker.isAlive = false;
    for (const ended of worker.watchers) ended();
    this.#world.after(this, this.#world.kernel.delay(4), () => {
      this.#workers.delete(workerNo);
      this.#carryOut(this.table.workerEnded(workerNo));
    });
  }
}
