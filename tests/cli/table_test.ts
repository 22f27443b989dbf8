import { assert, assertEquals } from "@std/assert";
import { table } from "../../src/cli/table.ts";
import { bytesText, spanText } from "../../src/inspect/words.ts";

const plain = { widthMax: Infinity, hasColours: false };
const rows = [
  { task: "0123456789abcdef", name: "a name that is long", count: 7 },
  { task: "fedcba9876543210", name: "short", count: 1200 },
];

Deno.test("table() aligns texts to the left and numbers to the right", () => {
  assertEquals(
    table(rows, plain),
    [
      "task              name                 count",
      "0123456789abcdef  a name that is long      7",
      "fedcba9876543210  short                 1200",
    ].join("\n"),
  );
});

Deno.test("table() fits every width, and cuts what names a row last", () => {
  for (let widthMax = 20; widthMax < 60; widthMax++) {
    const lines = table(rows, { ...plain, widthMax }).split("\n");
    const widest = Math.max(...lines.map((line) => line.length));
    assert(widest <= widthMax, `${widest} in ${widthMax}`);
    if (widthMax >= 31) assert(lines[1]!.includes("0123456789abcdef"));
  }
});

Deno.test("table() colours states, and only where there are colours", () => {
  const states = [{ node: "a", state: "alive" }, { node: "b", state: "gone" }];
  // deno-lint-ignore no-control-regex
  const escapes = /\x1b\[\d+m/g;
  const coloured = table(states, { ...plain, hasColours: true });
  assert(coloured.match(escapes)!.length > 4);
  const bare = table(states, plain);
  assertEquals(bare.match(escapes), null);
  assertEquals(coloured.replace(escapes, ""), bare);
});

Deno.test("table() keeps a cell in one line, shows what is missing, and says where there is nothing", () => {
  const text = table([{ a: "x\ny\u001b[31m", b: undefined }], plain);
  assertEquals(text, "a         b\nx y [31m  -");
  assertEquals(table([], plain), "none");
  assertEquals(table([], { ...plain, none: "no tasks" }), "no tasks");
});

Deno.test("bytesText() and spanText() take the unit that fits", () => {
  assertEquals([0, 1023, 1024, 8 << 20].map(bytesText), [
    "0 B",
    "1023 B",
    "1.0 KiB",
    "8.0 MiB",
  ]);
  assertEquals([0.25, 12.4, 1500, 61_000, 3_660_000].map(spanText), [
    "0.25 ms",
    "12 ms",
    "1.5 s",
    "1 min 1 s",
    "1 h 1 min",
  ]);
});
