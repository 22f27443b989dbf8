import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { assert } from "../../src/base/errors.ts";
import type { ProcessId, SegmentId } from "../../src/base/ids.ts";
import {
  type Adoption,
  keyOf,
  type Read,
  type SegmentCommand,
  segmentIdOf,
  type SegmentLimits,
  writerOf,
} from "../../src/state/segment_events.ts";
import { SegmentTable } from "../../src/state/segments.ts";

const process = (n: number) => n.toString(16).padStart(16, "0") as ProcessId;
const [p1, p2, p3] = [process(1), process(2), process(3)];
const segment = (n: number, writer = p1) => segmentIdOf(writer, n);
const read = (n: number, reader = p2, mapping = 1): Read => ({
  segmentId: segment(n),
  reader,
  mapping,
});
const adoption = (n: number, byteLength: number): Adoption => ({
  segmentId: segment(n),
  byteLength,
  owner: p1,
});

const spill = (
  n: number,
  copy: { copyNo: number; byteLength: number },
): SegmentCommand => ({
  kind: "spill",
  copy: { segmentId: segment(n), ...copy },
});

/** A table of 100 bytes on which three processes run. */
function started(limits: Partial<SegmentLimits> = {}): SegmentTable {
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
  for (const id of [p1, p2, p3]) table.processStarted(id);
  return table;
}

/** Has everyone answer rounds until none runs; returns the last commands. */
function answerRounds(
  table: SegmentTable,
  first: SegmentCommand[],
): SegmentCommand[] {
  let commands = first;
  for (;;) {
    const request = commands.find((c) => c.kind === "collect_garbage");
    if (request?.kind !== "collect_garbage") return commands;
    for (const id of request.processIds) {
      commands = table.garbageCollected(id, request.round);
    }
  }
}

Deno.test("SegmentTable admits a segment that fits, and answers a retry the same", () => {
  const table = started();
  const admit = [{ kind: "admit", segmentId: segment(1) }];
  deepStrictEqual(table.adopted(adoption(1, 60)), admit);
  deepStrictEqual(table.adopted(adoption(1, 60)), admit);
  strictEqual(table.usedBytes, 60);
  table.validate();
});

Deno.test("SegmentTable recycles freed memory only when its last reader is gone", () => {
  const table = started();
  table.adopted(adoption(1, 40));
  table.opened(read(1));
  table.opened(read(1, p3));
  deepStrictEqual(table.freed(segment(1)), []);
  deepStrictEqual(table.freed(segment(1)), []);
  deepStrictEqual(table.closed(read(1)), []);
  deepStrictEqual(table.closed(read(1, p3)), [
    { kind: "recycle", segmentId: segment(1), to: p1 },
  ]);
  deepStrictEqual(table.closed(read(1, p3)), []);
  deepStrictEqual(table.adopted({ ...adoption(2, 40), recycles: segment(1) }), [
    { kind: "admit", segmentId: segment(2), recycles: segment(1) },
  ]);
  strictEqual(table.usedBytes, 40);
  table.validate();
});

Deno.test("SegmentTable tells a reader's new mapping from the end of its old one", () => {
  const table = started();
  table.adopted(adoption(1, 40));
  table.opened(read(1, p2, 1));
  table.opened(read(1, p2, 2));
  table.freed(segment(1));
  deepStrictEqual(table.closed(read(1, p2, 1)), []);
  strictEqual(table.closed(read(1, p2, 2))[0]?.kind, "recycle");
});

Deno.test("SegmentTable serves a read that overtook its adoption", () => {
  const table = started();
  deepStrictEqual(table.opened(read(1)), []);
  deepStrictEqual(table.opened(read(1)), []);
  table.validate();
  deepStrictEqual(table.adopted(adoption(1, 60)), [
    { kind: "admit", segmentId: segment(1) },
    { kind: "serve", read: read(1) },
  ]);
  deepStrictEqual(table.opened(read(1)), [{ kind: "serve", read: read(1) }]);
  table.validate();
});

