/**
 * One TCP connection of a link: frames written together, frames cut and
 * checked as they come.
 *
 * A frame is `u32` length of its body, `u32` CRC-32 of all that follows, `u8`
 * kind, `u32` stream, `u32` number, `u32` confirmed, and the body. What frames
 * mean is `link.ts`.
 *
 * @module
 */
import { crc32 } from "node:zlib";
import { monotonicMs } from "../base/clock.ts";
import { ProtocolError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { BufferPool } from "./buffer_pool.ts";
import { closeUnlessClosed, writeAll } from "./streams.ts";

/** What a connection of a link is made over. */
export type LinkConn = Pick<Deno.Conn, "read" | "write" | "close">;

/** A frame, without its body. */
export interface FrameHead {
  kind: number;
  channel: number;
  /** 0 for one that is not numbered. */
  seq: number;
  /** All up to this number has come. */
  confirmedSeq: number;
}

/** What a connection tells. */
export interface FrameEvents {
  /** A frame came. Its body holds during the call, or until it is given back where `lend` was called. */
  frame(head: FrameHead, body: Uint8Array, lend: () => Return): void;
  /** The connection is of no more use. */
  broken(cause: unknown): void;
}

/** Gives a body back. */
export type Return = () => void;

/** Shorter bodies are better copied than lent, and sent in memory of their own. */
export const lentBytesMin = 16 * 1024;

const headerBytes = 21;
const readBytes = 256 * 1024;
/** What links have under way may be as much as this, and is seldom more. */
const pooledMax = 64;
const received = new BufferPool(readBytes, pooledMax);
const sent = new BufferPool(
  headerBytes + limits.channelFrameBytesMax,
  pooledMax,
);

/** A frame as bytes. Those of a large one are to be given back by {@linkcode frameDone}. */
export function frameBytes(head: FrameHead, body: Uint8Array): Uint8Array {
  const length = headerBytes + body.length;
  const isPooled = body.length >= lentBytesMin && length <= sent.byteLength;
  const bytes = isPooled
    ? new Uint8Array(sent.take(), 0, length)
    : new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, body.length, true);
  bytes[8] = head.kind;
  view.setUint32(9, head.channel, true);
  view.setUint32(13, head.seq, true);
  view.setUint32(17, head.confirmedSeq, true);
  bytes.set(body, headerBytes);
  view.setUint32(4, crc32(bytes.subarray(8)), true);
  return bytes;
}

/** A frame's bytes are needed no more. */
export function frameDone(bytes: Uint8Array): void {
  sent.give(bytes.buffer);
}

/** What is read into; used again once all that was lent of it is back. */
class ReadBuffer {
  readonly bytes: Uint8Array;
  lentCount = 0;
  isFull = false;
  readonly lend = (): Return => {
    this.lentCount++;
    return () => {
      this.lentCount--;
      if (this.isFull && this.lentCount === 0) {
        received.give(this.bytes.buffer);
      }
    };
  };

  constructor(byteLength: number) {
    this.bytes = byteLength === readBytes
      ? new Uint8Array(received.take())
      : new Uint8Array(byteLength);
  }
}

/** Writes and reads frames. */
export class FrameConn {
  readonly #conn: LinkConn;
  readonly #events: FrameEvents;
  #out: Uint8Array[] = [];
  readonly #receiving: Promise<void>;
  #flushing: Promise<void> | undefined;
  #isScheduled = false;
  #isClosed = false;
  #heardMs = monotonicMs();
  #sentMs = monotonicMs();

  constructor(conn: LinkConn, events: FrameEvents) {
    this.#conn = conn;
    this.#events = events;
    this.#receiving = this.#receive();
  }

  /** Resolves when nothing of it is under way any more. */
  async ended(): Promise<void> {
    await this.#receiving;
    await this.#flushing;
  }

  /** When something last came. */
  get heardMs(): number {
    return this.#heardMs;
  }

