/**
 * What a program's tasks did when, as a trace that Perfetto and
 * `chrome://tracing` open: the object form of the Trace Event Format
 * (docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU).
 *
 * Each attempt is a slice on the row of its worker; rows of one node are a
 * group. Tasks too short for rows of their own are summed up beside.
 *
 * @module
 */
import type { TaskRow } from "../base/lineage.ts";
import { openLineage } from "./lineage_reader.ts";

/** One event of a trace. */
export interface TraceEvent {
  /** The kind: "X" a slice, "M" a name. */
  ph: "X" | "M";
  /** What is shown. */
  name: string;
  /** A node, by number. */
  pid: number;
  /** A worker, by its process id; 0 for none. */
  tid: number;
  /** When it began, in microseconds since 1970. */
  ts?: number;
  /** How long it took, in microseconds. */
  dur?: number;
  /** What it is of. */
  cat?: string;
  /** Further facts. */
  args: Record<string, unknown>;
}

/** A whole trace. */
export interface Timeline {
  /** The events. */
  traceEvents: TraceEvent[];
  /** How times are shown. */
  displayTimeUnit: "ms";
  /** Tasks that were too short for slices of their own, by function. */
  otherData: { shortTasks: { name: string; count: number; runMs: number }[] };
}

const tasksMax = 1_000_000;

/** Makes the trace of one job of a lineage file, or of all. */
export function timelineOf(path: string, jobId?: string): Timeline {
  return timelineOfAll([jobId === undefined ? { path } : { path, jobId }]);
}

/** The same of several files. */
export function timelineOfAll(
  sources: readonly { path: string; jobId?: string }[],
): Timeline {
  const nodes = new Map<string, number>();
  const workers = new Map<string, { pid: number; tid: number }>();
  const shortTasks = new Map<string, { count: number; runMs: number }>();
  const traceEvents: TraceEvent[] = [];
  for (const { path, jobId } of sources) {
    using lineage = openLineage(path);
    const query = jobId === undefined ? {} : { jobId };
    for (const last of lineage.tasks({ ...query, limit: tasksMax })) {
      const attempts = last.attempt > 1
        ? lineage.attempts(last.taskId)
        : [last];
      for (const attempt of attempts) {
        if (attempt.startedAtMs === undefined) continue;
        traceEvents.push(sliceOf(attempt, { nodes, workers }));
      }
    }
    for (const row of lineage.counts()) {
      if (jobId !== undefined && row.jobId !== jobId) continue;
      const sum = shortTasks.get(row.name) ?? { count: 0, runMs: 0 };
      sum.count += row.count;
      sum.runMs += row.runMs;
      shortTasks.set(row.name, sum);
    }
  }
  for (const [nodeId, pid] of nodes) {
    traceEvents.push(named("process_name", { pid, tid: 0 }, `node ${nodeId}`));
  }
  for (const place of workers.values()) {
    traceEvents.push(named("thread_name", place, `worker ${place.tid}`));
  }
  return {
    traceEvents,
    displayTimeUnit: "ms",
    otherData: {
      shortTasks: [...shortTasks].map(([name, sum]) => ({ name, ...sum })),
    },
  };
}

function sliceOf(
  row: TaskRow,
  { nodes, workers }: {
    nodes: Map<string, number>;
    workers: Map<string, { pid: number; tid: number }>;
  },
): TraceEvent {
  const { nodeId = "unknown", workerPid: tid = 0 } = row;
  let pid = nodes.get(nodeId);
  if (pid === undefined) nodes.set(nodeId, pid = nodes.size + 1);
  workers.set(`${pid} ${tid}`, { pid, tid });
  const startMs = row.startedAtMs!;
  const endMs = row.finishedAtMs ?? Date.now();
  return {
    ph: "X",
    name: row.name,
    cat: row.state,
    pid,
    tid,
    ts: Math.round(startMs * 1000),
    dur: Math.max(0, Math.round((endMs - startMs) * 1000)),
    args: {
      taskId: row.taskId,
      attempt: row.attempt,
      state: row.state,
      waitedMs: startMs - row.submittedAtMs,
      ...(row.errorName === undefined ? {} : {
        error: `${row.errorName}: ${row.errorMessage ?? ""}`,
      }),
    },
  };
}

function named(
  name: string,
  { pid, tid }: { pid: number; tid: number },
  text: string,
): TraceEvent {
  return { ph: "M", name, pid, tid, args: { name: text } };
}
