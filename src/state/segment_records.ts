/**
 * The segments of one node as records, and the single steps of their lives.
 *
 * Each step adds what the node must do to `commands`. When which step is taken
 * is decided in `segments.ts`, and by `segment_flow.ts` for those who wait.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import type { ProcessId, SegmentId } from "../base/ids.ts";
import {
  holdersOf,
  keyOf,
  type Read,
  Remembered,
  type Segment,
  type SegmentCommand,
  type SegmentCopy,
  type SegmentLimits,
  surplusOf,
  writerOf,
} from "./segment_events.ts";
import { EarlyReads, SegmentQueue } from "./segment_queue.ts";
import { SegmentRoom } from "./segment_room.ts";

/** Keeps segments, and takes each step of their lives whole. */
export class SegmentRecords {
  readonly processes = new Set<ProcessId>();
  readonly segments = new Map<SegmentId, Segment>();
  readonly queue = new SegmentQueue();
  readonly room: SegmentRoom;
  readonly early = new EarlyReads();
  /** Insertion order is the order in which they are dropped. */
  readonly recyclable = new Set<SegmentId>();
  readonly pins = new Set<SegmentId>();
  readonly endedSegments: Remembered<SegmentId>;
  readonly refused: Remembered<SegmentId>;
  readonly endedProcesses: Remembered<ProcessId>;
  readonly #limits: SegmentLimits;

  constructor(limits: SegmentLimits) {
    this.#limits = limits;
    this.room = new SegmentRoom(limits, this.segments);
    this.endedSegments = new Remembered(limits.rememberedMax);
    this.refused = new Remembered(limits.rememberedMax);
    this.endedProcesses = new Remembered(limits.rememberedMax);
  }

  /** A segment that is known. */
  expect(segmentId: SegmentId): Segment {
    const segment = this.segments.get(segmentId);
    assert(segment !== undefined, "Unknown segment");
    return segment;
  }

  /** A copy is over; undefined if none was under way, for then the message is late. */
  copied(
    { segmentId, copyNo }: Pick<SegmentCopy, "segmentId" | "copyNo">,
    copy: "spill" | "restore",
  ): Segment | undefined {
    const segment = this.segments.get(segmentId);
    if (segment?.copy !== copy || segment.copyNo !== copyNo) return undefined;
    this.room.copied(segmentId, segment);
    return segment;
  }

  /** A segment is in the store; `recycles` gave it its memory. */
  admit(
    segmentId: SegmentId,
    commands: SegmentCommand[],
    recycles?: SegmentId,
  ): void {
    const segment = this.expect(segmentId);
    this.queue.delete(segmentId);
    segment.state = "live";
    this.room.entered(segmentId, segment);
    commands.push({
      kind: "admit",
      segmentId,
      ...(recycles === undefined ? {} : { recycles }),
    });
    this.serveEarly(segmentId, commands);
  }

  /** Serves all that waited for a segment. */
  serveEarly(segmentId: SegmentId, commands: SegmentCommand[]): void {
    const segment = this.expect(segmentId);
    const kind = segment.isResident ? "serve" : "serve_file";
    for (const read of this.early.take(segmentId)) {
      segment.readers.set(keyOf(read), read.reader);
      if (!segment.isResident) segment.fileReaders.add(keyOf(read));
      commands.push({ kind, read });
    }
    if (segment.isResident) this.room.used(segmentId);
  }

  /** Tells a reader that a segment is lost. */
  denial(read: Read, { lostReason: reason }: Segment): SegmentCommand {
    return { kind: "deny", read, ...(reason === undefined ? {} : { reason }) };
  }

  /** Nobody may wait for a segment on disk any more: then it stays there. */
  unawaited(segmentId: SegmentId): void {
    if (this.segments.get(segmentId)?.state !== "live") return;
    if (!this.queue.has(segmentId) || this.early.awaits(segmentId)) return;
    this.queue.delete(segmentId);
  }

  /** A writer gets no room. */
  refuse(segmentId: SegmentId, commands: SegmentCommand[]): void {
    const { usedBytes } = this.room;
    const byteLength = this.segments.get(segmentId)?.byteLength ?? 0;
    const isTooLarge = byteLength > this.#limits.capacityBytes;
    const fault = isTooLarge ? undefined : this.room.fault;
    const holders = holdersOf(this.segments.values());
    commands.push({
      kind: "refuse",
      segmentId,
      usedBytes,
      holders,
      ...(fault === undefined ? {} : { fault }),
    });
    this.refused.add(segmentId);
    this.forget(segmentId, commands);
  }

