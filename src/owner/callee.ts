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
  readonly maxTaskRetries: number;
  readonly maxPendingCalls: number;
}

/** One actor as this process's calls see it. */
export interface Callee {
  readonly info: ActorInfo;
  readonly order: CallOrder<TaskRecord, Peer, ActorState>;
  /** Why it could not be created. */
  deathCause: unknown;
  /** Somebody will be told of its death. */
  isCalled: boolean;
}

/** An actor of which nothing is known yet. */
export function newCallee(info: ActorInfo): Callee {
  return {
    info,
    order: new CallOrder(info.maxTaskRetries),
    deathCause: undefined,
    isCalled: false,
  };
}
