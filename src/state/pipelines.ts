/**
 * An owner's queue for one scheduling class: what to push to which lease.
 *
 * Tasks whose functions are known to be short ride one lease many deep, as
 * long as what lies there is expected to take a few milliseconds; any other
 * goes alone. When a lease is idle and nothing is queued, unstarted tasks are
 * taken back from the fullest one. Pure: tasks are opaque, and pushing,
 * claiming and asking for leases is done by `owner/submitter.ts`.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import type { LeaseId } from "../base/ids.ts";
import { LeaseOrder } from "./lease_order.ts";

/** What is known of one function's run times, shared by all its tasks. */
export interface RunStats {
  /** Exponential mean of the time a run computes, waiting left out; undefined before the first. */
  meanRunMs: number | undefined;
}

/** What a queue must know of a task. */
export interface Queueable {
  readonly stats: RunStats;
  readonly priority: number;
}

/** One lease and what was pushed over it. */
export interface Pipeline<Task extends Queueable> {
  leaseId: LeaseId;
  /** Its worker is on another machine: what was pushed can't be taken back. */
  readonly isFar: boolean;
  /** In the order pushed. */
  readonly inFlight: Set<Task>;
  /** Those of them that came over a lease before this one: they wait. */
  readonly carried: Set<Task>;
  /** What the others are expected to take. */
  expectedMs: number;
  /** The node wants it back: nothing more is pushed. */
  isClosing: boolean;
}

/** Bounds of a {@linkcode TaskQueue}. */
export interface PipelineLimits {
  /** Most tasks that ride one lease. */
  depthMax: number;
  /** Most expected time that rides one lease. */
  windowMs: number;
  /** Most lease requests under way. */
  requestsMax: number;
}

/** Folds one run into a function's statistics. */
export function recordRun(stats: RunStats, runMs: number): void {
  stats.meanRunMs = stats.meanRunMs === undefined
    ? runMs
    : stats.meanRunMs + (runMs - stats.meanRunMs) * 0.2;
}

/** Whether a run may take longer than this. */
export function mayTake(ms: number, { meanRunMs }: RunStats): boolean {
  return meanRunMs === undefined || meanRunMs > ms;
}

/** Tasks that ride a lease and do not wait. */
export function loadOf<Task extends Queueable>(
  { inFlight, carried }: Pipeline<Task>,
): number {
  return inFlight.size - carried.size;
}

/** Unstarted tasks that another worker could start sooner. */
function behind<Task extends Queueable>(
  pipeline: Pipeline<Task>,
  isUnstarted: (task: Task) => boolean,
): Task[] {
  const { inFlight, carried } = pipeline;
  if (inFlight.size < 2 && carried.size === 0) return [];
  const unstarted = [...inFlight].filter(isUnstarted);
  // The first of a lease is about to be started, and best left where it is.
  if (unstarted.length === inFlight.size && carried.size === 0) {
    unstarted.shift();
  }
  return unstarted;
}

/** The queue of one scheduling class. */
export class TaskQueue<Task extends Queueable> {
  readonly #limits: PipelineLimits;
  /** A ring would save little: the head index moves, and the array is cut now and then. */
  #queued: Task[] = [];
  #head = 0;
  readonly #pipelines = new Map<LeaseId, Pipeline<Task>>();
  /** Idle ones first, the earliest of them; then those that are soonest done. */
  readonly #order = new LeaseOrder<Pipeline<Task>>();
  readonly #arrivals = new Map<Pipeline<Task>, number>();
  /** Where tasks may wait behind another, and can be taken back. */
  readonly #deep = new Set<Pipeline<Task>>();
  /** To be looked at. */
  readonly #touched = new Set<Pipeline<Task>>();
  #nextArrival = 0;
  #inFlightCount = 0;
  #requestCount = 0;
  #isPrioritised = false;

  constructor(limits: PipelineLimits) {
    this.#limits = limits;
  }

  /** Tasks not yet pushed. */
  get queuedCount(): number {
    return this.#queued.length - this.#head;
  }

  /** Whether a lease has nothing to do. */
  get hasIdle(): boolean {
    const pipeline = this.#emptiest();
    return pipeline !== undefined && loadOf(pipeline) === 0;
  }

  /** Leases held. */
  get pipelines(): Iterable<Pipeline<Task>> {
    return this.#pipelines.values();
  }

