/**
 * Which task or actor method the running code belongs to.
 *
 * Everything a caller is known by (order of calls, children to cancel, CPU to
 * give back while waiting) hangs on this; the driver's own code has none.
 *
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { ActorId, TaskId } from "../base/ids.ts";
import type { ResourceAmounts } from "../base/spec.ts";

/** One attempt of a task, or one incarnation of an actor in one call. */
export interface TaskContext {
  readonly taskId: TaskId;
  readonly actorId?: ActorId;
  /** What it is called in every run of the program; undefined where nobody could know it again. */
  readonly key?: string | undefined;
  readonly functionName: string;
  readonly attempt: number;
  readonly depth: number;
  /** A number of this process's, one for each caller whose calls keep their order. */
  readonly callerNo: number;
  readonly resources: ResourceAmounts;
  readonly signal: AbortSignal;
  /** What this task submitted, to be cancelled with it. */
  readonly children: Set<object>;
  /** The task begins to wait inside the runtime: its CPU is free. */
  suspended(isImpatient: boolean): void;
  /** Such a wait is over. */
  resumed(isImpatient: boolean): void;
  /** The handle of the actor this runs in. */
  readonly currentActor?: unknown;
  /** Fails the task from outside its own promise chain; false if it has its outcome. */
  fail(error: unknown): boolean;
}

const storage = new AsyncLocalStorage<TaskContext>();

/** The context of the running code; undefined in the driver's own. */
export function currentContext(): TaskContext | undefined {
  return storage.getStore();
}

/** Runs `body` as part of a task; what it takes comes after it. */
export function runInContext<Args extends unknown[], T>(
  context: TaskContext,
  body: (...args: Args) => T,
  ...args: Args
): T {
  return storage.run(context, body, ...args);
}

/**
 * Waits inside the runtime: meanwhile the task holds no CPU. An impatient wait
 * may end before what it waits for does, by time or by choice: nothing long
 * may keep its thread busy meanwhile.
 */
export async function waiting<T>(
  promise: Promise<T>,
  isImpatient = false,
): Promise<T> {
  const context = storage.getStore();
  if (context === undefined) return await promise;
  context.suspended(isImpatient);
  try {
    return await promise;
  } finally {
    context.resumed(isImpatient);
  }
}
