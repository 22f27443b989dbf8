/**
 * One actor as the calls of one process see it. What is sent when is decided
 * by `state/call_order.ts`; `actor_calls.ts` carries it out.
 *
 * @module
 */
import type { ActorId } from "../base/ids.ts";
import { CallOrder } from "../state/call_order.ts";
import type { ActorState } from "../wire/messages.ts";
import type { Peer } from "../wire/peer.ts";
import type { TaskRecord } from "./task_record.ts";

/** What a caller must know of an actor. */
export interface ActorInfo {
  readonly actorId: ActorId;
  readonly className: string;
  readonly name?: string;
  readonly namespace: string;
  readonly maxTaskRetries: number;
  readonly maxPendingCalls: number;
  readonly isDurable: boolean;
}

/** One actor as this process's calls see it. */
export interface Callee {
  readonly info: ActorInfo;
  readonly order: CallOrder<TaskRecord, Peer, ActorState>;
  /** Why it could not be created. */
  deathCause: unknown;
  /** Somebody will be told of its death. */
  isCalled: boolean;
  /** This process made it, and it is not known yet whether it lives. */
  isBeingBorn: boolean;
  /** How often in a row it could not be connected to. */
  failedDialCount: number;
}

/** A call without an answer. */
export interface OpenCall {
  readonly record: TaskRecord;
  /** What keeps the actor alive: the call does, until it is answered. */
  readonly handle: object;
  /** Where it is queued. */
  callee: Callee;
  /** Its handle's actor, while it is not known which one that is. */
  expected: Expected | undefined;
}

/**
 * An id of which is not known yet which actor it is: `getIfExists` may find one
 * that calls go to by another id. Its calls have their place in that one's
 * queue from the start, and are sent once it is known.
 */
export interface Expected {
  readonly info: ActorInfo;
  /** Where its calls are queued meanwhile. */
  callee: Callee;
  readonly calls: Set<OpenCall>;
  /** Those whose arguments are there. */
  readonly prepared: Set<OpenCall>;
}

/** An actor of which nothing is known yet. */
export function newCallee(info: ActorInfo): Callee {
  return {
    info,
    order: new CallOrder(info.maxTaskRetries),
    deathCause: undefined,
    isCalled: false,
    isBeingBorn: false,
    failedDialCount: 0,
  };
}
