import { assertEquals } from "@std/assert";
import { CollectionPace } from "../../src/state/collection_pace.ts";

const paced = () => new CollectionPace({ firstMs: 50, longestMs: 300 });

Deno.test("CollectionPace looks soon after somebody begins to wait, once for all who do", () => {
  const pace = paced();
  assertEquals([pace.waits(), pace.waits()], [50, undefined]);
  assertEquals(pace.due(true), true);
});

Deno.test("CollectionPace looks ever less often while it gives nothing back, and soon again once it did", () => {
  const pace = paced();
  const delays = Array.from({ length: 4 }, () => {
    const delayMs = pace.waits();
    pace.due(true);
    return delayMs;
  });
  assertEquals(delays, [50, 100, 200, 300]);
  pace.gaveBack();
  assertEquals(pace.waits(), 50);
});

Deno.test("CollectionPace collects nothing where nobody waits any more", () => {
  const pace = paced();
  pace.waits();
  assertEquals(pace.due(false), false);
  assertEquals(pace.waits(), 50);
});
