/**
 * What an invocation runs, and whom it tells.
 *
 * @module
 */
import type { ResourceAmounts } from "../base/spec.ts";
import type { StoredValue } from "../base/stored.ts";
import type { OpeningRun } from "./arguments.ts";
import type { Keeping } from "./durable_actor.ts";

/** What an invocation tells whoever started it. */
export interface InvocationEvents<Run> {
  /** One more of its waits, or one less, may end before what it waits for. */
  impatient?(change: 1 | -1): void;
  suspended(invocation: Run): void;
  resumed(invocation: Run): void;
  /** It is about to answer: from here on its end is nobody's fault. */
  answering?(invocation: Run): void;
  /** It has answered; nothing of it counts any more. */
  finished(invocation: Run): void;
}

/** What runs. */
export interface Invoked {
  readonly name: string;
  readonly resources: ResourceAmounts;
  /** Opens the arguments, where that is not done as usual. */
  open?(run: OpeningRun): Promise<unknown[]>;
  call(args: unknown[]): unknown;
  /** Whether an error is how an actor leaves, or not the task's own: it is told as it is. */
  isOwnEnd?(error: unknown): boolean;
  /** A durable actor's call has ended: its outcome is kept before it is told. */
  keep?(ended: { isError: boolean; values: StoredValue[] }): Keeping;
}
