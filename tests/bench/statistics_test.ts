import { assertEquals, assertThrows } from "@std/assert";
import { figureOf, isSteady, ratioOf } from "../../bench/statistics.ts";

Deno.test("figureOf() takes the middle round, or the mean of the middle two", () => {
  assertEquals(figureOf([9, 1, 5]).median, 5);
  assertEquals(figureOf([10, 2, 4, 100]).median, 7);
  assertEquals(figureOf([3]).median, 3);
  assertThrows(() => figureOf([]), RangeError, "there are none");
});

Deno.test("figureOf() keeps the rounds in the order they were run", () => {
  assertEquals(figureOf([9, 1, 5]).rounds, [9, 1, 5]);
});

Deno.test("isSteady() refuses rounds that lie more than 30 % of the median apart", () => {
  assertEquals(figureOf([90, 100, 120]).spread, 0.3);
  assertEquals(isSteady(figureOf([90, 100, 120])), true);
  assertEquals(isSteady(figureOf([89, 100, 120])), false);
  assertEquals(isSteady(figureOf([42])), true);
});

Deno.test("ratioOf() is over 1 when ours is better, for rates and for durations", () => {
  const [ten, hundred] = [figureOf([10]), figureOf([100])];
  assertEquals(ratioOf(hundred, ten, { isCost: false }), 10);
  assertEquals(ratioOf(ten, hundred, { isCost: true }), 10);
});
