import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { ProcessId } from "../../src/base/ids.ts";
import {
  type Adoption,
  type Read,
  type SegmentCommand,
  segmentIdOf,
  type SegmentLimits,
} from "../../src/state/segment_events.ts";
import { SegmentTable } from "../../src/state/segments.ts";

const process = (n: number) => n.toString(16).padStart(16, "0") as ProcessId;
const [p1, p2] = [process(1), process(2)];
const segment = (n: number) => segmentIdOf(p1, n);
const read = (n: number, mapping = 1): Read => ({
  segmentId: segment(n),
  reader: p2,
  mapping,
});
const adoption = (n: number, byteLength = 40): Adoption => ({
  segmentId: segment(n),
  byteLength,
  owner: p1,
});
const copy = (n: number, copyNo: number, byteLength = 40) => ({
  segmentId: segment(n),
  copyNo,
  byteLength,
});

/** A table of 100 bytes in which segments 1 and 2, of 40, lie. */
function filled(limits: Partial<SegmentLimits> = {}): SegmentTable {
  const table = new SegmentTable({
    capacityBytes: 100,
    segmentsMax: 10,
    waitingMax: 10,
    recyclableBytesMax: 50,
    recyclablesMax: 2,
    rememberedMax: 1000,
    copiesMax: 2,
    collectAfterBytes: 1000,
    ...limits,
  });
  table.processStarted(p1);
  table.processStarted(p2);
  table.adopted(adoption(1));
  table.adopted(adoption(2));
  return table;
}

/** The same with segment 3 admitted, for which 1 went to disk. */
function spilled(limits: Partial<SegmentLimits> = {}): SegmentTable {
  const table = filled(limits);
  table.adopted(adoption(3));
  table.spilled(copy(1, 1));
  return table;
}

/** Tells an event twice: the second must change nothing and ask for nothing. */
function twice(
  table: SegmentTable,
  event: () => SegmentCommand[],
): SegmentCommand[] {
  const commands = event();
  table.validate();
  const { usedBytes } = table;
  deepStrictEqual(event(), []);
  strictEqual(table.usedBytes, usedBytes);
  table.validate();
  return commands;
}

/** Has both processes answer a round; returns the last commands. */
function answer(table: SegmentTable, commands: SegmentCommand[]) {
  const asked = commands.find((c) => c.kind === "collect_garbage");
  if (asked?.kind !== "collect_garbage") throw new Error("Nobody was asked");
  table.garbageCollected(p1, asked.round);
  return table.garbageCollected(p2, asked.round);
}

const kinds = (commands: SegmentCommand[]) => commands.map((c) => c.kind);

Deno.test("SegmentTable sends the coldest to disk for who waits, and admits when it is there", () => {
  const table = filled();
  table.opened(read(1));
  table.closed(read(1)); // 1 was used later than 2.
  deepStrictEqual(table.adopted(adoption(3)), [
    { kind: "spill", copy: copy(2, 1) },
  ]);
  deepStrictEqual(table.adopted(adoption(3)), []);
  table.validate();
  deepStrictEqual(twice(table, () => table.spilled(copy(2, 1))), [
    { kind: "close_descriptor", segmentId: segment(2) },
    { kind: "drop", segmentId: segment(2), to: p1 },
    { kind: "admit", segmentId: segment(3) },
  ]);
  strictEqual(table.usedBytes, 80);
});

Deno.test("SegmentTable sends nothing to disk that is read, also if it is opened on the way", () => {
  const table = filled();
  table.opened(read(1));
  deepStrictEqual(table.adopted(adoption(3)), [
    { kind: "spill", copy: copy(2, 1) },
  ]);
  deepStrictEqual(table.opened(read(2)), [{ kind: "serve", read: read(2) }]);
  const asked = twice(table, () => table.spilled(copy(2, 1)));
  deepStrictEqual(kinds(asked), ["collect_garbage"]);
  // Its copy is there all the same: once unread it leaves at once.
  deepStrictEqual(kinds(table.closed(read(2))), [
    "close_descriptor",
    "drop",
    "admit",
  ]);
  table.validate();
});

