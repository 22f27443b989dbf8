import { assertEquals, assertStringIncludes } from "@std/assert";
import type { DurableAnswer, DurableAsk } from "../../src/base/durable.ts";
import type { LineageBatch, LineageGap } from "../../src/base/lineage.ts";
import {
  type LineageReport,
  LineageWriter,
} from "../../src/node/lineage_writer.ts";
import { batchOf, taskRow } from "../support/lineage.ts";

/** A writer whose file does as it is told, and whose loop turns by hand. */
class Bench {
  readonly reports: LineageReport[] = [];
  readonly written: number[] = [];
  readonly gaps: number[] = [];
  readonly asked: string[] = [];
  failure: string | undefined;
  #later: (() => void)[] = [];
  readonly writer: LineageWriter;

  constructor() {
    this.writer = new LineageWriter({
      path: "a.db",
      sink: {
        begin: () => {},
        find: () => [],
        write: (batches, gap, { asks }) => this.#write(batches, gap, asks),
        close: () => {},
      },
      report: (report) => void this.reports.push(report),
      later: (callback) => void this.#later.push(callback),
      afterPause: (callback) => void this.#later.push(callback),
    });
  }

  send(rowCount: number): void {
    const rows = Array.from({ length: rowCount }, (_, n) => taskRow(n));
    const batch = batchOf(rows);
    const numbers = batch.numbers.slice().buffer;
    this.writer.take({ kind: "rows", batch: { ...batch, numbers } });
  }

  ask(askId: number): void {
    const ask = { kind: "find", namespace: "n", name: "anna" } as const;
    this.writer.take({ kind: "durable", askId, ask });
  }

  turn(): void {
    for (const callback of this.#later.splice(0)) callback();
  }

  take(): LineageReport[] {
    return this.reports.splice(0);
  }

  #write(
    batches: readonly LineageBatch[],
    gap: LineageGap | undefined,
    asks: readonly DurableAsk[],
  ): DurableAnswer[] {
    if (this.failure !== undefined) throw new Error(this.failure);
    if (gap !== undefined) this.gaps.push(gap.rowCount);
    this.written.push(...batches.map((batch) => batch.rowCount));
    this.asked.push(...asks.map(({ kind }) => kind));
    return asks.map(() => ({ kind: "done" }));
  }
}

Deno.test("LineageWriter writes all that has come in as one", () => {
  const bench = new Bench();
  bench.send(2);
  bench.send(3);
  assertEquals(bench.written, []);
  bench.turn();
  assertEquals(bench.written, [2, 3]);
  assertEquals(bench.take(), [{ kind: "settled", rowCount: 5 }]);
});

Deno.test("LineageWriter answers a flush after the commit of what came before it", () => {
  const bench = new Bench();
  bench.send(1);
  bench.writer.take({ kind: "flush", flushId: 7 });
  assertEquals(bench.take(), []);
  bench.turn();
  assertEquals(bench.written, [1]);
  assertEquals(bench.take(), [
    { kind: "settled", rowCount: 1 },
    { kind: "flushed", flushId: 7, lostCount: 0 },
  ]);
});

Deno.test("LineageWriter says once that the disk is full, and notes the gap when it has room", () => {
  const bench = new Bench();
  bench.failure = "database or disk is full";
  for (const rowCount of [4, 5]) {
    bench.send(rowCount);
    bench.turn();
  }
  const [failing, ...rest] = bench.take();
  assertEquals(failing?.kind, "failing");
  assertStringIncludes(JSON.stringify(failing), "Make room on its disk");
  assertEquals(rest.map((report) => report.kind), ["settled", "settled"]);
  bench.failure = undefined;
  bench.send(1);
  bench.turn();
  assertEquals([bench.written, bench.gaps], [[1], [9]]);
  assertEquals(bench.take(), [
    {
      kind: "recovered",
      lostCount: 9,
      reason: "database or disk is full",
    },
    { kind: "settled", rowCount: 1 },
  ]);
});

