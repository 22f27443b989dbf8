/**
 * A ring of bytes in memory that two processes share: one writes, the other
 * reads, neither waits.
 *
 * Four words stand before the bytes: how far the writer is, how far the reader
 * is, whether the reader sleeps, whether the writer waits for room. Who sets a
 * word that the other side acts on looks at the ring once more afterwards, so
 * no wake is lost. How a sleeper is woken is in `ring_transport.ts`.
 *
 * @module
 */
import { ProtocolError } from "../base/errors.ts";

const headerBytes = 64;
const Word = { written: 0, read: 1, isAsleep: 2, wantsRoom: 3 } as const;

/** What both ends see. */
class Ring {
  protected readonly words: Int32Array;
  protected readonly bytes: Uint8Array;
  /** Where this end goes on. */
  protected at = 0;

  /** `memory` is all zeros where the ring begins. */
  constructor(memory: ArrayBufferLike) {
    this.words = new Int32Array(memory, 0, headerBytes / 4);
    this.bytes = new Uint8Array(memory, headerBytes);
  }

  /** Where the other end is; it may say anything. */
  protected other(word: number): number {
    const at = Atomics.load(this.words, word);
    if (at >= 0 && at < this.bytes.length) return at;
    throw new ProtocolError(
      `Cannot go on with a ring of ${this.bytes.length} bytes: the other side is at ${at}`,
    );
  }

  /** Takes the sign back that the other side has set. */
  protected taken(word: number): boolean {
    return Atomics.load(this.words, word) === 1 &&
      Atomics.exchange(this.words, word, 0) === 1;
  }
}

/** The writing end. */
export class RingWriter extends Ring {
  /** Writes as much as there is room for; returns how much. */
  write(source: Uint8Array): number {
    const size = this.bytes.length;
    const read = this.other(Word.read);
    // One byte stays free: a full ring would look like an empty one.
    const room = (read - this.at - 1 + size) % size;
    const count = Math.min(room, source.length);
    if (count === 0) return 0;
    const first = Math.min(count, size - this.at);
    this.bytes.set(source.subarray(0, first), this.at);
    if (count > first) this.bytes.set(source.subarray(first, count), 0);
    this.at = (this.at + count) % size;
    Atomics.store(this.words, Word.written, this.at);
    return count;
  }

  /** The reader is to say when it has made room: look once more after this. */
  wantRoom(): void {
    Atomics.store(this.words, Word.wantsRoom, 1);
  }

  /** Whether the reader sleeps and is to be woken; true once for each sleep. */
  mustWake(): boolean {
    return this.taken(Word.isAsleep);
  }
}

/** The reading end. */
export class RingReader extends Ring {
  /** Moves what is there into `into`; returns how much. */
  read(into: Uint8Array): number {
    const size = this.bytes.length;
    const written = this.other(Word.written);
    const count = Math.min((written - this.at + size) % size, into.length);
    if (count === 0) return 0;
    const first = Math.min(count, size - this.at);
    into.set(this.bytes.subarray(this.at, this.at + first));
    if (count > first) into.set(this.bytes.subarray(0, count - first), first);
    this.at = (this.at + count) % size;
    Atomics.store(this.words, Word.read, this.at);
    return count;
  }

  /** Whether the writer waits for the room that was made; true once for each wait. */
  mustWake(): boolean {
    return this.taken(Word.wantsRoom);
  }

  /** From now on the writer wakes this end; false where there is something to read already. */
  sleep(): boolean {
    Atomics.store(this.words, Word.isAsleep, 1);
    if (this.other(Word.written) === this.at) return true;
    // The writer may have seen it, too: then a wake comes for nothing.
    Atomics.store(this.words, Word.isAsleep, 0);
    return false;
  }
}
