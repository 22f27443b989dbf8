/**
 * The words of a lease table: its bounds, and what it answers.
 *
 * @module
 */
import type { LeaseId } from "../base/ids.ts";
import type { WorkerNo } from "./worker_choice.ts";

/** What the node must do after an event, in order. */
export type LeaseCommand =
  | { kind: "grant"; leaseId: LeaseId; workerNo: WorkerNo }
  | { kind: "reject"; leaseId: LeaseId; reason: "queue_full" | "ended" }
  | { kind: "unschedulable"; leaseId: LeaseId; resource: string }
  | { kind: "start_worker"; workerNo: WorkerNo }
  | { kind: "stop_worker"; workerNo: WorkerNo }
  | { kind: "reclaim"; leaseId: LeaseId };

/** Bounds of a {@linkcode LeaseTable}. */
export interface LeaseLimits {
  /** Most requests that may wait; one more is rejected. */
  waitingMax: number;
  workersMax: number;
  /** Workers kept when idle; as many may wait before strangers must be guests. */
  workersKept: number;
  /** Of those so many are started before anybody asks. Default: all. */
  workersPrestarted?: number;
}
