/**
 * A link: one node's connection to another, over which many streams run.
 *
 * It survives the loss of its TCP connection: frames are numbered, carry a
 * CRC-32, and are kept until the other side has confirmed them; after the
 * dialler has connected again, those that are missing go again. So cuts,
 * connections that are open on one side only, and corrupted bytes are not seen
 * above. When nothing was heard for too long, the link is lost for good, on
 * each side by its own clock.
 *
 * How connections are made is in `link_dial.ts` and `link_listener.ts`.
 *
 * @module
 */
import { crc32 } from "node:zlib";
import { afterMs, monotonicMs, type Timer } from "../base/clock.ts";
import { ProtocolError } from "../base/errors.ts";
import type { NodeId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import { Channel, type ChannelPort } from "./channel.ts";
import { LinkWindow } from "./link_window.ts";

export { Channel };

/** Who is at an end of a link. */
export interface LinkIdentity {
  clusterId: string;
  nodeId: NodeId;
  /** New each time a node starts. */
  tag: string;
  role: "head" | "node" | "driver" | "client";
  pid: number;
  /** Where it listens; empty if it does not. */
  address: string;
}

/** How a link ended. */
export interface LinkEnd {
  reason: string;
  kind: "goodbye" | "lost" | "refused";
}

/** How often a link is heard of, and when it is given up. */
export interface LinkTiming {
  heartbeatMs: number;
  deadMs: number;
}

/** What a connection of a link is. */
export type LinkConn = Pick<Deno.Conn, "read" | "write" | "close">;

/** What a link needs of whoever makes connections for it. */
export interface LinkOptions {
  id: string;
  remote: LinkIdentity;
  isDialled: boolean;
  timing?: LinkTiming | undefined;
  /** Makes a new connection; the dialler's side only. Resolves with what the other side has. */
  redial?(receivedSeq: number): Promise<{ conn: LinkConn; hasSeq: number }>;
}

const Kind = {
  open: 1,
  data: 2,
  close: 3,
  credit: 4,
  goodbye: 5,
  /** Not numbered: says that this side lives, and what it has. */
  pulse: 6,
} as const;

/** `u32` length of the body, `u32` checksum of all that follows, `u8` kind, `u32` channel, `u32` number, `u32` confirmed. */
const headerBytes = 21;
const readBytes = 256 * 1024;
const lentBytesMin = 16 * 1024;
const redialMsMax = 500;
const encoder = new TextEncoder();

/** One end of a link. */
export class Link implements ChannelPort {
  readonly id: string;
  readonly remote: LinkIdentity;
  readonly isDialled: boolean;
  /** Hears of streams that the other side opened; set before anything is awaited. */
  onChannel: (to: string, channel: Channel) => void = (_, channel) =>
    channel.close();
  readonly #options: LinkOptions;
  readonly #timing: LinkTiming;
  readonly #window = new LinkWindow();
  readonly #channels = new Map<number, Channel>();
  readonly #closed = Promise.withResolvers<LinkEnd>();
  #nextChannel: number;
  #conn: LinkConn | undefined;
  #out: Uint8Array[] = [];
  #isFlushing = false;
  #isScheduled = false;
  #room: PromiseWithResolvers<void> | undefined;
  #heardMs = monotonicMs();
  #sentMs = monotonicMs();
  #receivedBytes = 0;
  /** Somebody has a view of the buffer that is read into. */
  #hasLent = false;
  #timer: Timer | undefined;
  #isRedialling = false;
  #isClosed = false;
  #goodbye: string | undefined;
  #drained: PromiseWithResolvers<void> | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.id = options.id;
    this.remote = options.remote;
    this.isDialled = options.isDialled;
    this.#timing = options.timing ?? limits.linkTiming;
    this.#nextChannel = options.isDialled ? 1 : 2;
    this.#schedulePulse();
  }

  /** Resolves when the link is over, with how. */
  get closed(): Promise<LinkEnd> {
    return this.#closed.promise;
  }

  /** Whether it is over. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** How long nothing was heard. */
  get silentMs(): number {
    return monotonicMs() - this.#heardMs;
  }

  /** The number of the last frame that came in order. */
  get receivedSeq(): number {
    return this.#window.receivedSeq;
  }

  /** Opens a stream to what `to` names on the other side; usable at once. */
  open(to: string): Channel {
    const id = this.#nextChannel;
    this.#nextChannel += 2;
    const channel = new Channel(id, this);
    if (this.#isClosed) {
      channel.ended();
      return channel;
    }
    this.#channels.set(id, channel);
    this.#send(Kind.open, id, encoder.encode(to));
    return channel;
  }

  /** Goes on over a connection; `hasSeq` is what the other side has. */
  connected(conn: LinkConn, hasSeq: number): void {
    if (this.#isClosed) return conn.close();
    this.#dropConn();
    try {
      this.#window.confirmed(hasSeq);
    } catch (error) {
      conn.close();
      return this.#end({ kind: "lost", reason: (error as Error).message });
    }
    this.#conn = conn;
    this.#heardMs = monotonicMs();
    this.#out = this.#window.again().map(({ bytes }) => bytes);
    this.#receive(conn);
    this.#schedule();
  }

  /** Ends it in order: all that was written goes out first, within bounds. */
  async close(reason: string): Promise<void> {
    if (this.#isClosed) return;
    if (this.#goodbye === undefined) {
      this.#goodbye = reason;
      for (const channel of this.#channels.values()) channel.ended();
      this.#send(Kind.goodbye, 0, encoder.encode(reason));
      this.#drained = Promise.withResolvers();
      const timer = setTimeout(
        () => this.#drained?.resolve(),
        limits.linkCloseMs,
      );
      await Promise.race([this.#drained.promise, this.closed]);
      clearTimeout(timer);
      this.#end({ kind: "goodbye", reason });
    }
    await this.closed;
  }

  /** Ends it at once. */
  abort(reason: string): void {
    this.#end({ kind: "goodbye", reason });
  }

  sendData(id: number, bytes: Uint8Array): Promise<void> | undefined {
    this.#send(Kind.data, id, bytes);
    if (this.#window.unconfirmedBytes < limits.linkBytesMax) return undefined;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  sendCredit(id: number, count: number): void {
    const body = new Uint8Array(4);
    new DataView(body.buffer).setUint32(0, count, true);
    this.#send(Kind.credit, id, body);
  }

  sendClose(id: number): void {
    if (this.#channels.delete(id)) {
      this.#send(Kind.close, id, new Uint8Array(0));
    }
  }

  #send(kind: number, channel: number, body: Uint8Array): void {
    if (this.#isClosed) return;
    const seq = kind === Kind.pulse ? 0 : this.#window.next();
    const bytes = new Uint8Array(headerBytes + body.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, body.length, true);
    bytes[8] = kind;
    view.setUint32(9, channel, true);
    view.setUint32(13, seq, true);
    view.setUint32(17, this.#window.receivedSeq, true);
    bytes.set(body, headerBytes);
    view.setUint32(4, crc32(bytes.subarray(8)), true);
    this.#receivedBytes = 0;
    if (seq > 0) this.#window.sent({ seq, bytes });
    if (this.#conn === undefined) return; // It goes with the next connection.
    this.#out.push(bytes);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isFlushing) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#flush();
    });
  }

  async #flush(): Promise<void> {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    const conn = this.#conn;
    try {
      while (conn !== undefined && conn === this.#conn) {
        const frames = this.#out;
        if (frames.length === 0) break;
        this.#out = [];
        this.#sentMs = monotonicMs();
        for (const bytes of joined(frames)) await writeAll(conn, bytes);
      }
    } catch (error) {
      log.debug(`a connection of a link broke: ${error}`);
      this.#broken(conn);
    } finally {
      this.#isFlushing = false;
      if (this.#conn !== conn) this.#schedule();
    }
  }

  async #receive(conn: LinkConn): Promise<void> {
    let buffer = new Uint8Array(readBytes);
    let length = 0;
    try {
      while (conn === this.#conn) {
        const count = await conn.read(buffer.subarray(length));
        if (count === null) throw new Error("it was closed");
        if (conn !== this.#conn) return;
        this.#heardMs = monotonicMs();
        length += count;
        const used = this.#cut(buffer.subarray(0, length));
        const rest = buffer.subarray(used, length);
        if (this.#hasLent) {
          this.#hasLent = false;
          buffer = new Uint8Array(Math.max(readBytes, rest.length * 2));
          buffer.set(rest);
          length = rest.length;
        } else if (used > 0) {
          buffer.copyWithin(0, used, length);
          length = rest.length;
        } else if (length === buffer.length) {
          const grown = new Uint8Array(buffer.length * 2);
          grown.set(buffer);
          buffer = grown;
        }
      }
    } catch (error) {
      log.debug(`a connection of a link broke: ${error}`);
      this.#broken(conn);
    }
  }

  /** Handles whole frames; returns how many bytes they were. */
  #cut(bytes: Uint8Array): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    while (bytes.length - at >= headerBytes) {
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
      const seq = view.getUint32(at + 13, true);
      this.#confirmed(view.getUint32(at + 17, true));
      if (seq === 0 || this.#window.received(seq)) {
        const body = bytes.subarray(at + headerBytes, end);
        this.#handle(bytes[at + 8]!, view.getUint32(at + 9, true), body);
      }
      at = end;
    }
    this.#receivedBytes += at;
    if (this.#receivedBytes > limits.linkConfirmBytes) this.#pulse();
    return at;
  }

  #handle(kind: number, id: number, body: Uint8Array): void {
    switch (kind) {
      case Kind.pulse:
        return;
      case Kind.open: {
        const channel = new Channel(id, this);
        if (this.#goodbye !== undefined) return channel.ended();
        this.#channels.set(id, channel);
        return this.onChannel(new TextDecoder().decode(body), channel);
      }
      case Kind.data: {
        // A large piece is not copied: the buffer that it came in is its own.
        const isLarge = body.length >= lentBytesMin;
        this.#hasLent ||= isLarge;
        return this.#channels.get(id)?.arrived(isLarge ? body : body.slice());
      }
      case Kind.credit: {
        const { buffer, byteOffset } = body;
        const count = new DataView(buffer, byteOffset).getUint32(0, true);
        return this.#channels.get(id)?.credited(count);
      }
      case Kind.close:
        this.#channels.get(id)?.ended();
        this.#channels.delete(id);
        return;
      case Kind.goodbye:
        this.#pulse();
        return this.#end({
          kind: "goodbye",
          reason: new TextDecoder().decode(body),
        });
      default:
        throw new ProtocolError(`a frame of kind ${kind}`);
    }
  }

  #confirmed(seq: number): void {
    this.#window.confirmed(seq);
    const { unconfirmedBytes } = this.#window;
    if (this.#room !== undefined && unconfirmedBytes < limits.linkBytesMax) {
      this.#room.resolve();
      this.#room = undefined;
    }
    if (unconfirmedBytes === 0) this.#drained?.resolve();
  }

  /** Says that this side lives, and what it has. */
  #pulse(): void {
    this.#send(Kind.pulse, 0, new Uint8Array(0));
  }

  #schedulePulse(): void {
    this.#timer = afterMs(this.#timing.heartbeatMs, () => {
      if (this.#isClosed) return;
      const { heartbeatMs, deadMs } = this.#timing;
      if (this.silentMs > deadMs) {
        const reason = `nothing was heard of it for ${deadMs} ms`;
        return this.#end({ kind: "lost", reason });
      }
      if (monotonicMs() - this.#sentMs >= heartbeatMs / 2) this.#pulse();
      const isSuspect = this.silentMs > 2.5 * heartbeatMs;
      if (isSuspect && this.#conn !== undefined) this.#broken(this.#conn);
      this.#schedulePulse();
    });
  }

  #broken(conn: LinkConn | undefined): void {
    if (conn !== this.#conn || this.#isClosed) return;
    this.#dropConn();
    if (this.#goodbye !== undefined) {
      return this.#end({ kind: "goodbye", reason: this.#goodbye });
    }
    if (this.isDialled) this.#redial();
  }

  async #redial(): Promise<void> {
    if (this.#isRedialling) return;
    this.#isRedialling = true;
    let delayMs: number = limits.redialMs;
    while (!this.#isClosed && this.#conn === undefined) {
      try {
        const { conn, hasSeq } = await this.#options.redial!(
          this.#window.receivedSeq,
        );
        this.connected(conn, hasSeq);
        break;
      } catch (error) {
        if (error instanceof LinkRefusedError) {
          this.#end({ kind: "refused", reason: error.message });
          break;
        }
        log.debug(`a link could not go on yet: ${error}`);
      }
      const pause = delayMs;
      await new Promise<void>((resolve) => afterMs(pause, resolve));
      delayMs = Math.min(delayMs * 2, redialMsMax);
    }
    this.#isRedialling = false;
  }

  #dropConn(): void {
    const conn = this.#conn;
    this.#conn = undefined;
    this.#out = [];
    if (conn !== undefined) closeQuietly(conn);
  }

  #end(end: LinkEnd): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    const conn = this.#conn;
    // A last word may be on its way.
    if (conn !== undefined) queueMicrotask(() => this.#dropConn());
    for (const channel of this.#channels.values()) channel.ended();
    this.#channels.clear();
    this.#room?.resolve();
    this.#drained?.resolve();
    this.#closed.resolve(end);
  }
}

/** The other side knows the link no more. */
export class LinkRefusedError extends Error {}

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

async function writeAll(conn: LinkConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await conn.write(at === 0 ? bytes : bytes.subarray(at));
  }
}

function closeQuietly(conn: LinkConn): void {
  try {
    conn.close();
  } catch (error) {
    // The system closed it first.
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