  /** When something was last sent. */
  get sentMs(): number {
    return this.#sentMs;
  }

  /** Sends a frame, at the end of this turn, with all others of it. */
  send(bytes: Uint8Array): void {
    this.#out.push(bytes);
    if (this.#isScheduled || this.#flushing !== undefined) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#start();
    });
  }

  /** Ends it once what was sent is handed to the system. */
  async finish(): Promise<void> {
    this.#start();
    while (this.#flushing !== undefined) await this.#flushing;
    this.close();
  }

  #start(): void {
    if (this.#out.length === 0 || this.#isClosed) return;
    this.#flushing ??= this.#flush();
  }

  /** Ends the connection at once. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeUnlessClosed(this.#conn);
  }

  async #flush(): Promise<void> {
    try {
      while (this.#out.length > 0 && !this.#isClosed) {
        const frames = this.#out;
        this.#out = [];
        this.#sentMs = monotonicMs();
        for (const bytes of joined(frames)) await writeAll(this.#conn, bytes);
      }
    } catch (error) {
      this.#break(error);
    } finally {
      // At once: what is sent from now on must start anew, and not lie there.
      this.#flushing = undefined;
    }
  }

  async #receive(): Promise<void> {
    let buffer = new ReadBuffer(readBytes);
    let length = 0;
    try {
      while (!this.#isClosed) {
        const count = await this.#conn.read(buffer.bytes.subarray(length));
        if (this.#isClosed) return;
        if (count === null) throw new Error("it was closed");
        this.#heardMs = monotonicMs();
        length += count;
        const { bytes, lend } = buffer;
        const used = this.#cut(bytes.subarray(0, length), lend);
        const rest = bytes.subarray(used, length);
        if (buffer.lentCount > 0 || (used === 0 && length === bytes.length)) {
          const full = buffer;
          buffer = new ReadBuffer(Math.max(readBytes, rest.length * 2));
          buffer.bytes.set(rest);
          full.isFull = true;
        } else if (used > 0) bytes.copyWithin(0, used, length);
        length = rest.length;
      }
    } catch (error) {
      this.#break(error);
    }
  }

  /** Hands over whole frames; returns how many bytes they were. */
  #cut(bytes: Uint8Array, lend: () => Return): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    while (bytes.length - at >= headerBytes && !this.#isClosed) {
      const bodyLength = view.getUint32(at, true);
      if (bodyLength > limits.channelFrameBytesMax) {
        throw new ProtocolError(`a frame of ${bodyLength} bytes`);
      }
      const end = at + headerBytes + bodyLength;
      if (end > bytes.length) break;
      const sum = view.getUint32(at + 4, true);
      if (crc32(bytes.subarray(at + 8, end)) !== sum) {
        throw new ProtocolError("a frame whose checksum is wrong");
      }
      this.#events.frame(
        {
          kind: bytes[at + 8]!,
          channel: view.getUint32(at + 9, true),
          seq: view.getUint32(at + 13, true),
          confirmedSeq: view.getUint32(at + 17, true),
        },
        bytes.subarray(at + headerBytes, end),
        lend,
      );
      at = end;
    }
    return at;
  }

  #break(cause: unknown): void {
    if (this.#isClosed) return;
    this.close();
    this.#events.broken(cause);
  }
}

/** Small frames in one piece, so that they are one write. */
function joined(frames: readonly Uint8Array[]): readonly Uint8Array[] {
  if (frames.length === 1) return frames;
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < frames.length;) {
    let end = at;
    let length = 0;
    while (end < frames.length && length < readBytes) {
      length += frames[end++]!.length;
    }
    if (end === at + 1) pieces.push(frames[at]!);
    else {
      const piece = new Uint8Array(length);
      let to = 0;
      for (const frame of frames.slice(at, end)) {
        piece.set(frame, to);
        to += frame.length;
      }
      pieces.push(piece);
    }
    at = end;
  }
  return pieces;
}
