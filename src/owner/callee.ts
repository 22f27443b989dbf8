/**
 * One actor as the calls of one process see it: what waits, what was sent,
 * and over which connection. `actor_calls.ts` moves calls through it.
 *
 * @module
 */
import type { ActorId, ProcessId } from "../base/ids.ts";
import type { ActorState } from "../wire/messages.ts";
import type { Peer } from "../wire/peer.ts";
import type { TaskRecord } from "./task_record.ts";

/** What a caller must know of an actor. */
export interface ActorInfo {
  readonly actorId: ActorId;
  readonly className: string;
  readonly maxTaskRetries: number;
  readonly maxPendingCalls: number;
}

/** One actor as this process's calls see it. */
export interface Callee {
  readonly info: ActorInfo;
  state: ActorState | undefined;
  peer: Peer | undefined;
  /** To an incarnation that is over: what was sent there comes before what is sent next. */
  leaving: Peer | undefined;
  /** Not yet sent, by caller; in order, the first may wait for its arguments. */
  readonly waiting: Map<number, TaskRecord[]>;
  readonly prepared: Set<TaskRecord>;
  /** Sent and unanswered, in order. */
  readonly sent: Map<number, TaskRecord>;
  isConnecting: boolean;
  /** The last incarnation's process: a late word that it lives is not believed. */
  endedProcessId: ProcessId | undefined;
  /** Why it could not be created. */
  deathCause: unknown;
  /** Somebody will be told of its death. */
  isCalled: boolean;
}

/** An actor of which nothing is known yet. */
export function newCallee(info: ActorInfo): Callee {
  return {
    info,
    state: undefined,
    peer: undefined,
    leaving: undefined,
    waiting: new Map(),
    prepared: new Set(),
    sent: new Map(),
    isConnecting: false,
    endedProcessId: undefined,
    deathCause: undefined,
    isCalled: false,
  };
}

/** Calls that have no answer. */
export function pendingCount({ sent, waiting }: Callee): number {
  let count = sent.size;
  for (const queue of waiting.values()) count += queue.length;
  return count;
}
