/**
 * Every control message: what is asked, and what is answered.
 *
 * A request is answered once; a notice is not. They travel as MessagePack in
 * `control` frames. Tasks, replies and actor calls are not here: those have
 * frames of their own (`task_frames.ts`).
 *
 * @module
 */
import type {
  ActorId,
  CodeHash,
  JobId,
  LeaseId,
  NodeId,
  ProcessId,
  SegmentId,
} from "../base/ids.ts";
import type { LineageBatch } from "../base/lineage.ts";
import type { DurableAnswer, DurableCommit } from "../base/durable.ts";
import type { ActorSpec, LeaseNeeds } from "../base/spec.ts";
import type { CodeBundle, StoredValue } from "../base/stored.ts";
import type { BarWord, CallKey, LeaseAnswer, NodeRow, Role } from "./facts.ts";
import type { ClusterNotices, ClusterRequests } from "./cluster_messages.ts";
import type { CommandRequests } from "./command_messages.ts";

/** Why a process was ended before memory ran out. */
export interface OutOfMemory {
  /** What it held for itself. */
  rssBytes: number;
  limitBytes: number;
  /** Whose limit that is. */
  bound: string;
}

/** How a process ended. */
export interface Fate {
  exitCode?: number;
  exitSignal?: string;
  /** Why the runtime ended it, if it did. */
  reason?: string;
  /** The node that it went with. */
  diedWith?: NodeId;
  /** It was ended because memory was short. */
  outOfMemory?: OutOfMemory;
  /** The last lines it wrote to stderr. */
  stderrTail?: string;
}

/** An actor as others see it. */
export interface ActorState {
  actorId: ActorId;
  phase: "starting" | "alive" | "restarting" | "dead";
  /** Which incarnation, from 0. */
  incarnation: number;
  /** Where it takes calls, while alive. */
  processId?: ProcessId;
  pid?: number;
  /** Why it is dead, or died last. */
  reason?: string;
  /** What its constructor threw, if that is why. */
  error?: StoredValue;
  /** The head has not heard of it, or has forgotten it. */
  isUnknown?: boolean;
}

/** What one needs to make a handle of an actor. */
export interface ActorHandleFields {
  actorId: ActorId;
  className: string;
  name?: string;
  namespace: string;
  /** Methods by name, true for generators. */
  methods: Record<string, boolean>;
  /** Handles do not keep it alive. */
  isDetached: boolean;
  /** Each call is known by an id of its caller's. */
  isDurable: boolean;
  /** Options of the actor that its callers must know. */
  maxTaskRetries: number;
  maxPendingCalls: number;
}

/** Which object of its owner. */
export interface ObjectKey {
  ordinal: number;
  index: number;
}

/** An object's value, pinned for the asker, or why there is none. */
export type FetchedValue =
  | { kind: "value"; value: StoredValue; pinToken: number }
  | { kind: "failed"; error: StoredValue };

/** A process says what it is. */
export interface Registration {
  role: Role;
  jobId: JobId;
  /** The job's home. */
  home: ProcessId;
  processId: ProcessId;
  pid: number;
  /** The number a subprocess was started with. */
  childNo?: number;
  /** Which actor an isolate holds. */
  actorId?: ActorId;
}

/** Where a segment lies on disk, and what its bytes must add up to. */
export interface SpillFile {
  path: string;
  byteLength: number;
  checksum: number;
}