  /** The next task to be pushed, left where it is. */
  peek(): Task | undefined {
    return this.#queued[this.#head];
  }

  /** A task is ready to run. */
  submitted(task: Task): void {
    if (task.priority !== 0) this.#isPrioritised = true;
    if (!this.#isPrioritised) {
      this.#queued.push(task);
      return;
    }
    let at = this.#queued.length;
    while (at > this.#head && this.#queued[at - 1]!.priority < task.priority) {
      at--;
    }
    this.#queued.splice(at, 0, task);
  }

  /** A task that was pushed must run elsewhere: it goes before those never pushed. */
  requeued(task: Task): void {
    if (this.#head > 0) this.#queued[--this.#head] = task;
    else this.#queued.unshift(task);
  }

  /** A queued task is not to run; false if it is not queued. */
  withdrawn(task: Task): boolean {
    const at = this.#queued.indexOf(task, this.#head);
    if (at < 0) return false;
    this.#queued.splice(at, 1);
    return true;
  }

  /** A lease was asked for. */
  requested(): void {
    this.#requestCount++;
  }

  /** A request ended without a lease. */
  refused(): void {
    assert(this.#requestCount > 0, "Lease refused unasked");
    this.#requestCount--;
  }

  /** A request ended with a lease. */
  granted(
    leaseId: LeaseId,
    { isFar = false }: { isFar?: boolean } = {},
  ): Pipeline<Task> {
    this.refused();
    const pipeline: Pipeline<Task> = {
      leaseId,
      isFar,
      inFlight: new Set(),
      carried: new Set(),
      expectedMs: 0,
      isClosing: false,
    };
    this.#arrived(pipeline);
    return pipeline;
  }

  /**
   * A further lease of a worker takes the place of one whose tasks all wait
   * there: these ride on, and the worker has room again.
   */
  renewed(old: LeaseId, leaseId: LeaseId): Pipeline<Task> {
    const pipeline = this.#pipelines.get(old);
    assert(pipeline !== undefined, "Renewed lease is not held");
    this.#pipelines.delete(old);
    this.refused();
    pipeline.leaseId = leaseId;
    pipeline.isClosing = false;
    pipeline.expectedMs = 0;
    for (const task of pipeline.inFlight) pipeline.carried.add(task);
    this.#arrived(pipeline);
    return pipeline;
  }

  /** A lease ended; what was in flight is the caller's to settle or requeue. */
  ended(leaseId: LeaseId): Task[] {
    const pipeline = this.#pipelines.get(leaseId);
    if (pipeline === undefined) return [];
    this.#pipelines.delete(leaseId);
    this.#arrivals.delete(pipeline);
    this.#order.removed(pipeline);
    this.#deep.delete(pipeline);
    this.#touched.delete(pipeline);
    this.#inFlightCount -= pipeline.inFlight.size;
    return [...pipeline.inFlight];
  }

  /** Takes the next task out and counts it in flight, if some lease has room. */
  push(): { task: Task; pipeline: Pipeline<Task> } | undefined {
    const task = this.#queued[this.#head];
    if (task === undefined) return undefined;
    const pipeline = this.#roomFor(task);
    if (pipeline === undefined) return undefined;
    this.#queued[this.#head++] = undefined as unknown as Task;
    if (this.#head === this.#queued.length) {
      this.#queued.length = 0;
      this.#head = 0;
    } else if (this.#head > 4096 && this.#head * 2 > this.#queued.length) {
      this.#queued = this.#queued.slice(this.#head);
      this.#head = 0;
    }
    pipeline.inFlight.add(task);
    pipeline.expectedMs += task.stats.meanRunMs ?? 0;
    this.#inFlightCount++;
    this.#changed(pipeline);
    return { task, pipeline };
  }

  /** A task in flight was answered, or taken back. */
  left(task: Task, pipeline: Pipeline<Task>): void {
    if (!pipeline.inFlight.delete(task)) return;
    this.#inFlightCount--;
    if (!pipeline.carried.delete(task)) {
      pipeline.expectedMs = loadOf(pipeline) === 0
        ? 0
        : Math.max(0, pipeline.expectedMs - (task.stats.meanRunMs ?? 0));
    }
    this.#changed(pipeline);
  }

  /** Leases that something was pushed to or has left, since this was asked last. */
  changed(): Pipeline<Task>[] {
    const touched = [...this.#touched];
    this.#touched.clear();
    return touched;
  }

  /**
   * How many lease requests should be under way more (or, negative, fewer):
   * one for each task that is queued, or waits behind another.
   */
  requestsWanted(isUnstarted: (task: Task) => boolean): number {
    let waiting = this.queuedCount;
    for (const pipeline of this.#deep) {
      if (waiting >= this.#limits.requestsMax) break;
      waiting += behind(pipeline, isUnstarted).length;
    }
    return Math.min(waiting, this.#limits.requestsMax) - this.#requestCount;
  }

  /**
   * What to take back for an idle lease: the newer half of the unstarted tasks
   * of the lease that has most of them. The worker may start any of them
   * meanwhile, so each is taken by its claim.
   */
  candidatesToTakeBack(isUnstarted: (task: Task) => boolean): Task[] {
    if (this.queuedCount > 0 || !this.hasIdle) return [];
    let most: Task[] = [];
    for (const pipeline of this.#deep) {
      if (pipeline.inFlight.size <= most.length) continue;
      const tasks = behind(pipeline, isUnstarted);
      if (tasks.length > most.length) most = tasks;
    }
    return most.slice(Math.floor(most.length / 2));
  }

  /** Asserts every invariant; tests call it after each event. */
  validate(): void {
    let inFlight = 0;
    for (const pipeline of this.#pipelines.values()) {
      inFlight += pipeline.inFlight.size;
      assert(loadOf(pipeline) <= this.#limits.depthMax, "Pipeline too deep");
      assert(pipeline.expectedMs >= 0, "Negative expectation");
      assert(this.#arrivals.has(pipeline), "A lease has no rank");
      const isDeep = !pipeline.isFar &&
        behind(pipeline, () => true).length > 0;
      assert(!isDeep || this.#deep.has(pipeline), "Deep lease is overlooked");
      for (const task of pipeline.carried) {
        assert(pipeline.inFlight.has(task), "Carried task is not in flight");
      }
    }
    assert(inFlight === this.#inFlightCount, "Task in flight miscounted");
    assert(this.#requestCount >= 0, "Lease request miscounted");
    const leaseCount = this.#pipelines.size;
    assert(this.#arrivals.size === leaseCount, "An ended lease has a rank");
    this.#order.validate();
  }

  #arrived(pipeline: Pipeline<Task>): void {
    this.#pipelines.set(pipeline.leaseId, pipeline);
    this.#arrivals.set(pipeline, this.#nextArrival++);
    this.#changed(pipeline);
  }

  /** What rides a lease is not what it was. */
  #changed(pipeline: Pipeline<Task>): void {
    const arrival = this.#arrivals.get(pipeline);
    if (arrival === undefined) return;
    this.#touched.add(pipeline);
    const { inFlight, carried, expectedMs, isFar } = pipeline;
    const isDeep = inFlight.size > 1 || carried.size > 0;
    if (isDeep && !isFar) this.#deep.add(pipeline);
    else this.#deep.delete(pipeline);
    const depth = loadOf(pipeline);
    const { depthMax, windowMs } = this.#limits;
    const isFull = depth >= depthMax || expectedMs > windowMs;
    if (pipeline.isClosing || (isFull && depth > 0)) {
      this.#order.removed(pipeline);
    } else if (depth === 0) this.#order.ranked(pipeline, 0, arrival, 0);
    else this.#order.ranked(pipeline, 1, expectedMs, depth);
  }

  /** The lease that would start a task soonest. */
  #emptiest(): Pipeline<Task> | undefined {
    for (;;) {
      const pipeline = this.#order.first();
      if (!pipeline?.isClosing) return pipeline;
      this.#order.removed(pipeline);
    }
  }

  #roomFor(task: Task): Pipeline<Task> | undefined {
    const pipeline = this.#emptiest();
    if (pipeline === undefined || loadOf(pipeline) === 0) return pipeline;
    const meanMs = task.stats.meanRunMs;
    if (meanMs === undefined) return undefined;
    const hasRoom = pipeline.expectedMs + meanMs <= this.#limits.windowMs;
    return hasRoom ? pipeline : undefined;
  }
}
