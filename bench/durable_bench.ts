/**
 * What a durable actor's call costs: one at a time and in batches, beside the
 * same actor without it, with a lineage file of its own and with the session's.
 *
 * `deno run -A bench/durable_bench.ts [FOLDER]`; the file lies in FOLDER, so
 * that its disk can be chosen.
 *
 * @module
 */
import { get, init, remote, shutdown } from "@manta/manta";

class Counter {
  count = 0;

  add(n: number): number {
    return this.count += n;
  }
}

const folder = await Deno.makeTempDir(
  Deno.args[0] === undefined ? {} : { dir: Deno.args[0] },
);
for (const lineage of [`${folder}/lineage.db`, undefined]) {
  await init({ numCpus: 1, ...(lineage === undefined ? {} : { lineage }) });
  for (const durable of [false, true]) {
    const counter = remote(Counter, { durable }).remote();
    const oneByOne = async (count: number) => {
      for (let at = 0; at < count; at++) await get(counter.add.remote(1));
    };
    const inBatches = async (count: number) => {
      for (let at = 0; at < count; at += 1000) {
        await get(Array.from({ length: 1000 }, () => counter.add.remote(1)));
      }
    };
    await oneByOne(500);
    const single = await perSecond(2000, oneByOne);
    await inBatches(5000);
    const batched = await perSecond(20_000, inBatches);
    console.log(
      lineage === undefined ? "session's file" : "named file",
      durable ? "durable" : "plain",
      `${single} calls/s one at a time, ${batched} in batches of 1,000`,
    );
  }
  await shutdown();
}
await Deno.remove(folder, { recursive: true });

async function perSecond(
  count: number,
  run: (count: number) => Promise<void>,
): Promise<number> {
  const startMs = performance.now();
  await run(count);
  return Math.round(count / (performance.now() - startMs) * 1000);
}
