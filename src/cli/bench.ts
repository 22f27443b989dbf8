/**
 * `bench`: how fast tasks, calls and objects are on this machine, in a few
 * seconds. Measures the package itself, so it runs where that was installed;
 * the whole comparison (`deno task bench`) is in the repository only.
 *
 * @module
 */
import { get } from "../client/get.ts";
import { put } from "../client/objects.ts";
import { remote } from "../client/remote.ts";
import { readFlags, UsageError } from "./flags.ts";
import { note, show } from "./show.ts";
import { outputStyle, table } from "./table.ts";

/** Starts and ends the runtime that is measured. */
export interface BenchRuntime {
  start(): Promise<AsyncDisposable>;
}

/** One row: rates a second, of rounds. */
export interface BenchRow {
  /** What was done. */
  name: string;
  /** How often a second: the round in the middle. */
  median: number;
  /** The slowest round. */
  least: number;
  /** The quickest round. */
  most: number;
  /** What is counted. */
  unit: string;
}

const roundsDefault = 5;
const roundMs = 250;
const warmUpMs = 50;
const batch = 1000;
const megabytes = 8;

/** Nothing: what is measured is all around it. */
export function nothing(): void {}

/** Reads an array in place. */
export function sum(array: Float64Array): number {
  return array[0]! + array[array.length - 1]!;
}

/** An actor that does next to nothing. */
export class Counter {
  #count = 0;
  /** One more. */
  add(): number {
    return ++this.#count;
  }
}

/** Runs `bench`. */
export async function bench(
  args: string[],
  runtime: BenchRuntime,
): Promise<number> {
  const given = readFlags(args, {
    texts: ["rounds"],
    booleans: ["full"],
    wordsMax: 0,
  });
  const rounds = given.whole("rounds", 1) ?? roundsDefault;
  if (given.has("full")) return await full();
  const rows: BenchRow[] = [];
  {
    await using _running = await runtime.start();
    for (const [name, unit, act] of measures()) {
      rows.push(await measured({ name, unit, rounds }, act));
    }
  }
  show(given, rows, () =>
    table(
      rows.map(({ name, median, least, most, unit }) => ({
        what: name,
        "a second": rate(median),
        least: rate(least),
        most: rate(most),
        unit,
      })),
      outputStyle(),
    ));
  note(
    `${navigator.hardwareConcurrency} CPUs, Deno ${Deno.version.deno}, ${rounds} rounds of ${roundMs} ms each; other work on this machine counts against it`,
  );
  return 0;
}

/** What is done over and over; each answers how much that was. */
function measures(): [string, string, () => Promise<number>][] {
  const task = remote(nothing);
  const read = remote(sum);
  const counter = remote(Counter).remote();
  const array = put(new Float64Array(megabytes << 17));
  const small = put("small");
  return [
    ["tasks, one at a time", "tasks", async () => {
      await get(task.remote());
      return 1;
    }],
    [`tasks, ${batch} at once`, "tasks", async () => {
      await get(Array.from({ length: batch }, () => task.remote()));
      return batch;
    }],
    ["calls of an actor, one at a time", "calls", async () => {
      await get(counter.add.remote());
      return 1;
    }],
    [`calls of an actor, ${batch} at once`, "calls", async () => {
      await get(Array.from({ length: batch }, () => counter.add.remote()));
      return batch;
    }],
    ["get of a small object", "gets", async () => {
      await get(small);
      return 1;
    }],
    [`put and get of ${megabytes} MiB`, "MiB", async () => {
      using ref = put(new Float64Array(megabytes << 17));
      await get(ref);
      return megabytes;
    }],
    [`tasks that read ${megabytes} MiB`, "tasks", async () => {
      await get(read.remote(array));
      return 1;
    }],
  ];
}

async function measured(
  { name, unit, rounds }: { name: string; unit: string; rounds: number },
  act: () => Promise<number>,
): Promise<BenchRow> {
  const rates: number[] = [];
  // A short one before: it warms up, and is not counted.
  for (let round = 0; round <= rounds; round++) {
    const lengthMs = round === 0 ? warmUpMs : roundMs;
    const startMs = performance.now();
    let count = 0;
    let tookMs = 0;
    do {
      count += await act();
      tookMs = performance.now() - startMs;
    } while (tookMs < lengthMs);
    if (round > 0) rates.push(count / tookMs * 1000);
  }
  rates.sort((a, b) => a - b);
  const middle = [(rates.length - 1) >> 1, rates.length >> 1];
  const median = (rates[middle[0]!]! + rates[middle[1]!]!) / 2;
  return { name, unit, median, least: rates[0]!, most: rates.at(-1)! };
}

/** The repository's own, where this is run from one. */
async function full(): Promise<number> {
  const main = new URL("../../bench/main.ts", import.meta.url);
  const isHere = main.protocol === "file:" && isFile(main);
  if (!isHere) {
    throw new UsageError(
      "--full needs a checkout of the repository: the package holds no comparison; run bench without it",
    );
  }
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", main.href],
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  return (await child.status).code;
}

function isFile(url: URL): boolean {
  try {
    return Deno.statSync(url).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function rate(perSecond: number): string {
  return perSecond >= 100
    ? Math.round(perSecond).toString()
    : perSecond.toFixed(1);
}
