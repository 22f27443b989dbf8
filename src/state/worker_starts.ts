/**
 * Which workers a node starts when some can't be started: not without end, and
 * so that each request that comes meanwhile has an answer.
 *
 * After a few failures in a row those who wait are told, and no worker is
 * started until somebody asks again: then one is tried, and the others follow
 * it. Pure: which workers there are to be is decided by `leases.ts`.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import type { WorkerNo } from "./worker_choice.ts";

/** What the node must do after an event, in order. */
export type StartCommand =
  | { kind: "start"; workerNo: WorkerNo }
  /** No worker lives, and none can be started: whoever waits is told. */
  | { kind: "give_up" };

/** Keeps what became of the workers of one node. */
export class WorkerStarts {
  readonly #failuresMax: number;
  readonly #starting = new Set<WorkerNo>();
  readonly #ready = new Set<WorkerNo>();
  /** To be started once one has been. */
  readonly #parked = new Set<WorkerNo>();
  /** In a row. */
  #failureCount = 0;

  constructor(failuresMax: number) {
    this.#failuresMax = failuresMax;
  }

  /** Whether workers wait for one that can be started. */
  get isStuck(): boolean {
    return this.#parked.size > 0 && this.#starting.size === 0;
  }

  /** There is to be a worker of that number. */
  asked(workerNo: WorkerNo): StartCommand[] {
    assert(!this.#ready.has(workerNo), "Worker asked for twice");
    if (this.#failureCount <= this.#failuresMax) return this.#start(workerNo);
    this.#parked.add(workerNo);
    return [];
  }

  /** Somebody waits for a worker: where none could be started, one is tried again. */
  needed(): StartCommand[] {
    if (!this.isStuck) return [];
    const [workerNo] = this.#parked;
    return this.#start(workerNo!);
  }

  /** A worker is ready: whatever kept others from it is over. */
  ready(workerNo: WorkerNo): StartCommand[] {
    this.#starting.delete(workerNo);
    this.#ready.add(workerNo);
    this.#failureCount = 0;
    return [...this.#parked].flatMap((parked) => this.#start(parked));
  }

  /** A worker ended, or could not be started. */
  ended(workerNo: WorkerNo): StartCommand[] {
    if (this.#ready.delete(workerNo)) return [];
    this.#starting.delete(workerNo);
    this.#failureCount++;
    // Those who wait may still get one that lives.
    const isHopeless = this.#failureCount > this.#failuresMax &&
      this.#ready.size === 0 && this.#starting.size === 0;
    return isHopeless ? [{ kind: "give_up" }] : [];
  }

  #start(workerNo: WorkerNo): StartCommand[] {
    this.#parked.delete(workerNo);
    this.#starting.add(workerNo);
    return [{ kind: "start", workerNo }];
  }

  /** Asserts every invariant; tests call it after each event. */
  validate(): void {
    for (const workerNo of this.#starting) {
      assert(!this.#parked.has(workerNo), "Worker starts and is to wait");
      assert(!this.#ready.has(workerNo), "Worker starts and is ready");
    }
    const isFailing = this.#failureCount > this.#failuresMax;
    assert(isFailing || this.#parked.size === 0, "Worker waits for nothing");
  }
}
