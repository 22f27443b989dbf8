/**
 * Tells the lineage file what this process's tasks came to, in batches.
 *
 * A task that is born and finished within one batch in under a millisecond
 * has no row of its own but counts into its function's: its row would cost
 * more than it did. Failures and retries always have theirs.
 *
 * @module
 */
import { afterMs, monotonicMs, type Timer, wallMs } from "../base/clock.ts";
import { TaskError } from "../base/errors.ts";
import { taskIdOf } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import type {
  JobRow,
  LineageRow,
  TaskOutcome,
  TaskRow,
} from "../base/lineage.ts";
import { LineageBatcher } from "../store/lineage_batch.ts";
import type { Peer } from "../wire/peer.ts";
import { HeldFailure } from "./failures.ts";
import type { AttemptEnd, OwnerPort } from "./owner_port.ts";
import type { TaskRecord, TaskTemplate } from "./task_record.ts";
import type { Values } from "./values.ts";

/** Gathers the rows of one owner. */
export class LineageFeed {
  readonly #owner: OwnerPort;
  readonly #node: Peer;
  readonly #batcher = new LineageBatcher();
  /** Tasks too short for rows of their own, since the last batch. */
  readonly #counts = new Map<TaskTemplate, { count: number; runMs: number }>();
  #timer: Timer | undefined;
  #batchStartMs = 0;
  #jobStartedAtMs = 0;

  constructor(owner: OwnerPort, node: Peer) {
    this.#owner = owner;
    this.#node = node;
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

  /** An attempt ended and another follows. */
  attempted(
    record: TaskRecord,
    outcome: "failed" | "crashed",
    how: AttemptEnd,
  ): void {
    this.#add(this.#row(record, outcome, how));
  }

  /** A task has its outcome. */
  settled(
    record: TaskRecord,
    outcome: TaskOutcome,
    how: AttemptEnd,
  ): void {
    const runMs = how.reply?.runMs ?? 0;
    const isShort = outcome === "finished" && record.attempt === 1 &&
      runMs < limits.lineageRunMsMin && !this.#owner.job.isLineageNamed &&
      record.submittedAtMs >= this.#batchStartMs;
    if (isShort) this.#countIn(record, runMs);
    else this.#add(this.#row(record, outcome, how));
  }

  /** Sends what has gathered. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const [{ settings }, { count, runMs }] of this.#counts) {
      const { jobId } = this.#owner.job;
      const { name } = settings;
      const atMs = wallMs();
      this.#batcher.add({
        kind: "count",
        jobId,
        name,
        atMs,
        count,
        failedCount: 0,
        runMs,
      });
    }
    this.#counts.clear();
    if (this.#batcher.rowCount === 0) return;
    this.#node.notify("lineage.rows", { batch: this.#batcher.take() });
  }

  #jobRow(): JobRow {
    const { jobId, mainModule } = this.#owner.job;
    return {
      kind: "job",
      jobId,
      script: mainModule,
      driverPid: Deno.pid,
      startedAtMs: this.#jobStartedAtMs,
    };
  }

  #row(
    record: TaskRecord,
    state: TaskOutcome,
    { reply, error }: AttemptEnd,
  ): TaskRow {
    const { workerPid } = record;
    return {
      kind: "task",
      taskId: taskIdOf(this.#owner.self, record.ordinal),
      attempt: record.attempt - 1,
      jobId: this.#owner.job.jobId,
      name: record.template.settings.name,
      state,
      nodeId: this.#owner.job.nodeId,
      ...(workerPid === undefined ? {} : { workerPid }),
      submittedAtMs: wallMs() - (monotonicMs() - record.submittedAtMs),
      ...(reply === undefined ? {} : { startedAtMs: reply.startedAtMs }),
      finishedAtMs: wallMs(),
      ...(error === undefined ? {} : errorFields(error, this.#owner.values)),
    };
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
    if (this.#timer !== undefined) return;
    this.#batchStartMs = monotonicMs() - limits.lineageBatchMs;
    this.#timer = afterMs(limits.lineageBatchMs, () => this.flush());
  }
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
    ? { errorName: error.name, errorMessage: error.message }
    : { errorName: typeof error, errorMessage: Deno.inspect(error) };
}
