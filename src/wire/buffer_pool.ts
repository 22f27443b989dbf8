/**
 * Buffers that are used again: fresh memory costs more than what it is filled
 * with, because the system zeroes it page by page.
 *
 * @module
 */

/** Buffers of one size. */
export class BufferPool {
  readonly byteLength: number;
  readonly #freeMax: number;
  readonly #free: ArrayBuffer[] = [];

  /** Keeps at most `freeMax` of them for later. */
  constructor(byteLength: number, freeMax: number) {
    this.byteLength = byteLength;
    this.#freeMax = freeMax;
  }

  /** A buffer with whatever was in it last. */
  take(): ArrayBuffer {
    return this.#free.pop() ?? new ArrayBuffer(this.byteLength);
  }

  /** Nobody uses it any more. One of another size is left to the collector. */
  give(buffer: ArrayBufferLike): void {
    const isOurs = buffer instanceof ArrayBuffer &&
      buffer.byteLength === this.byteLength;
    if (isOurs && this.#free.length < this.#freeMax) this.#free.push(buffer);
  }
}
