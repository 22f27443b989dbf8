/**
 * A program of a simulated cluster: submits tasks, gets leases for them from
 * its machine, pushes them to workers anywhere. Mirrors `src/owner/`, without
 * claims: whatever was pushed counts as started, as on another machine.
 *
 * @module
 */
import {
  type LeaseId,
  type NodeTag,
  nodeTagOf,
  type ProcessId,
} from "../../../src/base/ids.ts";
import {
  type Pipeline,
  recordRun,
  TaskQueue,
} from "../../../src/state/pipelines.ts";
import type { Machine } from "./machine.ts";
import type { Grant, LeaseAnswer, Task } from "./things.ts";
import type { Worker } from "./worker.ts";
import type { ClusterWorld } from "./world.ts";

/** A worker as its owner sees it. */
interface Connection {
  readonly worker: Worker;
  readonly pipeline: Pipeline<Task>;
  isEnded: boolean;
}

/** Owns tasks. */
export class Owner {
  readonly id: ProcessId;
  readonly tasks: Task[] = [];
  readonly #world: ClusterWorld;
  readonly #machine: Machine;
  readonly #queue = new TaskQueue<Task>({
    depthMax: 8,
    windowMs: 10,
    requestsMax: 4,
  });
  readonly #requests: LeaseId[] = [];
  readonly #leases = new Map<LeaseId, Connection>();
  readonly #stats = [
    { meanRunMs: undefined },
    { meanRunMs: undefined },
  ];
  #nextLeaseNo = 1;

  constructor(world: ClusterWorld, machine: Machine, id: ProcessId) {
    this.#world = world;
    this.#machine = machine;
    this.id = id;
  }

  get isAlive(): boolean {
    return this.#machine.isAlive;
  }

  submit(): void {
    const { kernel } = this.#world;
    const isShort = kernel.chance(0.5);
    const task: Task = {
      no: this.tasks.length,
      stats: this.#stats[isShort ? 0 : 1]!,
      priority: kernel.chance(0.1) ? 1 : 0,
      runMs: isShort ? kernel.delay(2) : 5 + kernel.delay(40),
      maxRetries: kernel.pick([0, 1, 3, -1])!,
      attempt: 1,
      pipeline: undefined,
      lostCount: 0,
      outcome: undefined,
    };
    this.tasks.push(task);
    this.#queue.submitted(task);
    this.#pump();
  }

  /** The machine's answer to a request. */
  answered(leaseId: LeaseId, answer: LeaseAnswer): void {
    const at = this.#requests.indexOf(leaseId);
    if (at >= 0) this.#requests.splice(at, 1);
    if (answer.kind !== "granted") {
      if (at < 0) return;
      this.#queue.refused();
      return this.#pump();
    }
    this.#world.ledger.granted(answer.grant);
    if (this.#leases.has(leaseId)) return;
    if (at < 0) return this.#giveBack(leaseId);
    const worker = this.#world.worker(answer.grant.workerId);
    const isReached = worker?.isAlive && this.#isReached(answer.grant);
    if (!isReached || this.#queue.requestsWanted(() => false) < 0) {
      this.#queue.refused();
      this.#giveBack(leaseId);
      return this.#pump();
    }
    const isFar = answer.grant.tag !== this.#machine.tag;
    const pipeline = this.#queue.granted(leaseId, { isFar });
    const connection = { worker, pipeline, isEnded: false };
    this.#leases.set(leaseId, connection);
    worker.watchers.add(() => this.#workerEnded(connection));
    this.#pump();
  }

  /** On which node a lease is that it has; undefined if it has it no more. */
  holds(leaseId: LeaseId): NodeTag | undefined {
    const connection = this.#leases.get(leaseId);
    return connection && nodeTagOf(connection.worker.id);
  }

  /** A node wants a lease back. */
  reclaimed(leaseId: LeaseId): void {
    const connection = this.#leases.get(leaseId);
    if (connection === undefined) return;
    this.#world.kernel.reach("lease reclaimed");
    connection.pipeline.isClosing = true;
    if (connection.pipeline.inFlight.size === 0) this.#return(leaseId);
    this.#pump();
  }

  /** Nothing on that machine is reached any more. */
  linkEnded(tag: string): void {
    for (const connection of [...this.#leases.values()]) {
      if (nodeTagOf(connection.worker.id) === tag) this.#lost(connection);
    }
    this.#pump();
  }

  validate(): void {
    this.#queue.validate();
  }

  leftovers(): string[] {
    const left: string[] = [];
    if (this.#leases.size > 0) left.push(`${this.#leases.size} leases`);
    if (this.#requests.length > 0) left.push(`${this.#requests.length} asked`);
    const open = this.tasks.filter(({ outcome }) => outcome === undefined);
    if (open.length > 0) left.push(`tasks ${open.map(({ no }) => no)} open`);
    return left;
  }

  #isReached({ tag }: Grant): boolean {
    return tag === this.#machine.tag ||
      this.#world.net.isLinked(this.#machine, tag);
  }

  #pump(): void {
    if (!this.isAlive) return;
    for (;;) {
      const next = this.#queue.push();
      if (next === undefined) break;
      next.task.pipeline = next.pipeline;
      this.#push(next.task, this.#leases.get(next.pipeline.leaseId)!);
    }
    let wanted = this.#queue.requestsWanted(() => false);
    if (wanted < 0) this.#withdraw(-wanted);
    for (; wanted > 0; wanted--) this.#request();
    for (const { leaseId } of this.#queue.changed()) this.#tend(leaseId);
  }

  #tend(leaseId: LeaseId): void {
    const { pipeline } = this.#leases.get(leaseId) ?? {};
    if (pipeline === undefined || pipeline.inFlight.size > 0) return;
    if (pipeline.isClosing) return this.#return(leaseId);
    this.#world.after(this.#machine, 15, () => {
      const isIdle = pipeline.inFlight.size === 0;
      if (this.#leases.has(leaseId) && isIdle) this.#return(leaseId);
    });
  }

  #request(): void {
    const leaseId = this.id + (this.#nextLeaseNo++).toString(16) as LeaseId;
    this.#queue.requested();
    this.#requests.push(leaseId);
    this.#world.ledger.asked(leaseId);
    this.#machine.leaseRequested(leaseId, this);
    // The request is made again where an answer may have been lost.
    if (!this.#world.kernel.chance(0.1)) return;
    this.#world.after(this.#machine, this.#world.kernel.delay(30), () => {
      if (this.#requests.includes(leaseId)) {
        this.#machine.leaseRequested(leaseId, this);
      }
    });
  }

  #withdraw(count: number): void {
    const all = this.#requests.splice(this.#requests.length - count);
    for (const leaseId of all) {
      this.#world.kernel.reach("request withdrawn");
      this.#queue.refused();
      this.#giveBack(leaseId);
    }
  }

  #push(task: Task, connection: Connection): void {
    const { worker } = connection;
    const { attempt } = task;
    this.#world.ledger.pushed(this, task);
    const to = this.#world.machine(nodeTagOf(worker.id));
    const { net } = this.#world;
    net.stream(this.#machine, to, `task ${task.no}`, () =>
      worker.push({
        runMs: task.runMs,
        done: () =>
          net.stream(to!, this.#machine, `result ${task.no}`, () =>
            this.#replied(task, connection, attempt)),
      }));
  }

  #replied(task: Task, connection: Connection, attempt: number): void {
    this.#world.ledger.replied(this, task, {
      attempt,
      isEnded: connection.isEnded,
    });
    recordRun(task.stats, task.runMs);
    this.#queue.left(task, connection.pipeline);
    this.#settle(task, "finished");
    this.#pump();
  }

  /** A worker is no more: its stream ends, behind what it said before. */
  #workerEnded(connection: Connection): void {
    const there = this.#world.machine(nodeTagOf(connection.worker.id));
    this.#world.net.stream(there!, this.#machine, "worker ended", () => {
      this.#lost(connection);
      this.#pump();
    });
  }

  #lost(connection: Connection): void {
    if (connection.isEnded) return;
    connection.isEnded = true;
    const { leaseId } = connection.pipeline;
    if (!this.#leases.delete(leaseId)) return;
    for (const task of this.#queue.ended(leaseId).reverse()) {
      task.pipeline = undefined;
      task.lostCount++;
      const { attempt, maxRetries } = task;
      const verdict = this.#world.rooms.afterWorkerEnded(
        { progress: "running", attempt, maxRetries },
        false,
      );
      this.#world.kernel.reach(`task of a lost worker: ${verdict}`);
      if (verdict === "fail") {
        this.#world.ledger.failed(this, task);
        this.#settle(task, "failed");
        continue;
      }
      if (verdict === "retry") task.attempt++;
      this.#queue.requeued(task);
    }
    this.#giveBack(leaseId);
  }

  #settle(task: Task, outcome: "finished" | "failed"): void {
    this.#world.ledger.settled(this, task, outcome);
    task.outcome = outcome;
  }

  #return(leaseId: LeaseId): void {
    const connection = this.#leases.get(leaseId)!;
    connection.isEnded = true;
    this.#leases.delete(leaseId);
    this.#queue.ended(leaseId);
    this.#giveBack(leaseId);
  }

  #giveBack(leaseId: LeaseId): void {
    this.#machine.leaseReturned(leaseId);
  }
}
