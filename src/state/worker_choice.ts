/**
 * Which worker a lease request is given.
 *
 * 1. A request that fits is given an idle worker.
 * 2. A worker whose tasks all wait inside the runtime has given its CPU back
 *    and may take guests: requests of its own tasks, requests as deeply
 *    nested as what waits there, and tasks known to be short; so that a
 *    resumed parent does not sit behind a stranger's computation. Where a wait
 *    may end before its tasks do, only short ones; where a task must be alone,
 *    none; and none whose time its owner watches.
 * 3. Else a worker is started, as long as the resources bound the number; for
 *    strangers of waiting workers a few more, for nested tasks only if no
 *    waiting worker would take them.
 * 4. Where all workers wait and none may start, anybody is a guest anywhere:
 *    progress comes before latency.
 *
 * @module
 */
import type { LeaseId, ProcessId } from "../base/ids.ts";
import type { LeaseNeeds } from "../base/spec.ts";

/** Names a worker in its node's table, before its process has an id. */
export type WorkerNo = number;

/** Tasks that wait inside the runtime, in one worker. */
export interface Company {
  /** Depth of the shallowest. */
  depth: number;
  /** One of them must not share its worker. */
  isAlone: boolean;
  /** One of them may go on before the tasks that it waits for are done. */
  isImpatient: boolean;
}

/** One worker of a node. */
export interface WorkerState {
  /** Known once it has started. */
  processId: ProcessId | undefined;
  readonly leases: Set<LeaseId>;
  /** What waits there, while nothing computes. */
  blocked: Company | undefined;
}

/** What asks for a worker. */
export interface WorkerRequest {
  ownerId: ProcessId;
  needs: LeaseNeeds;
}

/** The worker for a request; undefined if it must wait. */
export function chooseWorker(
  workers: ReadonlyMap<WorkerNo, WorkerState>,
  request: WorkerRequest,
  { isCpuFreeAt, mayStart }: {
    /** Whether no lease of the worker holds a CPU. */
    isCpuFreeAt(worker: WorkerState): boolean;
    /** Whether a further worker may be started. */
    mayStart: boolean;
  },
): WorkerNo | undefined {
  let guest: WorkerNo | undefined;
  let anyBlocked: WorkerNo | undefined;
  let isAllBlocked = true;
  for (const [workerNo, worker] of workers) {
    if (!isOpenTo(worker, request)) continue;
    if (isIdle(worker)) return workerNo;
    if (worker.blocked === undefined) {
      isAllBlocked = false;
      continue;
    }
    if (!isCpuFreeAt(worker)) continue;
    anyBlocked = workerNo;
    if (!isWelcome(worker, request)) continue;
    if (isOwn(worker, request)) guest = workerNo;
    else guest ??= workerNo;
  }
  if (guest !== undefined) return guest;
  return isAllBlocked && !mayStart ? anyBlocked : undefined;
}

/** Whether a request may run there at all: in its owner's process it would stop the clock that watches it. */
export function isOpenTo(worker: WorkerState, request: WorkerRequest): boolean {
  return !request.needs.isTimed || !isOwn(worker, request);
}

/** Whether a worker is there and has nothing to do. */
export function isIdle(worker: WorkerState): boolean {
  return worker.processId !== undefined && worker.leases.size === 0;
}

/** Whether a worker that waits takes such a guest, now or once its CPU is free. */
function isWelcome(worker: WorkerState, request: WorkerRequest): boolean {
  const { blocked } = worker;
  const { needs } = request;
  if (blocked === undefined || blocked.isAlone) return false;
  // Who waits there may watch the time of another, whose worker may hold up
  // the one that watches this.
  if (needs.isTimed) return false;
  const isOwned = isOwn(worker, request);
  if (needs.isShort && !needs.isAlone) return true;
  if (blocked.isImpatient) return false;
  if (isOwned) return true;
  return !needs.isAlone && needs.depth > 0 && needs.depth >= blocked.depth;
}

/** Whether a further worker may be started: nested tasks wait for those that would take them. */
export function mayStartFor(
  workers: ReadonlyMap<WorkerNo, WorkerState>,
  request: WorkerRequest,
  { workersMax, workersKept }: { workersMax: number; workersKept: number },
): boolean {
  if (workers.size >= workersMax) return false;
  if (request.needs.depth > 0 && workers.size >= workersKept) {
    return !workers.values().some((worker) => mayHost(worker, request));
  }
  let blockedCount = 0;
  for (const { blocked } of workers.values()) {
    if (blocked !== undefined) blockedCount++;
  }
  return blockedCount <= workersKept * 2;
}

/** Whether a worker may yet take a request as a guest: it waits, or what computes there made it. */
function mayHost(worker: WorkerState, request: WorkerRequest): boolean {
  if (worker.blocked !== undefined) return isWelcome(worker, request);
  return isOwn(worker, request) && !request.needs.isTimed;
}

function isOwn(worker: WorkerState, { ownerId }: WorkerRequest): boolean {
  return worker.processId === ownerId;
}
