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
import { taskIdOf } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import type { LineageRow, TaskRow } from "../base/lineage.ts";
import { LineageBatcher } from "../store/lineage_batch.ts";
import type { Peer } from "../wire/peer.ts";
import type { ReplyFrame } from "../wire/task_frames.ts";
import { HeldFailure } from "./failures.ts";
import type { OwnerPort } from "./owner_port.ts";
import { Status } from "./object_ref.ts";
import type { TaskRecord, TaskTemplate } from "./task_record.ts";

/** Gathers the rows of one owner. */
export class LineageFeed {
  readonly #owner: OwnerPort;
  readonly #node: Peer;
  readonly #batcher = new LineageBatcher();
  /** Tasks too short for rows of their own, since the last batch. */
  readonly #counts = new Map<TaskTemplate, { count: number; runMs: number }>();
  #timer: Timer | undefined;
  #batchStartMs = 0;

  constructor(owner: OwnerPort, node: Peer) {
    this.#owner = owner;
    this.#node = node;
  }

  /** An attempt ended and another follows. */
  attempted(record: TaskRecord, outcome: "failed" | "crashed"): void {
    this.#add({
      ...this.#row(record),
      state: outcome,
      finishedAtMs: wallMs(),
    });
  }

  /** A task has its outcome. */
  settled(
    record: TaskRecord,
    outcome: "finished" | "failed" | "cancelled",
    reply?: ReplyFrame,
  ): void {
    const runMs = reply?.runMs ?? 0;
    const isShort = outcome === "finished" && record.attempt === 1 &&
      runMs < limits.lineageRunMsMin &&
      record.submittedAtMs >= this.#batchStartMs;
    if (isShort) {
      this.#countIn(record, runMs);
      return;
    }
    const nowMs = wallMs();
    this.#add({
      ...this.#row(record),
      state: outcome,
      ...(reply === undefined ? {} : {
        startedAtMs: reply.startedAtMs,
      }),
      finishedAtMs: nowMs,
      ...errorFields(record),
    });
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

  #row(record: TaskRecord): TaskRow {
    const worker = this.#owner.submitter.workerOf(record);
    return {
      kind: "task",
      taskId: taskIdOf(this.#owner.self, record.ordinal),
      attempt: record.attempt - 1,
      jobId: this.#owner.job.jobId,
      name: record.template.settings.name,
      state: "waiting",
      nodeId: this.#owner.job.nodeId,
      ...(worker === undefined ? {} : { workerPid: worker.pid }),
      submittedAtMs: wallMs() - (monotonicMs() - record.submittedAtMs),
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

function errorFields(
  record: TaskRecord,
): Pick<TaskRow, "errorName" | "errorMessage"> {
  const entry = record.returns[0];
  if (entry?.status !== Status.failed) return {};
  const { error } = entry;
  if (error instanceof HeldFailure || !(error instanceof Error)) return {};
  return { errorName: error.name, errorMessage: error.message };
}
