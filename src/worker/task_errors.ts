/**
 * What a run's failure is told as.
 *
 * @module
 */
import {
  MantaError,
  SerializationError,
  TaskCancelledError,
  TaskError,
  TaskTimeoutError,
} from "../base/errors.ts";
import type { TaskId } from "../base/ids.ts";
import { setStack } from "./error_stacks.ts";

/** The run that failed. */
export interface FailedRun {
  readonly functionName: string;
  readonly nodeId: string;
}

/** A task's failure around what it threw. */
export function taskErrorOf(
  { functionName, nodeId }: FailedRun,
  { cause, what }: { cause: unknown; what: string },
): TaskError {
  const error = new TaskError(
    `Cannot finish task "${functionName}": ${what}${summary(cause)}`,
    { functionName, pid: Deno.pid, nodeId, cause },
  );
  // Where it was thrown is in the cause; where it is asked for, the asker adds.
  setStack(error, `${error.name}: ${error.message}`);
  return error;
}

/** The runtime can't go on with a run: such an error is told as it is. */
export function refusalOf(run: FailedRun, error: unknown): Error {
  if (error instanceof SerializationError) {
    const told = error.message.replace(
      /^Cannot send value:/,
      `Cannot return from task "${run.functionName}":`,
    );
    return new SerializationError(told, { path: error.path });
  }
  if (error instanceof MantaError) return error;
  return taskErrorOf(run, { cause: error, what: "it could not be run" });
}

/** Why a run's signal aborts: it is over its time, or nobody wants it any more. */
export function stopReason(
  { functionName, taskId }: { functionName: string; taskId: TaskId },
  timeoutMs: number | undefined,
): Error {
  const what = `Cannot finish task "${functionName}"`;
  return timeoutMs === undefined
    ? new TaskCancelledError(`${what}: it was cancelled`, { taskId })
    : new TaskTimeoutError(
      `${what}: it ran longer than its timeout of ${timeoutMs} ms`,
      { taskId, timeoutMs },
    );
}

function summary(cause: unknown): string {
  if (cause instanceof Error) return `: ${cause.name}: ${cause.message}`;
  return cause === undefined ? "" : `: ${Deno.inspect(cause)}`;
}
