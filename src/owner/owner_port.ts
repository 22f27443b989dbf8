/**
 * What the rooms of an owner use of each other: the owner as seen from inside.
 *
 * @module
 */
import type { ProcessId } from "../base/ids.ts";
import type { TaskOutcome } from "../base/lineage.ts";
import type { HeldValue, StoredValue } from "../base/stored.ts";
import type { Requests } from "../wire/messages.ts";
import type { JobInfo } from "../wire/facts.ts";
import type { Peer } from "../wire/peer.ts";
import type { Asker } from "../wire/standing_peer.ts";
import type { ReplyFrame } from "../wire/task_frames.ts";
import type { StoredObject } from "./lineage_objects.ts";
import type { ObjectRef } from "./object_ref.ts";
import type { Objects } from "./objects.ts";
import type { References } from "./references.ts";
import type { Results } from "./results.ts";
import type { Submitter } from "./submitter.ts";
import type {
  ArgumentRef,
  StreamSink,
  TaskRecord,
  TaskTemplate,
} from "./task_record.ts";
import type { Values } from "./values.ts";

/** A record with its arguments stored, not yet on its way. */
export interface Prepared {
  readonly record: TaskRecord;
  readonly refs: ObjectRef<unknown>[];
  /** What must happen before it can be sent. */
  readonly ready: Promise<void> | undefined;
}

/** Arguments on their way. */
export interface StoredArgs {
  readonly held: HeldValue;
  readonly ready: Promise<void> | undefined;
  readonly dependencies: ArgumentRef[];
}

/** Calls to actors, as far as outcomes need them. */
export interface CallPort {
  inFlight(ordinal: number): TaskRecord | undefined;
  peerOf(record: TaskRecord): Peer | undefined;
  withdraw(record: TaskRecord): boolean;
  /** Ends the actor if it runs a sent call now; false if none has it any more. */
  abort(record: TaskRecord, reason: string): boolean;
}

/** Outcomes, as far as calls need them. */
export interface OutcomePort {
  /** An earlier run of the program has done it. */
  found(record: TaskRecord, values: HeldValue[]): void;
  pushed(record: TaskRecord): void;
  replied(record: TaskRecord, reply: ReplyFrame, from: Peer): void;
  fail(record: TaskRecord, error: unknown): void;
}

/** How an attempt ended, as far as it is known. */
export interface AttemptEnd {
  readonly reply?: ReplyFrame | undefined;
  readonly error?: unknown;
  /** What it returned. */
  readonly received?: readonly HeldValue[];
}

/** Lineage, as far as other rooms need it. */
export interface LineagePort {
  submitted(record: TaskRecord): void;
  pushed(record: TaskRecord): void;
  requeued(record: TaskRecord): void;
  stored(origin: "task" | "put", object: StoredObject): void;
  attempted(
    record: TaskRecord,
    outcome: "failed" | "crashed",
    how: AttemptEnd,
  ): void;
  settled(
    record: TaskRecord,
    outcome: TaskOutcome,
    how: AttemptEnd,
  ): void;
}

/** Objects that could be made again, as outcomes need them. */
export interface RecoveryPort {
  finished(record: TaskRecord, values: readonly HeldValue[]): void;
  failed(record: TaskRecord): void;
}

/** What tasks are called in every run, as other rooms need it. */
export interface KeyPort {
  keyOf(record: TaskRecord): Promise<string | undefined> | string | undefined;
}

/** What is on its way in, as other rooms need it. */
export interface IntakePort {
  /** Stores arguments, refs among them set apart. */
  storeArgs(args: unknown[]): StoredArgs;
  prepare(
    template: TaskTemplate,
    args: unknown[],
    sink: StreamSink | undefined,
  ): Prepared;
  whenPrepared(
    record: TaskRecord,
    ready: Promise<void> | undefined,
    go: () => void,
  ): void;
  /** A task runs again whose values are gone. */
  again(record: TaskRecord): void;
  /** A record has its outcome. */
  closed(record: TaskRecord): void;
}

/** An owner, as its rooms see it. */
export interface OwnerPort {
  readonly self: ProcessId;
  readonly job: JobInfo;
  readonly node: Peer;
  readonly head: Asker;
  readonly references: References;
  readonly values: Values;
  readonly objects: Objects;
  readonly submitter: Submitter;
  readonly actors: CallPort;
  readonly outcomes: OutcomePort;
  readonly lineage: LineagePort;
  readonly intake: IntakePort;
  readonly recovery: RecoveryPort;
  readonly keys: KeyPort;
  readonly results: Results;
  /** What must be over before anything that is submitted now may leave; undefined if nothing. */
  heldBack(): Promise<unknown> | undefined;
  nextOrdinal(): number;
  /** Something is owed to this process: it must not exit before. */
  owe(): void;
  /** It came. */
  settle(): void;
  /** Asks the head; meanwhile the answer is owed. */
  askHead<K extends keyof Requests>(
    kind: K,
    ask: Requests[K]["ask"],
  ): Promise<Requests[K]["answer"]>;
  receive(
    stored: StoredValue,
    from: Peer,
  ): { held: HeldValue; ready: Promise<unknown> | undefined };
  release(from: Peer, pinToken: number): void;
}
