/**
 * The rows of the table: their names, units, and who can run them.
 *
 * Names and work are those of `ray microbenchmark`, whose definitions are in
 * the installed package (`ray/_private/ray_perf.py`); those after them are of
 * its `release/benchmarks/single_node` and our own, which show what a task costs
 * beside many others. What a run of a row does is in each file of `contenders/`. Where Ray's tasks return `b"ok"`, those in
 * JavaScript return `"ok"`: each language's own small value.
 *
 * @module
 */

/** Who runs rows: also the names in the JSON. */
export type ContenderName =
  | "manta"
  | "socket"
  | "ray"
  | "piscina"
  | "piscina64"
  | "tinypool"
  | "workerpool";

/** One row of the table. */
export interface Row {
  readonly name: string;
  readonly unit: "/s" | "GB/s" | "µs" | "ms" | "s" | "MB";
  /** Everybody who can run it. */
  readonly contenders: readonly ContenderName[];
  /** Each round is a process of its own, which measures its own start. */
  readonly isFresh?: boolean;
  /** Who needs so long for it that one round has to do, and none with `--quick`. */
  readonly slow?: readonly ContenderName[];
}

const both: readonly ContenderName[] = ["manta", "ray"];
const pools: readonly ContenderName[] = [
  "manta",
  "ray",
  "piscina",
  "piscina64",
  "tinypool",
  "workerpool",
];
const withLimit: readonly ContenderName[] = [...pools, "socket"];

function rate(name: string, contenders = both): Row {
  return { name, unit: "/s", contenders };
}

/** Batches of tasks while there are this many of something: a task's cost is to be the same. */
export const besideRows: readonly { name: string; what: string; n: number }[] =
  Object.entries({
    objects: [1000, 10_000, 100_000],
    functions: [10, 100, 1000],
    actors: [1, 10, 100],
  }).flatMap(([what, counts]) =>
    counts.map((n) => {
      const kind = n === 1 ? what.slice(0, -1) : what;
      const name = `tasks async beside ${n.toLocaleString("en")} ${kind}`;
      return { name, what, n };
    })
  );

/** All rows, in the order in which they run. */
export const rows: readonly Row[] = [
  // First, while no other contender is up.
  {
    name: "init to first result",
    unit: "ms",
    contenders: ["manta", "ray", "piscina", "tinypool", "workerpool"],
    isFresh: true,
  },
  rate("single client get calls (Plasma Store)"),
  rate("single client put calls (Plasma Store)"),
  rate("multi client put calls (Plasma Store)"),
  { name: "single client put gigabytes", unit: "GB/s", contenders: both },
  rate("single client tasks and get batch", pools),
  { name: "multi client put gigabytes", unit: "GB/s", contenders: both },
  rate("single client get object containing 10k refs"),
  rate("single client wait 1k refs"),
  rate("single client tasks sync", withLimit),
  rate("single client tasks async", withLimit),
  rate("multi client tasks async"),
  rate("1:1 actor calls sync", [...both, "socket"]),
  rate("1:1 actor calls async", [...both, "socket"]),
  rate("1:1 actor calls concurrent"),
  rate("1:n actor calls async"),
  rate("n:n actor calls async"),
  rate("n:n actor calls with arg async"),
  rate("1:1 async-actor calls sync"),
  rate("1:1 async-actor calls async"),
  rate("1:1 async-actor calls with args async"),
  rate("1:n async-actor calls async"),
  rate("n:n async-actor calls async"),
  rate("placement group create/removal"),
  { name: "fib(20)", unit: "s", contenders: both, slow: ["ray"] },
  { name: "a task of 10,000 arguments", unit: "s", contenders: both },
  { name: "a task of 3,000 returns", unit: "s", contenders: both },
  { name: "get of 10,000 objects", unit: "s", contenders: both },
  {
    name: "100,000 queued tasks",
    unit: "s",
    contenders: both,
    slow: ["ray"],
  },
  {
    name: "1,000,000 queued tasks",
    unit: "s",
    contenders: ["manta"],
    slow: ["manta"],
  },
  { name: "start of 200 actors", unit: "s", contenders: both, slow: ["ray"] },
  { name: "memory of 200 actors", unit: "MB", contenders: both, slow: both },
  { name: "single client tasks sync, p50", unit: "µs", contenders: ["manta"] },
  { name: "single client tasks sync, p99", unit: "µs", contenders: ["manta"] },
  { name: "a new function's first task", unit: "ms", contenders: ["manta"] },
  rate("tasks async of a closure", ["manta"]),
  ...besideRows.map(({ name }) => rate(name, ["manta"])),
];

/** Whether a smaller figure is the better one. */
export function isCost(row: Row): boolean {
  return ["µs", "ms", "s", "MB"].includes(row.unit);
}

/** The rows a pattern names: a part of the name, or a regular expression. */
export function rowsMatching(pattern: string): readonly Row[] {
  const part = pattern.toLowerCase();
  const expression = expressionOf(pattern);
  return rows.filter(({ name }) =>
    name.toLowerCase().includes(part) || expression?.test(name) === true
  );
}

function expressionOf(pattern: string): RegExp | undefined {
  try {
    return new RegExp(pattern, "i");
  } catch {
    // "fib(" is a fair part of a name: it still counts as one.
    return undefined;
  }
}
