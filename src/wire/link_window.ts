/**
 * What one end of a link has sent and the other has not confirmed: kept, so
 * that nothing is lost with a connection and nothing arrives twice.
 *
 * Frames are numbered from 1. Each side tells the highest number up to which
 * it has all; on a new connection what is above goes again. Pure: bytes and
 * time are the link's.
 *
 * @module
 */
import { assert, ProtocolError } from "../base/errors.ts";

/** A frame that was sent, as bytes. */
export interface SentFrame {
  readonly seq: number;
  readonly bytes: Uint8Array;
}

const none: readonly SentFrame[] = [];

/** Counts both directions of one link. */
export class LinkWindow {
  #unconfirmed: SentFrame[] = [];
  #unconfirmedBytes = 0;
  #nextSeq = 1;
  #receivedSeq = 0;

  /** The number for the next frame. */
  next(): number {
    return this.#nextSeq++;
  }

  /** A frame is on its way. */
  sent(frame: SentFrame): void {
    const last = this.#unconfirmed.at(-1);
    assert(last === undefined || last.seq < frame.seq, "Frames out of order");
    this.#unconfirmed.push(frame);
    this.#unconfirmedBytes += frame.bytes.length;
  }

  /** Bytes that the other side has not confirmed. */
  get unconfirmedBytes(): number {
    return this.#unconfirmedBytes;
  }

  /** All up to this number has come. */
  get receivedSeq(): number {
    return this.#receivedSeq;
  }

  /** A frame came; false if it had come before. Throws where one is missing before it. */
  received(seq: number): boolean {
    if (seq <= this.#receivedSeq) return false;
    if (seq !== this.#receivedSeq + 1) {
      throw new ProtocolError(
        `Cannot go on with a link: frame ${seq} came after ${this.#receivedSeq}`,
      );
    }
    this.#receivedSeq = seq;
    return true;
  }

  /** The other side has all up to this number: the frames that are kept no longer. */
  confirmed(seq: number): readonly SentFrame[] {
    if (seq >= this.#nextSeq) {
      throw new ProtocolError(
        `Cannot go on with a link: frame ${seq} was confirmed and never sent`,
      );
    }
    let count = 0;
    while (count < this.#unconfirmed.length) {
      const frame = this.#unconfirmed[count]!;
      if (frame.seq > seq) break;
      this.#unconfirmedBytes -= frame.bytes.length;
      count++;
    }
    return count > 0 ? this.#unconfirmed.splice(0, count) : none;
  }

  /** What goes again on a new connection, in order. */
  again(): readonly SentFrame[] {
    return this.#unconfirmed;
  }

  /** Asserts every invariant. */
  validate(): void {
    let bytes = 0;
    let last = 0;
    for (const { seq, bytes: { length } } of this.#unconfirmed) {
      assert(seq > last && seq < this.#nextSeq, "Frame out of order");
      last = seq;
      bytes += length;
    }
    assert(bytes === this.#unconfirmedBytes, "Unconfirmed bytes miscounted");
  }
}
