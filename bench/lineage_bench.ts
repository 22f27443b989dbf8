/**
 * What the lineage file costs: tasks a second with a named file and with the
 * session's own, against none.
 *
 *     deno run -A bench/lineage_bench.ts [--blocks N]
 *
 * Blocks with and without lineage take turns in one session, so that whatever
 * else the machine does meets both alike; a block ends when its rows are in
 * the file. There is no option for "none": here the driver's feed is replaced
 * by one that does nothing, and results are not kept.
 *
 * Rates are those of this moment; what can be compared is the share, taken of
 * each block and the one after it: its median, and what half of the pairs, and
 * four of five, lie within.
 *
 * @module
 */
import { parseArgs } from "@std/cli";
import { get, init, remote, shutdown } from "../mod.ts";
import type { Owner } from "../src/owner/owner.ts";
import { currentSession } from "../src/owner/current.ts";

const batchCount = 1000;
const warmupMs = 1000;
const blockMs = 300;

const works = {
  empty: remote(function empty() {}),
  "100 µs": remote(function busy() {
    const endMs = performance.now() + 0.1;
    while (performance.now() < endMs);
  }),
};
type Work = typeof works.empty;

/** Tasks a second, in batches of 1,000. */
async function block(work: Work, forMs: number): Promise<number> {
  const startMs = performance.now();
  let count = 0;
  while (performance.now() - startMs < forMs) {
    await get(Array.from({ length: batchCount }, () => work.remote()));
    count += batchCount;
  }
  const { owner, node } = currentSession()!;
  owner.lineage.flush();
  await node.request("lineage.flush", {});
  return count / (performance.now() - startMs) * 1000;
}

/** Tasks a second with and without lineage, in two blocks that ran one after the other. */
interface Pair {
  readonly on: number;
  readonly off: number;
}

/** As many pairs as blocks are asked for. */
async function compare(
  work: Work,
  options: { isNamed: boolean; blockCount: number },
): Promise<Pair[]> {
  const folder = await Deno.makeTempDir();
  const named = options.isNamed ? { lineage: `${folder}/runs.db` } : {};
  const pairs: Pair[] = [];
  try {
    await init({ numCpus: 2, ...named });
    await block(work, warmupMs);
    for (let at = 0; at < options.blockCount; at++) {
      const on = await block(work, blockMs);
      const turnOn = turnOff(currentSession()!.owner);
      pairs.push({ on, off: await block(work, blockMs) });
      turnOn();
    }
  } finally {
    await shutdown();
    await Deno.remove(folder, { recursive: true });
  }
  return pairs;
}

/** From now on nothing is told or kept, until the returned function is called. */
function turnOff({ lineage: feed, job }: Owner): () => void {
  const { isLineageNamed } = job;
  job.isLineageNamed = false;
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(feed))
    .filter((name) => name !== "constructor" && name !== "flush");
  for (const name of names) Object.assign(feed, { [name]: () => {} });
  return () => {
    job.isLineageNamed = isLineageNamed;
    names.forEach((name) => Reflect.deleteProperty(feed, name));
  };
}

/** The figure that this part of all lies below. */
function quantile(figures: number[], part: number): number {
  const sorted = figures.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!;
}

const { blocks } = parseArgs(Deno.args, {
  string: ["blocks"],
  default: { blocks: "30" },
});
for (const [name, work] of Object.entries(works)) {
  for (const isNamed of [false, true]) {
    const options = { isNamed, blockCount: Number(blocks) };
    const pairs = await compare(work, options);
    const off = quantile(pairs.map(({ off }) => off), 0.5);
    const on = quantile(pairs.map(({ on }) => on), 0.5);
    const shares = pairs.map(({ on, off }) => on / off * 100);
    const [low, lower, middle, upper, high] = [0.1, 0.25, 0.5, 0.75, 0.9]
      .map((part) => quantile(shares, part).toFixed(0));
    console.log(
      `${name}, ${isNamed ? "named" : "session's own"}: ${on.toFixed(0)} ` +
        `of ${off.toFixed(0)} tasks/s, ${middle} % ` +
        `(half ${lower} to ${upper}, four of five ${low} to ${high})`,
    );
  }
}
