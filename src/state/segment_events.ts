/**
 * The words of the segment table: what it is told about shared segments, and
 * what it answers. What it makes of them is in `segments.ts`.
 *
 * @module
 */
import type { ProcessId, SegmentId } from "../base/ids.ts";

/** A writer asks the node to keep a segment. */
export interface Adoption {
  /** Made by {@linkcode segmentIdOf}: it names its writer. */
  segmentId: SegmentId;
  /** All the memory it takes: its capacity, not the object's length. */
  byteLength: number;
  /** Decides its life; for a task's result another process than the writer. */
  owner: ProcessId;
  /** The tenant before, where the writer filled recycled memory again. */
  recycles?: SegmentId;
}

/** One mapping of a segment by a reader. */
export interface Read {
  /** What is read. */
  segmentId: SegmentId;
  /** Who reads. */
  reader: ProcessId;
  /** Ordinal of the mapping in its reader: a new one may begin before the end of an old one was noticed. */
  mapping: number;
}

/** What one process holds of the store. */
export interface Holder {
  /** The process. */
  processId: ProcessId;
  /** Bytes in memory of the segments it owns. */
  ownedBytes: number;
  /** Bytes of freed segments that it still reads. */
  readBytes: number;
}

/** One copying of a segment to disk or back. */
export interface SegmentCopy {
  /** What is copied. */
  segmentId: SegmentId;
  /** Names this copying, for messages about it that come late. */
  copyNo: number;
  /** All the memory it takes. */
  byteLength: number;
}

/** What the node must do after an event, in order. */
export type SegmentCommand =
  /** Open the writer's descriptor, or go on with that of `recycles`, and tell the writer. A retry gets it again, without `recycles`. */
  | { kind: "admit"; segmentId: SegmentId; recycles?: SegmentId }
  /** Tell the writer that there is no room, and, if that is why, what the disk lacks; it closes its segment. */
  | {
    kind: "refuse";
    segmentId: SegmentId;
    usedBytes: number;
    holders: Holder[];
    fault?: string;
  }
  /** Tell the reader the path. */
  | { kind: "serve"; read: Read }
  /** Tell the reader the spill file: there is no room to bring it back, so it copies. */
  | { kind: "serve_file"; read: Read }
  /** Tell the reader that the segment is gone, and why if that is known. */
  | { kind: "deny"; read: Read; reason?: string }
  /** Copy the segment to a file, then tell `spilled` or `spillFailed`. */
  | { kind: "spill"; copy: SegmentCopy }
  /** Copy the file into fresh memory, then tell `restored` or `restoreFailed`. */
  | { kind: "restore"; copy: SegmentCopy }
  /** Nobody needs what is copied any more: stop, then tell as ever. */
  | { kind: "stop_copy"; segmentId: SegmentId }
  /** Remove the file. */
  | { kind: "delete_spill"; segmentId: SegmentId }
  /** Tell the writer that it may fill this memory again, under a new id. */
  | { kind: "recycle"; segmentId: SegmentId; to: ProcessId }
  /** Tell the writer to close it; one that fills it again already, or knows no such id, does nothing. */
  | { kind: "drop"; segmentId: SegmentId; to: ProcessId }
  /** Close the node's own descriptor. */
  | { kind: "close_descriptor"; segmentId: SegmentId }
  /** Ask these processes to collect garbage, then to tell what ended by it, then to answer; where something could go to disk instead, wait for them but briefly. */
  | {
    kind: "collect_garbage";
    round: number;
    processIds: ProcessId[];
    isBrief: boolean;
  };

/** Bounds of a segment table. */
export interface SegmentLimits {
  /** Bytes of all segments, those that wait to be filled again included. */
  capacityBytes: number;
  /** Most segments: each costs the node a descriptor. */
  segmentsMax: number;
  /** Most adoptions that may wait for room; one more is refused. */
  waitingMax: number;
  /** Bytes of recyclable segments that a writer may keep. */
  recyclableBytesMax: number;
  /** Recyclable segments that a writer may keep. */
  recyclablesMax: number;
  /** Segments that are copied to disk or back at once. */
  copiesMax: number;
  /** Bytes that must have come into memory since the last round of collecting before another is worth more than the disk; more, where rounds give nothing. */
  collectAfterBytes: number;
  /** How many ended segments, reads and processes are remembered, each, for late messages. */
  rememberedMax: number;
}

