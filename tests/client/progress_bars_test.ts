import { assert, assertEquals, assertMatch } from "@std/assert";
import { barDisplay, barLine, Bars } from "../../src/client/progress_bars.ts";

const bar = (count: number, more = {}) => ({
  barId: "a",
  label: "files",
  count,
  total: 10 as number | undefined,
  isDone: false,
  elapsedMs: 1000,
  ...more,
});

Deno.test("barLine() shows share, count and rate, within its width", () => {
  assertEquals(
    barLine(bar(5), 60),
    "files [###############---------------]  50 % 5/10 (5.0/s)",
  );
  assert(barLine(bar(5), 20).length <= 20);
  assertEquals(
    barLine(bar(7, { total: undefined }), 60),
    "files: 7 (7.0/s)",
  );
  assert(barLine(bar(10, { isDone: true }), 80).endsWith("in 1.0 s"));
});

Deno.test("Bars draws below an empty line for what the program prints, finished ones above it", () => {
  const bars = new Bars();
  const drawn = () => bars.drawn(60).replaceAll("\x1b", "<esc>");
  assertEquals(bars.left(), "");
  bars.moved(bar(1));
  bars.moved(bar(2, { barId: "b", label: "b" }));
  assertMatch(drawn(), /^\r<esc>\[J\nfiles .*\nb .*\n<esc>\[3A$/);
  assertEquals(bars.left(), "\n\n\n");
  bars.moved(bar(10, { isDone: true }));
  assertMatch(drawn(), /^\r<esc>\[Jfiles .*\n\nb .*\n<esc>\[2A$/);
  bars.moved(bar(10, { barId: "b", label: "b", isDone: true }));
  assertMatch(drawn(), /^\r<esc>\[Jb .*\n$/);
  assertEquals(bars.left(), "");
});

Deno.test("Bars prints a few plain lines in a pipe, the last one always", () => {
  const bars = new Bars();
  let text = "";
  for (let count = 0; count <= 10; count++) {
    bars.moved(bar(count, { isDone: count === 10 }));
    text += bars.plain(80);
  }
  assertEquals(text.includes("\x1b"), false);
  assert(text.trim().split("\n").length <= 5);
  assert(text.includes("10/10"));
});

Deno.test("barLine() is one line, whatever the label", () => {
  assertEquals(barLine(bar(1, { label: "a\nb" }), 80).split("\n").length, 1);
});

Deno.test("barDisplay() escapes labels, and moves without a total until the end", () => {
  const label = "<b>&";
  const html = (more: object) => barDisplay(bar(5, more))["text/html"];
  assertEquals(
    html({ label }),
    '<div>&#60;b&#62;&#38; <progress value="0.5"></progress> 5/10 (5.0/s)</div>',
  );
  assert(
    html({ total: undefined }).includes("<progress></progress> 5 (5.0/s)"),
  );
  const done = html({ total: undefined, isDone: true });
  assert(done.includes('value="1"'), done);
});
