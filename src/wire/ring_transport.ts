/**
 * The transport between processes of one machine: a socket first, and once
 * there is traffic a ring of shared memory each way, beside which the socket
 * only wakes who sleeps.
 *
 * Each side offers a ring for what it says itself, and uses it once the other
 * side has it; so a process without shared memory goes on over the socket. The
 * last frame over the socket says that the rest is in the ring: all of one
 * connection has one order.
 *
 * Who has lately been answered soon looks at its ring, turn by turn of the
 * event loop, for `ringPollMs` before it sleeps: two loops that answer each
 * other so need no system call. Nobody looks while idle, and seldom while
 * answers take longer.
 *
 * @module
 */
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { FrameKind } from "./frame.ts";
import { RingReader, RingWriter } from "./ring.ts";
import { type SocketConn, SocketTransport } from "./socket.ts";
import type { Transport } from "./transport.ts";

/** Memory that another process can open by its path. */
export interface RingMemory {
  readonly path: string;
  readonly buffer: ArrayBufferLike;
  /** The other side has opened it, or never will. */
  close(): void;
}

/** Makes and opens it. */
export interface RingMemories {
  create(byteLength: number): RingMemory;
  open(path: string, byteLength: number): ArrayBufferLike;
}

/** What transports say to each other. */
const Word = { offer: 1, ready: 2, last: 3, wake: 4 } as const;

/** What is read from any of a process's rings, as long as it is handed over. */
let piece: Uint8Array | undefined;

const nothing = new Uint8Array(0);

/** Pieces that are handed over before others have a turn. */
const piecesMax = 16;

/** Whether looking at a ring is worth it: where it was in vain, it is tried more and more seldom. */
class Patience {
  #isLooking = false;
  #idleSinceMs = 0;
  /** Times that something came which are passed over before the next try. */
  #passCount = 0;
  #passCountMax = 0;