Deno.test("SegmentTable brings back what is opened, and sends it away again without a copy", () => {
  const table = spilled();
  deepStrictEqual(table.opened(read(1)), [{ kind: "spill", copy: copy(2, 2) }]);
  deepStrictEqual(table.opened(read(1)), []);
  table.opened(read(1, 2));
  deepStrictEqual(twice(table, () => table.spilled(copy(2, 2))), [
    { kind: "close_descriptor", segmentId: segment(2) },
    { kind: "drop", segmentId: segment(2), to: p1 },
    { kind: "restore", copy: copy(1, 3) },
  ]);
  deepStrictEqual(twice(table, () => table.restored(copy(1, 3))), [
    { kind: "serve", read: read(1) },
    { kind: "serve", read: read(1, 2) },
  ]);
  table.closed(read(1));
  table.closed(read(1, 2));
  table.opened(read(3));
  deepStrictEqual(table.opened(read(2)), [
    { kind: "close_descriptor", segmentId: segment(1) },
    { kind: "restore", copy: copy(2, 4) },
  ]);
  table.validate();
});

Deno.test("SegmentTable loses a segment whose file is bad, and says why each time", () => {
  const table = spilled();
  table.freed(segment(2));
  deepStrictEqual(kinds(table.opened(read(1))), [
    "close_descriptor",
    "drop",
    "restore",
  ]);
  const denial = { kind: "deny", read: read(1), reason: "it rotted" };
  deepStrictEqual(
    twice(table, () => table.restoreFailed(copy(1, 2), "it rotted")),
    [{ kind: "delete_spill", segmentId: segment(1) }, denial],
  );
  deepStrictEqual(table.opened(read(1)), [denial]);
  strictEqual(table.usedBytes, 40);
  twice(table, () => table.freed(segment(1)));
  deepStrictEqual(table.opened(read(1)), [{ kind: "deny", read: read(1) }]);
});

Deno.test("SegmentTable has readers copy the file where there is no room to bring it back", () => {
  const table = spilled();
  table.opened(read(2));
  table.opened(read(3));
  const asked = table.opened(read(1));
  const served = answer(table, answer(table, asked));
  deepStrictEqual(served, [{ kind: "serve_file", read: read(1) }]);
  deepStrictEqual(table.opened(read(1)), served);
  table.validate();
  // The file stays until it was copied.
  deepStrictEqual(table.freed(segment(1)), []);
  deepStrictEqual(twice(table, () => table.closed(read(1))), [
    { kind: "delete_spill", segmentId: segment(1) },
  ]);
});

Deno.test("SegmentTable has readers copy the file where memory was lacking to bring it back", () => {
  const table = spilled();
  table.freed(segment(2));
  table.opened(read(1));
  deepStrictEqual(twice(table, () => table.restoreFailed(copy(1, 2))), [
    { kind: "serve_file", read: read(1) },
  ]);
});

Deno.test("SegmentTable refuses for a full disk after collecting, and tries the disk again when it has room", () => {
  const table = spilled();
  table.adopted(adoption(4));
  const asked = twice(table, () => table.spillFailed(copy(2, 2), "full"));
  deepStrictEqual(kinds(asked), ["collect_garbage"]);
  const refused = answer(table, answer(table, asked));
  deepStrictEqual(refused[0]?.kind === "refuse" && refused[0].fault, "full");
  table.validate();
  deepStrictEqual(table.adopted(adoption(5)), [
    { kind: "spill", copy: copy(2, 3) },
  ]);
  // What is larger than the store would not fit on any disk.
  const tooLarge = table.adopted(adoption(6, 101));
  deepStrictEqual(kinds(tooLarge), ["refuse"]);
  strictEqual("fault" in tooLarge[0]!, false);
});

