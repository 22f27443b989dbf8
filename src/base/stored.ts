/**
 * A value at rest: its encoded skeleton, where its large arrays lie, and what
 * it holds on to. The same shape in memory, in frames and in messages.
 *
 * @module
 */
import type { CodeHash, ProcessId, SegmentId } from "./ids.ts";

/** Which object, and whose. */
export interface RefKey {
  readonly ownerId: ProcessId;
  readonly ordinal: number;
  readonly index: number;
}

/** One function or class inside a value: a node of a bundle of code. */
export interface CodeRef {
  readonly hash: CodeHash;
  /** Which function of the bundle. */
  readonly index: number;
}

/** A piece of code as it travels. */
export interface CodeBundle {
  readonly hash: CodeHash;
  readonly name: string;
  /** What it is made of, as JSON of `code/meta.ts`. */
  readonly meta: string;
  /** The captured values. */
  readonly values: StoredValue;
}

/** Where a value's large arrays lie: one segment, cut by `layout`. */
export interface SegmentSlice {
  readonly segmentId: SegmentId;
  readonly byteLength: number;
  /** Offset and length of each array, in turn. */
  readonly layout: number[];
}

/** An encoded value. */
export interface StoredValue {
  /** The skeleton, as the value codec wrote it. */
  readonly bytes: Uint8Array;
  /** Large arrays that travel along, where no segment holds them. */
  readonly buffers?: Uint8Array[];
  readonly segment?: SegmentSlice;
  /** Functions and classes the skeleton names by index; `null` for a class that stays behind. */
  readonly code?: (CodeRef | null)[];
  /** The objects it refers to: who keeps the value is a holder of them. */
  readonly refs?: RefKey[];
}

/** A stored value together with what it needs, which lives as long as it does. */
export interface HeldValue {
  readonly stored: StoredValue;
  /** Refs and handles inside it, and its code; grows while that is still on its way. */
  readonly refs: object[];
}

/** Bytes that a value takes, wherever they lie. */
export function storedBytes(stored: StoredValue): number {
  let total = stored.bytes.length + (stored.segment?.byteLength ?? 0);
  for (const buffer of stored.buffers ?? []) total += buffer.length;
  return total;
}
