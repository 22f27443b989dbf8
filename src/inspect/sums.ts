/**
 * How much there is of all, and what became of the tasks of each function.
 *
 * @module
 */
import {
  actorsOf,
  farNotes,
  gather,
  type Gathered,
  readLineages,
} from "./gather.ts";
import type { Reach } from "./reach.ts";
import { type Cells, spanText } from "./words.ts";

const everyRow = 10_000;

/** What became of the tasks of one function. */
export interface FunctionRow {
  name: string;
  waiting: number;
  running: number;
  finished: number;
  failed: number;
  cancelled: number;
  crashed: number;
  runMs: number;
}

/** A program that runs. */
export interface ProgramRow {
  jobId?: string;
  script?: string;
  pid: number;
}

/** The sums of a program or cluster. */
export interface Summary {
  nodeCount: number;
  programs: ProgramRow[];
  processCount: number;
  cpus: { total: number; free: number };
  store: { usedBytes: number; capacityBytes: number };
  actorCount: number;
  /** By state. */
  actors: Record<string, number>;
  functions: FunctionRow[];
}

/** Adds up what there is now, and what the lineage files say of what was. */
export async function summaryOf(
  reach: Reach,
): Promise<{ summary: Summary; notes: string[] }> {
  const [gathered, { actors, count }] = await Promise.all([
    gather(reach, { rowsMax: 1 }),
    actorsOf(reach, everyRow),
  ]);
  const notes = [...gathered.silent];
  const functions = functionRows(gathered, (line) => notes.push(line));
  notes.push(...farNotes(gathered));
  const states: Record<string, number> = {};
  for (const { state } of actors) states[state] = (states[state] ?? 0) + 1;
  const giving = gathered.nodes.filter(({ about }) => about.kind !== "driver");
  const sum = (of: (node: typeof giving[number]) => number) =>
    giving.reduce((all, node) => all + of(node), 0);
  const summary: Summary = {
    nodeCount: giving.length,
    programs: programRows(gathered),
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
  return { summary, notes };
}

/** The programs that run. */
export function programRows(gathered: Gathered): ProgramRow[] {
  return gathered.nodes.filter(({ about: { kind } }) =>
    kind === "local" || kind === "driver"
  ).map(({ about: { jobId, script }, row: { pid } }) => ({
    ...(jobId === undefined ? {} : { jobId }),
    ...(script === undefined ? {} : { script }),
    pid,
  }));
}

/** A function's tasks for people. */
export function functionCells(row: FunctionRow): Cells {
  const { runMs, ...cells } = row;
  return {
    ...cells,
    mean: row.finished === 0 ? undefined : spanText(runMs / row.finished),
  };
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
