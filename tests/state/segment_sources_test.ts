import { assert, assertEquals } from "@std/assert";
import type { NodeTag, ProcessId, SegmentId } from "../../src/base/ids.ts";
import { SegmentSources } from "../../src/state/segment_sources.ts";
import { withSeed } from "../support/random.ts";

const tag = (n: number) => `node-${n}` as NodeTag;
const segment = (n: number) => `segment-${n}` as SegmentId;
const owner = (n: number) => `process-${n}` as ProcessId;
const origin = tag(0);

const wanted = (by: number, ...except: NodeTag[]) => ({
  ownerId: owner(1),
  by: tag(by),
  except,
});

Deno.test("SegmentSources sends who comes third to those that came before", () => {
  const sources = new SegmentSources(origin);
  const from = [1, 2, 3, 4, 5].map((by) =>
    sources.located(segment(1), wanted(by))
  );
  assertEquals(from, [origin, origin, tag(1), tag(1), tag(2)]);
  sources.validate();
  assertEquals(sources.located(segment(1), wanted(1)), origin);
  assertEquals(sources.freed(segment(1)), [1, 2, 3, 4, 5].map(tag));
  assertEquals(sources.freed(segment(1)), []);
});

Deno.test("SegmentSources knows who still waits for a node that gave up and begins again", () => {
  const sources = new SegmentSources(origin);
  for (const by of [1, 2, 3]) sources.located(segment(1), wanted(by));
  sources.copied(segment(1), tag(1), false);
  sources.validate();
  // The third still waits for the first, which must not wait for the third.
  assertEquals(
    sources.located(segment(1), wanted(1, origin, tag(2))),
    undefined,
  );
  assertEquals(sources.located(segment(1), wanted(1)), origin);
  sources.validate();
  assertEquals(sources.located(segment(1), wanted(3, tag(1))), tag(2));
  sources.validate();
});

Deno.test("SegmentSources keeps its invariants under any order of events, and nobody waits in a circle", () =>
  withSeed((random) => {
    const sources = new SegmentSources(origin);
    const int = (count: number) => Math.floor(random() * count);
    const from = new Map<string, NodeTag>();
    const counts = { origin: 0, other: 0, none: 0, freed: 0, owner: 0 };
    const key = (n: number, by: NodeTag) => `${n} ${by}`;
    const forget = (n: number) => {
      for (let by = 1; by < 9; by++) from.delete(key(n, tag(by)));
    };
    for (let step = 0; step < 30_000; step++) {
      const n = int(4);
      const by = tag(1 + int(8));
      const dice = random();
      if (dice < 0.5) {
        const except = random() < 0.3 ? [tag(int(9)), tag(int(9))] : [];
        const ownerId = owner(n % 2);
        const source = sources.located(segment(n), { ownerId, by, except });
        from.delete(key(n, by));
        if (source === undefined) counts.none++;
        else {
          counts[source === origin ? "origin" : "other"]++;
          assert(!except.includes(source), "It was tried before");
          from.set(key(n, by), source);
          for (let at = source, hops = 0; at !== origin; hops++) {
            assert(at !== by && hops < 9, "Nodes wait for each other");
            const next = from.get(key(n, at));
            if (next === undefined) break;
            at = next;
          }
        }
      } else if (dice < 0.9) {
        const isWhole = random() < 0.7;
        sources.copied(segment(n), by, isWhole);
        from.delete(key(n, by));
      } else if (dice < 0.96) {
        sources.nodeGone(by);
        for (let one = 0; one < 4; one++) from.delete(key(one, by));
      } else if (dice < 0.99) {
        if (sources.freed(segment(n)).length > 0) counts.freed++;
        forget(n);
      } else {
        const all = sources.ownerEnded(owner(n % 2));
        counts.owner += all.length;
        for (const id of all) sources.freed(id);
        for (let one = n % 2; one < 4; one += 2) forget(one);
      }
      sources.validate();
    }
    for (const [what, count] of Object.entries(counts)) {
      assert(count > 50, `Only ${count} of ${what} in the walk`);
    }
  }));
