/**
 * A stored value inside a frame of the hot path, field by field.
 *
 * @module
 */
import type { CodeHash, ProcessId, SegmentId } from "../base/ids.ts";
import type {
  CodeRef,
  RefKey,
  SegmentSlice,
  StoredValue,
} from "../base/stored.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";

const hasBuffers = 1;
const hasSegment = 2;
const hasCode = 4;
const hasRefs = 8;

/** Writes a stored value; the common one costs a flag byte besides its bytes. */
export function writeStored(out: ByteWriter, stored: StoredValue): void {
  out.u8(
    (stored.buffers ? hasBuffers : 0) | (stored.segment ? hasSegment : 0) |
      (stored.code ? hasCode : 0) | (stored.refs ? hasRefs : 0),
  );
  out.bytes(stored.bytes);
  if (stored.buffers) {
    out.u32(stored.buffers.length);
    for (const buffer of stored.buffers) out.bytes(buffer);
  }
  if (stored.segment) writeSegment(out, stored.segment);
  if (stored.code) {
    out.u32(stored.code.length);
    for (const ref of stored.code) {
      out.string(ref?.hash ?? "");
      out.u32(ref?.index ?? 0);
    }
  }
  if (stored.refs) writeRefs(out, stored.refs);
}

/** Reads what {@linkcode writeStored} wrote. */
export function readStored(from: ByteReader): StoredValue {
  const flags = from.u8();
  const bytes = from.bytes();
  if (flags === 0) return { bytes };
  return {
    bytes,
    ...(flags & hasBuffers ? { buffers: readBuffers(from) } : {}),
    ...(flags & hasSegment ? { segment: readSegment(from) } : {}),
    ...(flags & hasCode ? { code: readCode(from) } : {}),
    ...(flags & hasRefs ? { refs: readRefs(from) } : {}),
  };
}

function readBuffers(from: ByteReader): Uint8Array[] {
  const buffers: Uint8Array[] = [];
  for (let left = from.u32(); left > 0; left--) buffers.push(from.bytes());
  return buffers;
}

function writeSegment(out: ByteWriter, segment: SegmentSlice): void {
  out.string(segment.segmentId);
  out.f64(segment.byteLength);
  out.u32(segment.layout.length);
  for (const offset of segment.layout) out.f64(offset);
}

function readSegment(from: ByteReader): SegmentSlice {
  const segmentId = from.string() as SegmentId;
  const byteLength = from.f64();
  const layout: number[] = [];
  for (let left = from.u32(); left > 0; left--) layout.push(from.f64());
  return { segmentId, byteLength, layout };
}

function readCode(from: ByteReader): (CodeRef | null)[] {
  const code: (CodeRef | null)[] = [];
  for (let left = from.u32(); left > 0; left--) {
    const hash = from.string() as CodeHash;
    const index = from.u32();
    code.push(hash === "" ? null : { hash, index });
  }
  return code;
}

function writeRefs(out: ByteWriter, refs: RefKey[]): void {
  out.u32(refs.length);
  for (const ref of refs) {
    out.string(ref.ownerId);
    out.f64(ref.ordinal);
    out.u32(ref.index);
  }
}

function readRefs(from: ByteReader): RefKey[] {
  const refs: RefKey[] = [];
  for (let left = from.u32(); left > 0; left--) {
    refs.push({
      ownerId: from.string() as ProcessId,
      ordinal: from.f64(),
      index: from.u32(),
    });
  }
  return refs;
}
