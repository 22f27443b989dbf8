import { assertEquals, assertMatch } from "@std/assert";
import type { Outcome } from "../../bench/harness.ts";
import { numberText, reportRow, Table } from "../../bench/report.ts";
import type { ContenderName, Row } from "../../bench/rows.ts";
import { figureOf } from "../../bench/statistics.ts";

const sync: Row = { name: "tasks sync", unit: "/s", contenders: ["manta"] };
const fib: Row = { name: "fib", unit: "s", contenders: ["manta"] };
const columns: ContenderName[] = ["manta", "ray", "piscina"];

function outcomes(...entries: [ContenderName, Outcome][]) {
  return new Map(entries);
}

Deno.test("Table.row() puts how many times better manta is beside each peer", () => {
  const table = new Table([sync, fib], columns);
  const rates = outcomes(
    ["manta", figureOf([1000, 1000])],
    ["ray", figureOf([100, 100])],
  );
  assertMatch(
    table.row(sync, rates),
    /tasks sync +\/s +1,000 \(0%\) +100 \(0%\) +10\.0 +-$/,
  );
  const times = outcomes(["manta", figureOf([2])], ["ray", figureOf([58])]);
  assertMatch(
    table.row(fib, times),
    /fib +s +2\.00 \(once\) +58\.0 \(once\) +29\.0 +-$/,
  );
});

Deno.test("Table.row() marks rounds that disagree, and the ratio that rests on them", () => {
  const unsteady = outcomes(
    ["manta", figureOf([1000, 1000, 1000])],
    ["ray", figureOf([50, 100, 150])],
  );
  const line = new Table([sync], columns).row(sync, unsteady);
  assertMatch(line, /1,000 \(0%\) +100\? \(100%\) +10\.0\?/);
});

Deno.test("Table keeps a row that failed, and says why below", () => {
  const failed = outcomes(
    ["manta", { failure: "it broke" }],
    ["ray", figureOf([100])],
  );
  const table = new Table([sync], columns);
  assertMatch(table.row(sync, failed), /failed +100 \(once\) +-$/);
  const footer = table.footer(new Map([[sync, failed]]));
  assertMatch(footer, /tasks sync, manta: failed: it broke/);
});

Deno.test("reportRow() gives medians under the contenders' names", () => {
  const row = reportRow(
    sync,
    outcomes(
      ["manta", figureOf([900, 1000, 1100])],
      ["ray", figureOf([50, 100, 150])],
      ["piscina", { failure: "it broke" }],
    ),
  );
  assertEquals(row, {
    name: "tasks sync",
    unit: "/s",
    manta: 1000,
    ray: 100,
    ratios: { ray: 10 },
    spread: { manta: 0.2, ray: 1 },
    rounds: { manta: [900, 1000, 1100], ray: [50, 100, 150] },
    unsteady: ["ray"],
    failures: { piscina: "it broke" },
  });
});

Deno.test("numberText() shows three digits and no needless decimals", () => {
  assertEquals(
    [0.00213, 0.5, 9.876, 98.76, 987.6, 1234567].map(numberText),
    ["0.0021", "0.50", "9.88", "98.8", "988", "1,234,567"],
  );
});
