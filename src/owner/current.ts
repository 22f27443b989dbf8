/**
 * The session that this process is in, for code that only knows the module.
 *
 * @module
 */
import type { Session } from "./session.ts";

let current: Session | undefined;

/** The session, if there is one. */
export function currentSession(): Session | undefined {
  return current;
}

/** Makes a session the process's own, or ends that. */
export function setCurrentSession(session: Session | undefined): void {
  current = session;
}
