/**
 * The transport over a stream socket, unix or TCP: one write a turn.
 *
 * While a write is under way, what comes next gathers for the following one;
 * so a busy connection batches by itself and an idle one has no delay.
 *
 * @module
 */
import { ByteWriter } from "./bytes.ts";
import type { Transport } from "./transport.ts";

/** The part of `Deno.Conn` that is used; all stream sockets have it, and channels of a link. */
export type SocketConn =
  & Pick<Deno.Conn, "read" | "write" | "close">
  & { ref(): void; unref(): void };

const readChunkBytes = 256 * 1024;

/** A {@linkcode Transport} over one connected socket. */
export class SocketTransport implements Transport {
  out: ByteWriter = new ByteWriter();
  #spare: ByteWriter = new ByteWriter();
  #conn: SocketConn | undefined;
  readonly #connecting: Promise<SocketConn>;
  #isHeld = true;
  #isScheduled = false;
  #writing: Promise<void> | undefined;
  #isClosed = false;

  /** Over a connection that is there, or will be: what is written meanwhile waits. */
  constructor(conn: SocketConn | Promise<SocketConn>) {
    this.#connecting = Promise.resolve(conn);
    if (!(conn instanceof Promise)) this.#conn = conn;
  }

  get isUnsent(): boolean {
    return this.out.length > 0;
  }

  schedule(): void {
    if (this.#isScheduled || this.#writing !== undefined) return;
    this.#isScheduled = true;
    queueMicrotask(this.sendNow);
  }

  async flush(): Promise<void> {
    this.sendNow();
    while (this.#writing !== undefined) await this.#writing;
  }

  async receive(open: () => (chunk: Uint8Array) => void): Promise<void> {
    const onChunk = open();
    if (this.#conn === undefined) await this.#connect();
    const conn = this.#conn!;
    const buffer = new Uint8Array(readChunkBytes);
    try {
      while (!this.#isClosed) {
        const count = await conn.read(buffer);
        if (count === null) return;
        onChunk(buffer.subarray(0, count));
      }
    } catch (error) {
      if (!isDisconnect(error)) throw error;
    }
  }

  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    if (this.#isClosed) return;
    if (isHeld) this.#conn?.ref();
    else this.#conn?.unref();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#conn?.close();
  }

  async #connect(): Promise<void> {
    const conn = await this.#connecting;
    this.#conn = conn;
    if (this.#isClosed) {
      conn.close();
      return;
    }
    this.hold(this.#isHeld);
    this.sendNow();
  }

  readonly sendNow = (): void => {
    this.#isScheduled = false;
    if (this.#writing !== undefined || this.out.length === 0) return;
    if (this.#conn === undefined) return;
    this.#writing = this.#drain();
  };

  async #drain(): Promise<void> {
    try {
      while (this.out.length > 0 && !this.#isClosed) {
        const full = this.out;
        this.out = this.#spare;
        this.#spare = full;
        let bytes = full.written();
        while (bytes.length > 0) {
          const count = await this.#conn!.write(bytes);
          bytes = bytes.subarray(count);
        }
        full.reset();
      }
    } catch (error) {
      // The reading side learns of the same end and tells it to whoever waits.
      if (!isDisconnect(error)) throw error;
      this.close();
    } finally {
      this.#writing = undefined;
    }
  }
}

function isDisconnect(error: unknown): boolean {
  return error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted;
}
