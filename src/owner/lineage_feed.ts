/**
 * Tells the lineage file what this process's tasks came to, in batches.
 *
 * In the session's own file a task that is born and finished within one batch
 * in under a millisecond has no row of its own but counts into its function's:
 * its row would cost more than it did. Failures and retries always have theirs.
 * In a named file a task that is open after a moment has a row that says so,
 * for the case that its owner is killed.
 *
 * @module
 */
import {
  afterMs,
  monotonicMs,
  type Timer,
  wallMs,
  wallMsOf,
} from "../base/clock.ts";
import { TaskError } from "../base/errors.ts";
import { type ObjectId, type SegmentId, taskIdOf } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import type {
  JobRow,
  LineageRow,
  TaskOutcome,
  TaskRow,
} from "../base/lineage.ts";
import { LineageBatcher } from "../store/lineage_batch.ts";
import { ownMark } from "../store/process_mark.ts";
import type { Asker } from "../wire/standing_peer.ts";
import { HeldFailure } from "./failures.ts";
import { LineageObjects, type StoredObject } from "./lineage_objects.ts";
import type { ObjectEntry } from "./object_ref.ts";
import type { AttemptEnd, OwnerPort } from "./owner_port.ts";
import type { RunPlace, TaskRecord, TaskTemplate } from "./task_record.ts";
import type { Values } from "./values.ts";

/** Gathers the rows of one owner. */
export class LineageFeed {
  readonly #owner: OwnerPort;
  readonly #home: Asker;
  readonly #isNamed: boolean;
  readonly #batchMs: number;
  readonly #batcher = new LineageBatcher();
  readonly #objects: LineageObjects;
  /** Tasks too short for rows of their own, since the last batch. */
  readonly #counts = new Map<TaskTemplate, { count: number; runMs: number }>();
  /** Attempts that have no row yet, the first submitted first. */
  #fresh: TaskRecord[] = [];
  /** Attempts in the file as waiting that were sent since. */
  #sent: TaskRecord[] = [];
  #lookTimer: Timer | undefined;
  #lookAtMs = 0;
  #lookMs: number = limits.lineageBatchMs;
  #timer: Timer | undefined;
  #batchStartMs = 0;
  #jobStartedAtMs = 0;
  #isClosed = false;

