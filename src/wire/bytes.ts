/**
 * Bytes being written and bytes being read: the fixed-width fields of frames.
 *
 * One growing buffer is written in place and handed out as a view, so a frame
 * costs no allocation of its own. What a value looks like is not known here.
 *
 * @module
 */
import { ProtocolError } from "../base/errors.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** Longer strings go to the native encoder. */
const asciiLoopMax = 48;

/**
 * Small copies are cut from a shared slab: a buffer of its own costs a small one
 * ten times as much. One that is kept may therefore keep a slab.
 */
const slabBytes = 8 * 1024;
const slabCopyBytesMax = 256;
/** Fewer bytes are copied one by one. */
const byteLoopMax = 32;
let slab = new Uint8Array(slabBytes);
let slabAt = 0;

function copyOf(
  bytes: Uint8Array,
  at: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  if (length > slabCopyBytesMax) {
    return bytes.slice(at, at + length) as Uint8Array<ArrayBuffer>;
  }
  if (slabAt + length > slabBytes) {
    slab = new Uint8Array(slabBytes);
    slabAt = 0;
  }
  const start = slabAt;
  slabAt += length;
  if (length > byteLoopMax) slab.set(bytes.subarray(at, at + length), start);
  else {
    for (let index = 0; index < length; index++) {
      slab[start + index] = bytes[at + index]!;
    }
  }
  return slab.subarray(start, slabAt);
}

/** A growing buffer with a cursor at its end. Little-endian. */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;

  constructor(capacityBytes = 4096) {
    this.#bytes = new Uint8Array(capacityBytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** What was written, as a view that the next write may overwrite or leave behind. */
  written(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Empties the buffer; a very large one is given back to the collector. */
  reset(): void {
    this.#length = 0;
    if (this.#bytes.length > 1 << 20) {
      this.#bytes = new Uint8Array(4096);
      this.#view = new DataView(this.#bytes.buffer);
    }
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  u16(value: number): void {
    this.#reserve(2);
    this.#view.setUint16(this.#length, value, true);
    this.#length += 2;
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#length, value, true);
    this.#length += 4;
  }

  f64(value: number): void {
    this.#reserve(8);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  /** Length-prefixed bytes. */
  bytes(value: Uint8Array): void {
    this.#reserve(4 + value.length);
    this.#view.setUint32(this.#length, value.length, true);
    this.#bytes.set(value, this.#length + 4);
    this.#length += 4 + value.length;
  }

  /** Length-prefixed UTF-8. */
  string(value: string): void {
    this.#reserve(4 + value.length * 3);
    const at = this.#length + 4;
    const isAscii = value.length <= asciiLoopMax && this.#ascii(value, at);
    const written = isAscii
      ? value.length
      : encoder.encodeInto(value, this.#bytes.subarray(at)).written;
    this.#view.setUint32(this.#length, written, true);
    this.#length = at + written;
  }

  /** Overwrites four bytes written before. */
  patchU32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  /** False if it is none; what was written then is nothing. */
  #ascii(value: string, at: number): boolean {
    for (let index = 0; index < value.length; index++) {
      const code = value.charCodeAt(index);
      if (code > 0x7f) return false;
      this.#bytes[at + index] = code;
    }
    return true;
  }

  #reserve(byteLength: number): void {
    const needed = this.#length + byteLength;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** A cursor over one frame's bytes. Reading past the end is a {@linkcode ProtocolError}. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#at = 0;
  }

  /** Bytes not yet read. */
  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  f64(): number {
    return this.#view.getFloat64(this.#take(8), true);
  }

  /** Length-prefixed bytes, as a copy of its own: the frame's buffer is used again. */
  bytes(): Uint8Array<ArrayBuffer> {
    const length = this.u32();
    const at = this.#take(length);
    return copyOf(this.#bytes, at, length);
  }

  /** Length-prefixed UTF-8. */
  string(): string {
    const length = this.u32();
    if (length === 0) return "";
    const at = this.#take(length);
    return decoder.decode(this.#bytes.subarray(at, at + length));
  }

  /** All that is left, as a view. */
  rest(): Uint8Array {
    return this.#bytes.subarray(this.#at);
  }

  #take(byteLength: number): number {
    const at = this.#at;
    if (at + byteLength > this.#bytes.length) {
      throw new ProtocolError(
        `Cannot read frame: ${byteLength} bytes wanted, ${this.remaining} left`,
      );
    }
    this.#at = at + byteLength;
    return at;
  }
}
