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
  switch (kind) {
    case "nodes":
      return await nodes(reach, query);
    case "actors":
      return await actors(reach, query);
    case "workers":
      return workers(await gather(reach, { rowsMax: query.limit }), query);
    case "tasks":
      return tasks(await gather(reach, { rowsMax: query.limit }), query);
    case "objects":
      return objects(await gather(reach, { rowsMax: query.limit }), query);
  }
}

/** Every object that is known: shared memory, and what others hold. */
export interface ObjectRow extends Record<string, unknown> {
  /** Unknown where its owner did not answer. */
  objectId: string | undefined;
  state: string;
  origin: string | undefined;
  bytes: number;
  where: "owner" | "shared memory" | "disk";
  ownerId: ProcessId;
  node: string | undefined;
  /** Further nodes that have a copy. */
  copiedTo: string[];
  owner: string | undefined;
  handleCount: number | undefined;
  heldBy: string[];
}

/** The objects, the largest first. */
export function objectRows(gathered: Gathered): ObjectRow[] {
  const rows = new Map<string, ObjectRow>();
  const bySegment = new Map<string, string>();
  for (const { process: { processId }, facts } of gathered.owners) {
    for (const [segmentId, objectId] of facts.segments) {
      bySegment.set(segmentId, objectId);
    }
    for (const object of facts.objects) {
      if (object.segmentId !== undefined) {
        bySegment.set(object.segmentId, object.objectId);
      }
      rows.set(object.objectId, {
        objectId: object.objectId,
        state: object.state,
        origin: object.origin,
        bytes: object.bytes,
        where: "owner",
        ownerId: processId,
        node: gathered.nodeName(processId),
        owner: gathered.processName(processId),
        copiedTo: [],
        handleCount: object.handleCount,
        heldBy: object.holders.map((id) => gathered.processName(id)!),
      });
    }
  }
  const originals = gathered.segments().sort((a, b) =>
    Number(a.segment.copyOf !== undefined) -
    Number(b.segment.copyOf !== undefined)
  );
  for (const { node, segment } of originals) {
    if (segment.state === "recyclable") continue;
    const { copyOf, segmentId } = segment;
    const objectId = bySegment.get(copyOf ?? segmentId);
    const key = objectId ?? `segment ${copyOf ?? segmentId}`;
    const known = rows.get(key);
    const readers = segment.readers.map((id) => gathered.processName(id)!);
    if (copyOf !== undefined && known !== undefined) {
      known.copiedTo.push(node.row.nodeId);
      known.heldBy = [...new Set([...known.heldBy, ...readers])];
      continue;
    }
    rows.set(key, {
      objectId,
      state: segment.state === "live" ? known?.state ?? "ready" : segment.state,
      origin: known?.origin,
      bytes: Math.max(segment.bytes, known?.bytes ?? 0),
      where: segment.isResident ? "shared memory" : "disk",
      ownerId: segment.ownerId,
      node: node.row.nodeId,
      copiedTo: [],
      owner: gathered.processName(segment.ownerId),
      handleCount: known?.handleCount,
      heldBy: [...new Set([...known?.heldBy ?? [], ...readers])],
    });
  }
  return [...rows.values()].sort((a, b) => b.bytes - a.bytes);
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
  return listing(rows, query, (row) => ({
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

async function actors(reach: Reach, query: ListQuery): Promise<Listing> {
  // Filtering is done here: all are asked for where a state is wanted.
  const rowsMax = query.state === undefined ? query.limit : limits.factsRowsMax;
  const [{ actors, count }, gathered] = await Promise.all([
    actorsOf(reach, rowsMax),
    gather(reach, { rowsMax: 0, isBrief: true }),
  ]);
  const rows = actors.map((actor: ActorFacts) => ({
    ...actor,
    node: gathered.nodeName(actor.processId),
  }));
  const found = listing(rows, query, (row) => ({
    actor: row.actorId,
    class: row.className,
    name: row.name,
    state: row.state,
    pid: row.pid,
    node: row.node,
    starts: row.incarnation + 1,
    reason: row.reason,
  }));
  if (query.state === undefined && count > rows.length) {
    found.notes.push(moreLine(count - rows.length));
  }
  return found;
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
  const found = listing(rows, query, (row) => ({
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
  const open = gathered.owners.flatMap(({ process, facts }) => {
    if (facts.openCount > facts.tasks.length) {
      notes.push(
        `${
          facts.openCount - facts.tasks.length
        } more wait in ${process.role} ${process.pid}; --limit N shows more`,
      );
    }
    return facts.tasks.map((task) => ({
      ...task,
      node: gathered.nodeName(task.workerId),
      owner: gathered.processName(process.processId),
    }));
  });
  const known = new Set(open.map(({ taskId }) => taskId));
  const over = readLineages(gathered.lineages(), {
    read: (lineage, jobId) => lineage.tasks({ jobId, limit: query.limit }),
    failed: (line) => notes.push(line),
  }).flat().filter(({ state, taskId }) =>
    // The file is a moment behind: who has a task knows it better.
    state !== "waiting" && state !== "running" && !known.has(taskId)
  ).sort((a, b) => b.submittedAtMs - a.submittedAtMs).map((row) => ({
    taskId: row.taskId,
    name: row.name,
    kind: "task" as const,
    state: row.state,
    attempt: row.attempt + 1,
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
  const found = listing(rows, query, (row) => ({
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
  const found = listing(objectRows(gathered), query, objectCells);
  found.notes.push(...gathered.silent);
  return found;
}

/** An object for people. */
export function objectCells(row: ObjectRow): Cells {
  const handles = row.handleCount ?? 0;
  return {
    object: row.objectId ?? "unknown",
    size: bytesText(row.bytes),
    state: row.state,
    from: row.origin,
    where: row.where,
    owner: row.owner,
    "held by": [
      ...(handles > 0 ? [`${handles} refs in its owner`] : []),
      ...row.heldBy,
    ].join(", "),
    node: [row.node, ...row.copiedTo].join(", "),
  };
}

function listing<Row extends Record<string, unknown>>(
  all: readonly Row[],
  { limit, state }: ListQuery,
  cellsOf: (row: Row) => Cells,
): Listing {
  const wanted = state === undefined
    ? all
    : all.filter((row) => row["state"] === state);
  const rows = wanted.slice(0, limit);
  const notes = wanted.length > rows.length
    ? [moreLine(wanted.length - rows.length)]
    : [];
  return { rows, cells: rows.map(cellsOf), notes };
}

function moreLine(count: number): string {
  return `${count} more are not shown; --limit N shows more`;
}