Deno.test("SegmentTable denies a read whose segment is freed, or whose writer ended", () => {
  const table = started();
  table.adopted(adoption(1, 60));
  table.freed(segment(1));
  deepStrictEqual(table.opened(read(1)), [{ kind: "deny", read: read(1) }]);
  table.opened(read(2));
  deepStrictEqual(
    table.processEnded(p1).filter((c) => c.kind === "deny"),
    [{ kind: "deny", read: read(2) }],
  );
  deepStrictEqual(table.opened(read(3)), [{ kind: "deny", read: read(3) }]);
  table.validate();
});

Deno.test("SegmentTable drops a segment whose owner freed it before it was adopted", () => {
  const table = started();
  table.freed(segment(1));
  const drop = [{ kind: "drop", segmentId: segment(1), to: p1 }];
  deepStrictEqual(table.adopted(adoption(1, 60)), drop);
  deepStrictEqual(table.adopted(adoption(1, 60)), drop);
  strictEqual(table.usedBytes, 0);
  table.validate();
});

Deno.test("SegmentTable keeps recyclable memory within a writer's bounds, the latest first", () => {
  const table = started();
  for (const n of [1, 2, 3]) table.adopted(adoption(n, 20));
  table.freed(segment(1));
  table.freed(segment(2));
  deepStrictEqual(table.freed(segment(3)), [
    { kind: "recycle", segmentId: segment(3), to: p1 },
    { kind: "close_descriptor", segmentId: segment(1) },
    { kind: "drop", segmentId: segment(1), to: p1 },
  ]);
  strictEqual(table.usedBytes, 40);
  table.validate();
});

Deno.test("SegmentTable drops recyclable memory before anyone waits", () => {
  const table = started();
  table.adopted(adoption(1, 50));
  table.adopted(adoption(2, 40));
  table.freed(segment(1));
  deepStrictEqual(table.adopted(adoption(3, 60)), [
    { kind: "close_descriptor", segmentId: segment(1) },
    { kind: "drop", segmentId: segment(1), to: p1 },
    { kind: "admit", segmentId: segment(3) },
  ]);
  // The writer may have filled it again just before it heard of the drop.
  const late = table.adopted({ ...adoption(4, 50), recycles: segment(1) });
  deepStrictEqual(late, [
    spill(2, { copyNo: 1, byteLength: 40 }),
    spill(3, { copyNo: 2, byteLength: 60 }),
  ]);
  table.validate();
});

Deno.test("SegmentTable admits who waits when a collected reader gives room back", () => {
  const table = started();
  table.adopted(adoption(1, 80));
  table.opened(read(1));
  table.freed(segment(1));
  deepStrictEqual(table.adopted(adoption(2, 50)), [
    {
      kind: "collect_garbage",
      round: 1,
      processIds: [p1, p2, p3],
      isBrief: false,
    },
  ]);
  deepStrictEqual(table.adopted(adoption(2, 50)), []);
  table.validate();
  deepStrictEqual(table.closed(read(1)), [
    { kind: "close_descriptor", segmentId: segment(1) },
    { kind: "drop", segmentId: segment(1), to: p1 },
    { kind: "admit", segmentId: segment(2) },
  ]);
  deepStrictEqual(table.garbageCollected(p2, 1), []);
  table.validate();
});

Deno.test("SegmentTable refuses after two rounds that gave nothing back, and names the holders", () => {
  const table = started();
  table.adopted(adoption(1, 30));
  table.opened(read(1));
  table.adopted({ ...adoption(2, 60), owner: p2 });
  table.opened(read(2, p3));
  table.freed(segment(2));
  const asked = table.adopted(adoption(3, 50));
  const refusal = {
    kind: "refuse",
    segmentId: segment(3),
    usedBytes: 90,
    holders: [
      { processId: p3, ownedBytes: 0, readBytes: 60 },
      { processId: p1, ownedBytes: 30, readBytes: 0 },
    ],
  };
  deepStrictEqual(answerRounds(table, asked), [refusal]);
  deepStrictEqual(table.adopted(adoption(3, 50)), [refusal]);
  strictEqual(table.opened(read(3))[0]?.kind, "deny");
  table.validate();
});