  /** Something came at `atMs`, and was dealt with until `doneMs`. */
  came(atMs: number, doneMs: number): void {
    const gapMs = atMs - this.#idleSinceMs;
    this.#idleSinceMs = doneMs;
    if (this.#isLooking) this.#passCountMax = 0;
    else if (this.#passCount > 0) this.#passCount--;
    // Who slept hears of it late.
    else this.#isLooking = gapMs < 3 * limits.ringPollMs;
  }

  /** Whether to look again, when there was nothing until `nowMs`. */
  isWorthIt(nowMs: number): boolean {
    if (!this.#isLooking) return false;
    if (nowMs - this.#idleSinceMs <= limits.ringPollMs) return true;
    this.#isLooking = false;
    this.#passCountMax = Math.min(
      2 * this.#passCountMax + 1,
      limits.ringPassesMax,
    );
    this.#passCount = this.#passCountMax;
    return false;
  }
}

/** A {@linkcode Transport} over a socket and, later, rings. */
export class RingTransport implements Transport {
  readonly #socket: SocketTransport;
  readonly #memories: RingMemories;
  #ringOut: ByteWriter = new ByteWriter();
  #spare: ByteWriter = new ByteWriter();
  readonly #failed = Promise.withResolvers<void>();
  #onPiece: (piece: Uint8Array) => void = () => {};
  #isNear = false;
  #turnCount = 0;
  #offered: RingMemory | undefined;
  #writer: RingWriter | undefined;
  /** Of what was taken out of `#ringOut`, what the ring had no room for. */
  #rest: Uint8Array = nothing;
  #poured: PromiseWithResolvers<void> | undefined;
  #isScheduled = false;
  #opened: RingReader | undefined;
  #reader: RingReader | undefined;
  #isLooking = false;
  readonly #patience = new Patience();
  #isClosed = false;

  constructor(conn: SocketConn | Promise<SocketConn>, memories: RingMemories) {
    this.#socket = new SocketTransport(conn);
    this.#memories = memories;
    this.#failed.promise.catch(() => {}); // Whoever receives is told.
  }

  get out(): ByteWriter {
    return this.#writer === undefined ? this.#socket.out : this.#ringOut;
  }

  /** The other side is a process of this machine. */
  near(): void {
    this.#isNear = true;
  }

  get isUnsent(): boolean {
    return this.#writer === undefined ? this.#socket.isUnsent : this.#isWaiting;
  }

  schedule(): void {
    if (this.#writer === undefined) {
      this.#socket.schedule();
      const isBusy = this.#isNear && ++this.#turnCount === limits.ringTurns;
      if (isBusy) this.#offer();
      return;
    }
    if (this.#isScheduled) {
      // A turn that says much: the other side begins before this one is through.
      const isMuch = this.#ringOut.length >= limits.ringPourBytes;
      if (isMuch && this.#rest.length === 0) this.#pour();
      return;
    }
    this.#isScheduled = true;
    queueMicrotask(this.#endTurn);
  }

  sendNow(): void {
    if (this.#writer === undefined) this.#socket.sendNow();
    else this.#pour();
  }

  async flush(): Promise<void> {
    if (this.#writer !== undefined) {
      this.#pour();
      if (this.#isWaiting && !this.#isClosed) {
        this.#poured ??= Promise.withResolvers();
        await this.#poured.promise;
      }
    }
    await this.#socket.flush();
  }

  async receive(open: () => (chunk: Uint8Array) => void): Promise<void> {
    this.#onPiece = open();
    const socket = this.#socket.receive(() => {
      const onChunk = open();
      return (chunk) => {
        onChunk(chunk);
        if (this.#reader !== undefined) this.#look();
        // There may be room again.
        if (this.#isWaiting) this.#pour();
      };
    });
    await Promise.race([socket, this.#failed.promise]);
    // What a process wrote before it ended is there still.
    while (this.#reader !== undefined && this.#drain());
  }

  heard(body: Uint8Array): void {
    const from = new ByteReader(body);
    switch (from.u8()) {
      case Word.offer:
        this.#open(from.string(), from.u32());
        return;
      case Word.ready:
        if (this.#offered === undefined) return;
        this.#offered.close();
        this.#say(Word.last);
        this.#writer = new RingWriter(this.#offered.buffer);
        return;
      case Word.last:
        this.#reader = this.#opened;
    }
  }

  hold(isHeld: boolean): void {
    this.#socket.hold(isHeld);
  }

  close(): void {
    this.#isClosed = true;
    this.#offered?.close();
    this.#poured?.resolve();
    this.#socket.close();
  }

  #offer(): void {
    try {
      this.#offered = this.#memories.create(limits.ringBytes);
    } catch (error) {
      log.debug(`no ring: ${error}`);
      return;
    }
    const { path } = this.#offered;
    this.#say(Word.offer, (out) => {
      out.string(path);
      out.u32(limits.ringBytes);
    });
  }

  #open(path: string, byteLength: number): void {
    try {
      this.#opened = new RingReader(this.#memories.open(path, byteLength));
    } catch (error) {
      // The other side goes on over the socket.
      log.debug(`a ring can't be opened: ${error}`);
      return;
    }
    this.#say(Word.ready);
  }

  /** Goes over the socket in any case; where frames do, after those before it. */
  #say(word: number, write: (out: ByteWriter) => void = () => {}): void {
    const { out } = this.#socket;
    const start = out.length;
    out.u32(0);
    out.u8(FrameKind.transport);
    out.u8(word);
    write(out);
    out.patchU32(start, out.length - start - 4);
    this.#socket.schedule();
  }

  readonly #endTurn = (): void => {
    this.#isScheduled = false;
    this.#pour();
  };

  #pour(): void {
    const writer = this.#writer;
    if (writer === undefined || this.#isClosed) return;
    try {
      let isFull = false;
      while (this.#isWaiting && !isFull) {
        if (this.#rest.length === 0) this.#takeOut();
        isFull = !this.#pourRest(writer);
      }
      if (!this.#isWaiting) {
        this.#poured?.resolve();
        this.#poured = undefined;
      }
      if (writer.mustWake()) {
        this.#say(Word.wake);
        // Not in a microtask of its own: the code that runs next may compute.
        this.#socket.sendNow();
      }
    } catch (error) {
      this.#failed.reject(error);
    }
  }

  /** Whether something is to go into the ring yet. */
  get #isWaiting(): boolean {
    return this.#rest.length > 0 || this.#ringOut.length > 0;
  }

  /** What comes next is gathered apart, so a ring that is never empty keeps no bytes that are through. */
  #takeOut(): void {
    [this.#ringOut, this.#spare] = [this.#spare, this.#ringOut];
    this.#rest = this.#spare.written();
  }

  /** False if the ring is full; the reader then says when it is not. */
  #pourRest(writer: RingWriter): boolean {
    this.#rest = this.#rest.subarray(writer.write(this.#rest));
    if (this.#rest.length > 0) {
      writer.wantRoom();
      this.#rest = this.#rest.subarray(writer.write(this.#rest));
    }
    if (this.#rest.length > 0) return false;
    this.#rest = nothing;
    this.#spare.reset();
    return true;
  }

  /** Hands over what is in the ring; false if there was nothing. */
  #drain(): boolean {
    const reader = this.#reader!;
    piece ??= new Uint8Array(limits.ringBytes);
    let count = 0;
    for (let left = piecesMax; left > 0; left--) {
      const length = reader.read(piece);
      if (length === 0) break;
      if (reader.mustWake()) this.#say(Word.wake);
      this.#onPiece(piece.subarray(0, length));
      count += length;
    }
    return count > 0;
  }

  /** Reads, then looks again soon, or sleeps. */
  #look(): void {
    if (this.#isLooking || this.#isClosed) return;
    const startMs = performance.now();
    if (this.#drain()) this.#patience.came(startMs, performance.now());
    const isWorthIt = this.#patience.isWorthIt(startMs);
    if (!isWorthIt && this.#reader!.sleep()) return;
    this.#isLooking = true;
    setImmediate(this.#lookAgain);
  }

  readonly #lookAgain = (): void => {
    this.#isLooking = false;
    try {
      this.#look();
    } catch (error) {
      this.#failed.reject(error);
    }
  };
}
