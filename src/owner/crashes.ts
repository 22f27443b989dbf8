/**
 * What a task fails with whose worker ended, and no retry is left.
 *
 * @module
 */
import {
  NodeDiedError,
  OutOfMemoryError,
  WorkerCrashedError,
} from "../base/errors.ts";
import type { TaskId } from "../base/ids.ts";
import type { Fate } from "../wire/messages.ts";
import type { TaskRecord } from "./task_record.ts";

/** The error of a task, from how its last worker ended. */
export function crashError(
  { template, attempt }: TaskRecord,
  { taskId, pid, fate }: { taskId: TaskId; pid: number; fate: Fate },
): OutOfMemoryError | WorkerCrashedError | NodeDiedError {
  const { name } = template.settings;
  const { exitSignal, exitCode, reason, stderrTail = "", outOfMemory } = fate;
  const how = exitSignal !== undefined
    ? `signal ${exitSignal}`
    : exitCode !== undefined
    ? `exit code ${exitCode}`
    : "an unknown cause";
  const runs = attempt === 1 ? "1 attempt" : `${attempt} attempts`;
  const what = `Cannot finish task "${name}": its worker ${pid}`;
  if (fate.diedWith !== undefined) {
    return new NodeDiedError(
      `Cannot finish task "${name}": node ${fate.diedWith}, where it ran, is gone (${reason}), after ${runs}`,
      { nodeId: fate.diedWith },
    );
  }
  if (outOfMemory !== undefined) {
    const { bound, rssBytes, limitBytes } = outOfMemory;
    return new OutOfMemoryError(
      `${what} held ${rssBytes} bytes and was ended, for ${bound} may be used up to ${limitBytes} bytes, after ${runs}`,
      { rssBytes, limitBytes, taskId, functionName: name },
    );
  }
  if (/JavaScript (?:heap )?out of memory/.test(stderrTail)) {
    return new OutOfMemoryError(
      `${what} ran out of memory (${how}) after ${runs}`,
      { taskId, functionName: name },
    );
  }
  const why = reason === undefined ? "" : ` (${reason})`;
  const tail = stderrTail === ""
    ? ""
    : `. The last it wrote to stderr: ${stderrTail}`;
  return new WorkerCrashedError(
    `${what} ended by ${how}${why} after ${runs}${tail}`,
    {
      functionName: name,
      attempts: attempt,
      ...(exitCode === undefined ? {} : { exitCode }),
      ...(exitSignal === undefined ? {} : { exitSignal }),
    },
  );
}
