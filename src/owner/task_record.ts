/**
 * One submitted task or actor call as its owner keeps it, until its outcome.
 *
 * @module
 */
import type { AnyFunction } from "../base/functions.ts";
import type { NodeId } from "../base/ids.ts";
import type { Timer } from "../base/clock.ts";
import type { HeldValue } from "../base/stored.ts";
import type { TaskSettings } from "../base/spec.ts";
import type { Pipeline, Queueable, RunStats } from "../state/pipelines.ts";
import type { TaskContext } from "./context.ts";
import { noSlot } from "../wire/task_frames.ts";
import type { ObjectEntry, ObjectRef } from "./object_ref.ts";

/** What all tasks of one `remote()` and one set of options share. */
export interface TaskTemplate {
  /** Its number on the wire. */
  readonly functionNo: number;
  /** The code of a task; a call's is its actor's. */
  readonly fn: AnyFunction | undefined;
  /** A call's method. */
  readonly method?: string;
  readonly settings: TaskSettings;
  /** Which tasks may ride the same leases. */
  readonly classKey: string;
  readonly stats: RunStats;
}

/** An argument that is a ref. */
export interface ArgumentRef {
  readonly position: number;
  readonly ref: ObjectRef<unknown>;
}

/** The process that an attempt runs in. */
export interface RunPlace {
  readonly pid: number;
  readonly nodeId?: NodeId;
}

/** Where a task stands. */
export type TaskPhase =
  /** Its code, arguments or dependencies are not there yet. */
  | "preparing"
  | "queued"
  /** Sent to a worker, which may have started it. */
  | "pushed"
  /** Its outcome is settled. */
  | "done";

/** What hears a generator's items. */
export interface StreamSink {
  item(index: number, item: ArrivedItem): void;
  /** A further attempt yielded an item that was there already. */
  repeated(): void;
  ended(error: unknown): void;
  /** How many items have come. */
  readonly arrivedCount: number;
}

/** An item of a generator, and what must come before it can be opened. */
export interface ArrivedItem {
  readonly held: HeldValue;
  readonly ready: Promise<unknown> | undefined;
}

/** One task. Fields that change are changed by the submitter only. */
export class TaskRecord implements Queueable {
  readonly ordinal: number;
  readonly template: TaskTemplate;
  readonly args: HeldValue;
  /** Arguments that are refs, by position. */
  readonly dependencies: ArgumentRef[];
  readonly returns: readonly ObjectEntry[];
  readonly sink: StreamSink | undefined;
  readonly depth: number;
  readonly callerNo: number;
  readonly submittedAtMs: number;
  phase: TaskPhase = "preparing";
  attempt = 1;
  /** Runs with no company: after a crash, so that blame is exact. */
  isAlone = false;
  slot: number = noSlot;
  generation = 0;
  pipeline: Pipeline<TaskRecord> | undefined;
  /** The task was settled before its worker answered: cancelled, or over time. */
  isAbandoned = false;
  timer: Timer | undefined;
  /** What a call to a durable actor is called in every run. */
  callId: string | undefined;
  /** The task that submitted it, in this process: it is its child until it is settled. */
  parent: TaskContext | undefined;
  /** What it is called in every run of the program, where results are kept. */
  key: Promise<string | undefined> | string | undefined;
  /** The same once it is sent; empty where it has none. */
  knownKey = "";
  /** The process that has, or had, the present attempt. */
  place: RunPlace | undefined;
  /** What the lineage file knows of the present attempt, kept by its feed. */
  toldState: "waiting" | "running" | undefined;

  constructor(init: {
    ordinal: number;
    template: TaskTemplate;
    args: HeldValue;
    dependencies: ArgumentRef[];
    returns: readonly ObjectEntry[];
    sink: StreamSink | undefined;
    depth: number;
    callerNo: number;
    submittedAtMs: number;
  }) {
    this.ordinal = init.ordinal;
    this.template = init.template;
    this.args = init.args;
    this.dependencies = init.dependencies;
    this.returns = init.returns;
    this.sink = init.sink;
    this.depth = init.depth;
    this.callerNo = init.callerNo;
    this.submittedAtMs = init.submittedAtMs;
  }

  get stats(): RunStats {
    return this.template.stats;
  }

  get priority(): number {
    return this.template.settings.priority;
  }
}
