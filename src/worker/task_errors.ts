/**
 * What a run's failure is told as.
 *
 * @module
 */
import { MantaError, SerializationError, TaskError } from "../base/errors.ts";
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

function summary(cause: unknown): string {
  if (cause instanceof Error) return `: ${cause.name}: ${cause.message}`;
  return cause === undefined ? "" : `: ${Deno.inspect(cause)}`;
}
