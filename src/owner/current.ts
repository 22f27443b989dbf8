/**
 * The session that this process is in, for code that only knows the module;
 * or that it is in none and may have none.
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

/** Where code runs. */
export interface Place {
  readonly self: string;
  readonly job: {
    readonly jobId: string;
    readonly nodeId: string;
    readonly namespace: string;
  };
}

let sandbox: Place | undefined;

/** Where this process is, if it is sandboxed: no runtime is in reach of its code. */
export function sandboxPlace(): Place | undefined {
  return sandbox;
}

/** This process is sandboxed from now on. */
export function enterSandbox(place: Place): void {
  sandbox = place;
}
