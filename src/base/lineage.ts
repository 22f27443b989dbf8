/**
 * What is told to the lineage file: one row a fact, as plain data.
 *
 * Owners make rows, a thread of the node writes them (`store/lineage_log.ts`),
 * listings read them. When a row is worth making is the owner's decision and
 * not here.
 *
 * @module
 */
import type {
  ActorId,
  JobId,
  NodeId,
  ObjectId,
  ProcessId,
  TaskId,
} from "./ids.ts";

/** How an attempt ended; `crashed` means that its worker did. */
export type TaskOutcome = "finished" | "failed" | "cancelled" | "crashed";

/** Where an attempt stands: its outcome once it has one. */
export type TaskState = "waiting" | "running" | TaskOutcome;

/** One attempt of one task. A later row of the same attempt replaces it. */
export interface TaskRow {
  kind: "task";
  /** Names its owner too: the first 16 digits are the owner's process id. */
  taskId: TaskId;
  /** From 1; a retry is the next one. */
  attempt: number;
  jobId: JobId;
  /** The function, or `Class.method`. */
  name: string;
  state: TaskState;
  /** Node and worker that ran it, once it is known. */
  nodeId?: NodeId;
  workerPid?: number;
  submittedAtMs: number;
  startedAtMs?: number;
  finishedAtMs?: number;
  /** The arguments in short, for people. */
  args?: string;
  errorName?: string;
  errorMessage?: string;
}

/** A row on its way: an id as text costs more than the numbers it is made of. */
export type ToldTask = Omit<TaskRow, "taskId"> & {
  ownerId: ProcessId;
  /** Its number at its owner. */
  ordinal: number;
};

/** Short tasks of one function that got no row each. Rows of one minute add up. */
export interface CountRow {
  kind: "count";
  jobId: JobId;
  name: string;
  /** When they finished, or about then. */
  atMs: number;
  count: number;
  /** How many of them failed. */
  failedCount: number;
  /** Their run times together. */
  runMs: number;
}

/** A program that ran. A later row of the same job fills in its end. */
export interface JobRow {
  kind: "job";
  jobId: JobId;
  /** The main module, as a URL or path. */
  script: string;
  driverPid: number;
  /** Names that process for good, so that its end can be told later. */
  driverMark?: string;
  startedAtMs: number;
  finishedAtMs?: number;
  outcome?: "finished" | "failed" | "crashed";
}

/** A program that begins to use a file that it named. */
export interface LineageStart {
  jobId: JobId;
  /** The main module, as a URL or path. */
  script: string;
  /** It goes on from the results of an earlier run. */
  isResuming: boolean;
}

/** An object worth remembering. A later row of the same object replaces it. */
export interface ObjectRow {
  kind: "object";
  objectId: ObjectId;
  jobId: JobId;
  ownerId: ProcessId;
  origin: "task" | "put";
  sizeBytes: number;
  createdAtMs: number;
  freedAtMs?: number;
}

/** The same of an object. */
export type ToldObject = Omit<ObjectRow, "objectId"> & {
  ordinal: number;
  index: number;
};

/** An object of an earlier row is gone. */
export interface FreedRow {
  kind: "freed";
  ownerId: ProcessId;
  ordinal: number;
  index: number;
  atMs: number;
}

/** A task that takes an object as an argument. */
export interface DependencyRow {
  kind: "dependency";
  taskId: TaskId;
  objectId: ObjectId;
  /** Which argument, from 0. */
  position: number;
}

/** An actor. A later row of the same actor replaces it. */
export interface ActorRow {
  kind: "actor";
  actorId: ActorId;
  jobId: JobId;
  ownerId: ProcessId;
  className: string;
  /** The name `getActor` finds it by. */
  name?: string;
  namespace: string;
  state: "starting" | "alive" | "restarting" | "dead";
  /** Which incarnation, from 0. */
  incarnation: number;
  nodeId?: NodeId;
  workerPid?: number;
  createdAtMs: number;
  endedAtMs?: number;
  /** Why it is dead. */
  reason?: string;
}

/** Rows that are missing, and why. */
export interface LineageGap {
  atMs: number;
  rowCount: number;
  reason: string;
}

/** One fact for the lineage file. */
export type LineageRow =
  | ToldTask
  | CountRow
  | JobRow
  | ToldObject
  | FreedRow
  | DependencyRow
  | ActorRow;

/**
 * Many rows packed to travel: cheap to clone between threads and to send as
 * MessagePack. Made and read by `store/lineage_batch.ts`.
 */
export interface LineageBatch {
  /** Rows inside, of every kind; counted short tasks are one row a function. */
  rowCount: number;
  /** Attempts, then objects, then those that were freed, by columns: so many float64 each. */
  numbers: Uint8Array;
  /** All other rows, and what many of these share, as JSON. */
  rest: string;
}
