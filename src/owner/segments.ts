/**
 * This process's side of shared memory: places arrays, opens what others placed.
 *
 * A writer makes its segment at once, without asking; the node adopts it, so
 * that it outlives its writer, and says whether the store has room. A reader
 * asks the node where a segment lies and maps it for itself, copy on write.
 * Where there is no shared memory, arrays travel inside frames instead.
 *
 * @module
 */
import { ObjectLostError, ObjectStoreFullError } from "../base/errors.ts";
import type { ProcessId, SegmentId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import type { SegmentSlice } from "../base/stored.ts";
import { segmentIdOf } from "../state/segment_events.ts";
import {
  collectGarbage,
  isMemoryFileGone,
  isSharedMemoryAvailable,
  mappingsMax,
  mapPrivate,
  readCopy,
  Segment,
  segmentBytesOf,
} from "../store/segment.ts";
import { copySpillFile } from "../store/spill.ts";
import type { SpillFile } from "../wire/messages.ts";
import type { Peer } from "../wire/peer.ts";

const alignmentBytes = 64;

/** Arrays put into a segment, and when the store has taken them. */
export interface Placement {
  slice: SegmentSlice;
  admitted: Promise<void>;
}

interface OpenSegment {
  readonly mapping: number;
  readonly place: Promise<Place>;
  mappingCount: number;
}

/** Where a segment's bytes are: in memory that can be mapped, or on disk. */
type Place = { path: string } | { file: SpillFile };

/** A segment of this process's own writing whose object is gone: warm memory. */
interface Recyclable {
  readonly segmentId: SegmentId;
  readonly segment: Segment;
}

/** Places and opens segments for one process. */
export class SegmentClient {
  readonly #self: ProcessId;
  readonly #node: Peer;
  readonly #storeBytes: number;
  readonly #onFreed: (segmentId: SegmentId) => void;
  readonly #written = new Map<SegmentId, Segment>();
  readonly #recyclable: Recyclable[] = [];
  readonly #open = new Map<SegmentId, OpenSegment>();
  readonly #mappings = new FinalizationRegistry<SegmentId>((segmentId) =>
    this.#unmapped(segmentId)
  );
  #nextSegmentNo = 1;
  #nextMapping = 1;
  #mappingCount = 0;
  /** Written, and not yet taken by the store. */
  #waitingBytes = 0;

  constructor(
    self: ProcessId,
    { node, storeBytes, onFreed = () => {} }: {
      node: Peer;
      storeBytes: number;
      onFreed?: (segmentId: SegmentId) => void;
    },
  ) {
    this.#self = self;
    this.#node = node;
    this.#storeBytes = storeBytes;
    this.#onFreed = onFreed;
  }

  /**
   * Copies arrays into a segment of `ownerId`'s, if they are large enough to
   * share and shared memory is there.
   */
  place(
    buffers: readonly Uint8Array[],
    ownerId: ProcessId,
  ): Placement | undefined {
    let byteLength = 0;
    const layout: number[] = [];
    for (const buffer of buffers) {
      layout.push(byteLength, buffer.length);
      byteLength += Math.ceil(buffer.length / alignmentBytes) * alignmentBytes;
    }
    if (byteLength < limits.segmentBytesMin || !isSharedMemoryAvailable()) {
      return undefined;
    }
    const isTooMuch = this.#waitingBytes > 0 &&
      this.#waitingBytes + byteLength > this.#storeBytes;
    if (isTooMuch) return this.#refused({ byteLength, layout });
    const recycled = this.#takeRecyclable(byteLength);
    const segment = recycled?.segment ?? Segment.create(byteLength);
    buffers.forEach((buffer, at) => segment.write(buffer, layout[at * 2]));
    segment.finish(byteLength);
    const segmentId = segmentIdOf(this.#self, this.#nextSegmentNo++);
    const recycles = recycled?.segmentId;
    return {
      slice: { segmentId, byteLength, layout },
      admitted: this.#adopted(segment, { segmentId, ownerId, recycles }),
    };
  }

  /** Maps a segment for one reader: its arrays, in the order they were placed. */
  async open(slice: SegmentSlice): Promise<Uint8Array[]> {
    const { segmentId, layout } = slice;
    let segment = this.#open.get(segmentId);
    if (segment === undefined) {
      const mapping = this.#nextMapping++;
      const place = this.#find(segmentId, mapping);
      segment = { mapping, place, mappingCount: 0 };
      this.#open.set(segmentId, segment);
    }
    segment.mappingCount++;
    this.#mappingCount++;
    try {
      const memory = await this.#read(await segment.place, slice);
      const buffers: Uint8Array[] = [];
      for (let at = 0; at < layout.length; at += 2) {
        buffers.push(new Uint8Array(memory, layout[at]!, layout[at + 1]!));
      }
      return buffers;
    } catch (error) {
      this.#unmapped(segmentId);
      throw isMemoryFileGone(error) ? lostError(segmentId, undefined) : error;
    }
  }

  /** This process, which owns the object, needs the segment no more. */
  free(segmentId: SegmentId, isUnreadable = false): void {
    this.#onFreed(segmentId);
    this.#node.notify("segment.free", {
      segmentId,
      ...(isUnreadable ? { isUnreadable } : {}),
    });
  }

  /** Nobody reads it any more: its memory may be filled again. */
  recycle(segmentId: SegmentId): void {
    const segment = this.#written.get(segmentId);
    if (segment === undefined) return;
    this.#written.delete(segmentId);
    this.#recyclable.push({ segmentId, segment });
  }

  /** The node has no more use for it. */
  drop(segmentId: SegmentId): void {
    this.#written.get(segmentId)?.close();
    this.#written.delete(segmentId);
    const at = this.#recyclable.findIndex((one) => one.segmentId === segmentId);
    if (at >= 0) this.#recyclable.splice(at, 1)[0]!.segment.close();
  }

  /** Collects what is garbage, so that its mappings end, and says so. */
  async collect(round: number): Promise<void> {
    collectGarbage();
    // Finalizers run in turns of their own.
    for (let turn = 0; turn < 3; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    this.#node.notify("collected", { round });
  }

  /** Closes all descriptors of this process. */
  close(): void {
    for (const segment of this.#written.values()) segment.close();
    for (const { segment } of this.#recyclable) segment.close();
    this.#written.clear();
    this.#recyclable.length = 0;
  }

  /** Warm memory that fits without much waste. */
  #takeRecyclable(byteLength: number): Recyclable | undefined {
    const at = this.#recyclable.findIndex(({ segment }) =>
      segment.capacityBytes >= byteLength &&
      segment.capacityBytes <= segmentBytesOf(byteLength * 1.25)
    );
    return at < 0 ? undefined : this.#recyclable.splice(at, 1)[0];
  }

  /** Who never waits can fill the machine before its store says no. */
  #refused(what: Pick<SegmentSlice, "byteLength" | "layout">): Placement {
    const segmentId = segmentIdOf(this.#self, this.#nextSegmentNo++);
    const error = new ObjectStoreFullError(
      `Cannot store ${what.byteLength} bytes: ${this.#waitingBytes} bytes already wait for room ` +
        `in the object store of ${this.#storeBytes}. Await refs between puts`,
      {
        neededBytes: what.byteLength,
        usedBytes: this.#waitingBytes,
        capacityBytes: this.#storeBytes,
      },
    );
    return { slice: { segmentId, ...what }, admitted: Promise.reject(error) };
  }

  async #adopted(
    segment: Segment,
    { segmentId, ownerId, recycles }: {
      segmentId: SegmentId;
      ownerId: ProcessId;
      recycles: SegmentId | undefined;
    },
  ): Promise<void> {
    this.#written.set(segmentId, segment);
    const byteLength = segment.capacityBytes;
    this.#waitingBytes += byteLength;
    const answer = await this.#node.request("segment.adopt", {
      segmentId,
      ownerId,
      byteLength,
      path: segment.path,
      ...(recycles === undefined ? {} : { recycles }),
    }).finally(() => this.#waitingBytes -= byteLength);
    if (answer.kind === "admitted") return;
    this.drop(segmentId);
    const { usedBytes, capacityBytes, holders, fault } = answer;
    const why = fault === undefined
      ? `nothing in it can go, to disk neither, for it is being read or too large (${holders}). ` +
        "Drop what get() returned, drop refs, call free(), or raise objectStoreMemory"
      : `nothing in it can go to disk, for ${fault} (${holders}). ` +
        "Make room there, or set TMPDIR to another folder";
    throw new ObjectStoreFullError(
      `Cannot store ${byteLength} bytes: the object store holds ${usedBytes} of ${capacityBytes} bytes, and ${why}`,
      { neededBytes: byteLength, usedBytes, capacityBytes },
    );
  }

  async #find(segmentId: SegmentId, mapping: number): Promise<Place> {
    const answer = await this.#node.request("segment.open", {
      segmentId,
      mapping,
    });
    if (!("lost" in answer)) return answer;
    throw lostError(segmentId, answer.reason);
  }

  /** Maps it, or, where that can't be, copies it: then nobody need keep it. */
  async #read(
    place: Place,
    { segmentId, byteLength }: SegmentSlice,
  ): Promise<ArrayBuffer> {
    // Mappings are few; beyond the bound a reader has a copy of its own.
    if ("path" in place && this.#mappingCount <= mappingsMax) {
      const memory = mapPrivate(place.path, byteLength);
      this.#mappings.register(memory, segmentId);
      return memory;
    }
    const memory = "path" in place
      ? readCopy(place.path, byteLength)
      : await copySpillFile(place.file, byteLength).catch((cause) => {
        throw lostError(segmentId, String(cause.message), cause);
      });
    this.#unmapped(segmentId);
    return memory;
  }

  #unmapped(segmentId: SegmentId): void {
    this.#mappingCount--;
    const segment = this.#open.get(segmentId);
    if (segment === undefined || --segment.mappingCount > 0) return;
    this.#open.delete(segmentId);
    const { mapping } = segment;
    this.#node.notify("segment.close", { segmentId, mapping });
  }
}

/** The error of one who finds a segment gone; owners know it by its id. */
function lostError(
  segmentId: SegmentId,
  reason: string | undefined,
  cause?: unknown,
): ObjectLostError {
  const how = reason === undefined ? "gone" : `lost, for ${reason}`;
  return new ObjectLostError(
    `Cannot get object: its shared segment ${segmentId} is ${how}`,
    { objectId: segmentId, ...(cause === undefined ? {} : { cause }) },
  );
}
