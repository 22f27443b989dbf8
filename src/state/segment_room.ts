/**
 * The room of a node's shared segments: what is in memory, in the order of its
 * last use, and what goes to disk for those who wait.
 *
 * The coldest go first, but never one that is read: mapped pages would not be
 * freed. A segment is never written to, so one that came back from disk keeps
 * its file, and leaves memory again without being copied. Who waits for room
 * is in `segment_queue.ts`.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import type { SegmentId } from "../base/ids.ts";
import type { Segment, SegmentCopy, SegmentLimits } from "./segment_events.ts";

/** What is to be done for those who wait. */
export interface Departures {
  /** These leave memory now: their copies are on disk. */
  readonly evicted: SegmentId[];
  /** These are to be copied to disk first. */
  readonly spilled: SegmentId[];
}

/** Counts what is in memory, and chooses what leaves it. */
export class SegmentRoom {
  readonly #limits: SegmentLimits;
  readonly #segments: ReadonlyMap<SegmentId, Segment>;
  /** Live and in memory; insertion order is the order of the last use. */
  readonly #byUse = new Set<SegmentId>();
  #usedBytes = 0;
  #usedCount = 0;
  #endedBytes = 0;
  #enteredBytes = 0;
  /** Came into memory since the last round of collecting. */
  #freshBytes = 0;
  /** Was given up since then, instead of going to disk. */
  #freedBytes = 0;
  #collectAfterBytes: number;
  #nextCopyNo = 1;
  readonly #copies = new Set<SegmentId>();
  #spillingBytes = 0;
  #spillingCount = 0;
  /** Why the disk took the last one not; while somebody waits, it is not asked again. */
  fault: string | undefined;

  constructor(
    limits: SegmentLimits,
    segments: ReadonlyMap<SegmentId, Segment>,
  ) {
    this.#limits = limits;
    this.#collectAfterBytes = limits.collectAfterBytes;
    this.#segments = segments;
  }

  /** Bytes in memory. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** All bytes that ever left memory. */
  get endedBytes(): number {
    return this.#endedBytes;
  }

  /** Segments that are being copied to disk or back. */
  get copyCount(): number {
    return this.#copies.size;
  }

  /** Whether one more may be copied now. */
  get mayCopy(): boolean {
    return this.#copies.size < this.#limits.copiesMax;
  }

  /** Whether so much came into memory that some of it may be garbage by now. */
  get isCollectionDue(): boolean {
    return this.#freshBytes >= this.#collectAfterBytes;
  }

  /** Whether a segment of so many bytes fits now. */
  fits(byteLength: number): boolean {
    return this.#usedBytes + byteLength <= this.#limits.capacityBytes &&
      this.#usedCount < this.#limits.segmentsMax;
  }

  /** A segment takes room. */
  entered(segmentId: SegmentId, segment: Segment): void {
    assert(!segment.isResident, "Segment enters memory twice");
    segment.isResident = true;
    this.#usedBytes += segment.byteLength;
    this.#enteredBytes += segment.byteLength;
    this.#freshBytes += segment.byteLength;
    this.#usedCount++;
    this.used(segmentId);
  }

  /** A segment's room is free. */
  left(segmentId: SegmentId, segment: Segment): void {
    assert(segment.isResident, "Segment leaves memory twice");
    segment.isResident = false;
    this.#usedBytes -= segment.byteLength;
    this.#endedBytes += segment.byteLength;
    if (segment.state !== "live") this.#freedBytes += segment.byteLength;
    this.#usedCount--;
    this.unused(segmentId);
  }

  /** A segment in memory was opened: it is the warmest. */
  used(segmentId: SegmentId): void {
    this.#byUse.delete(segmentId);
    this.#byUse.add(segmentId);
  }

  /** A segment is freed: disk is no place for it. */
  unused(segmentId: SegmentId): void {
    this.#byUse.delete(segmentId);
  }