Deno.test("SegmentTable stops copying what is freed, and keeps its memory until that is told", () => {
  const table = filled();
  table.adopted(adoption(3));
  deepStrictEqual(twice(table, () => table.freed(segment(1))), [
    { kind: "stop_copy", segmentId: segment(1) },
  ]);
  strictEqual(table.usedBytes, 80);
  deepStrictEqual(twice(table, () => table.spillFailed(copy(1, 1))), [
    { kind: "close_descriptor", segmentId: segment(1) },
    { kind: "drop", segmentId: segment(1), to: p1 },
    { kind: "admit", segmentId: segment(3) },
  ]);
});

Deno.test("SegmentTable deletes files of an ended owner, also of what is just coming back", () => {
  const table = spilled();
  table.freed(segment(2));
  table.opened(read(1)); // Comes back.
  deepStrictEqual(twice(table, () => table.processEnded(p1)), [
    { kind: "deny", read: read(1) },
    { kind: "stop_copy", segmentId: segment(1) },
    { kind: "close_descriptor", segmentId: segment(3) },
  ]);
  deepStrictEqual(twice(table, () => table.restored(copy(1, 2))), [
    { kind: "delete_spill", segmentId: segment(1) },
    { kind: "close_descriptor", segmentId: segment(1) },
  ]);
  strictEqual(table.usedBytes, 0);
});

Deno.test("SegmentTable collects briefly before it spills, once enough has come in", () => {
  const table = filled({ collectAfterBytes: 80 });
  const brief = {
    kind: "collect_garbage",
    round: 1,
    processIds: [p1, p2],
    isBrief: true,
  };
  deepStrictEqual(table.adopted(adoption(3)), [brief]);
  table.garbageCollected(p1, 1);
  deepStrictEqual(twice(table, () => table.garbageOverdue(1)), [
    { kind: "spill", copy: copy(1, 1) },
  ]);
  table.spilled(copy(1, 1));
  // 40 bytes came in since: not worth a round.
  deepStrictEqual(table.adopted(adoption(4)), [
    { kind: "spill", copy: copy(2, 2) },
  ]);
  table.validate();
});

Deno.test("SegmentTable collects less often where that gives nothing, and as before once it gives something", () => {
  const table = filled({ collectAfterBytes: 20 });
  let roundCount = 0;
  /** Adopts one more, for which the oldest goes to disk; whether garbage was collected before. */
  function collectsFor(n: number): boolean {
    const commands = table.adopted(adoption(n));
    const isCollecting = commands[0]?.kind === "collect_garbage";
    if (isCollecting) roundCount++;
    const last = isCollecting ? answer(table, commands) : commands;
    const spill = last.find((command) => command.kind === "spill");
    if (spill?.kind === "spill") table.spilled(spill.copy);
    table.validate();
    return isCollecting;
  }
  const vain = [3, 4, 5, 6, 7, 8, 9].map(collectsFor);
  deepStrictEqual(vain, [true, true, false, true, false, false, true]);
  table.freed(segment(9));
  const further = [10, 11, 12, 13, 14].map(collectsFor);
  deepStrictEqual(further, [false, false, true, true, true]);
  strictEqual(roundCount, 7);
});

Deno.test("SegmentTable copies few segments at once", () => {
  const table = filled({ copiesMax: 1 });
  deepStrictEqual(table.adopted(adoption(3, 80)), [
    { kind: "spill", copy: copy(1, 1) },
  ]);
  const next = twice(table, () => table.spilled(copy(1, 1)));
  deepStrictEqual(kinds(next), ["close_descriptor", "drop", "spill"]);
});

Deno.test("SegmentTable leaves on disk what nobody waits for any more", () => {
  const table = spilled();
  table.opened(read(1));
  table.closed(read(1));
  deepStrictEqual(twice(table, () => table.spilled(copy(2, 2))), []);
  strictEqual(table.usedBytes, 80);
});