  /** Its owner gives a segment up. */
  free(segmentId: SegmentId, commands: SegmentCommand[]): void {
    const segment = this.segments.get(segmentId);
    if (segment === undefined) return this.forget(segmentId, commands);
    if (segment.state === "waiting") {
      this.forget(segmentId, commands);
      this.drop(segmentId, commands);
    }
    if (segment.state === "lost") this.forget(segmentId, commands);
    if (segment.state !== "live") return;
    segment.state = "freed";
    this.pins.delete(segmentId);
    this.room.unused(segmentId);
    this.queue.delete(segmentId);
    for (const read of this.early.take(segmentId)) {
      commands.push({ kind: "deny", read });
    }
    if (segment.copy !== undefined) {
      commands.push({ kind: "stop_copy", segmentId });
    }
    this.settle(segmentId, commands);
  }

  /** A freed segment that nobody reads or copies is filled again by its writer, or ends. */
  settle(segmentId: SegmentId, commands: SegmentCommand[]): void {
    const segment = this.segments.get(segmentId);
    if (segment?.state !== "freed" || segment.copy !== undefined) return;
    // Who has mapped it needs no file.
    const isFileNeeded = !segment.isResident || segment.fileReaders.size > 0;
    if (!isFileNeeded) this.deleteFile(segmentId, commands);
    if (segment.readers.size > 0) return;
    const to = writerOf(segmentId);
    const isWanted = this.processes.has(to) && this.queue.size === 0 &&
      segment.isResident && segment.isWriterHeld &&
      !segment.isUnreadable &&
      segment.byteLength <= this.#limits.recyclableBytesMax;
    if (!isWanted) return this.end(segmentId, commands);
    segment.state = "recyclable";
    this.recyclable.add(segmentId);
    commands.push({ kind: "recycle", segmentId, to });
    this.#trim(to, commands);
  }

  /** Keeps a writer's recyclable segments within their bounds; the latest is the warmest. */
  #trim(writer: ProcessId, commands: SegmentCommand[]): void {
    const own = [...this.recyclable].filter((id) => writerOf(id) === writer)
      .map((segmentId) => ({
        segmentId,
        byteLength: this.expect(segmentId).byteLength,
      }));
    for (const segmentId of surplusOf(own, this.#limits)) {
      this.end(segmentId, commands);
    }
  }

  /** An admitted segment goes: the node's part, and the writer's. */
  end(segmentId: SegmentId, commands: SegmentCommand[]): void {
    const { isResident, isWriterHeld } = this.expect(segmentId);
    // While there is a file: the last descriptor may be the node's own.
    if (isResident) commands.push({ kind: "close_descriptor", segmentId });
    this.deleteFile(segmentId, commands);
    this.remove(segmentId);
    if (isWriterHeld) this.drop(segmentId, commands);
  }

  /** Its file is not needed. */
  deleteFile(segmentId: SegmentId, commands: SegmentCommand[]): void {
    const segment = this.expect(segmentId);
    if (!segment.hasFile) return;
    segment.hasFile = false;
    // The disk has room again.
    this.room.fault = undefined;
    commands.push({ kind: "delete_spill", segmentId });
  }

  /** The writer is to let go of its memory. */
  drop(segmentId: SegmentId, commands: SegmentCommand[]): void {
    const to = writerOf(segmentId);
    if (!this.processes.has(to)) return;
    commands.push({ kind: "drop", segmentId, to });
  }

  /** A segment is over. */
  remove(segmentId: SegmentId): void {
    const segment = this.expect(segmentId);
    if (segment.isResident) this.room.left(segmentId, segment);
    this.segments.delete(segmentId);
    this.recyclable.delete(segmentId);
    this.endedSegments.add(segmentId);
  }

  /** A segment that was not admitted never will be; one that is lost was all it could be. */
  forget(segmentId: SegmentId, commands: SegmentCommand[]): void {
    this.queue.delete(segmentId);
    this.segments.delete(segmentId);
    this.pins.delete(segmentId);
    this.endedSegments.add(segmentId);
    for (const read of this.early.take(segmentId)) {
      commands.push({ kind: "deny", read });
    }
  }
}
