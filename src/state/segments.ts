/**
 * One node's table of shared segments: which are admitted, who reads them,
 * what is recycled, and what goes to disk and comes back.
 *
 * Pure. A method is told what happened and returns what to do; the node does
 * it with descriptors and files. An id names one tenant: recycled memory gets
 * a new id, so that a late message for the old one finds nothing. Who waits
 * for room gets it from `segment_flow.ts`.
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
  type SegmentCopy,
  type SegmentLimits,
  waitingSegment,
  writerOf,
} from "./segment_events.ts";
import { SegmentFlow } from "./segment_flow.ts";
import { SegmentRecords } from "./segment_records.ts";

/** A copying that is over. */
type Finished = Pick<SegmentCopy, "segmentId" | "copyNo">;

/** Admits, serves, recycles and drops the segments of one machine. */
export class SegmentTable {
  readonly #limits: SegmentLimits;
  readonly #records: SegmentRecords;
  readonly #flow: SegmentFlow;
  readonly #endedReads: Remembered<string>;

  /** An empty table. */
  constructor(limits: SegmentLimits) {
    this.#limits = limits;
    this.#records = new SegmentRecords(limits);
    this.#flow = new SegmentFlow(this.#records);
    this.#endedReads = new Remembered(limits.rememberedMax);
  }

  /** Bytes in memory: live, freed but still read, and recyclable. */
  get usedBytes(): number {
    return this.#records.room.usedBytes;
  }

  /** A segment that can be opened here: what it takes, and whose object it is. */
  find(
    segmentId: SegmentId,
  ): { byteLength: number; owner: ProcessId } | undefined {
    const segment = this.#records.segments.get(segmentId);
    return segment?.state === "live" ? segment : undefined;
  }

  /** All that there are, in no order. */
  all(): Iterable<[SegmentId, Readonly<Segment>]> {
    return this.#records.segments.entries();
  }

  /** A process of this machine connected; before that it neither writes nor reads. */
  processStarted(processId: ProcessId): void {
    if (!this.#records.endedProcesses.has(processId)) {
      this.#records.processes.add(processId);
    }
  }

