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

/** Rates without and with lineage, the median of each. */
async function compare(
  work: Work,
  options: { isNamed: boolean; blockCount: number },
): Promise<{ off: number; on: number }> {
  const folder = await Deno.makeTempDir();
  const named = options.isNamed ? { lineage: `${folder}/runs.db` } : {};
  const figures: { off: number[]; on: number[] } = { off: [], on: [] };
  try {
    await init({ numCpus: 2, ...named });
    await block(work, warmupMs);
    for (let at = 0; at < options.blockCount; at++) {
      figures.on.push(await block(work, blockMs));
      const turnOn = turnOff(currentSession()!.owner);
      figures.off.push(await block(work, blockMs));
      turnOn();
    }
  } finally {
    await shutdown();
    await Deno.remove(folder, { recursive: true });
  }
  return { off: median(figures.off), on: median(figures.on) };
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

function median(figures: number[]): number {
  return figures.toSorted((a, b) => a - b)[figures.length >> 1]!;
}

const { blocks } = parseArgs(Deno.args, {
  string: ["blocks"],
  default: { blocks: "30" },
});
for (const [name, work] of Object.entries(works)) {
  for (const isNamed of [false, true]) {
    const options = { isNamed, blockCount: Number(blocks) };
    const { off, on } = await compare(work, options);
    const share = (on / off * 100).toFixed(0);
    console.log(
      `${name}, ${isNamed ? "named" : "session's own"}: ${on.toFixed(0)} ` +
        `of ${off.toFixed(0)} tasks/s, ${share} %`,
    );
  }
}
