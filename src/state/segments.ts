/**
 * One node's table of shared segments: which are admitted, who reads them,
 * what is recycled, and who waits for room.
 *
 * Pure. A method is told what happened and returns what to do; the node does
 * it with descriptors. An id names one tenant: recycled memory gets a new id,
 * so that a late message for the old one finds nothing. Spilling is not here
 * yet: `#makeRoom` is its place.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import type { ProcessId, SegmentId } from "../base/ids.ts";
import {
  type Adoption,
  type Holder,
  holdersOf,
  keyOf,
  type Read,
  Remembered,
  type Segment,
  type SegmentCommand,
  type SegmentLimits,
  surplusOf,
  writerOf,
} from "./segment_events.ts";
import { EarlyReads, SegmentQueue } from "./segment_queue.ts";

/** Who holds most of the segments, the largest first. */

/** Admits, serves, recycles and drops the segments of one machine. */
export class SegmentTable {
  readonly #limits: SegmentLimits;
  readonly #processes = new Set<ProcessId>();
  readonly #segments = new Map<SegmentId, Segment>();
  readonly #queue = new SegmentQueue();
  /** Insertion order is the order in which they are dropped. */
  readonly #recyclable = new Set<SegmentId>();
  readonly #pins = new Set<SegmentId>();
  readonly #early = new EarlyReads();
  readonly #endedSegments: Remembered<SegmentId>;
  readonly #refused: Remembered<SegmentId>;
  readonly #endedReads: Remembered<string>;
  readonly #endedProcesses: Remembered<ProcessId>;
  #usedBytes = 0;
  #usedCount = 0;
  #endedBytes = 0;
  #admittedBytes = 0;

  /** An empty table. */
  constructor(limits: SegmentLimits) {
    this.#limits = limits;
    this.#endedSegments = new Remembered(limits.rememberedMax);
    this.#refused = new Remembered(limits.rememberedMax);
    this.#endedReads = new Remembered(limits.rememberedMax);
    this.#endedProcesses = new Remembered(limits.rememberedMax);
  }

