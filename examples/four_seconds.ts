/**
 * Four seconds in one: four tasks that take a second each, on four slots.
 *
 * The machine may have fewer cores: `numCpus: 4` says how many tasks may run at
 * the same time, and these only wait, as a task does that asks a slow server.
 *
 * `deno run -A examples/four_seconds.ts`
 *
 * @module
 */
import { delay } from "@std/async/delay";
import { get, init, remote } from "@manta/manta";

await using _runtime = await init({ numCpus: 4 });

const answer = remote(async (question: number) => {
  await delay(1_000);
  return question * 10;
});
await get([1, 2, 3, 4].map(() => answer.remote(0))); // All four are up now.

const startMs = performance.now();
const answers = await get([1, 2, 3, 4].map((n) => answer.remote(n)));
const tookMs = performance.now() - startMs;

console.log(`answers: ${answers.join(", ")}`);
console.log(`four tasks of one second: ${(tookMs / 1_000).toFixed(2)} s`);
