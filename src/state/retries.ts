/**
 * What becomes of a task whose worker ended, or whose own code threw.
 *
 * Pure, and exact about blame: only a task that was computing when its worker
 * died is charged an attempt.
 *
 * @module
 */

/** What a task was doing when its worker ended. */
export type Progress =
  | "unstarted"
  | "suspended"
  /** It waited while a task that it had submitted computed in its process. */
  | "hosting"
  | "running";

/** What to do with it. */
export type Verdict =
  /** It goes again as if nothing had happened. */
  | "requeue"
  /** It goes again uncharged, alone in its worker: what it submits must not take it along again. */
  | "isolate"
  /** It goes again, alone in its worker, one attempt poorer. */
  | "retry"
  /** It has failed. */
  | "fail";

/** Decides for one task of an ended worker. */
export function afterWorkerEnded(
  task: { progress: Progress; attempt: number; maxRetries: number },
  isOwnDoing: boolean,
): Verdict {
  if (task.progress === "unstarted") return "requeue";
  // What has started may have had effects: without retries it is over.
  if (task.maxRetries === 0) return "fail";
  if (task.progress === "hosting") return "isolate";
  if (task.progress === "suspended" || isOwnDoing) return "requeue";
  return mayRetry(task) ? "retry" : "fail";
}

/** Whether another attempt is left. */
export function mayRetry(
  task: { attempt: number; maxRetries: number },
): boolean {
  return task.maxRetries < 0 || task.attempt <= task.maxRetries;
}