Deno.test("SegmentTable forgets what had no memory when it was admitted, and lets in who waits", () => {
  const table = started();
  table.adopted(adoption(1, 60));
  table.opened(read(1));
  table.adopted({ ...adoption(2, 80), owner: p3 });
  const commands = table.notAdmitted(segment(1));
  table.validate();
  deepStrictEqual(commands, [{ kind: "admit", segmentId: segment(2) }]);
  strictEqual(table.usedBytes, 80);
  deepStrictEqual(table.opened(read(1, p3)), [
    { kind: "deny", read: read(1, p3) },
  ]);
  deepStrictEqual(table.notAdmitted(segment(1)), []);
  table.validate();
});

Deno.test("SegmentTable refuses at once what is larger than the store", () => {
  const table = started();
  strictEqual(table.adopted(adoption(1, 101))[0]?.kind, "refuse");
  table.validate();
});

Deno.test("SegmentTable counts no late answer for a later round, and goes on when one is overdue", () => {
  const table = started();
  table.adopted(adoption(1, 80));
  table.opened(read(1));
  table.adopted(adoption(2, 50));
  for (const id of [p1, p1, p2, p2]) {
    deepStrictEqual(table.garbageCollected(id, 1), []);
  }
  deepStrictEqual(table.garbageOverdue(1), [
    {
      kind: "collect_garbage",
      round: 2,
      processIds: [p1, p2, p3],
      isBrief: false,
    },
  ]);
  deepStrictEqual(table.garbageOverdue(1), []);
  for (const id of [p1, p2, p3]) {
    deepStrictEqual(table.garbageCollected(id, 1), []);
  }
  table.processEnded(p3);
  table.garbageCollected(p1, 2);
  strictEqual(table.garbageCollected(p2, 2)[0]?.kind, "refuse");
  table.validate();
});

Deno.test("SegmentTable frees what an ended process owned, but for what is pinned", () => {
  const table = started();
  table.adopted({ ...adoption(1, 40), owner: p2 });
  table.adopted({ ...adoption(2, 40), owner: p2 });
  table.pinned(segment(2));
  table.pinned(segment(2));
  deepStrictEqual(table.processEnded(p2), [
    { kind: "recycle", segmentId: segment(1), to: p1 },
  ]);
  deepStrictEqual(table.processEnded(p2), []);
  strictEqual(table.opened(read(2, p3))[0]?.kind, "serve");
  table.validate();
  deepStrictEqual(table.unpinned(segment(2)), []);
  strictEqual(table.closed(read(2, p3))[0]?.kind, "recycle");
  deepStrictEqual(table.unpinned(segment(2)), []);
  table.validate();
});

Deno.test("SegmentTable takes an ended writer's recyclable and waiting segments, not its live ones", () => {
  const table = started();
  table.adopted({ ...adoption(1, 30), owner: p2 });
  table.adopted({ ...adoption(2, 30), owner: p2 });
  table.freed(segment(2));
  deepStrictEqual(table.processEnded(p1), [
    { kind: "close_descriptor", segmentId: segment(2) },
  ]);
  deepStrictEqual(table.adopted(adoption(3, 10)), []);
  deepStrictEqual(table.freed(segment(1)), [
    { kind: "close_descriptor", segmentId: segment(1) },
  ]);
  strictEqual(table.usedBytes, 0);
  table.validate();
});

/** Seeded generator: the same seed gives the same run. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Copying {
  readonly copyNo: number;
  isStopped: boolean;
}

/**
 * The processes and the node around a table: keeps descriptors, mappings and
 * warm memory as they would, and asserts what they need of every command.
 */
