/**
 * One job's workers on one machine, for each environment that its tasks ask
 * for: a pool of workers of its own, all out of the same resources.
 *
 * Those of no environment are started in advance; others when they are asked
 * for, and leave when they are idle.
 *
 * @module
 */
import type { LeaseId, ProcessId } from "../base/ids.ts";
import type { LeaseNeeds, WorkerEnv } from "../base/spec.ts";
import type { LeaseAnswer } from "../wire/facts.ts";
import type { Fate, Registration } from "../wire/messages.ts";
import type { NoticeHandlers, RequestHandlers } from "../wire/peer.ts";
import type { Children } from "./children.ts";
import { GroupRequests } from "./group_requests.ts";
import { type Leaseholder, Node, type NodeOptions } from "./node.ts";

/** The nodes of one job on one machine, by environment. */
export class EnvNodes {
  readonly #options: NodeOptions;
  readonly #plain: Node;
  readonly #others = new Map<string, { node: Node; children: Children }>();
  readonly #byLease = new Map<LeaseId, Node>();
  readonly #groups = new GroupRequests();
  #isGiving = false;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.#plain = this.#node(options);
  }

  /** Others wait for what leases of this job hold. */
  wanted(): void {
    for (const node of this.#all()) node.wanted();
  }

  /** One pool of workers: what it gives back others may wait for, and the reverse. */
  #node(options: NodeOptions): Node {
    const node: Node = new Node({
      ...options,
      resourcesGiven: () => {
        options.resourcesGiven();
        if (this.#others.size === 0 || this.#isGiving) return;
        this.#isGiving = true;
        for (const other of this.#all()) {
          if (other !== node) other.resourcesGiven();
        }
        this.#isGiving = false;
      },
      waits: () => {
        options.waits();
        for (const other of this.#all()) if (other !== node) other.wanted();
      },
    });
    return node;
  }

  /** Whether a request waits. */
  get isAnyAsked(): boolean {
    return this.#all().some((node) => node.isAnyAsked);
  }

  /** How many leases are held. */
  get leaseCount(): number {
    return this.#all().reduce((sum, node) => sum + node.leaseCount, 0);
  }

  /** How many requests wait. */
  get waitingCount(): number {
    return this.#all().reduce((sum, node) => sum + node.waitingCount, 0);
  }

  /** Starts workers in advance. */
  start(): void {
    this.#plain.start();
  }

  /** All that start subprocesses. */
  children(): Children[] {
    const others = this.#others.values().map(({ children }) => children);
    return [this.#options.children, ...others];
  }

  /** Those that start processes of an environment. */
  childrenFor(env: WorkerEnv | undefined): Children {
    return env === undefined ? this.#options.children : this.#of(env).children;
  }

  /** A placement group is no more. */
  groupRemoved(groupId: string): void {
    this.#groups.removed(groupId);
  }

  /** Somebody asks for a worker. */
  requested(
    leaseId: LeaseId,
    { needs, holder }: { needs: LeaseNeeds; holder: Leaseholder },
  ): Promise<LeaseAnswer> {
    const { env } = needs;
    const node = env === undefined ? this.#plain : this.#of(env).node;
    if (node !== this.#plain) this.#byLease.set(leaseId, node);
    return node.requested(leaseId, { needs, holder });
  }

  /** A request is taken back. */
  withdrawn(leaseId: LeaseId): void {
    this.#nodeOf(leaseId).withdrawn(leaseId);
  }

  /** A lease is over. */
  returned(leaseId: LeaseId, isSpent = false): void {
    this.#nodeOf(leaseId).returned(leaseId, isSpent);
    this.#byLease.delete(leaseId);
  }

  /** All tasks of a lease wait. */
  rested(leaseId: LeaseId): void {
    this.#nodeOf(leaseId).rested(leaseId);
  }

  /** How a worker of this job ended, once it has. */
  fate(processId: ProcessId): Promise<Fate> | undefined {
    for (const node of this.#all()) {
      const fate = node.fate(processId);
      if (fate !== undefined) return fate;
    }
    return undefined;
  }

  /** Somebody wants a worker's end. */
  kill(processId: ProcessId, reason: string): void {
    for (const node of this.#all()) node.kill(processId, reason);
  }

  /** What it answers to processes of this machine. */
  requests(): RequestHandlers {
    return {
      "lease.request": ({ leaseId, needs }, peer) => {
        const reason = this.#options.machine.refusal(needs.strategy);
        if (reason !== undefined) return { kind: "unschedulable", reason };
        const ownerId = peer.remote!.processId;
        const reclaim = () => peer.notify("lease.reclaim", { leaseId });
        const holder = { ownerId, reclaim };
        return this.#groups.answer(
          needs.resources,
          () => this.requested(leaseId, { needs, holder }),
          () => this.withdrawn(leaseId),
        );
      },
      "worker.fate": ({ processId }) => this.fate(processId) ?? {},
    };
  }

  /** What it hears from them. */
  notices(): NoticeHandlers {
    return {
      "lease.return": ({ leaseId, isSpent }) => this.returned(leaseId, isSpent),
      "lease.rest": ({ leaseId }) => this.rested(leaseId),
      "lease.withdraw": ({ leaseIds }) => {
        for (const leaseId of leaseIds) this.withdrawn(leaseId);
      },
      "worker.blocked": (company, peer) => {
        const { processId } = peer.remote!;
        for (const node of this.#all()) node.workerBlocked(processId, company);
      },
      "worker.unblocked": (_, peer) => {
        const { processId } = peer.remote!;
        for (const node of this.#all()) node.workerUnblocked(processId);
      },
      "worker.kill": ({ processId, reason }) => this.kill(processId, reason),
    };
  }

  /** A worker has registered. */
  workerJoined(registration: Registration): void {
    for (const node of this.#all()) node.workerJoined(registration);
  }

  /** A process that may have leases is gone. */
  ownerEnded(ownerId: ProcessId): void {
    for (const node of this.#all()) node.ownerEnded(ownerId);
    for (const leaseId of this.#byLease.keys()) {
      if (leaseId.startsWith(ownerId)) this.#byLease.delete(leaseId);
    }
  }

  /** Resources came back. */
  resourcesGiven(): void {
    for (const node of this.#all()) node.resourcesGiven();
  }

  /** Starts no more. */
  close(): void {
    for (const node of this.#all()) node.close();
  }

  #all(): Node[] {
    return [this.#plain, ...this.#others.values().map(({ node }) => node)];
  }

  #nodeOf(leaseId: LeaseId): Node {
    return this.#byLease.get(leaseId) ?? this.#plain;
  }

  #of(env: WorkerEnv): { node: Node; children: Children } {
    const key = JSON.stringify(env);
    let known = this.#others.get(key);
    if (known === undefined) {
      const children = this.#options.children.in(env);
      const node = this.#node({
        ...this.#options,
        children,
        workerCount: 0,
        prestartCount: 0,
      });
      this.#others.set(key, known = { node, children });
    }
    return known;
  }
}
