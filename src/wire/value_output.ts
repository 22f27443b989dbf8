/**
 * Bytes of a value being written: numbers, lengths and strings.
 *
 * Small results are cut from a shared slab, because a small typed array of its
 * own costs ten times the rest of a small encode. A result may therefore keep
 * a slab of 32 KiB alive, and its `.buffer` is not its own. What a value looks
 * like is not known here.
 *
 * @module
 */
import { Tag } from "./value_tags.ts";

const slabBytes = 32 * 1024;
const slabResultBytesMax = 4 * 1024;
const scratchBytesMax = 4 << 20;
/** Longer strings go to the native encoder. */
const asciiLoopMax = 48;

const encoder = new TextEncoder();

/** A growing buffer with a cursor; everything little-endian. */
export class ValueOutput {
  #slab: Uint8Array<ArrayBuffer> = new Uint8Array(slabBytes);
  #slabView = new DataView(this.#slab.buffer);
  #slabStart = 0;
  #scratch: Uint8Array<ArrayBuffer> | undefined;
  #bytes: Uint8Array<ArrayBuffer> = this.#slab;
  #view = this.#slabView;
  #start = 0;
  #at = 0;

  /** Hands out what was written and is empty again. */
  finish(): Uint8Array<ArrayBuffer> {
    const length = this.#at - this.#start;
    let result;
    if (this.#bytes === this.#slab && length <= slabResultBytesMax) {
      result = this.#bytes.subarray(this.#start, this.#at);
      this.#slabStart = this.#at;
      if (this.#slabStart > slabBytes - 256) this.#renewSlab();
    } else if (length > scratchBytesMax && length > this.#bytes.length * 0.75) {
      // Copying this much costs more than the unused tail.
      result = this.#bytes.subarray(this.#start, this.#at);
      this.#scratch = undefined;
    } else {
      result = this.#bytes.slice(this.#start, this.#at);
    }
    this.reset();
    return result;
  }

  /** Drops what was written. */
  reset(): void {
    if (this.#scratch && this.#scratch.length > scratchBytesMax) {
      this.#scratch = undefined;
    }
    this.#bytes = this.#slab;
    this.#view = this.#slabView;
    this.#start = this.#at = this.#slabStart;
  }

  /** One byte: a tag or a flag. */
  u8(value: number): void {
    if (this.#at === this.#bytes.length) this.#grow(1);
    this.#bytes[this.#at++] = value;
  }

  /** A length, index or count: 7 bits a byte, up to 2^53. */
  count(value: number): void {
    if (this.#at + 8 > this.#bytes.length) this.#grow(8);
    while (value >= 0x80) {
      this.#bytes[this.#at++] = (value % 0x80) | 0x80;
      value = value < 0x80000000 ? value >>> 7 : Math.floor(value / 0x80);
    }
    this.#bytes[this.#at++] = value;
  }

  /** A number with its tag. */
  number(value: number): void {
    if (this.#at + 9 > this.#bytes.length) this.#grow(9);
    const int = value | 0;
    if (int !== value || (int === 0 && 1 / value < 0)) {
      this.#bytes[this.#at] = Tag.float64;
      this.#view.setFloat64(this.#at + 1, value, true);
      this.#at += 9;
    } else if (int >= 0 && int < 64) {
      this.#bytes[this.#at++] = Tag.smallInt + int;
    } else {
      this.#bytes[this.#at] = Tag.int32;
      this.#view.setInt32(this.#at + 1, int, true);
      this.#at += 5;
    }
  }

  /** Eight bytes of a number without a tag. */
  float64(value: number): void {
    if (this.#at + 8 > this.#bytes.length) this.#grow(8);
    this.#view.setFloat64(this.#at, value, true);
    this.#at += 8;
  }

  /** Items of an array that holds nothing but 32-bit integers. */
  int32s(values: readonly number[], length: number): void {
    this.#reserve(length * 4);
    const view = this.#view;
    let at = this.#at;
    for (let i = 0; i < length; i++, at += 4) {
      view.setInt32(at, values[i]!, true);
    }
    this.#at = at;
  }

  /** Items of an array that holds nothing but numbers. */
  float64s(values: readonly number[], length: number): void {
    this.#reserve(length * 8);
    const view = this.#view;
    let at = this.#at;
    for (let i = 0; i < length; i++, at += 8) {
      view.setFloat64(at, values[i]!, true);
    }
    this.#at = at;
  }

  /** A bigint with its tag. */
  bigint(value: bigint): void {
    if (BigInt.asIntN(64, value) === value) {
      this.#reserve(9);
      this.#bytes[this.#at] = Tag.bigint64;
      this.#view.setBigInt64(this.#at + 1, value, true);
      this.#at += 9;
      return;
    }
    const digits = (value < 0n ? -value : value).toString(16);
    const hex = digits.length % 2 === 0 ? digits : "0" + digits;
    this.u8(Tag.bigint);
    this.u8(value < 0n ? 1 : 0);
    this.count(hex.length / 2);
    this.#reserve(hex.length / 2);
    this.#bytes.subarray(this.#at).setFromHex(hex);
    this.#at += hex.length / 2;
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** A string with its tag. */
  string(value: string): void {
    const length = value.length;
    if (length > asciiLoopMax) return this.#longString(value);
    if (this.#at + length + 1 > this.#bytes.length) this.#grow(length + 1);
    const bytes = this.#bytes;
    let at = this.#at + 1;
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      if (unit >= 0x80) return this.#longString(value);
      bytes[at++] = unit;
    }
    bytes[this.#at] = Tag.shortString + length;
    this.#at = at;
  }

  #longString(value: string): void {
    if (!value.isWellFormed()) return this.#unpairedString(value);
    this.#reserve(5 + value.length);
    this.#bytes[this.#at] = Tag.utf8;
    this.#at += 5;
    const { read, written } = encoder.encodeInto(value, this.#rest());
    this.#at += written;
    let byteCount = written;
    if (read < value.length) {
      // Room was made for one byte a letter: few strings need more.
      this.#reserve((value.length - read) * 3);
      const more = encoder.encodeInto(value.slice(read), this.#rest());
      this.#at += more.written;
      byteCount += more.written;
    }
    this.#view.setUint32(this.#at - byteCount - 4, byteCount, true);
  }

  #rest(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(this.#at);
  }

  #unpairedString(value: string): void {
    this.u8(Tag.utf16);
    this.count(value.length);
    this.#reserve(value.length * 2);
    for (let i = 0; i < value.length; i++, this.#at += 2) {
      this.#view.setUint16(this.#at, value.charCodeAt(i), true);
    }
  }

  #reserve(byteCount: number): void {
    if (this.#at + byteCount > this.#bytes.length) this.#grow(byteCount);
  }

  #grow(byteCount: number): void {
    const length = this.#at - this.#start;
    const needed = length + byteCount;
    let grown = this.#scratch;
    if (grown === undefined || grown === this.#bytes || grown.length < needed) {
      grown = new Uint8Array(Math.max(needed, length * 2, slabBytes * 2));
      this.#scratch = grown;
    }
    grown.set(this.#bytes.subarray(this.#start, this.#at));
    // A slab nearly used up is no reason to copy each further small result.
    if (this.#bytes === this.#slab && needed < slabResultBytesMax) {
      this.#renewSlab();
    }
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
    this.#start = 0;
    this.#at = length;
  }

  #renewSlab(): void {
    this.#slab = new Uint8Array(slabBytes);
    this.#slabView = new DataView(this.#slab.buffer);
    this.#slabStart = 0;
  }
}