  /** A writer asks for room. Idempotent: a retry gets the first answer again, or waits on. */
  adopted(adoption: Adoption): SegmentCommand[] {
    const { segmentId, byteLength, owner, recycles } = adoption;
    const known = this.#records.segments.get(segmentId);
    if (known?.state === "live") return [{ kind: "admit", segmentId }];
    if (!this.#records.processes.has(writerOf(segmentId))) return [];
    const commands: SegmentCommand[] = [];
    if (known?.state === "lost") this.#records.drop(segmentId, commands);
    if (known !== undefined) return commands;
    if (this.#records.refused.has(segmentId)) {
      this.#records.refuse(segmentId, commands);
      return commands;
    }
    const isReuse = recycles !== undefined &&
      this.#records.recyclable.has(recycles) &&
      writerOf(recycles) === writerOf(segmentId);
    // Freed already: here, or by an owner whose message was faster.
    if (
      this.#records.endedSegments.has(segmentId) ||
      this.#records.endedProcesses.has(owner)
    ) {
      if (isReuse) this.#records.end(recycles, commands);
      this.#records.forget(segmentId, commands);
      this.#records.drop(segmentId, commands);
      return this.#flow.advance(commands);
    }
    const segment = waitingSegment({
      byteLength: isReuse
        ? this.#records.expect(recycles).byteLength
        : byteLength,
      owner,
    });
    this.#records.segments.set(segmentId, segment);
    if (isReuse) {
      this.#records.remove(recycles);
      this.#records.admit(segmentId, commands, recycles);
      return commands;
    }
    this.#records.queue.add(segmentId, byteLength);
    const isHopeless = byteLength > this.#limits.capacityBytes ||
      this.#records.queue.size > this.#limits.waitingMax;
    if (isHopeless) this.#records.refuse(segmentId, commands);
    return this.#flow.advance(commands);
  }

  /** The memory of a segment was gone when it was admitted, with its writer: it never was. */
  notAdmitted(segmentId: SegmentId): SegmentCommand[] {
    const commands: SegmentCommand[] = [];
    const segment = this.#records.segments.get(segmentId);
    if (segment === undefined || segment.hasFile) return commands;
    if (segment.copy !== undefined) {
      this.#records.room.copied(segmentId, segment);
    }
    this.#records.remove(segmentId);
    this.#records.forget(segmentId, commands);
    return this.#flow.advance(commands);
  }

  /** A reader asks for a segment. Idempotent; one that comes before the adoption waits for it, one of a segment on disk for its memory. */
  opened(read: Read): SegmentCommand[] {
    const { segmentId, reader } = read;
    const key = keyOf(read);
    if (!this.#records.processes.has(reader) || this.#endedReads.has(key)) {
      return [];
    }
    const segment = this.#records.segments.get(segmentId);
    if (segment?.state === "lost") return [this.#records.denial(read, segment)];
    const isHere = segment?.isResident && segment.copy !== "restore";
    if (segment?.state === "live" && isHere) {
      segment.readers.set(key, reader);
      this.#records.room.used(segmentId);
    }
    if (segment?.readers.has(key)) {
      return [{ kind: isHere ? "serve" : "serve_file", read }];
    }
    if (segment?.state === "live") {
      this.#records.early.add(read);
      if (segment.isResident || this.#records.queue.has(segmentId)) return [];
      this.#records.queue.add(segmentId, segment.byteLength);
      return this.#flow.advance([]);
    }
    const mayCome = segment === undefined
      ? !this.#records.endedSegments.has(segmentId) &&
        this.#records.processes.has(writerOf(segmentId))
      : segment.state === "waiting";
    if (!mayCome) return [{ kind: "deny", read }];
    this.#records.early.add(read);
    return [];
  }

  /** A reader's mapping was collected, or it gave up asking. */
  closed(read: Read): SegmentCommand[] {
    const key = keyOf(read);
    const commands: SegmentCommand[] = [];
    this.#endedReads.add(key);
    this.#records.early.delete(read);
    const segment = this.#records.segments.get(read.segmentId);
    segment?.readers.delete(key);
    segment?.fileReaders.delete(key);
    this.#records.unawaited(read.segmentId);
    this.#records.settle(read.segmentId, commands);
    return this.#flow.advance(commands);
  }

  /** A segment was copied to disk. */
  spilled(copy: Finished): SegmentCommand[] {
    const { segmentId } = copy;
    const commands: SegmentCommand[] = [];
    const segment = this.#records.copied(copy, "spill");
    if (segment === undefined) return commands;
    segment.hasFile = true;
    this.#records.settle(segmentId, commands);
    return this.#flow.advance(commands);
  }

  /** It could not be: no file is left of it, and its memory stays. `fault` says why, unless it was stopped. */
  spillFailed(copy: Finished, fault?: string): SegmentCommand[] {
    const { segmentId } = copy;
    const commands: SegmentCommand[] = [];
    const segment = this.#records.copied(copy, "spill");
    if (segment === undefined) return commands;
    if (fault !== undefined) this.#records.room.fault = fault;
    this.#records.settle(segmentId, commands);
    return this.#flow.advance(commands);
  }

  /** A segment is in memory again. */
  restored(copy: Finished): SegmentCommand[] {
    const { segmentId } = copy;
    const commands: SegmentCommand[] = [];
    const segment = this.#records.copied(copy, "restore");
    if (segment === undefined) return commands;
    if (segment.state === "live") this.#records.serveEarly(segmentId, commands);
    this.#records.settle(segmentId, commands);
    return this.#flow.advance(commands);
  }

  /** It could not be, and nothing of it is in memory. With `lostReason` its bytes are gone; without, only memory was lacking. */
  restoreFailed(copy: Finished, lostReason?: string): SegmentCommand[] {
    const { segmentId } = copy;
    const commands: SegmentCommand[] = [];
    const segment = this.#records.copied(copy, "restore");
    if (segment === undefined) return commands;
    this.#records.room.left(segmentId, segment);
    if (segment.state === "live" && lostReason !== undefined) {
      segment.state = "lost";
      segment.lostReason = lostReason;
      this.#records.deleteFile(segmentId, commands);
      for (const read of this.#records.early.take(segmentId)) {
        commands.push(this.#records.denial(read, segment));
      }
    } else if (segment.state === "live") {
      this.#records.serveEarly(segmentId, commands);
    }
    this.#records.settle(segmentId, commands);
    return this.#flow.advance(commands);
  }

  /** The owner gives a segment up; nobody may open it any more. */
  freed(segmentId: SegmentId, isUnreadable = false): SegmentCommand[] {
    const commands: SegmentCommand[] = [];
    const segment = this.#records.segments.get(segmentId);
    if (segment !== undefined && isUnreadable) segment.isUnreadable = true;
    this.#records.free(segmentId, commands);
    return this.#flow.advance(commands);
  }

  /** A segment is to outlive its owner's end (but not its owner's `freed`). */
  pinned(segmentId: SegmentId): void {
    if (this.#records.segments.has(segmentId)) {
      this.#records.pins.add(segmentId);
    }
  }

  /** The pin is gone, and the segment with it if its owner ended meanwhile. */
  unpinned(segmentId: SegmentId): SegmentCommand[] {
    this.#records.pins.delete(segmentId);
    const segment = this.#records.segments.get(segmentId);
    return segment?.isOrphan ? this.freed(segmentId) : [];
  }

  /** A process is gone: as a reader, a writer and an owner. */
  processEnded(processId: ProcessId): SegmentCommand[] {
    const commands: SegmentCommand[] = [];
    this.#records.processes.delete(processId);
    this.#records.endedProcesses.add(processId);
    this.#records.queue.processEnded(processId);
    this.#records.early.readerEnded(processId);
    for (const segmentId of this.#records.early.awaitedOf(processId)) {
      if (this.#records.segments.get(segmentId)?.state === "live") continue;
      this.#records.forget(segmentId, commands);
    }
    for (const [segmentId, segment] of this.#records.segments) {
      for (const [key, reader] of segment.readers) {
        if (reader !== processId) continue;
        segment.readers.delete(key);
        segment.fileReaders.delete(key);
      }
      this.#records.unawaited(segmentId);
      const isOwner = segment.owner === processId;
      const isWriter = writerOf(segmentId) === processId;
      const isPinned = this.#records.pins.has(segmentId);
      if (isWriter && segment.state === "recyclable") {
        this.#records.end(segmentId, commands);
      } else if (isWriter && segment.state === "waiting") {
        // Its memory went with its writer: nothing is left to adopt.
        this.#records.free(segmentId, commands);
      } else if (isOwner && isPinned) {
        segment.isOrphan = true;
      } else if (isOwner) {
        this.#records.free(segmentId, commands);
      }
      this.#records.settle(segmentId, commands);
    }
    return this.#flow.advance(commands);
  }

  /** A process collected its garbage, and all that ended by it was told before. */
  garbageCollected(processId: ProcessId, round: number): SegmentCommand[] {
    this.#records.queue.answered(processId, round);
    return this.#flow.advance([]);
  }

  /** A round took too long, for some process computes: goes on with what answered. */
  garbageOverdue(round: number): SegmentCommand[] {
    this.#records.queue.overdue(round);
    return this.#flow.advance([]);
  }

  /** Who holds most of the store, the largest first. */
  holders(): Holder[] {
    return holdersOf(this.#records.segments.values());
  }

  /** Asserts every invariant; tests call it after each event. */
  validate(): void {
    let waitingCount = 0;
    for (const [segmentId, segment] of this.#records.segments) {
      const { state, readers, owner, copy } = segment;
      if (state === "waiting" || this.#records.queue.has(segmentId)) {
        waitingCount++;
      }
      const isRead = readers.size > 0;
      assert(
        !this.#records.endedSegments.has(segmentId),
        "Ended segment is kept",
      );
      const isHeld = isRead || copy !== undefined;
      assert(state !== "freed" || isHeld, "Freed segment is kept unread");
      assert(state !== "recyclable" || !isHeld, "Recyclable segment is read");
      const isRecyclable = this.#records.recyclable.has(segmentId);
      assert(isRecyclable === (state === "recyclable"), "Wrongly recyclable");
      const isOwned = !this.#records.endedProcesses.has(owner) ||
        this.#records.pins.has(segmentId) || state === "freed" || isRecyclable;
      assert(isOwned, "Segment outlives its owner");
      for (const reader of readers.values()) {
        assert(this.#records.processes.has(reader), "An ended process reads");
      }
    }
    this.#records.room.validate();
    assert(waitingCount === this.#records.queue.size, "Waiting segment lost");
    const isWaste = waitingCount > 0 && this.#records.room.mayCopy &&
      this.#records.recyclable.size > 0;
    assert(!isWaste, "Request waits while room is kept for reuse");
    const isAdvancing = this.#records.queue.isCollecting ||
      this.#records.room.copyCount > 0;
    assert(waitingCount === 0 || isAdvancing, "Waits for no event");
    for (const segmentId of this.#records.early.awaited) {
      const segment = this.#records.segments.get(segmentId);
      const isComing = this.#records.queue.has(segmentId) ||
        segment?.copy === "restore" ||
        (segment === undefined &&
          this.#records.processes.has(writerOf(segmentId)));
      assert(isComing, "Read waits for ever");
    }
    for (const segmentId of this.#records.pins) {
      assert(this.#records.segments.has(segmentId), "Pin without a segment");
    }
    this.#records.queue.validate();
  }
}
