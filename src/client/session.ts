/**
 * The session that calls of this module go to: the one that is up, or a local
 * one, started by the first call that needs it.
 *
 * @module
 */
import { MantaError } from "../base/errors.ts";
import { currentSession, type Place, sandboxPlace } from "../owner/current.ts";
import type { Owner } from "../owner/owner.ts";
import type { Session } from "../owner/session.ts";

let starter: (() => Session) | undefined;

/** Sets how a session is started where there is none. */
export function setStarter(start: () => Session): void {
  starter = start;
}

/** Where this process is. */
export function placeHere(): Place {
  return sandboxPlace() ?? owner();
}

/** The owner that this process submits through. */
export function owner(): Owner {
  assertNoSandbox();
  const session = currentSession() ?? starter?.();
  if (session === undefined) {
    throw new TypeError(
      "Cannot start a runtime here: import the module's entry",
    );
  }
  if (session.owner.isEnding) {
    throw new MantaError(
      "Cannot submit: the runtime is shutting down; await shutdown() before you start anew",
    );
  }
  if (session.owner.failure !== undefined) throw session.owner.failure;
  return session.owner;
}

/** The owner for refs at hand: one that is up, as none that starts now could know them. */
export function ownerOfRefs(what: string): Owner {
  assertNoSandbox();
  const own = ownerIfAny();
  if (own === undefined) {
    throw new TypeError(
      `Cannot use ${what}: no runtime is up, and refs of an ended one are void`,
    );
  }
  return own;
}

/** The owner, if a session is up. */
export function ownerIfAny(): Owner | undefined {
  return currentSession()?.owner;
}

/** Throws in a sandbox, which is no part of a session. */
export function assertNoSandbox(): void {
  if (sandboxPlace() === undefined) return;
  throw new MantaError(
    "Cannot use the runtime in a sandbox: a task or actor with runtimeEnv.permissions submits no tasks, makes no actors and neither puts nor gets objects; return what it found, and go on from there",
  );
}
