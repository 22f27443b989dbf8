/**
 * Which worker a node ends before its machine runs out of memory.
 *
 * 1. Over a bound, the worker whose lease is the newest goes first, of those
 *    whose tasks may run again; where none may, the newest of all.
 * 2. One at a time: until its memory is back nobody else is ended.
 * 3. Nobody is ended where all of them together could not bring use under the
 *    bound: then it is not the tasks that fill the memory.
 *
 * The oldest lease is so the last to lose its worker, and always gets on. Pure:
 * what is used is measured by `node/memory_monitor.ts`.
 *
 * @module
 */
import type { LeaseId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import type { WorkerNo } from "./worker_choice.ts";

/** One bound on memory, and how much of it is used. */
export interface MemoryBound {
  /** Whose it is, as a person reads it. */
  readonly name: string;
  readonly usedBytes: number;
  readonly limitBytes: number;
}

/** What was measured at one time. */
export interface MemorySample {
  readonly bounds: readonly MemoryBound[];
  /** What each worker holds for itself; shared segments are not counted. */
  readonly rssBytes: ReadonlyMap<WorkerNo, number>;
}

/** What the node must do. */
export type MemoryCommand =
  | {
    kind: "end_worker";
    workerNo: WorkerNo;
    rssBytes: number;
    bound: MemoryBound;
  }
  /** Say once that memory is short, and that no task is to blame. */
  | { kind: "warn"; bound: MemoryBound };

interface Held {
  readonly workerNo: WorkerNo;
  readonly isRetryable: boolean;
}

/** Watches the memory of the workers that hold leases. */
export class MemoryWatch {
  /** Insertion order is the order of granting. */
  readonly #leases = new Map<LeaseId, Held>();
  #ending: WorkerNo | undefined;
  #isWarned = false;

  /** Whether anything is to be watched. */
  get isNeeded(): boolean {
    return this.#leases.size > 0;
  }

  /** The workers to be measured. */
  get workerNos(): Set<WorkerNo> {
    return new Set(this.#leases.values().map(({ workerNo }) => workerNo));
  }

  /** A worker was leased. Idempotent: a retry keeps its place. */
  granted(leaseId: LeaseId, held: Held): void {
    if (!this.#leases.has(leaseId)) this.#leases.set(leaseId, held);
  }

  /** A lease is over. */
  returned(leaseId: LeaseId): void {
    this.#leases.delete(leaseId);
  }

  /** A worker's process is gone, and its leases and memory with it. */
  workerEnded(workerNo: WorkerNo): void {
    if (this.#ending === workerNo) this.#ending = undefined;
    for (const [leaseId, held] of this.#leases) {
      if (held.workerNo === workerNo) this.#leases.delete(leaseId);
    }
  }

  /** What was measured. */
  measured({ bounds, rssBytes }: MemorySample): MemoryCommand[] {
    const bound = tightest(bounds);
    if (bound === undefined || bound.usedBytes <= bound.limitBytes) {
      this.#isWarned = false;
      return [];
    }
    if (this.#ending !== undefined) return [];
    const excessBytes = bound.usedBytes - bound.limitBytes;
    const heldBytes = this.workerNos.values()
      .reduce((sum, workerNo) => sum + (rssBytes.get(workerNo) ?? 0), 0);
    const workerNo = this.#newest();
    if (workerNo === undefined || heldBytes < excessBytes) {
      if (this.#isWarned) return [];
      this.#isWarned = true;
      return [{ kind: "warn", bound }];
    }
    this.#ending = workerNo;
    return [{
      kind: "end_worker",
      workerNo,
      rssBytes: rssBytes.get(workerNo) ?? 0,
      bound,
    }];
  }

  #newest(): WorkerNo | undefined {
    const newestFirst = [...this.#leases.values()].reverse();
    // A worker's leases may differ: all its tasks end with it.
    const isCostly = (workerNo: WorkerNo) =>
      newestFirst.some((held) =>
        held.workerNo === workerNo && !held.isRetryable
      );
    return (newestFirst.find(({ workerNo }) => !isCostly(workerNo)) ??
      newestFirst[0])?.workerNo;
  }
}

/** The bound of which the greatest share is used. */
function tightest(bounds: readonly MemoryBound[]): MemoryBound | undefined {
  return bounds.toSorted((a, b) => shareOf(b) - shareOf(a))[0];
}

/** When to measure next: soon, where memory may run out within moments. */
export function nextLookMs(bounds: readonly MemoryBound[]): number {
  const bound = tightest(bounds);
  const isNear = bound !== undefined &&
    shareOf(bound) > limits.memoryNearShare;
  return isNear ? limits.memoryLookNearMs : limits.memoryLookMs;
}

function shareOf({ usedBytes, limitBytes }: MemoryBound): number {
  return usedBytes / limitBytes;
}
