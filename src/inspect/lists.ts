/**
 * Nodes, workers, tasks, actors and objects as rows: plain data for programs,
 * and cells for people.
 *
 * @module
 */
import type { ProcessId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import type { ActorFacts, OpenTask } from "../wire/command_messages.ts";
import {
  actorsOf,
  farNotes,
  gather,
  type Gathered,
  readLineages,
} from "./gather.ts";
import { objectCells, objectRows } from "./object_rows.ts";
import { type Reach, within } from "./reach.ts";
import { bytesText, type Cells, rounded, spanText } from "./words.ts";

/** What of a running program or cluster can be listed. */
export const listableLive = [
  "nodes",
  "workers",
  "tasks",
  "actors",
  "objects",
] as const;
/** One of {@linkcode listableLive}. */
export type LiveKind = typeof listableLive[number];

const outcomes = ["finished", "failed", "cancelled", "crashed"] as const;

/** The states of each. */
export const liveStates: Record<LiveKind, readonly string[]> = {
  nodes: ["alive", "gone"],
  workers: ["busy", "idle", "computes"],
  tasks: [
    ...["preparing", "waiting", "sent", "running"],
    ...outcomes,
  ],
  actors: ["starting", "alive", "restarting", "dead"],
  objects: ["pending", "ready", "failed", "freed", "waiting", "lost"],
};

/** What was found, and what must be said beside it. */
export interface Listing {
  rows: Record<string, unknown>[];
  cells: Cells[];
  notes: string[];
}

/** Which rows. */
export interface ListQuery {
  limit: number;
  /** Only rows of that state. */
  state: string | undefined;
}

/** Lists one kind. */
export async function listLive(
  reach: Reach,
  kind: LiveKind,
  query: ListQuery,
): Promise<Listing> {
  // Filtering and counting is done here: all are asked for where it takes all.
  const whole = limits.factsRowsMax;
  const rowsMax = query.state === undefined ? query.limit : whole;
  switch (kind) {
    case "nodes":
      return await nodes(reach, query);
    case "actors":
      return await actors(reach, query, rowsMax);
    case "workers":
      return workers(await gather(reach, { rowsMax: whole }), query);
    case "tasks":
      return tasks(await gather(reach, { rowsMax }), query);
    case "objects":
      return objects(await gather(reach, { rowsMax: whole }), query);
  }
}

async function nodes(reach: Reach, query: ListQuery): Promise<Listing> {
  const [{ nodes }, gathered] = await Promise.all([
    within(reach.head.request("node.rows", {})),
    gather(reach, { rowsMax: 0, isBrief: true }),
  ]);
  const facts = new Map(gathered.nodes.map((one) => [one.row.nodeId, one]));
  const rows = nodes.map((row) => {
    const { storeUsedBytes, storeCapacityBytes, processes, about } =
      facts.get(row.nodeId) ?? {};
    const state = row.alive ? "alive" : "gone";
    return {
      ...row,
      state,
      kind: about?.kind,
      processCount: processes?.length,
      storeUsedBytes,
      storeCapacityBytes,
    };
  });
  return listing("nodes", { rows, query }, (row) => ({
    node: row.nodeId,
    address: row.address,
    state: row.state,
    CPU: `${rounded(row.available["CPU"])}/${rounded(row.resources["CPU"])}`,
    others: Object.keys(row.resources)
      .filter((name) => name !== "CPU" && name !== "memory")
      .map((name) =>
        `${name} ${rounded(row.available[name])}/${
          rounded(row.resources[name])
        }`
      ).join(", "),
    store: row.storeUsedBytes === undefined
      ? undefined
      : `${bytesText(row.storeUsedBytes)} of ${
        bytesText(row.storeCapacityBytes!)
      }`,
    processes: row.processCount,
    pid: row.pid,
  }));
}

async function actors(
  reach: Reach,
  query: ListQuery,
  rowsMax: number,
): Promise<Listing> {
  const [{ actors, count }, gathered] = await Promise.all([
    actorsOf(reach, rowsMax),
    gather(reach, { rowsMax: 0, isBrief: true }),
  ]);
  const rows = actors.map((actor: ActorFacts) => ({
    ...actor,
    node: gathered.nodeName(actor.processId),
  }));
  const total = query.state === undefined ? count : undefined;
  return listing("actors", { rows, total, query }, (row) => ({
    actor: row.actorId,
    class: row.className,
    name: row.name,
    state: row.state,
    pid: row.pid,
    node: row.node,
    starts: row.incarnation + 1,
    reason: row.reason,
  }));
}

function workers(gathered: Gathered, query: ListQuery): Listing {
  const running = new Map<ProcessId, OpenTask[]>();
  for (const { facts } of gathered.owners) {
    for (const task of facts.tasks) {
      if (task.workerId === undefined) continue;
      const known = running.get(task.workerId);
      if (known === undefined) running.set(task.workerId, [task]);
      else known.push(task);
    }
  }
  const rows = gathered.processes().map((process) => {
    const tasks = running.get(process.processId) ?? [];
    const runs = tasks.find(({ state }) => state === "running") ?? tasks[0];
    const { owner, ...rest } = process;
    const state = tasks.length > 0
      ? "busy"
      : owner === undefined
      ? "computes"
      : "idle";
    return {
      ...rest,
      node: gathered.nodeName(process.processId),
      state,
      runs: runs?.name,
      taskCount: tasks.length,
    };
  });
  const found = listing("workers", { rows, query }, (row) => ({
    process: row.processId,
    role: row.role,
    pid: row.pid,
    state: row.state,
    runs: row.taskCount > 1
      ? `${row.runs} and ${row.taskCount - 1} more`
      : row.runs,
    memory: bytesText(row.privateBytes),
    job: row.jobId,
    node: row.node,
  }));
  found.notes.push(...gathered.silent);
  return found;
}

function tasks(gathered: Gathered, query: ListQuery): Listing {
  const notes = [...gathered.silent];
  const open = gathered.owners.flatMap(({ process, facts }) =>
    facts.tasks.map((task) => ({
      ...task,
      node: gathered.nodeName(task.workerId),
      owner: gathered.processName(process.processId),
    }))
  );
  const openCount = gathered.owners.reduce(
    (sum, { facts }) => sum + Math.max(facts.openCount, facts.tasks.length),
    0,
  );
  const known = new Set(open.map(({ taskId }) => taskId));
  const { limit, state } = query;
  const outcome = outcomes.find((one) => one === state);
  const files = readLineages(gathered.lineages(), {
    read: (lineage, jobId) => {
      const asked = {
        jobId,
        ...(outcome === undefined ? {} : { state: outcome }),
      };
      // Open ones are among the newest.
      const rows = lineage.tasks({ ...asked, limit: limit + open.length });
      return { rows, overCount: lineage.overCount(asked) };
    },
    failed: (line) => notes.push(line),
  });
  const isOverWanted = state === undefined || outcome !== undefined;
  const overCount = isOverWanted
    ? files.reduce((sum, file) => sum + file.overCount, 0)
    : 0;
  const over = files.flatMap(({ rows }) => rows).filter(({ state, taskId }) =>
    // The file is a moment behind: who has a task knows it better.
    state !== "waiting" && state !== "running" && !known.has(taskId)
  ).sort((a, b) => b.submittedAtMs - a.submittedAtMs).map((row) => ({
    taskId: row.taskId,
    name: row.name,
    kind: "task" as const,
    state: row.state,
    attempt: row.attempt,
    ageMs: Math.round(Date.now() - row.submittedAtMs),
    ...(row.startedAtMs === undefined || row.finishedAtMs === undefined
      ? {}
      : { runMs: row.finishedAtMs - row.startedAtMs }),
    workerPid: row.workerPid,
    node: row.nodeId,
    why: row.errorName === undefined
      ? undefined
      : `${row.errorName}: ${row.errorMessage ?? ""}`,
  }));
  notes.push(...farNotes(gathered));
  const rows: Record<string, unknown>[] = [...open, ...over];
  const wantedCount = state === undefined
    ? openCount
    : open.filter((task) => task.state === state).length;
  if (state !== undefined && openCount > open.length && outcome === undefined) {
    notes.push(
      `of ${openCount} open tasks ${open.length} were looked at for that state`,
    );
  }
  const total = wantedCount + overCount;
  const found = listing("tasks", { rows, total, query }, (row) => ({
    task: row["taskId"],
    name: row["name"],
    state: row["state"],
    attempt: row["attempt"],
    age: spanText(row["ageMs"] as number),
    pid: row["workerPid"],
    node: row["node"],
    why: row["why"],
  }));
  found.notes.push(...notes);
  return found;
}

function objects(gathered: Gathered, query: ListQuery): Listing {
  const rows = objectRows(gathered);
  const found = listing("objects", { rows, query }, objectCells);
  found.notes.push(...gathered.silent);
  return found;
}

function listing<Row extends Record<string, unknown>>(
  kind: LiveKind,
  { rows: all, total, query: { limit, state } }: {
    rows: readonly Row[];
    /** How many are wanted, if not all of them are here. */
    total?: number | undefined;
    query: ListQuery;
  },
  cellsOf: (row: Row) => Cells,
): Listing {
  const wanted = state === undefined
    ? all
    : all.filter((row) => row["state"] === state);
  const rows = wanted.slice(0, limit);
  return {
    rows,
    cells: rows.map(cellsOf),
    notes: moreLine(kind, {
      shown: rows.length,
      total: Math.max(total ?? 0, wanted.length),
    }),
  };
}

/** What is said where not all rows are shown: a line, or none. */
export function moreLine(
  kind: string,
  { shown, total }: { shown: number; total: number },
): string[] {
  if (total <= shown) return [];
  const are = shown === 1 ? "is" : "are";
  return [`${shown} of ${total} ${kind} ${are} shown; --limit N shows more`];
}