  /** Bytes in use: live, freed but still read, and recyclable. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** A process of this machine connected; before that it neither writes nor reads. */
  processStarted(processId: ProcessId): void {
    if (!this.#endedProcesses.has(processId)) this.#processes.add(processId);
  }

  /** A writer asks for room. Idempotent: a retry gets the first answer again, or waits on. */
  adopted(adoption: Adoption): SegmentCommand[] {
    const { segmentId, byteLength, owner, recycles } = adoption;
    const known = this.#segments.get(segmentId);
    if (known?.state === "live") return [{ kind: "admit", segmentId }];
    if (known !== undefined || !this.#processes.has(writerOf(segmentId))) {
      return [];
    }
    const commands: SegmentCommand[] = [];
    if (this.#refused.has(segmentId)) {
      this.#refuse(segmentId, commands);
      return commands;
    }
    const isReuse = recycles !== undefined && this.#recyclable.has(recycles) &&
      writerOf(recycles) === writerOf(segmentId);
    // Freed already: here, or by an owner whose message was faster.
    if (
      this.#endedSegments.has(segmentId) || this.#endedProcesses.has(owner)
    ) {
      if (isReuse) this.#end(recycles, commands);
      this.#forget(segmentId, commands);
      this.#drop(segmentId, commands);
      return this.#advance(commands);
    }
    const segment: Segment = {
      byteLength: isReuse ? this.#expect(recycles).byteLength : byteLength,
      owner,
      state: "waiting",
      isOrphan: false,
      readers: new Map(),
    };
    this.#segments.set(segmentId, segment);
    if (isReuse) {
      this.#remove(recycles);
      this.#admit(segmentId, commands, recycles);
      return commands;
    }
    this.#queue.add(segmentId);
    const isHopeless = byteLength > this.#limits.capacityBytes ||
      this.#queue.size > this.#limits.waitingMax;
    if (isHopeless) this.#refuse(segmentId, commands);
    return this.#advance(commands);
  }

  /** A reader asks for a segment. Idempotent; one that comes before the adoption waits for it. */
  opened(read: Read): SegmentCommand[] {
    const { segmentId, reader } = read;
    const key = keyOf(read);
    if (!this.#processes.has(reader) || this.#endedReads.has(key)) return [];
    const segment = this.#segments.get(segmentId);
    if (segment?.state === "live") segment.readers.set(key, reader);
    if (segment?.readers.has(key)) return [{ kind: "serve", read }];
    const mayCome = segment === undefined
      ? !this.#endedSegments.has(segmentId) &&
        this.#processes.has(writerOf(segmentId))
      : segment.state === "waiting";
    if (!mayCome) return [{ kind: "deny", read }];
    this.#early.add(read);
    return [];
  }

  /** A reader's mapping was collected, or it gave up asking. */
  closed(read: Read): SegmentCommand[] {
    const key = keyOf(read);
    const commands: SegmentCommand[] = [];
    this.#endedReads.add(key);
    this.#early.delete(read);
    this.#segments.get(read.segmentId)?.readers.delete(key);
    this.#settle(read.segmentId, commands);
    return this.#advance(commands);
  }

  /** The owner gives a segment up; nobody may open it any more. */
  freed(segmentId: SegmentId): SegmentCommand[] {
    const commands: SegmentCommand[] = [];
    this.#free(segmentId, commands);
    return this.#advance(commands);
  }

  /** A segment is to outlive its owner's end (but not its owner's `freed`). */
  pinned(segmentId: SegmentId): void {
    if (this.#segments.has(segmentId)) this.#pins.add(segmentId);
  }

  /** The pin is gone, and the segment with it if its owner ended meanwhile. */
  unpinned(segmentId: SegmentId): SegmentCommand[] {
    this.#pins.delete(segmentId);
    const segment = this.#segments.get(segmentId);
    return segment?.isOrphan ? this.freed(segmentId) : [];
  }

  /** A process is gone: as a reader, a writer and an owner. */
  processEnded(processId: ProcessId): SegmentCommand[] {
    const commands: SegmentCommand[] = [];
    this.#processes.delete(processId);
    this.#endedProcesses.add(processId);
    this.#queue.processEnded(processId);
    this.#early.readerEnded(processId);
    for (const segmentId of this.#early.awaitedOf(processId)) {
      this.#forget(segmentId, commands);
    }
    for (const [segmentId, segment] of this.#segments) {
      for (const [key, reader] of segment.readers) {
        if (reader === processId) segment.readers.delete(key);
      }
      const isOwner = segment.owner === processId;
      const isWriter = writerOf(segmentId) === processId;
      const isPinned = this.#pins.has(segmentId);
      if (isWriter && segment.state === "recyclable") {
        this.#end(segmentId, commands);
      } else if (isWriter && segment.state === "waiting") {
        // Its memory went with its writer: nothing is left to adopt.
        this.#free(segmentId, commands);
      } else if (isOwner && isPinned) {
        segment.isOrphan = true;
      } else if (isOwner) {
        this.#free(segmentId, commands);
      }
      this.#settle(segmentId, commands);
    }
    return this.#advance(commands);
  }

  /** A process collected its garbage, and all that ended by it was told before. */
  garbageCollected(processId: ProcessId, round: number): SegmentCommand[] {
    this.#queue.answered(processId, round);
    return this.#advance([]);
  }

  /** A round took too long, for some process computes: goes on with what answered. */
  garbageOverdue(round: number): SegmentCommand[] {
    this.#queue.overdue(round);
    return this.#advance([]);
  }

  /** Who holds most of the store, the largest first. */
  holders(): Holder[] {
    return holdersOf(this.#segments.values());
  }

  /** Asserts every invariant; tests call it after each event. */
  validate(): void {
    let usedBytes = 0;
    let waitingCount = 0;
    for (const [segmentId, segment] of this.#segments) {
      const { state, byteLength, readers, owner } = segment;
      if (state === "waiting") waitingCount++;
      else usedBytes += byteLength;
      const isRead = readers.size > 0;
      assert(!this.#endedSegments.has(segmentId), "Ended segment is kept");
      assert(state !== "freed" || isRead, "Freed segment is kept unread");
      assert(state !== "recyclable" || !isRead, "Recyclable segment is read");
      const isRecyclable = this.#recyclable.has(segmentId);
      assert(isRecyclable === (state === "recyclable"), "Wrongly recyclable");
      const isOwned = !this.#endedProcesses.has(owner) ||
        this.#pins.has(segmentId) || state === "freed" || isRecyclable;
      assert(isOwned, "Segment outlives its owner");
      for (const reader of readers.values()) {
        assert(this.#processes.has(reader), "An ended process reads");
      }
    }
    assert(usedBytes === this.#usedBytes, "Used bytes are miscounted");
    const keptBytes = this.#admittedBytes - this.#endedBytes;
    assert(keptBytes === usedBytes, "Admitted bytes are lost");
    assert(usedBytes <= this.#limits.capacityBytes, "Store over capacity");
    assert(this.#usedCount <= this.#limits.segmentsMax, "Too many segments");
    assert(waitingCount === this.#queue.size, "Waiting segment lost");
    const isWaste = waitingCount > 0 && this.#recyclable.size > 0;
    assert(!isWaste, "Request waits while room is kept for reuse");
    for (const segmentId of this.#early.awaited) {
      const state = this.#segments.get(segmentId)?.state ?? "waiting";
      assert(state === "waiting", "Read waits for an admitted segment");
      assert(this.#processes.has(writerOf(segmentId)), "Read waits for ever");
    }
    for (const segmentId of this.#pins) {
      assert(this.#segments.has(segmentId), "Pin without a segment");
    }
    this.#queue.validate();
  }

  #expect(segmentId: SegmentId): Segment {
    const segment = this.#segments.get(segmentId);
    assert(segment !== undefined, "Unknown segment");
    return segment;
  }

  #advance(commands: SegmentCommand[]): SegmentCommand[] {
    for (;;) {
      for (;;) {
        const first = this.#queue.first;
        if (first === undefined) return commands;
        const { byteLength } = this.#expect(first);
        if (!this.#makeRoom(byteLength, commands)) break;
        this.#queue.delete(first);
        this.#admit(first, commands);
      }
      commands.push(...this.#queue.collect(this.#processes, this.#endedBytes));
      if (this.#queue.isCollecting) return commands;
      const hopeless = this.#queue.judge(this.#endedBytes);
      if (hopeless !== undefined) this.#refuse(hopeless, commands);
    }
  }

  /** Drops what waits for reuse, the oldest first, until there is room; a `spill` would come next. */
  #makeRoom(byteLength: number, commands: SegmentCommand[]): boolean {
    const isRoom = () =>
      this.#usedBytes + byteLength <= this.#limits.capacityBytes &&
      this.#usedCount < this.#limits.segmentsMax;
    for (const segmentId of this.#recyclable) {
      if (isRoom()) break;
      this.#end(segmentId, commands);
    }
    return isRoom();
  }

  #admit(
    segmentId: SegmentId,
    commands: SegmentCommand[],
    recycles?: SegmentId,
  ): void {
    const segment = this.#expect(segmentId);
    segment.state = "live";
    this.#usedBytes += segment.byteLength;
    this.#admittedBytes += segment.byteLength;
    this.#usedCount++;
    commands.push({
      kind: "admit",
      segmentId,
      ...(recycles === undefined ? {} : { recycles }),
    });
    for (const read of this.#early.take(segmentId)) {
      segment.readers.set(keyOf(read), read.reader);
      commands.push({ kind: "serve", read });
    }
  }

  #refuse(segmentId: SegmentId, commands: SegmentCommand[]): void {
    const usedBytes = this.#usedBytes;
    const holders = this.holders();
    commands.push({ kind: "refuse", segmentId, usedBytes, holders });
    this.#refused.add(segmentId);
    this.#forget(segmentId, commands);
  }

  #free(segmentId: SegmentId, commands: SegmentCommand[]): void {
    const segment = this.#segments.get(segmentId);
    if (segment === undefined) return this.#forget(segmentId, commands);
    if (segment.state === "waiting") {
      this.#forget(segmentId, commands);
      this.#drop(segmentId, commands);
    }
    if (segment.state !== "live") return;
    segment.state = "freed";
    this.#pins.delete(segmentId);
    this.#settle(segmentId, commands);
  }

  /** A freed segment that nobody reads is filled again by its writer, or ends. */
  #settle(segmentId: SegmentId, commands: SegmentCommand[]): void {
    const segment = this.#segments.get(segmentId);
    if (segment?.state !== "freed" || segment.readers.size > 0) return;
    const to = writerOf(segmentId);
    const isWanted = this.#processes.has(to) && this.#queue.size === 0 &&
      segment.byteLength <= this.#limits.recyclableBytesMax;
    if (!isWanted) return this.#end(segmentId, commands);
    segment.state = "recyclable";
    this.#recyclable.add(segmentId);
    commands.push({ kind: "recycle", segmentId, to });
    this.#trim(to, commands);
  }

  /** Keeps a writer's recyclable segments within their bounds; the latest is the warmest. */
  #trim(writer: ProcessId, commands: SegmentCommand[]): void {
    const own = [...this.#recyclable].filter((id) => writerOf(id) === writer)
      .map((segmentId) => ({
        segmentId,
        byteLength: this.#expect(segmentId).byteLength,
      }));
    for (const segmentId of surplusOf(own, this.#limits)) {
      this.#end(segmentId, commands);
    }
  }

  /** An admitted segment's memory goes: the node's part, and the writer's. */
  #end(segmentId: SegmentId, commands: SegmentCommand[]): void {
    this.#remove(segmentId);
    commands.push({ kind: "close_descriptor", segmentId });
    this.#drop(segmentId, commands);
  }

  #drop(segmentId: SegmentId, commands: SegmentCommand[]): void {
    const to = writerOf(segmentId);
    if (!this.#processes.has(to)) return;
    commands.push({ kind: "drop", segmentId, to });
  }

  #remove(segmentId: SegmentId): void {
    const { byteLength } = this.#expect(segmentId);
    this.#usedBytes -= byteLength;
    this.#endedBytes += byteLength;
    this.#usedCount--;
    this.#segments.delete(segmentId);
    this.#recyclable.delete(segmentId);
    this.#endedSegments.add(segmentId);
  }

  /** A segment that was not admitted never will be. */
  #forget(segmentId: SegmentId, commands: SegmentCommand[]): void {
    this.#queue.delete(segmentId);
    this.#segments.delete(segmentId);
    this.#pins.delete(segmentId);
    this.#endedSegments.add(segmentId);
    for (const read of this.#early.take(segmentId)) {
      commands.push({ kind: "deny", read });
    }
  }
}
