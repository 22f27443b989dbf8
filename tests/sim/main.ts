/**
 * `deno task sim --seeds N --from S`: walks through more seeds than the test
 * run does; of one that fails the last `--events E` are shown. With
 * `--cluster` the seeds are those of a cluster of many machines; `--nodes N`
 * measures what a task costs from ten nodes to N.
 *
 * @module
 */
import { parseArgs } from "@std/cli";
import { runClusterSeed, tellCluster } from "./cluster/walk.ts";
import { tellScale } from "./scale.ts";
import { runSeed, tell } from "./walk.ts";

const args = parseArgs(Deno.args, {
  string: ["seeds", "from", "events", "nodes"],
  boolean: ["cluster"],
});
if (args.nodes !== undefined) {
  const nodeCount = wholeNumber("nodes", args.nodes);
  if (nodeCount === 0) complain("nodes", args.nodes);
  Deno.exit(tellScale(nodeCount) ? 0 : 1);
}
const from = wholeNumber("from", args.from ?? "1");
const seedCount = wholeNumber("seeds", args.seeds ?? "300");
const storyMax = wholeNumber("events", args.events ?? "60");

const reached = new Map<string, number>();
let stepCount = 0;
for (let seed = from; seed < from + seedCount; seed++) {
  const { world, broken } = args.cluster
    ? runClusterSeed(seed, { storyMax })
    : runSeed(seed, { storyMax });
  if (broken !== undefined) {
    console.error(args.cluster ? tellCluster(broken) : tell(broken));
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
  const isWhole = text.trim() !== "" && Number.isInteger(value) && value >= 0;
  return isWhole ? value : complain(name, text);
}

function complain(name: string, text: string): never {
  console.error(`Cannot run: --${name} is "${text}", expected a whole number`);
  Deno.exit(2);
}
