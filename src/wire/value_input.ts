/**
 * Bytes of a value being read: numbers, lengths and strings.
 *
 * Trusts nothing: reading past the end, or a length that the remaining bytes
 * can't hold, is a {@linkcode ProtocolError} before memory is taken for it.
 * What a value looks like is not known here.
 *
 * @module
 */
import { ProtocolError } from "../base/errors.ts";

/** Longer strings go to the native decoder. */
const unitLoopMax = 40;

// Six times as fast on long strings as one that keeps a leading U+FEFF, which
// therefore goes to the other.
const decoder = new TextDecoder();
const markKeepingDecoder = new TextDecoder("utf-8", { ignoreBOM: true });
const fromCodes = String.fromCharCode;
const eightBytes = new Uint8Array(8);
const asFloat64 = new Float64Array(eightBytes.buffer);
const asBigInt64 = new BigInt64Array(eightBytes.buffer);
const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** A cursor over the bytes of one value; everything little-endian. */
export class ValueInput {
  readonly #bytes: Uint8Array;
  readonly #length: number;
  #at = 0;
  #lazyView: DataView | undefined;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#length = bytes.length;
  }

  /** Bytes not yet read. */
  get remaining(): number {
    return this.#length - this.#at;
  }

  /** One byte: a tag or a flag. */
  u8(): number {
    if (this.#at >= this.#length) this.#fail("it ends too early");
    return this.#bytes[this.#at++]!;
  }

  /** The next byte, left where it is. */
  peek(): number {
    return this.#at < this.#length ? this.#bytes[this.#at]! : -1;
  }

  /** A length, index or count. */
  count(): number {
    let byte = this.u8();
    let value = byte & 0x7f;
    for (let scale = 0x80; byte >= 0x80; scale *= 0x80) {
      if (scale > 2 ** 49) this.#fail("a number is too long");
      byte = this.u8();
      value += (byte & 0x7f) * scale;
    }
    return value;
  }

  /** A count of things that take at least `itemBytes` each in what follows. */
  countOf(itemBytes: number): number {
    const count = this.count();
    if (count * itemBytes > this.remaining) {
      this.#fail(`it has no room for ${count} items`);
    }
    return count;
  }

  /** Four bytes, signed. */
  int32(): number {
    const at = this.#take(4);
    const bytes = this.#bytes;
    return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) |
      (bytes[at + 3]! << 24);
  }

  /** Eight bytes of a number. */
  float64(): number {
    if (!isLittleEndian) return this.#view.getFloat64(this.#take(8), true);
    this.#loadEight();
    return asFloat64[0]!;
  }

  /** Eight bytes of a bigint. */
  bigint64(): bigint {
    if (!isLittleEndian) return this.#view.getBigInt64(this.#take(8), true);
    this.#loadEight();
    return asBigInt64[0]!;
  }

  /** A bigint of any length. */
  bigint(): bigint {
    const isNegative = this.u8() === 1;
    const magnitude = BigInt("0x0" + this.raw(this.countOf(1)).toHex());
    return isNegative ? -magnitude : magnitude;
  }

  /** Fills `target` with 32-bit integers. */
  int32s(target: unknown[], length: number): void {
    let at = this.#take(length * 4);
    const view = this.#view;
    for (let i = 0; i < length; i++, at += 4) {
      target[i] = view.getInt32(at, true);
    }
  }

  /** Fills `target` with numbers. */
  float64s(target: unknown[], length: number): void {
    let at = this.#take(length * 8);
    const view = this.#view;
    for (let i = 0; i < length; i++, at += 8) {
      target[i] = view.getFloat64(at, true);
    }
  }

  /** Bytes as they are: a view, not a copy. */
  raw(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** Letters below U+0080, one a byte. */
  ascii(length: number): string {
    const at = this.#take(length);
    const bytes = this.#bytes;
    if (length > unitLoopMax) {
      return decoder.decode(bytes.subarray(at, at + length));
    }
    if (length <= 4) return shortText(bytes, at, length);
    if (length <= 8) {
      return shortText(bytes, at, 4) + shortText(bytes, at + 4, length - 4);
    }
    const units = new Array<number>(length);
    for (let i = 0; i < length; i++) units[i] = bytes[at + i]!;
    return fromCodes.apply(String, units);
  }

  /** UTF-8 after its length. */
  utf8(): string {
    const bytes = this.raw(this.int32() >>> 0);
    return bytes[0] === 0xef && bytes[1] === 0xbb
      ? markKeepingDecoder.decode(bytes)
      : decoder.decode(bytes);
  }

  /** UTF-16 after its length. */
  utf16(): string {
    const length = this.countOf(2);
    const at = this.#take(length * 2);
    const chunks: string[] = [];
    for (let i = 0; i < length; i += 4096) {
      const units: number[] = [];
      for (let j = i; j < Math.min(length, i + 4096); j++) {
        units.push(this.#view.getUint16(at + j * 2, true));
      }
      chunks.push(fromCodes.apply(String, units));
    }
    return chunks.join("");
  }

  get #view(): DataView {
    const { buffer, byteOffset } = this.#bytes;
    return this.#lazyView ??= new DataView(buffer, byteOffset, this.#length);
  }

  #loadEight(): void {
    const at = this.#take(8);
    const bytes = this.#bytes;
    for (let i = 0; i < 8; i++) eightBytes[i] = bytes[at + i]!;
  }

  #take(byteCount: number): number {
    const at = this.#at;
    if (at + byteCount > this.#length) this.#fail("it ends too early");
    this.#at = at + byteCount;
    return at;
  }

  #fail(reason: string): never {
    throw new ProtocolError(`Cannot read value: ${reason}`);
  }
}

/** Up to four letters: half the time of the general way. */
function shortText(bytes: Uint8Array, at: number, length: number): string {
  switch (length) {
    case 0:
      return "";
    case 1:
      return fromCodes(bytes[at]!);
    case 2:
      return fromCodes(bytes[at]!, bytes[at + 1]!);
    case 3:
      return fromCodes(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!);
    default:
      return fromCodes(
        bytes[at]!,
        bytes[at + 1]!,
        bytes[at + 2]!,
        bytes[at + 3]!,
      );
  }
}