class World {
  readonly table = new SegmentTable({
    capacityBytes: 1000,
    segmentsMax: 12,
    waitingMax: 6,
    recyclableBytesMax: 300,
    recyclablesMax: 3,
    rememberedMax: 1_000_000,
    copiesMax: 2,
    collectAfterBytes: 300,
  });
  readonly counts: Record<string, number> = {};
  readonly descriptors = new Set<SegmentId>();
  readonly live = new Set<SegmentId>();
  readonly asked = new Set<SegmentId>();
  readonly reads = new Map<string, Read>();
  readonly closed = new Set<string>();
  readonly warm = new Map<SegmentId, ProcessId>();
  readonly files = new Set<SegmentId>();
  readonly lost = new Set<SegmentId>();
  readonly fileReads = new Set<string>();
  /** Copies under way, and which of them nobody needs any more. */
  readonly spills = new Map<SegmentId, Copying>();
  readonly restores = new Map<SegmentId, Copying>();
  rounds: { round: number; processId: ProcessId }[] = [];

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  carryOut(commands: SegmentCommand[]): void {
    for (const command of commands) {
      this.count(command.kind);
      this.#carryOut(command);
    }
    this.table.validate();
  }

  #carryOut(command: SegmentCommand): void {
    switch (command.kind) {
      case "admit":
        this.asked.delete(command.segmentId);
        if (command.recycles !== undefined) {
          this.count("reuse");
          assert(this.descriptors.delete(command.recycles), "No descriptor");
        }
        // A late retry finds it on disk.
        if (this.files.has(command.segmentId)) break;
        this.descriptors.add(command.segmentId);
        break;
      case "refuse":
        this.asked.delete(command.segmentId);
        assert(!this.descriptors.has(command.segmentId), "Refused, but open");
        break;
      case "serve": {
        const { segmentId } = command.read;
        assert(this.descriptors.has(segmentId), "Served, but not open");
        assert(!this.restores.has(segmentId), "Served before it is back");
        assert(!this.closed.has(keyOf(command.read)), "Served after its end");
        this.reads.set(keyOf(command.read), command.read);
        break;
      }
      case "serve_file":
        assert(this.files.has(command.read.segmentId), "Served no file");
        assert(!this.closed.has(keyOf(command.read)), "Served after its end");
        this.reads.set(keyOf(command.read), command.read);
        this.fileReads.add(keyOf(command.read));
        break;
      case "spill": {
        const { segmentId, copyNo } = command.copy;
        assert(this.descriptors.has(segmentId), "Spills nothing");
        assert(!this.files.has(segmentId), "Spilled twice");
        assert(!this.spills.has(segmentId), "Spilled twice at once");
        this.spills.set(segmentId, { copyNo, isStopped: false });
        break;
      }
      case "restore": {
        const { segmentId, copyNo } = command.copy;
        assert(!this.descriptors.has(segmentId), "Restored, but open");
        assert(this.files.has(segmentId), "Restored from nothing");
        assert(!this.restores.has(segmentId), "Restored twice");
        this.restores.set(segmentId, { copyNo, isStopped: false });
        this.descriptors.add(segmentId);
        break;
      }
      case "stop_copy": {
        const { segmentId } = command;
        const copies = [this.spills, this.restores]
          .filter((copies) => copies.has(segmentId));
        assert(copies.length === 1, "Stopped what does not run");
        copies[0]!.get(segmentId)!.isStopped = true;
        break;
      }
      case "delete_spill":
        assert(this.files.delete(command.segmentId), "Deleted no file");
        assert(!this.restores.has(command.segmentId), "Deleted while read");
        for (const [key, read] of this.reads) {
          if (!this.fileReads.has(key) || this.lost.has(read.segmentId)) {
            continue;
          }
          const isOther = read.segmentId !== command.segmentId;
          assert(isOther, "File goes while it is read");
        }
        break;
      case "deny":
        assert(!this.reads.has(keyOf(command.read)), "Denied a served read");
        break;
      case "recycle":
        this.assertUnread(command.segmentId);
        assert(writerOf(command.segmentId) === command.to, "Not its writer");
        this.warm.set(command.segmentId, command.to);
        break;
      case "drop":
        this.asked.delete(command.segmentId);
        this.warm.delete(command.segmentId);
        break;
      case "close_descriptor":
        if (this.live.has(command.segmentId)) {
          this.count("evict");
          this.assertUnmapped(command.segmentId);
          assert(this.files.has(command.segmentId), "Evicted without a file");
        } else this.assertUnread(command.segmentId);
        assert(!this.spills.has(command.segmentId), "Closed while copied");
        assert(this.descriptors.delete(command.segmentId), "Closed twice");
        break;
      case "collect_garbage":
        this.rounds = command.processIds.map((processId) => ({
          round: command.round,
          processId,
        }));
    }
  }

  assertUnmapped(segmentId: SegmentId): void {
    for (const [key, read] of this.reads) {
      if (this.fileReads.has(key)) continue;
      assert(read.segmentId !== segmentId, "Segment goes while it is read");
    }
  }

  assertUnread(segmentId: SegmentId): void {
    this.assertUnmapped(segmentId);
    assert(!this.live.has(segmentId), "Segment goes before it is freed");
  }
}

