/**
 * Which worker a lease request is given.
 *
 * 1. A request that fits is given an idle worker.
 * 2. A worker whose tasks all wait inside the runtime has given its CPU back
 *    and may take guests: requests of its own tasks, requests as deeply
 *    nested as what waits there, and tasks known to be short; so that a
 *    resumed parent does not sit behind a stranger's computation.
 * 3. Else a worker is started, as long as the resources bound the number; for
 *    strangers of waiting workers a few more, for nested tasks none.
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
  /** One of them must not share its worker with strangers. */
  isAlone: boolean;
}

/** One worker of a node. */
export interface WorkerState {
  /** Known once it has started. */
  processId: ProcessId | undefined;
  readonly leases: Set<LeaseId>;
  /** What waits there, while nothing computes. */
  blocked: Company | undefined;
}

/** The worker for a request; undefined if it must wait. */
export function chooseWorker(
  workers: ReadonlyMap<WorkerNo, WorkerState>,
  request: { ownerId: ProcessId; needs: LeaseNeeds },
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
    if (isIdle(worker)) return workerNo;
    if (worker.blocked === undefined) {
      isAllBlocked = false;
      continue;
    }
    if (!isCpuFreeAt(worker)) continue;
    anyBlocked = workerNo;
    if (worker.processId === request.ownerId) guest = workerNo;
    else if (isWelcome(request.needs, worker.blocked)) guest ??= workerNo;
  }
  if (guest !== undefined) return guest;
  return isAllBlocked && !mayStart ? anyBlocked : undefined;
}

/** Whether a worker is there and has nothing to do. */
export function isIdle(worker: WorkerState): boolean {
  return worker.processId !== undefined && worker.leases.size === 0;
}

function isWelcome(needs: LeaseNeeds, company: Company): boolean {
  if (needs.isAlone || company.isAlone) return false;
  return needs.isShort || (needs.depth > 0 && needs.depth >= company.depth);
}