  /** A round of collecting begins; the less there is to collect, the rarer they get. */
  collecting(): void {
    const { collectAfterBytes, capacityBytes } = this.#limits;
    const rarerBytes = Math.min(this.#collectAfterBytes * 2, capacityBytes);
    this.#collectAfterBytes = this.#freedBytes > 0
      ? collectAfterBytes
      : Math.max(collectAfterBytes, rarerBytes);
    this.#freshBytes = 0;
    this.#freedBytes = 0;
  }

  /** A segment is to be copied. */
  copying(
    segmentId: SegmentId,
    segment: Segment,
    copy: "spill" | "restore",
  ): SegmentCopy {
    assert(segment.copy === undefined, "Segment is copied twice at once");
    segment.copy = copy;
    segment.copyNo = this.#nextCopyNo++;
    this.#copies.add(segmentId);
    const { copyNo, byteLength } = segment;
    if (copy === "spill") {
      this.#spillingBytes += byteLength;
      this.#spillingCount++;
    }
    return { segmentId, copyNo, byteLength };
  }

  /** It is, or could not be. */
  copied(segmentId: SegmentId, segment: Segment): void {
    if (segment.copy === "spill") {
      this.#spillingBytes -= segment.byteLength;
      this.#spillingCount--;
    }
    segment.copy = undefined;
    this.#copies.delete(segmentId);
  }

  /** The coldest that nobody reads, as many as those who wait need. */
  depart(waiting: { bytes: number; count: number }): Departures {
    const { capacityBytes, segmentsMax } = this.#limits;
    let lackingBytes = waiting.bytes + this.#usedBytes -
      capacityBytes - this.#spillingBytes;
    let lackingCount = waiting.count + this.#usedCount -
      segmentsMax - this.#spillingCount;
    let copyCount = this.#copies.size;
    const departures: Departures = { evicted: [], spilled: [] };
    for (const segmentId of this.#byUse) {
      if (lackingBytes <= 0 && lackingCount <= 0) break;
      const segment = this.#segments.get(segmentId)!;
      if (segment.readers.size > 0 || segment.copy !== undefined) continue;
      if (segment.hasFile) departures.evicted.push(segmentId);
      else if (!this.#maySpill(copyCount)) continue;
      else {
        departures.spilled.push(segmentId);
        copyCount++;
      }
      lackingBytes -= segment.byteLength;
      lackingCount--;
    }
    return departures;
  }

  /** Whether anything could leave for the disk. */
  get canDepart(): boolean {
    for (const segmentId of this.#byUse) {
      const segment = this.#segments.get(segmentId)!;
      if (segment.readers.size > 0 || segment.copy !== undefined) continue;
      if (segment.hasFile || this.fault === undefined) return true;
    }
    return false;
  }

  /** Asserts every invariant. */
  validate(): void {
    let usedBytes = 0;
    let usedCount = 0;
    let copyCount = 0;
    let spillingBytes = 0;
    for (const [segmentId, segment] of this.#segments) {
      const { state, byteLength, isResident, hasFile, copy } = segment;
      if (isResident) {
        usedBytes += byteLength;
        usedCount++;
      }
      const isLive = state === "live" && isResident;
      assert(isLive === this.#byUse.has(segmentId), "Use is not kept");
      if (copy !== undefined) copyCount++;
      if (copy === "spill") spillingBytes += byteLength;
      assert(copy === undefined || isResident, "Copied without memory");
      assert(copy !== "spill" || !hasFile, "Spilled twice");
      assert(copy !== "restore" || hasFile, "Restored from nothing");
      const isKept = isResident || hasFile || state === "waiting" ||
        state === "lost";
      assert(isKept, "Segment is nowhere");
    }
    assert(usedBytes === this.#usedBytes, "Used bytes are miscounted");
    assert(usedCount === this.#usedCount, "Segments are miscounted");
    const keptBytes = this.#enteredBytes - this.#endedBytes;
    assert(keptBytes === usedBytes, "Admitted bytes are lost");
    assert(usedBytes <= this.#limits.capacityBytes, "Store over capacity");
    assert(usedCount <= this.#limits.segmentsMax, "Too many segments");
    assert(copyCount === this.#copies.size, "Copies are miscounted");
    assert(copyCount <= this.#limits.copiesMax, "Too many copies at once");
    assert(spillingBytes === this.#spillingBytes, "Spills are miscounted");
  }

  #maySpill(copyCount: number): boolean {
    return this.fault === undefined && copyCount < this.#limits.copiesMax;
  }
}