/** The id of the `ordinal`th segment, or tenant of one, that `writer` wrote. */
export function segmentIdOf(writer: ProcessId, ordinal: number): SegmentId {
  return writer + ordinal.toString(16).padStart(8, "0") as SegmentId;
}

/** Who wrote a segment. */
export function writerOf(segmentId: SegmentId): ProcessId {
  return segmentId.slice(0, -8) as ProcessId;
}

/** Names one read for its whole life, retries included. */
export function keyOf({ segmentId, reader, mapping }: Read): string {
  return `${segmentId} ${reader} ${mapping}`;
}

/** The latest things that ended: a message about one of them is late. */
export class Remembered<T> {
  readonly #latest = new Set<T>();
  readonly #countMax: number;

  /** Remembers the `countMax` latest. */
  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  /** Remembers one more, and forgets the oldest over the bound. */
  add(item: T): void {
    this.#latest.add(item);
    if (this.#latest.size <= this.#countMax) return;
    for (const oldest of this.#latest) {
      this.#latest.delete(oldest);
      return;
    }
  }

  /** Whether it is among the latest. */
  has(item: T): boolean {
    return this.#latest.has(item);
  }
}

/** The oldest of a writer's recyclable segments that are over its bounds. */
export function surplusOf(
  own: readonly { segmentId: SegmentId; byteLength: number }[],
  limits: Pick<SegmentLimits, "recyclableBytesMax" | "recyclablesMax">,
): SegmentId[] {
  let bytes = own.reduce((sum, { byteLength }) => sum + byteLength, 0);
  let count = own.length;
  const surplus: SegmentId[] = [];
  for (const { segmentId, byteLength } of own) {
    const isWithin = bytes <= limits.recyclableBytesMax &&
      count <= limits.recyclablesMax;
    if (isWithin) break;
    surplus.push(segmentId);
    bytes -= byteLength;
    count--;
  }
  return surplus;
}

/** Holders that a refusal names. */
const holdersMax = 5;

/** A segment as the table keeps it. */
export interface Segment {
  readonly byteLength: number;
  readonly owner: ProcessId;
  /**
   * `freed`: nobody may open it any more, but somebody still reads it, or it
   * is being copied. `lost`: its file is gone or damaged.
   */
  state: "waiting" | "live" | "freed" | "recyclable" | "lost";
  /** Its bytes are in memory, or about to be, and count. */
  isResident: boolean;
  /** The writer has its memory too. */
  isWriterHeld: boolean;
  /** A reader found its memory gone: it is not filled again. */
  isUnreadable: boolean;
  /** A whole copy is on disk. */
  hasFile: boolean;
  /** What is being done with the file. */
  copy: "spill" | "restore" | undefined;
  /** The latest copying. */
  copyNo: number;
  /** Its owner ended, but a pin keeps it. */
  isOrphan: boolean;
  /** Why it is lost. */
  lostReason: string | undefined;
  readonly readers: Map<string, ProcessId>;
  /** Those of them that copy the file, and let go soon. */
  readonly fileReaders: Set<string>;
}

/** A segment that waits to be admitted. */
export function waitingSegment(
  init: Pick<Segment, "byteLength" | "owner">,
): Segment {
  return {
    ...init,
    state: "waiting",
    isResident: false,
    isWriterHeld: true,
    isUnreadable: false,
    hasFile: false,
    copy: undefined,
    copyNo: 0,
    isOrphan: false,
    lostReason: undefined,
    readers: new Map(),
    fileReaders: new Set(),
  };
}

/** Who holds most of some segments, the largest first. */
export function holdersOf(segments: Iterable<Segment>): Holder[] {
  const holders = new Map<ProcessId, Holder>();
  const of = (processId: ProcessId): Holder => {
    const none = { processId, ownedBytes: 0, readBytes: 0 };
    const holder = holders.get(processId) ?? none;
    holders.set(processId, holder);
    return holder;
  };
  for (const { state, owner, byteLength, readers, isResident } of segments) {
    if (!isResident) continue;
    if (state === "live") of(owner).ownedBytes += byteLength;
    if (state !== "freed") continue;
    for (const reader of new Set(readers.values())) {
      of(reader).readBytes += byteLength;
    }
  }
  const sumBytes = (holder: Holder) => holder.ownedBytes + holder.readBytes;
  return [...holders.values()]
    .sort((a, b) => sumBytes(b) - sumBytes(a))
    .slice(0, holdersMax);
}
