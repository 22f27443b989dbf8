/**
 * `summary`: how much there is of all, and what became of the tasks of each
 * function. `memory`: who holds what, the largest first.
 *
 * @module
 */
import { nodeTagOf } from "../base/ids.ts";
import { readFlags } from "./flags.ts";
import { actorsOf, gather, type Gathered, readLineages } from "./gather.ts";
import { moreLine } from "./lists.ts";
import { objectCells, type ObjectRow, objectRows } from "./object_rows.ts";
import { note, show } from "./show.ts";
import {
  bytesText,
  type Cells,
  outputStyle,
  spanText,
  table,
} from "./table.ts";
import { askingFlags, nameOf, reachAny } from "./where.ts";

const everyRow = 10_000;
const limitDefault = 30;

interface FunctionRow {
  name: string;
  waiting: number;
  running: number;
  finished: number;
  failed: number;
  cancelled: number;
  crashed: number;
  runMs: number;
}

/** Runs `summary`. */
export async function summary(args: string[]): Promise<number> {
  const given = readFlags(args, { ...askingFlags, wordsMax: 0 });
  await using reach = await reachAny(given);
  const [gathered, { actors, count }] = await Promise.all([
    gather(reach, { rowsMax: 1 }),
    actorsOf(reach, everyRow),
  ]);
  const notes = [...gathered.silent];
  const functions = functionRows(gathered, (line) => notes.push(line));
  for (const program of gathered.farPrograms()) {
    notes.push(
      `finished tasks of ${program} are in its lineage file, which is not on this machine`,
    );
  }
  const states: Record<string, number> = {};
  for (const { state } of actors) states[state] = (states[state] ?? 0) + 1;
  const programs = gathered.nodes.filter(({ about }) =>
    about.kind === "local" || about.kind === "driver"
  );
  const giving = gathered.nodes.filter(({ about }) => about.kind !== "driver");
  const sum = (of: (node: typeof giving[number]) => number) =>
    giving.reduce((all, node) => all + of(node), 0);
  const result = {
    nodeCount: giving.length,
    programs: programs.map(({ about, row }) => ({
      jobId: about.jobId,
      script: about.script,
      pid: row.pid,
    })),
    processCount: gathered.processes().length,
    cpus: {
      total: sum(({ row }) => row.resources["CPU"] ?? 0),
      free: sum(({ row }) => row.available["CPU"] ?? 0),
    },
    store: {
      usedBytes: sum(({ storeUsedBytes }) => storeUsedBytes),
      capacityBytes: sum(({ storeCapacityBytes }) => storeCapacityBytes),
    },
    actorCount: count,
    actors: states,
    functions,
  };
  show(given, result, () => {
    const { cpus, store } = result;
    const actorText = Object.entries(states).map(([state, n]) =>
      `${n} ${state}`
    ).join(", ");
    return [
      `${plural(result.nodeCount, "node")}, ${
        plural(result.processCount, "process", "processes")
      }, CPU ${round(cpus.total - cpus.free)} of ${cpus.total} in use`,
      `object store: ${bytesText(store.usedBytes)} of ${
        bytesText(store.capacityBytes)
      } in use`,
      `programs: ${
        programs.map(({ about, row }) =>
          `${nameOf(about.script)} (pid ${row.pid}, job ${about.jobId})`
        ).join(", ") || "none"
      }`,
      `actors: ${actorText || "none"}`,
      "",
      table(functions.map(functionCells), {
        ...outputStyle(),
        none: "no tasks yet",
      }),
    ].join("\n");
  });
  for (const line of notes) note(line);
  return 0;
}

/** Runs `memory`. */
export async function memory(args: string[]): Promise<number> {
  const given = readFlags(args, {
    texts: [...askingFlags.texts!, "limit"],
    wordsMax: 0,
  });
  const limit = given.whole("limit", 1) ?? limitDefault;
  await using reach = await reachAny(given);
  const gathered = await gather(reach, { rowsMax: everyRow });
  const objects = objectRows(gathered);
  const holders = holderRows(gathered, objects);
  const stores = gathered.nodes.map((node) => ({
    nodeId: node.row.nodeId,
    kind: node.about.kind,
    usedBytes: node.storeUsedBytes,
    capacityBytes: node.storeCapacityBytes,
    segmentCount: node.segmentCount,
  }));
  const first = objects.slice(0, limit);
  show(given, { stores, holders, objects: first }, () =>
    [
      ...stores.map((store) =>
        `node ${store.nodeId}: ${bytesText(store.usedBytes)} of ${
          bytesText(store.capacityBytes)
        } of shared memory in ${plural(store.segmentCount, "segment")}`
      ),
      "",
      table(
        holders.map((row) => ({
          process: row.process,
          pid: row.pid,
          "owns in store": bytesText(row.ownedBytes),
          objects: row.objectCount,
          "own memory": bytesText(row.privateBytes),
          job: row.jobId,
          node: row.node,
        })),
        outputStyle(),
      ),
      "",
      table(first.map(objectCells), {
        ...outputStyle(),
        none: "no objects in shared memory, and none that others hold",
      }),
    ].join("\n"));
  const { length: shown } = first;
  const more = moreLine("objects", { shown, total: objects.length });
  for (const line of [...more, ...gathered.silent]) note(line);
  return 0;
}

function holderRows(gathered: Gathered, objects: readonly ObjectRow[]) {
  // An actor's host is the same process, and owns nothing.
  const all = gathered.processes().filter(({ role }) => role !== "host");
  return all.map((process) => {
    const { processId, pid, role, jobId, privateBytes } = process;
    const owned = objects.filter(({ ownerId }) => ownerId === processId);
    return {
      process: role,
      processId,
      pid,
      jobId,
      tag: nodeTagOf(processId),
      node: gathered.nodeName(processId),
      ownedBytes: owned.reduce((sum, { bytes }) => sum + bytes, 0),
      objectCount: owned.length,
      privateBytes,
    };
  }).sort((a, b) =>
    b.ownedBytes - a.ownedBytes || b.privateBytes - a.privateBytes
  );
}

function functionRows(
  gathered: Gathered,
  failed: (line: string) => void,
): FunctionRow[] {
  const rows = new Map<string, FunctionRow>();
  const of = (name: string): FunctionRow => {
    let row = rows.get(name);
    if (row === undefined) {
      const none = { finished: 0, failed: 0, cancelled: 0, crashed: 0 };
      row = { name, waiting: 0, running: 0, ...none, runMs: 0 };
      rows.set(name, row);
    }
    return row;
  };
  for (const { facts } of gathered.owners) {
    for (const { name, waiting, running } of facts.functions) {
      of(name).waiting += waiting;
      of(name).running += running;
    }
  }
  const sums = readLineages(gathered.lineages(), {
    read: (lineage, jobId) => lineage.functions(jobId),
    failed,
  }).flat();
  for (const { name, ...sum } of sums) {
    const row = of(name);
    row.finished += sum.finished;
    row.failed += sum.failed;
    row.cancelled += sum.cancelled;
    row.crashed += sum.crashed;
    row.runMs += sum.runMs;
  }
  return [...rows.values()].sort((a, b) => a.name < b.name ? -1 : 1);
}

function functionCells(row: FunctionRow): Cells {
  const { runMs, ...cells } = row;
  return {
    ...cells,
    mean: row.finished === 0 ? undefined : spanText(runMs / row.finished),
  };
}

function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

function round(amount: number): number {
  return Math.round(amount * 100) / 100;
}
