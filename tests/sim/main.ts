/**
 * `deno task sim --seeds N --from S`: walks through more seeds than the test
 * run does; of one that fails the last `--events E` are shown.
 *
 * @module
 */
import { parseArgs } from "@std/cli";
import { runSeed, tell } from "./walk.ts";

const args = parseArgs(Deno.args, { string: ["seeds", "from", "events"] });
const from = wholeNumber("from", args.from ?? "1");
const seedCount = wholeNumber("seeds", args.seeds ?? "300");
const storyMax = wholeNumber("events", args.events ?? "60");

const reached = new Map<string, number>();
let stepCount = 0;
for (let seed = from; seed < from + seedCount; seed++) {
  const { world, broken } = runSeed(seed, { storyMax });
  if (broken !== undefined) {
    console.error(tell(broken));
    Deno.exit(1);
  }
  stepCount += world.kernel.stepCount;
  for (const [what, count] of world.kernel.reached) {
    reached.set(what, (reached.get(what) ?? 0) + count);
  }
}
for (const [what, count] of [...reached].sort(([a], [b]) => a < b ? -1 : 1)) {
  console.log(`${count.toString().padStart(9)}  ${what}`);
}
console.log(`${seedCount} seeds from ${from}, ${stepCount} events: all well`);

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0) return value;
  console.error(`Cannot run: --${name} is "${text}", expected a whole number`);
  Deno.exit(2);
}
