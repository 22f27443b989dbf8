import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { marks, plotOf, tableOf, withTable } from "../../bench/page.ts";
import { machineNow, reportRow } from "../../bench/report.ts";
import type { Row } from "../../bench/rows.ts";
import { figureOf } from "../../bench/statistics.ts";

const sync: Row = { name: "tasks sync", unit: "/s", contenders: ["manta"] };
const reports = [
  reportRow(
    sync,
    new Map([
      ["manta", figureOf([1000, 1000])],
      ["ray", figureOf([50, 150])],
    ]),
  ),
];
const machine = machineNow(
  { rounds: 2, roundMs: 0, warmupMs: 0, scale: 1, skipsSlow: false },
  { loadAverage: [0, 0, 0], versions: [] },
);

Deno.test("tableOf() shows who ran, multiples, and what is no result", () => {
  const table = tableOf(reports, {
    columns: ["manta", "socket", "ray"],
    machine,
  });
  const [head, , row] = table.split("\n");
  assertEquals(head, "| row | unit | manta | ray |");
  assertEquals(row, "| tasks sync | /s | 1,000 | 100? (×10.0?) |");
});

Deno.test("withTable() replaces the table of a page, and refuses a page that has no place for one", () => {
  const page = `a\n${marks.begin}\nold\n${marks.end}\nb`;
  assertEquals(
    withTable(page, "new"),
    `a\n${marks.begin}\n\nnew\n\n${marks.end}\nb`,
  );
  assertThrows(() => withTable("a", "new"), Error, marks.begin);
});

Deno.test("plotOf() draws a bar a row, pale where it is no result", () => {
  const svg = plotOf(reports, "ray");
  assertMatch(svg, /^<svg .*>tasks sync<\/text><rect [^>]*opacity="0\.45"/s);
  assertMatch(svg, />10\.0\?<\/text>/);
});