Deno.test("LineageWriter leaves a broken file alone, and still settles every row", () => {
  const bench = new Bench();
  bench.failure = "database disk image is malformed";
  bench.send(1);
  bench.turn();
  bench.take();
  bench.failure = undefined;
  bench.send(2);
  bench.writer.take({ kind: "flush", flushId: 1 });
  bench.turn();
  assertEquals(bench.written, []);
  assertEquals(bench.take(), [
    { kind: "settled", rowCount: 2 },
    { kind: "flushed", flushId: 1, lostCount: 3 },
  ]);
});

Deno.test("LineageWriter notes rows that never came to it", () => {
  const bench = new Bench();
  bench.writer.take({ kind: "gap", rowCount: 11, reason: "too many" });
  bench.turn();
  assertEquals(bench.gaps, [11]);
});

Deno.test("LineageWriter keeps rows and answers while another program locks the file, and says so once", () => {
  const bench = new Bench();
  bench.failure = "database is locked";
  bench.send(1);
  bench.turn();
  bench.send(2);
  bench.writer.take({ kind: "flush", flushId: 1 });
  bench.turn();
  bench.turn();
  const said = bench.take();
  assertEquals(said.map((report) => report.kind), ["failing"]);
  assertStringIncludes(JSON.stringify(said), "by another program");
  bench.failure = undefined;
  bench.turn();
  assertEquals([bench.written, bench.gaps], [[1, 2], []]);
  assertEquals(bench.take(), [
    { kind: "recovered", lostCount: 0, reason: "" },
    { kind: "settled", rowCount: 3 },
    { kind: "flushed", flushId: 1, lostCount: 0 },
  ]);
});

Deno.test("LineageWriter gives rows up that a lock keeps out to the last, and says how many", () => {
  const bench = new Bench();
  bench.failure = "database is locked";
  bench.send(5);
  bench.turn();
  bench.take();
  bench.writer.take({ kind: "close" });
  const [settled, gaveUp, ...rest] = bench.take();
  assertEquals([settled, rest], [{ kind: "settled", rowCount: 5 }, []]);
  assertStringIncludes(JSON.stringify(gaveUp), "5 rows of this program");
});

Deno.test("LineageWriter says at the end what a full disk cost, as the file can't", () => {
  const bench = new Bench();
  bench.failure = "database or disk is full";
  bench.send(5);
  bench.turn();
  bench.take();
  bench.writer.take({ kind: "close" });
  const reports = bench.take();
  assertEquals(reports.map(({ kind }) => kind), ["gaveUp"]);
  assertStringIncludes(JSON.stringify(reports), "5 rows of this program");
});

Deno.test("LineageWriter carries out what durable actors ask with the rows, and answers after", () => {
  const bench = new Bench();
  bench.send(2);
  bench.ask(7);
  assertEquals([bench.asked, bench.take()], [[], []]);
  bench.turn();
  assertEquals([bench.written, bench.asked], [[2], ["find"]]);
  assertEquals(bench.take(), [
    { kind: "durable", askId: 7, answer: { kind: "done" } },
    { kind: "settled", rowCount: 2 },
  ]);
});

Deno.test("LineageWriter keeps what durable actors ask until there is room, though rows are lost", () => {
  const bench = new Bench();
  bench.failure = "database or disk is full";
  bench.send(2);
  bench.ask(7);
  bench.turn();
  bench.turn();
  const told = bench.take().map(({ kind }) => kind);
  assertEquals(told, ["failing", "settled"]);
  bench.failure = undefined;
  bench.turn();
  const answers = bench.take().filter(({ kind }) => kind === "durable");
  assertEquals(answers, [
    { kind: "durable", askId: 7, answer: { kind: "done" } },
  ]);
  bench.turn();
  assertEquals(bench.asked, ["find"]);
});

Deno.test("LineageWriter refuses what durable actors ask of a broken file", () => {
  const bench = new Bench();
  bench.failure = "database disk image is malformed";
  bench.ask(7);
  bench.turn();
  bench.ask(8);
  bench.turn();
  const answers = bench.take().flatMap((report) =>
    report.kind === "durable" ? [report.askId, report.answer.kind] : []
  );
  assertEquals(answers, [7, "refused", 8, "refused"]);
});
