/**
 * What is asked of the lineage file for durable actors, and answered.
 *
 * An actor's isolate asks its node, the node asks the thread that writes the
 * file (`store/durable_log.ts`); what is granted and refused is decided by
 * `state/durable.ts`. Bytes are `Uint8Array` on the wire and `ArrayBuffer`
 * between threads.
 *
 * @module
 */
import type { ActorId, JobId } from "./ids.ts";

/** Whose state: by its name within its namespace, or without one by its actor. */
export interface DurableIdentity {
  readonly actorId: ActorId;
  readonly jobId: JobId;
  readonly className: string;
  readonly namespace: string;
  readonly name?: string;
}

/** A state, and the call that left it. */
export interface DurableCommit<Bytes> {
  readonly durableId: number;
  readonly epoch: number;
  /** The state's number: one more than the one before it. */
  readonly seq: number;
  /** Absent: it is as the commit before left it. */
  readonly state?: Bytes;
  /** What starts the actor again in another program. */
  readonly spec?: Bytes;
  /** Absent: it is the state that the constructor left. */
  readonly call?: DurableCall<Bytes>;
}

/** A call and its outcome. */
export interface DurableCall<Bytes> {
  readonly callId: string;
  /** The method, and what its arguments add up to: the same call again is the same in this. */
  readonly what: string;
  readonly jobId: JobId;
  /** The program's main module. */
  readonly script: string;
  readonly isError: boolean;
  readonly result: Bytes;
}

/** What is asked. */
export type DurableAsk<Bytes = ArrayBuffer> =
  /** An incarnation begins: no older one may commit from now on. */
  | { readonly kind: "open"; readonly identity: DurableIdentity }
  | { readonly kind: "commit"; readonly commit: DurableCommit<Bytes> }
  /** What a call that was committed came to. */
  | {
    readonly kind: "result";
    readonly durableId: number;
    readonly callId: string;
  }
  | { readonly kind: "find"; readonly namespace: string; readonly name: string }
  /** The actor is dead for good. */
  | {
    readonly kind: "leave";
    readonly actorId: ActorId;
    readonly isForgotten: boolean;
  };

/** What is answered. */
export type DurableAnswer<Bytes = ArrayBuffer> =
  | {
    readonly kind: "opened";
    readonly durableId: number;
    readonly epoch: number;
    readonly seq: number;
    /** Absent: it has none yet. */
    readonly state?: Bytes;
    /** Ids of calls that are committed, the newest. */
    readonly callIds: string[];
    /** Whether these are all. */
    readonly isComplete: boolean;
  }
  | { readonly kind: "done" }
  | {
    readonly kind: "result";
    readonly what: string;
    readonly isError: boolean;
    readonly result: Bytes;
  }
  | { readonly kind: "found"; readonly spec: Bytes }
  | { readonly kind: "none" }
  | { readonly kind: "refused"; readonly reason: string };

/** An actor's row, as far as decisions need it. */
export interface DurableRow {
  readonly durableId: number;
  readonly className: string;
  readonly epoch: number;
  readonly seq: number;
}

/** Whether an incarnation may begin. */
export type OpenVerdict =
  | { readonly kind: "grant"; readonly epoch: number }
  | { readonly kind: "refuse"; readonly reason: string };

/** Whether a state may be committed. */
export type CommitVerdict =
  | { readonly kind: "commit" }
  /** It came before. */
  | { readonly kind: "again" }
  | { readonly kind: "refuse"; readonly reason: string };

/** Decides what the file carries out: `state/durable.ts`. */
export interface DurableRules {
  /** About an incarnation that begins; `holder` is a program that runs and has the actor. */
  opening(
    row: DurableRow | undefined,
    identity: DurableIdentity,
    holder: string | undefined,
  ): OpenVerdict;
  /** About a state that is to be committed. */
  committing(
    row: DurableRow | undefined,
    commit: Pick<DurableCommit<unknown>, "epoch" | "seq">,
  ): CommitVerdict;
}