/** Requests by kind. */
export interface Requests extends ClusterRequests, CommandRequests {
  // To a node.
  "node.rows": { ask: Record<never, never>; answer: { nodes: NodeRow[] } };
  "lease.request": {
    ask: { leaseId: LeaseId; needs: LeaseNeeds };
    answer: LeaseAnswer;
  };
  "worker.fate": { ask: { processId: ProcessId }; answer: Fate };
  "segment.adopt": {
    ask: {
      segmentId: SegmentId;
      /** Where the writer's descriptor is. */
      path: string;
      /** All the memory it takes. */
      byteLength: number;
      /** Whose object it becomes: when that process ends, so does the segment. */
      ownerId: ProcessId;
      /** The tenant before, where recycled memory was filled again. */
      recycles?: SegmentId;
    };
    answer:
      | { kind: "admitted" }
      | {
        kind: "refused";
        usedBytes: number;
        capacityBytes: number;
        holders: string;
        /** What the disk lacks, if that is why nothing could go there. */
        fault?: string;
      };
  };
  "segment.open": {
    /** `mapping` numbers the reader's openings. */
    ask: { segmentId: SegmentId; mapping: number };
    answer:
      | { path: string }
      /** It is on disk, and the store has no room for it: the reader copies. */
      | { file: SpillFile }
      | { lost: true; reason?: string };
  };
  "actor.create": {
    ask: { spec: ActorSpec };
    answer:
      | { kind: "created" }
      /** One of that name is there: calls go to it. */
      | { kind: "exists"; handle: ActorHandleFields }
      | { kind: "refused"; reason: string; isUnschedulable: boolean };
  };
  "actor.find": {
    ask: { name: string; namespace: string };
    /** `kept`: none lives, and the lineage file has what starts it (see `kept.ts`). */
    answer: { handle?: ActorHandleFields; kept?: Uint8Array };
  };
  /** The answer names the actor that is there, where the id is of one that was not made for it. */
  "actor.watch": { ask: { actorId: ActorId }; answer: ActorState };
  /** Answered once the incarnation that was in that process is over. */
  "actor.fate": {
    ask: { actorId: ActorId; processId: ProcessId };
    answer: ActorState;
  };
  /** Answered once the present incarnation is over. */
  "actor.kill": {
    ask: { actorId: ActorId; noRestart: boolean };
    answer: { isUnknown?: boolean };
  };
  /** No handle of it is left, by that id. */
  "actor.release": {
    ask: { actorId: ActorId };
    answer: Record<never, never>;
  };
  /** To the process that makes it: answered once it is known to the head, or never will be. */
  "actor.birth": {
    ask: { actorId: ActorId; kill?: { noRestart: boolean } };
    /** Why it never came to be, if so. */
    answer: { reason?: string };
  };
  /** Results by key, as `kept_results.ts` writes them; answered when they are in the file. */
  "results.keep": {
    ask: { results: Uint8Array };
    answer: { failure?: string };
  };
  "results.find": { ask: { keys: string[] }; answer: { results: Uint8Array } };
  /** An incarnation asks for its state. */
  "durable.open": {
    ask: { actorId: ActorId; incarnation: number };
    answer: DurableAnswer<Uint8Array>;
  };
  /** Answered once it is in the file. */
  "durable.commit": {
    ask: { commit: DurableCommit<Uint8Array> };
    answer: DurableAnswer<Uint8Array>;
  };
  /** What a call came to that was committed before. */
  "durable.result": {
    ask: { durableId: number; callId: string };
    answer: DurableAnswer<Uint8Array>;
  };
  "lineage.flush": { ask: Record<never, never>; answer: Record<never, never> };
  // Between owners and borrowers.
  "object.fetch": {
    /** `lost` names a segment of the value that the asker found gone: it wants another. */
    ask: ObjectKey & { lost?: SegmentId };
    answer: FetchedValue;
  };
  /** A worker found the segment of a task's argument gone. */
  "argument.fetch": {
    ask: { ordinal: number; position: number; lost: SegmentId };
    answer: FetchedValue;
  };
  "object.borrow": {
    /** `turn` numbers a holder's words to one owner, releases too. */
    ask: { turn: number; objects: ObjectKey[] };
    answer: { missing: ObjectKey[] };
  };
  "object.why": { ask: ObjectKey; answer: { line: string } };
  /** Whether the driver imported a module, so that functions may need it. */
  "code.imported": { ask: { url: string }; answer: { isImported: boolean } };
  "code.get": { ask: { hash: CodeHash }; answer: { bundle?: CodeBundle } };
  // To a worker.
  /** It is idle; may it go? Not while others hold what it owns. */
  "worker.leave": {
    ask: Record<never, never>;
    answer: { isNeeded: boolean };
  };
  // To an actor host.
  /** Whether an actor runs a call now. */
  "host.runs": { ask: CallKey; answer: { isRunning: boolean } };
  "host.start": {
    ask: { actorId: ActorId; incarnation: number; spec: ActorSpec };
    answer: Record<never, never>;
  };
}

/** Notices by kind. */
export interface Notices extends ClusterNotices {
  // To a node.
  "node.register": Registration;
  /** `isSpent`: its worker is to be replaced. */
  "lease.return": { leaseId: LeaseId; isSpent?: boolean };
  /** Its tasks all wait: it needs no CPU until one goes on. */
  "lease.rest": { leaseId: LeaseId };
  "lease.withdraw": { leaseIds: LeaseId[] };
  "worker.blocked": { depth: number; isAlone: boolean; isImpatient: boolean };
  "worker.unblocked": Record<never, never>;
  "worker.kill": { processId: ProcessId; reason: string };
  "segment.close": { segmentId: SegmentId; mapping: number };
  "segment.free": { segmentId: SegmentId; isUnreadable?: boolean };
  /** The sender's call there can't be stopped in another way: if it runs, the incarnation is to end. */
  "actor.abort": {
    actorId: ActorId;
    processId: ProcessId;
    ordinal: number;
    reason: string;
  };
  "actor.ready": { actorId: ActorId; incarnation: number };
  "actor.failed": {
    actorId: ActorId;
    incarnation: number;
    error: StoredValue;
  };
  "isolate.ended": { actorId: ActorId; incarnation: number; reason: string };
  "actor.exiting": { actorId: ActorId; incarnation: number; reason: string };
  "lineage.rows": { batch: LineageBatch };
  "collected": { round: number };
  /** To the driver's node, and from there to the driver. */
  "progress": BarWord;
  /** The driver's dashboard is there. */
  "dashboard.serves": { url: string };
  // From a node.
  "lease.reclaim": { leaseId: LeaseId };
  "segment.recycle": { segmentId: SegmentId };
  "actor.state": ActorState;
  "segment.drop": { segmentId: SegmentId };
  "collect": { round: number };
  /** Others wait for what actors hold, whose last handles may be garbage here. */
  "garbage": Record<never, never>;
  "leave": { reason: string };
  // Between owners, borrowers and workers.
  "object.release": { turn: number; objects: ObjectKey[] };
  "object.free": { objects: ObjectKey[] };
  "object.freed": { objects: ObjectKey[] };
  "object.cancel": ObjectKey & { isForced: boolean; isRecursive: boolean };
  "pins.release": { token: number };
  /** Over its time, if that is said; else nobody wants it any more. */
  "task.cancel": { ordinal: number; isRecursive: boolean; timeoutMs?: number };
  "owner.page": { path: string; slots: number };
  /** Its submitter has no more use for a function it named. */
  "function.forget": { functionNo: number };
  // To an actor and its host.
  "actor.stop": { actorId: ActorId; reason: string; isGraceful: boolean };
}