  constructor(owner: OwnerPort, home: Asker) {
    this.#owner = owner;
    this.#home = home;
    const { isLineageNamed, jobId } = owner.job;
    this.#isNamed = isLineageNamed;
    this.#batchMs = isLineageNamed
      ? limits.lineageBatchMs
      : limits.lineageOwnBatchMs;
    this.#objects = new LineageObjects(
      { ownerId: owner.self, jobId, isLineageNamed },
      (row) => this.#add(row),
    );
  }

  /** The program has begun; told by its driver. */
  jobStarted(): void {
    this.#jobStartedAtMs = wallMs();
    this.#add(this.#jobRow());
  }

  /** The program ends as it should; one that is killed has no end. */
  jobEnded(): void {
    const finishedAtMs = wallMs();
    this.#add({ ...this.#jobRow(), finishedAtMs, outcome: "finished" });
  }

  /** A task is on its way. */
  submitted(record: TaskRecord): void {
    if (!this.#isNamed) return;
    this.#fresh.push(record);
    if (this.#lookTimer === undefined) this.#lookWithin(limits.lineageOpenMs);
  }

  /** A task whose row says that it waits was sent to a worker. */
  pushed(record: TaskRecord): void {
    this.#sent.push(record);
    this.#lookWithin(limits.lineageBatchMs);
  }

  /** An attempt that had not begun lost its worker, and waits again. */
  requeued(record: TaskRecord): void {
    record.toldState = undefined;
    this.submitted(record);
  }

  /** The attempt before the present one ended. */
  attempted(
    record: TaskRecord,
    outcome: "failed" | "crashed",
    how: AttemptEnd,
  ): void {
    this.#addTask(record, this.#endOf(outcome, how), record.attempt - 1);
    this.requeued(record);
  }

  /** A task has its outcome. */
  settled(
    record: TaskRecord,
    outcome: TaskOutcome,
    how: AttemptEnd,
  ): void {
    const runMs = how.reply?.runMs ?? 0;
    const isShort = outcome === "finished" && record.attempt === 1 &&
      runMs < limits.lineageRunMsMin && !this.#isNamed &&
      record.submittedAtMs >= this.#batchStartMs;
    if (isShort) this.#countIn(record, runMs);
    else this.#addTask(record, this.#endOf(outcome, how));
    const { received } = how;
    if (received === undefined) return;
    const { ordinal } = record;
    for (let index = 0; index < received.length; index++) {
      this.stored("task", { ordinal, index, held: received[index]! });
    }
  }

  /** A value became an object of this process. */
  stored(origin: "task" | "put", object: StoredObject): void {
    this.#objects.stored(origin, object);
  }

  /** An object of this process is let go. */
  freed(entry: ObjectEntry): void {
    this.#objects.freed(entry);
  }

  /** This process gives shared memory back. */
  segmentFreed(segmentId: SegmentId): void {
    this.#objects.segmentFreed(segmentId);
  }

  /** The objects of this process in shared memory, by segment. */
  inSegments(): Iterable<[SegmentId, ObjectId]> {
    return this.#objects.inSegments();
  }

  /** Sends what has gathered. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { jobId } = this.#owner.job;
    for (const [{ settings }, { count, runMs }] of this.#counts) {
      const { name } = settings;
      const sums = { atMs: wallMs(), count, failedCount: 0, runMs };
      this.#batcher.add({ kind: "count", jobId, name, ...sums });
    }
    this.#counts.clear();
    if (this.#batcher.rowCount === 0) return;
    this.#home.notify("lineage.rows", { batch: this.#batcher.take() });
  }

  /** Sends the last; nothing is told after. */
  close(): void {
    this.flush();
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#lookTimer);
  }

  #jobRow(): JobRow {
    const { jobId, mainModule } = this.#owner.job;
    const driverMark = this.#isNamed ? ownMark() : undefined;
    return {
      kind: "job",
      jobId,
      script: mainModule,
      driverPid: Deno.pid,
      ...(driverMark === undefined ? {} : { driverMark }),
      startedAtMs: this.#jobStartedAtMs,
    };
  }

  /** Which tasks are open still, for the case that nobody can tell of their end. */
  #look(): void {
    this.#lookTimer = undefined;
    const wasOpenSinceMs = monotonicMs() - limits.lineageOpenMs;
    let room: number = limits.lineageOpenRowsMax;
    let at = 0;
    for (; at < this.#fresh.length && room > 0; at++) {
      const record = this.#fresh[at]!;
      if (record.phase === "done") continue;
      if (record.submittedAtMs > wasOpenSinceMs) break;
      this.#addOpenTask(record);
      room--;
    }
    this.#fresh = this.#fresh.slice(at);
    this.#lookAtSent();
    const [next] = this.#fresh;
    if (next === undefined) return;
    const untilOpenMs = next.submittedAtMs - wasOpenSinceMs;
    this.#lookWithin(Math.max(limits.lineageBatchMs, untilOpenMs));
  }

  /** Whether what was sent has started; while it has not, it is looked at again. */
  #lookAtSent(): void {
    const sent = this.#sent;
    this.#sent = [];
    for (const record of sent) {
      const isOpen = record.phase === "pushed" &&
        record.toldState === "waiting";
      if (!isOpen) continue;
      if (this.#owner.submitter.hasStarted(record)) this.#addOpenTask(record);
      else this.#sent.push(record);
    }
    if (this.#sent.length === 0) return;
    this.#lookMs = this.#sent.length < sent.length
      ? limits.lineageBatchMs
      : Math.min(this.#lookMs * 2, limits.lineageLookMsMax);
    this.#lookWithin(this.#lookMs);
  }

  #lookWithin(delayMs: number): void {
    const atMs = monotonicMs() + delayMs;
    const isSoonEnough = this.#lookTimer !== undefined &&
      this.#lookAtMs <= atMs;
    if (isSoonEnough || this.#isClosed) return;
    clearTimeout(this.#lookTimer);
    this.#lookAtMs = atMs;
    this.#lookTimer = afterMs(delayMs, () => this.#look());
  }

  #addOpenTask(record: TaskRecord): void {
    const hasStarted = this.#owner.submitter.hasStarted(record);
    const state = hasStarted ? "running" : "waiting";
    this.#addTask(record, {
      state,
      // When this is seen: the worker says it exactly at the end.
      ...(hasStarted ? { startedAtMs: wallMs() } : {}),
    });
    record.toldState = state;
    if (!hasStarted && record.phase === "pushed") this.#sent.push(record);
  }

  #endOf(
    state: TaskOutcome,
    { reply, error }: AttemptEnd,
  ): AttemptState {
    return {
      state,
      ...(reply === undefined ? {} : { startedAtMs: reply.startedAtMs }),
      finishedAtMs: wallMs(),
      ...(error === undefined ? {} : errorFields(error, this.#owner.values)),
    };
  }

  #addTask(
    record: TaskRecord,
    how: AttemptState,
    attempt = record.attempt,
  ): void {
    const { place, toldState, dependencies } = record;
    const { jobId } = this.#owner.job;
    const { self: ownerId } = this.#owner;
    const isPlaced = place !== undefined && how.state !== "waiting";
    this.#add({
      kind: "task",
      ownerId,
      ordinal: record.ordinal,
      attempt,
      jobId,
      name: record.template.settings.name,
      ...(isPlaced ? placeColumns(place) : {}),
      submittedAtMs: wallMsOf(record.submittedAtMs),
      ...how,
    });
    const isFirst = attempt === 1 && toldState === undefined;
    if (!isFirst || dependencies.length === 0) return;
    this.#objects.linked(taskIdOf(ownerId, record.ordinal), dependencies);
  }

  #countIn(record: TaskRecord, runMs: number): void {
    const count = this.#counts.get(record.template);
    if (count !== undefined) {
      count.count++;
      count.runMs += runMs;
      return;
    }
    this.#counts.set(record.template, { count: 1, runMs });
    this.#schedule();
  }

  #add(row: LineageRow): void {
    this.#batcher.add(row);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    this.#batchStartMs = monotonicMs() - this.#batchMs;
    this.#timer = afterMs(this.#batchMs, () => this.flush());
  }
}

