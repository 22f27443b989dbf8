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
import { afterMs, monotonicMs, type Timer } from "../base/clock.ts";
import { ProtocolError } from "../base/errors.ts";
import type { NodeId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import { Channel, type ChannelPort } from "./channel.ts";
import {
  frameBytes,
  FrameConn,
  frameDone,
  type FrameHead,
  lentBytesMin,
  type LinkConn,
  type Return,
} from "./link_conn.ts";
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

const redialMsMax = 500;
const encoder = new TextEncoder();

/** One end of a link. */
export class Link implements ChannelPort {
  readonly id: string;
  readonly remote: LinkIdentity;
  readonly isDialled: boolean;
  readonly #options: LinkOptions;
  readonly #timing: LinkTiming;
  readonly #window = new LinkWindow();
  readonly #channels = new Map<number, Channel>();
  readonly #closed = Promise.withResolvers<LinkEnd>();
  #onChannel: ((to: string, channel: Channel) => void) | undefined;
  /** Streams that the other side opened before anybody heard of them. */
  #early: [to: string, channel: Channel][] = [];
  #nextChannel: number;
  #conn: FrameConn | undefined;
  #room: PromiseWithResolvers<void> | undefined;
  #heardMs = monotonicMs();
  #receivedBytes = 0;
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

  /** Hears of streams that the other side opens, and of those that it has opened. */
  set onChannel(hear: (to: string, channel: Channel) => void) {
    this.#onChannel = hear;
    for (const [to, channel] of this.#early.splice(0)) hear(to, channel);
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
    return monotonicMs() - Math.max(this.#heardMs, this.#conn?.heardMs ?? 0);
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

  #opened(to: string, channel: Channel): void {
    if (this.#onChannel === undefined) this.#early.push([to, channel]);
    else this.#onChannel(to, channel);
  }

  /** Goes on over a connection; `hasSeq` is what the other side has. */
  connected(conn: LinkConn, hasSeq: number): void {
    if (this.#isClosed) return conn.close();
    this.#dropConn();
    try {
      this.#taken(hasSeq);
    } catch (error) {
      conn.close();
      return this.#end({ kind: "lost", reason: (error as Error).message });
    }
    this.#heardMs = monotonicMs();
    const own: FrameConn = this.#conn = new FrameConn(conn, {
      frame: (head, body, lend) => this.#onFrame(head, body, lend),
      broken: (cause) => this.#broken(own, cause),
    });
    for (const { bytes } of this.#window.again()) own.send(bytes);
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
    const confirmedSeq = this.#window.receivedSeq;
    const bytes = frameBytes({ kind, channel, seq, confirmedSeq }, body);
    this.#receivedBytes = 0;
    if (seq > 0) this.#window.sent({ seq, bytes });
    // Without a connection, it goes with the next one.
    this.#conn?.send(bytes);
  }

  #onFrame(head: FrameHead, body: Uint8Array, lend: () => Return): void {
    const { seq, confirmedSeq } = head;
    this.#confirmed(confirmedSeq);
    if (seq > 0 && !this.#window.received(seq)) return;
    this.#handle(head, body, lend);
    this.#receivedBytes += body.length;
    if (this.#receivedBytes > limits.linkConfirmBytes) this.#pulse();
  }

  #handle(
    { kind, channel: id }: FrameHead,
    body: Uint8Array,
    lend: () => Return,
  ): void {
    switch (kind) {
      case Kind.pulse:
        return;
      case Kind.open: {
        const channel = new Channel(id, this);
        if (this.#goodbye !== undefined) return channel.ended();
        this.#channels.set(id, channel);
        return this.#opened(new TextDecoder().decode(body), channel);
      }
      case Kind.data: {
        const channel = this.#channels.get(id);
        return body.length < lentBytesMin
          ? channel?.arrived(body.slice())
          : channel?.arrived(body, lend());
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

  /** The other side has these. */
  #taken(seq: number): void {
    for (const { bytes } of this.#window.confirmed(seq)) frameDone(bytes);
  }

  #confirmed(seq: number): void {
    this.#taken(seq);
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
      const conn = this.#conn;
      if (conn !== undefined) {
        if (monotonicMs() - conn.sentMs >= heartbeatMs / 2) this.#pulse();
        const isSuspect = this.silentMs > 2.5 * heartbeatMs;
        if (isSuspect) this.#broken(conn, "nothing is heard over it");
      }
      this.#schedulePulse();
    });
  }

  #broken(conn: FrameConn, cause: unknown): void {
    if (conn !== this.#conn || this.#isClosed) return;
    log.debug(`a connection of a link broke: ${cause}`);
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
    if (conn === undefined) return;
    this.#heardMs = Math.max(this.#heardMs, conn.heardMs);
    this.#conn = undefined;
    conn.close();
  }

  #end(end: LinkEnd): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    const conn = this.#conn;
    this.#conn = undefined;
    for (const channel of this.#channels.values()) channel.ended();
    this.#channels.clear();
    this.#room?.resolve();
    this.#drained?.resolve();
    this.#finish(conn, end);
  }

  async #finish(conn: FrameConn | undefined, end: LinkEnd): Promise<void> {
    // A last word may be on its way.
    const finishing = conn?.finish();
    const timer = setTimeout(() => conn?.close(), limits.linkCloseMs);
    await finishing;
    clearTimeout(timer);
    await conn?.ended();
    this.#closed.resolve(end);
  }
}

/** The other side knows the link no more. */
export class LinkRefusedError extends Error {}
