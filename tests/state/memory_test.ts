import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { LeaseId } from "../../src/base/ids.ts";
import { limits } from "../../src/base/limits.ts";
import {
  type MemoryCommand,
  MemoryWatch,
  nextLookMs,
} from "../../src/state/memory.ts";

const lease = (n: number) => `l${n}` as LeaseId;
const bound = (usedBytes: number, name = "machine") => ({
  name,
  usedBytes,
  limitBytes: 100,
});

/** Leases in the order granted: a number, or with "!" where a run may not be repeated. */
function watching(...workers: (number | `${number}!`)[]): MemoryWatch {
  const watch = new MemoryWatch();
  workers.forEach((worker, at) => {
    const isRetryable = typeof worker === "number";
    const workerNo = parseInt(String(worker));
    watch.granted(lease(at), { workerNo, isRetryable });
  });
  return watch;
}

/** What is ended when each worker holds 20 bytes and 110 of 100 are used. */
function victim(watch: MemoryWatch): number | undefined {
  const rssBytes = new Map([...watch.workerNos].map((no) => [no, 20]));
  const [command] = watch.measured({ bounds: [bound(110)], rssBytes });
  return command?.kind === "end_worker" ? command.workerNo : undefined;
}

Deno.test("MemoryWatch ends the newest whose task may run again, else the newest", () => {
  const table: [workers: Parameters<typeof watching>, victim?: number][] = [
    [[]],
    [[1], 1],
    [[1, 2, 3], 3],
    [[3, 2, 1], 1],
    [[1, 2, "3!"], 2],
    [["1!", "2!"], 2],
    // A worker's guests end with it.
    [[1, 2, "2!"], 1],
    [["2!", 1, 2], 1],
    // A worker that got a further lease is as new as that.
    [[1, 2, 1], 1],
  ];
  for (const [workers, expected] of table) {
    strictEqual(victim(watching(...workers)), expected, String(workers));
  }
});

Deno.test("MemoryWatch ends nobody within the bounds, and heeds the tightest", () => {
  const watch = watching(1, 2);
  const rssBytes = new Map([[1, 50], [2, 60]]);
  const measured = (...used: number[]) =>
    watch.measured({ bounds: used.map((u) => bound(u, `b${u}`)), rssBytes });
  deepStrictEqual(measured(), []);
  deepStrictEqual(measured(100, 30), []);
  deepStrictEqual(measured(30, 130, 110), [{
    kind: "end_worker",
    workerNo: 2,
    rssBytes: 60,
    bound: bound(130, "b130"),
  }]);
});

Deno.test("MemoryWatch ends one at a time, until its process is gone", () => {
  const watch = watching(1, 2, 3);
  strictEqual(victim(watch), 3);
  strictEqual(victim(watch), undefined);
  watch.returned(lease(2));
  watch.returned(lease(2));
  strictEqual(victim(watch), undefined);
  watch.workerEnded(3);
  watch.workerEnded(3);
  strictEqual(victim(watch), 2);
});

Deno.test("MemoryWatch keeps a lease's place when its grant is told again", () => {
  const watch = watching(1, 2);
  watch.granted(lease(0), { workerNo: 1, isRetryable: true });
  strictEqual(victim(watch), 2);
  watch.workerEnded(2);
  watch.returned(lease(0));
  strictEqual(watch.isNeeded, false);
});

Deno.test("MemoryWatch warns once, and ends nobody, where all tasks together are not to blame", () => {
  const watch = watching(1, 2);
  const rssBytes = new Map([[1, 4], [2, 5]]);
  const over = { bounds: [bound(110)], rssBytes };
  const warning: MemoryCommand = { kind: "warn", bound: bound(110) };
  deepStrictEqual(watch.measured(over), [warning]);
  deepStrictEqual(watch.measured(over), []);
  watch.measured({ bounds: [bound(90)], rssBytes });
  deepStrictEqual(watch.measured(over), [warning]);
});

Deno.test("nextLookMs() is short where little is left", () => {
  strictEqual(nextLookMs([]), limits.memoryLookMs);
  strictEqual(nextLookMs([bound(60), bound(20)]), limits.memoryLookMs);
  strictEqual(nextLookMs([bound(20), bound(90)]), limits.memoryLookNearMs);
});