/** Where an attempt stands, and since when. */
type AttemptState = Pick<
  TaskRow,
  "state" | "startedAtMs" | "finishedAtMs" | "errorName" | "errorMessage"
>;

/** Where an attempt ran, or runs. */
function placeColumns(
  { pid, nodeId }: RunPlace,
): Pick<TaskRow, "nodeId" | "workerPid"> {
  return { workerPid: pid, ...(nodeId === undefined ? {} : { nodeId }) };
}

/** What the task's own code threw, or why it did not finish. */
function errorFields(
  failure: unknown,
  values: Values,
): Required<Pick<TaskRow, "errorName" | "errorMessage">> {
  let opened = failure;
  try {
    if (failure instanceof HeldFailure) opened = values.open(failure.held);
  } catch (error) {
    opened = error; // Why it can't be read is all there is to keep.
  }
  if (opened instanceof Promise) {
    opened.catch(() => {}); // Whoever asks for it is told.
    return {
      errorName: "TaskError",
      errorMessage: "its error holds code or large arrays",
    };
  }
  const error = opened instanceof TaskError ? opened.cause : opened;
  return error instanceof Error
    ? { errorName: textOf(error.name), errorMessage: textOf(error.message) }
    : { errorName: typeof error, errorMessage: Deno.inspect(error) };
}

/** Programs may put anything where an error has a text. */
function textOf(part: unknown): string {
  return typeof part === "string" ? part : Deno.inspect(part);
}