// Method: play processes that write, read, free, end, and repeat any of their
// messages, at once or late; the world and validate() judge. A walk that
// reaches little proves little, so it counts each command.
Deno.test("SegmentTable keeps its invariants under any order of events", () => {
  const seed = Number(Deno.env.get("SEED") ?? Math.floor(Math.random() * 2e9));
  const random = seeded(seed);
  const pick = <T>(from: Iterable<T>): T | undefined => {
    const all = [...from];
    return all[Math.floor(random() * all.length)];
  };
  const world = new World();
  const { table } = world;
  const running = new Set<ProcessId>();
  const sent: (() => SegmentCommand[])[] = [];
  let ordinal = 0;
  let processCount = 0;

  /** Delivers a message once, sometimes twice, and keeps it for a late repeat. */
  function send(message: () => SegmentCommand[]): void {
    world.carryOut(message());
    if (random() < 0.3) {
      const usedBytes = table.usedBytes;
      world.carryOut(message());
      assert(table.usedBytes === usedBytes, "A repeat changed the room");
    }
    sent.push(message);
    if (sent.length > 200) sent.shift();
  }
  function free(segmentId: SegmentId): void {
    world.live.delete(segmentId);
    send(() => table.freed(segmentId));
  }
  function end(processId: ProcessId): void {
    running.delete(processId);
    for (const [key, { reader }] of world.reads) {
      if (reader === processId) world.reads.delete(key);
    }
    for (const [segmentId, writer] of world.warm) {
      if (writer === processId) world.warm.delete(segmentId);
    }
    for (const id of world.asked) {
      if (writerOf(id) === processId) world.asked.delete(id);
    }
    for (const id of world.live) {
      if (owners.get(id) === processId) world.live.delete(id);
    }
    send(() => table.processEnded(processId));
  }
  const owners = new Map<SegmentId, ProcessId>();
  function adopt(writer: ProcessId): void {
    const segmentId = segmentIdOf(writer, ++ordinal);
    // One may end before the writer of its result hears of it.
    const isOrphan = random() < 0.02;
    const other = isOrphan
      ? process(1 + Math.floor(random() * processCount))
      : pick(running)!;
    const owner = random() < 0.7 && !isOrphan ? writer : other;
    const own = [...world.warm].filter(([_, to]) => to === writer);
    const recycles = random() < 0.6 ? pick(own)?.[0] : undefined;
    if (recycles !== undefined) world.warm.delete(recycles);
    const byteLength = random() < 0.01 ? 1001 : Math.ceil(random() ** 2 * 300);
    owners.set(segmentId, owner);
    // Its readers and its owner may be heard of before its writer.
    if (random() < 0.1) open(segmentId);
    if (random() < 0.05) free(segmentId);
    else if (running.has(owner)) world.live.add(segmentId);
    world.asked.add(segmentId);
    send(() =>
      table.adopted({
        segmentId,
        byteLength,
        owner,
        ...(recycles === undefined ? {} : { recycles }),
      })
    );
    const isKept = recycles !== undefined && world.descriptors.has(recycles);
    assert(!isKept, "Recycled memory is counted twice");
  }
  function open(segmentId: SegmentId): void {
    const reader = pick(running)!;
    const read = { segmentId, reader, mapping: ++ordinal };
    send(() => table.opened(read));
  }
  /** A copy is over, one way or another, and told of as messages are. */
  function copied(): void {
    const segmentId = pick([...world.spills.keys(), ...world.restores.keys()]);
    if (segmentId === undefined) return;
    const isSpill = world.spills.has(segmentId);
    const copies = isSpill ? world.spills : world.restores;
    const { copyNo, isStopped } = copies.get(segmentId)!;
    const copy = { segmentId, copyNo };
    copies.delete(segmentId);
    const dice = random();
    if (isSpill && (isStopped ? dice < 0.7 : dice < 0.1)) {
      send(() => table.spillFailed(copy, isStopped ? undefined : "full"));
    } else if (isSpill) {
      world.files.add(segmentId);
      send(() => table.spilled(copy));
    } else if (isStopped ? dice < 0.7 : dice < 0.1) {
      world.descriptors.delete(segmentId);
      const isLost = !isStopped && random() < 0.5;
      if (isLost) world.count("lost");
      if (isLost) world.lost.add(segmentId);
      send(() => table.restoreFailed(copy, isLost ? "bad" : undefined));
    } else send(() => table.restored(copy));
  }
  let isCrowded = false;
  function step(): void {
    const dice = random();
    if (random() < 0.001) isCrowded = !isCrowded;
    if (random() < 0.1) copied();
    if (running.size < 2 || (running.size < 5 && dice < 0.05)) {
      const processId = process(++processCount);
      running.add(processId);
      table.processStarted(processId);
      table.processStarted(processId);
    } else if (dice < 0.23) adopt(pick(running)!);
    else if (dice < 0.36) {
      const segmentId = pick(world.live);
      if (segmentId !== undefined) open(segmentId);
    } else if (dice < 0.54) {
      const read = pick(world.reads.values());
      if (read === undefined) return;
      world.reads.delete(keyOf(read));
      world.closed.add(keyOf(read));
      send(() => table.closed(read));
    } else if (dice < 0.8) {
      const segmentId = pick(world.live);
      // In crowded times more is kept and read than fits into memory.
      const isKept = isCrowded && world.live.size < 30 && random() < 0.7;
      if (segmentId === undefined) return;
      if (isKept) open(segmentId);
      else free(segmentId);
    } else if (dice < 0.805) end(pick(running)!);
    else if (dice < 0.82) {
      const segmentId = pick(world.live);
      if (segmentId === undefined) return;
      table.pinned(segmentId);
      world.carryOut(table.unpinned(segmentId));
    } else if (dice < 0.9) {
      const late = pick(sent);
      if (late !== undefined) world.carryOut(late());
    } else {
      const answer = world.rounds.pop();
      if (answer === undefined) return;
      const { processId, round } = answer;
      if (random() < 0.1) send(() => table.garbageOverdue(round));
      else send(() => table.garbageCollected(processId, round));
    }
  }
  try {
    for (let i = 0; i < 200_000; i++) step();
    for (const processId of [...running]) end(processId);
    while (world.spills.size + world.restores.size > 0) copied();
    strictEqual(table.usedBytes, 0);
    strictEqual(world.descriptors.size, 0);
    strictEqual(world.files.size, 0);
    strictEqual(world.asked.size, 0, "A writer was never answered");
    const atLeast = {
      admit: 20_000,
      reuse: 2500,
      refuse: 300,
      serve: 10_000,
      deny: 400,
      recycle: 10_000,
      drop: 10_000,
      close_descriptor: 10_000,
      collect_garbage: 500,
      spill: 1000,
      evict: 1000,
      restore: 500,
      stop_copy: 100,
      delete_spill: 1000,
      serve_file: 25,
      lost: 20,
    };
    for (const [kind, min] of Object.entries(atLeast)) {
      const count = world.counts[kind] ?? 0;
      assert(count >= min, `Only ${count} times ${kind} in the walk`);
    }
  } catch (cause) {
    throw new Error(`Repeat with SEED=${seed}`, { cause });
  }
});
