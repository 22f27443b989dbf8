/**
 * The rows of the table: their names, units, and who can run them.
 *
 * Names and work are those of `ray microbenchmark`, whose definitions are in
 * the installed package (`ray/_private/ray_perf.py`); what a run of a row does
 * is in each file of `contenders/`. Where Ray's tasks return `b"ok"`, those in
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
  | "piscina64";

/** One row of the table. */
export interface Row {
  readonly name: string;
  readonly unit: "/s" | "GB/s" | "ms" | "s";
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
];
const withLimit: readonly ContenderName[] = [...pools, "socket"];

function rate(name: string, contenders = both): Row {
  return { name, unit: "/s", contenders };
}

/** All rows, in the order in which they run. */
export const rows: readonly Row[] = [
  // First, while no other contender is up.
  {
    name: "init to first result",
    unit: "ms",
    contenders: ["manta", "ray", "piscina"],
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
  { name: "fib(20)", unit: "s", contenders: both, slow: ["ray"] },
];

/** Whether a smaller figure is the better one. */
export function isDuration(row: Row): boolean {
  return row.unit === "ms" || row.unit === "s";
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
