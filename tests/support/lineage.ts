/**
 * Rows for tests of the lineage file.
 *
 * @module
 */
import {
  type ActorId,
  type JobId,
  makerOf,
  type NodeId,
  type TaskId,
} from "../../src/base/ids.ts";
import type {
  CountRow,
  LineageBatch,
  LineageRow,
  ObjectRow,
  TaskRow,
} from "../../src/base/lineage.ts";
import { LineageBatcher } from "../../src/store/lineage_batch.ts";

/** The job of all rows made here. */
export const jobId = "00000000000000aa" as JobId;
/** The node of all rows made here. */
export const nodeId = "00000000000000bb" as NodeId;

/** A finished task, the `ordinal`th of one owner. */
export function taskRow(ordinal: number, more: Partial<TaskRow> = {}): TaskRow {
  const digits = ordinal.toString(16).padStart(12, "0");
  return {
    kind: "task",
    taskId: `0123456789abcdef${digits}` as TaskId,
    attempt: 1,
    jobId,
    name: "square",
    state: "finished",
    nodeId,
    workerPid: 4711,
    submittedAtMs: 1_700_000_000_000.25 + ordinal,
    startedAtMs: 1_700_000_000_000.5 + ordinal,
    finishedAtMs: 1_700_000_000_000.75 + ordinal,
    args: "(3)",
    ...more,
  };
}

/** One short task. */
export function countRow(more: Partial<CountRow> = {}): CountRow {
  const atMs = 1_700_000_000_000;
  const counted = { count: 1, failedCount: 0, runMs: 0.25 };
  return { kind: "count", jobId, name: "tiny", atMs, ...counted, ...more };
}

/** A row as it is told, or as it is read. */
export type AnyRow = LineageRow | TaskRow | ObjectRow;

/** Rows as one batch. */
export function batchOf(
  rows: readonly AnyRow[],
): LineageBatch {
  const batcher = new LineageBatcher();
  for (const row of rows) batcher.add(told(row));
  return batcher.take();
}

/** A row as it is told: what names it is numbers. */
function told(row: AnyRow): LineageRow {
  if ("taskId" in row && row.kind === "task") {
    const { taskId, ...rest } = row;
    return { ...rest, ...makerOf(taskId as string as ActorId) };
  }
  if ("objectId" in row && row.kind === "object") {
    const { objectId, ...rest } = row;
    return {
      ...rest,
      ordinal: parseInt(objectId.slice(16, 28), 16),
      index: parseInt(objectId.slice(28), 16),
    };
  }
  return row as LineageRow;
}
