/**
 * Eight numbers, added in a chain and in a tree. The same seven additions: in a
 * chain each waits for the one before it, in a tree for one of its level.
 *
 * `deno run -A examples/aggregation.ts`
 *
 * @module
 */
import { delay } from "@std/async/delay";
import { get, init, type ObjectRef, put, remote } from "@manta/manta";

await using _runtime = await init({ numCpus: 4 });

const stepMs = 250;
const add = remote(async (a: number, b: number) => {
  await delay(stepMs); // Stands for work that takes a while.
  return a + b;
});
await get([1, 2, 3, 4].map((n) => add.remote(n, n))); // All workers are up now.

const numbers = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => put(n));

function addInChain(refs: ObjectRef<number>[]): ObjectRef<number> {
  return refs.reduce((sum, ref) => add.remote(sum, ref));
}

function addInTree(refs: ObjectRef<number>[]): ObjectRef<number> {
  if (refs.length === 1) return refs[0]!;
  const pairs = Array.from(
    { length: refs.length / 2 },
    (_, at) => add.remote(refs[2 * at]!, refs[2 * at + 1]!),
  );
  return addInTree(pairs);
}

for (const aggregate of [addInChain, addInTree]) {
  const startMs = performance.now();
  const sum = await get(aggregate(numbers));
  const tookMs = performance.now() - startMs;
  console.log(`${aggregate.name}: ${sum} in ${(tookMs / 1_000).toFixed(2)} s`);
}
