/**
 * What a cluster costs: tasks through a node's port beside tasks of a runtime
 * of this program's own, and objects between nodes beside a bare TCP copy. All
 * in one run, on one machine: ratios count.
 *
 * deno task bench --rows cluster
 *
 * @module
 */
import { get, init, put, remote, shutdown, wait } from "../mod.ts";
import { TestCluster } from "../tests/support/cluster.ts";

const nop = remote(() => 1);
const lengthOf = remote((array: Float64Array) => array.length);
const roundCount = 5;
const chunkBytes = 256 * 1024;
const copiedBytes = 256 << 20;

async function rates(): Promise<{ batches: number; single: number }> {
  await get(Array.from({ length: 3000 }, () => nop.remote()));
  let startMs = performance.now();
  for (let round = 0; round < roundCount; round++) {
    await get(Array.from({ length: 1000 }, () => nop.remote()));
  }
  const batches = roundCount * 1e6 / (performance.now() - startMs);
  startMs = performance.now();
  for (let at = 0; at < 500; at++) await get(nop.remote());
  return { batches, single: 500_000 / (performance.now() - startMs) };
}

/** From one array into a fresh one, as an object is copied: a reader that throws the bytes away is quicker. */
async function bareCopy(): Promise<number> {
  const source = new Uint8Array(copiedBytes).fill(1);
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const reading = (async () => {
    using conn = await listener.accept();
    const copy = new Uint8Array(copiedBytes);
    for (let read = 0; read < copiedBytes;) {
      const into = copy.subarray(read, read + chunkBytes);
      read += await conn.read(into) ?? copiedBytes;
    }
  })();
  using conn = await Deno.connect({ port });
  const startMs = performance.now();
  for (let sent = 0; sent < copiedBytes;) {
    sent += await conn.write(source.subarray(sent, sent + chunkBytes));
  }
  await reading;
  return copiedBytes / 1e6 / (performance.now() - startMs);
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

async function transfer(): Promise<number> {
  const array = put(new Float64Array(copiedBytes / 8));
  // It is in shared memory here before a node asks for it.
  await wait([array]);
  const startMs = performance.now();
  await get(lengthOf.remote(array));
  return copiedBytes / 1e6 / (performance.now() - startMs);
}

await init({ numCpus: 2 });
const local = await rates();
await shutdown();
const cluster = await TestCluster.start(0);
await init({ address: cluster.address, token: cluster.token });
const far = await rates();
await transfer();
const transfers: number[] = [];
const copies: number[] = [];
for (let round = 0; round < roundCount; round++) {
  transfers.push(await transfer());
  copies.push(await bareCopy());
}
await shutdown();
await cluster[Symbol.asyncDispose]();

const row = (what: string, far: number, near: number, unit: string) =>
  console.log(
    `${what.padEnd(28)} ${far.toFixed(2).padStart(10)} ${
      near.toFixed(2).padStart(10)
    } ${unit.padEnd(8)} ${(far / near).toFixed(2)}`,
  );
console.log(
  `${navigator.hardwareConcurrency} CPUs, Deno ${Deno.version.deno}, load ${
    Deno.loadavg()[0]!.toFixed(1)
  }`,
);
row("tasks, batches of 1,000", far.batches, local.batches, "/s");
row("tasks, one at a time", far.single, local.single, "/s");
row(
  "object of 256 MiB, bare TCP",
  median(transfers),
  median(copies),
  "GB/s",
);
