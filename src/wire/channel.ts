/**
 * A byte stream over a link, one of many: as a socket, for whoever uses it.
 *
 * Each side may send only what the other has room for, so one slow reader
 * holds up nobody else.
 *
 * @module
 */
import { limits } from "../base/limits.ts";
import type { SocketConn } from "./socket.ts";

/** What a channel needs of its link. */
export interface ChannelPort {
  /** Sends bytes of a channel; resolves when the link takes more. */
  sendData(id: number, bytes: Uint8Array): Promise<void> | undefined;
  /** Tells the other side how many more bytes it may send. */
  sendCredit(id: number, count: number): void;
  /** Nothing more is sent or read. */
  sendClose(id: number): void;
}

/** One stream. */
export class Channel implements SocketConn {
  readonly #id: number;
  readonly #port: ChannelPort;
  readonly #chunks: { bytes: Uint8Array; giveBack: () => void }[] = [];
  #reading: PromiseWithResolvers<void> | undefined;
  #writing: PromiseWithResolvers<void> | undefined;
  #credit: number = limits.channelBytesMax;
  /** Read since the other side was told. */
  #readBytes = 0;
  #hasEnded = false;
  #isClosed = false;

  constructor(id: number, port: ChannelPort) {
    this.#id = id;
    this.#port = port;
  }

  /** Resolves with how many bytes were read, or null at the end. */
  async read(into: Uint8Array): Promise<number | null> {
    while (this.#chunks.length === 0) {
      if (this.#hasEnded || this.#isClosed) return null;
      this.#reading ??= Promise.withResolvers();
      await this.#reading.promise;
    }
    let count = 0;
    while (count < into.length) {
      const chunk = this.#chunks[0];
      if (chunk === undefined) break;
      const { bytes } = chunk;
      const taken = Math.min(bytes.length, into.length - count);
      into.set(
        taken === bytes.length ? bytes : bytes.subarray(0, taken),
        count,
      );
      count += taken;
      if (taken === bytes.length) {
        this.#chunks.shift();
        chunk.giveBack();
      } else chunk.bytes = bytes.subarray(taken);
    }
    this.#readBytes += count;
    if (this.#readBytes >= limits.channelBytesMax / 4 && !this.#hasEnded) {
      this.#port.sendCredit(this.#id, this.#readBytes);
      this.#readBytes = 0;
    }
    return count;
  }

  /** Resolves with how many bytes were taken, once there is room for some. */
  async write(bytes: Uint8Array): Promise<number> {
    for (;;) {
      if (this.#isClosed || this.#hasEnded) {
        throw new Deno.errors.BrokenPipe("Cannot write: the stream has ended");
      }
      if (this.#credit > 0) break;
      this.#writing ??= Promise.withResolvers();
      await this.#writing.promise;
    }
    const count = Math.min(
      bytes.length,
      this.#credit,
      limits.channelFrameBytesMax,
    );
    this.#credit -= count;
    const room = this.#port.sendData(this.#id, bytes.subarray(0, count));
    if (room !== undefined) await room;
    return count;
  }

  /** Ends the stream, both ways. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#wake();
    this.#port.sendClose(this.#id);
  }

  /** A link keeps no program alive. */
  ref(): void {}

  /** See {@linkcode ref}. */
  unref(): void {}

  /** Bytes came; the channel keeps them until they were read. */
  arrived(bytes: Uint8Array, giveBack = () => {}): void {
    if (this.#isClosed) return giveBack();
    this.#chunks.push({ bytes, giveBack });
    this.#reading?.resolve();
    this.#reading = undefined;
  }

  /** The other side has room for more. */
  credited(count: number): void {
    this.#credit += count;
    this.#writing?.resolve();
    this.#writing = undefined;
  }

  /** The other side, or the link, ended it: what came can still be read. */
  ended(): void {
    this.#hasEnded = true;
    this.#wake();
  }

  #wake(): void {
    this.#reading?.resolve();
    this.#reading = undefined;
    this.#writing?.resolve();
    this.#writing = undefined;
  }
}
