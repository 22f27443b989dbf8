/**
 * Why an actor is dead, or never lived, as errors that its calls reject with.
 *
 * @module
 */
import {
  ActorDiedError,
  MantaError,
  RuntimeClosedError,
  TaskUnschedulableError,
} from "../base/errors.ts";
import { log } from "../base/log.ts";
import type { ActorSpec } from "../base/spec.ts";
import type { ActorState } from "../wire/messages.ts";
import { HeldFailure, openFailure } from "./failures.ts";
import type { Values } from "./values.ts";

/** What calls to a dead actor reject with. */
export async function deathError(
  { className, state, deathCause }: {
    className: string;
    state: ActorState;
    /** Why it could not be created, where this process tried. */
    deathCause: unknown;
  },
  values: Values,
): Promise<Error> {
  if (deathCause instanceof TaskUnschedulableError) return deathCause;
  const { actorId, error, reason = "for an unknown reason" } = state;
  const cause = error === undefined
    ? deathCause
    : await openFailure(new HeldFailure(values.hold(error)), values);
  return new ActorDiedError(
    `Cannot call actor ${className}: it is dead, ${reason}`,
    { actorId, reason, ...(cause === undefined ? {} : { cause }) },
  );
}

/** Why the head made no actor. */
export function refusal(
  { className, resources }: Pick<ActorSpec, "className" | "resources">,
  { reason, isUnschedulable }: { reason: string; isUnschedulable: boolean },
): Error {
  const message = `Cannot create actor ${className}: ${reason}`;
  return isUnschedulable
    ? new TaskUnschedulableError(message, { resources })
    : new MantaError(message);
}

/** Logs a death that no call will be told of. */
export function tellDeath({ message, cause }: Error): void {
  if (cause instanceof RuntimeClosedError) return;
  const detail = cause instanceof Error ? `\n${cause.stack ?? cause}` : "";
  log.error(`${message}${detail}`);
}
