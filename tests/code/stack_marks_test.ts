/**
 * Which files a stack trace from elsewhere may name to be looked at.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { keepMarks } from "../../src/code/stack.ts";

const own = "file:///a/own.ts#v8-0123abcd";
const known = new Set([own]);

Deno.test("keepMarks() keeps a trace whose marks are all known", () => {
  for (
    const stack of [
      "Error: none\n    at f (file:///a/own.ts:1:1)",
      `Error: own\n    at f (${own}:1:1)\n    at ${own}, <anonymous>:2:3`,
    ]
  ) {
    assertEquals(keepMarks(stack, known), stack);
  }
});

Deno.test("keepMarks() leaves no mark in a trace with a foreign one", () => {
  const mark = "#v8-0123abcd";
  const rows: [what: string, stack: string, kept: string][] = [
    ["a file", `file:///dev/zero${mark}:1:1`, "file:///dev/zero:1:1"],
    [
      "a file before one that is known",
      `file:///dev/zero?(${own}:1:1`,
      "file:///dev/zero?(file:///a/own.ts:1:1",
    ],
    ["two marks", `file:///dev/zero${mark}${mark}:1:1`, "file:///dev/zero:1:1"],
    [
      "a mark in a mark",
      `file:///dev/zero${mark}:1:1 file:///dev/zero#v8-${mark}0123abcd:1:1`,
      "file:///dev/zero:1:1 file:///dev/zero#v8 0123abcd:1:1",
    ],
    [
      "another version",
      "file:///a/own.ts#v8-00000000:1:1",
      "file:///a/own.ts:1:1",
    ],
    [
      "a foreign file beside a known one",
      `${own}:1:1\n file:///dev/zero${mark}:1:1`,
      "file:///a/own.ts:1:1\n file:///dev/zero:1:1",
    ],
  ];
  for (const [what, stack, kept] of rows) {
    assertEquals(keepMarks(stack, known), kept, what);
  }
});

Deno.test("keepMarks() does not search lines without end", () => {
  for (const filler of ["file:", "at eval (", "x"]) {
    const stack = `${filler.repeat(2_000_000)}${own}:1:1`;
    const kept = keepMarks(stack, known);
    assertEquals(kept.length, stack.length - "#v8-0123abcd".length, filler);
  }
});
