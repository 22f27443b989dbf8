/**
 * Streams between this machine's processes and those of other nodes, passed on
 * byte by byte: nothing in them is read.
 *
 * A process that wants one connects to the node's relay socket and names whom
 * it wants; a stream that comes in over a link goes to the process's own
 * socket. When one side ends, so does the other.
 *
 * @module
 */
import type { ProcessId } from "../base/ids.ts";
import { log } from "../base/log.ts";
import { relayPath, socketPath } from "../wire/network.ts";
import type { SocketConn } from "../wire/socket.ts";

const idLength = 16;
const chunkBytes = 64 * 1024;

/** Two streams that are one. */
interface Splice {
  readonly one: SocketConn;
  readonly other: SocketConn;
}

/** Passes streams on, both ways. */
export class Relay {
  readonly #folder: string;
  readonly #dialFar: (processId: ProcessId) => Promise<SocketConn>;
  #listener: Deno.UnixListener | undefined;
  readonly #open = new Set<Splice>();

  constructor(
    folder: string,
    dialFar: (processId: ProcessId) => Promise<SocketConn>,
  ) {
    this.#folder = folder;
    this.#dialFar = dialFar;
  }

  /** Starts to take connections of this machine's processes. */
  listen(): void {
    const path = relayPath(this.#folder);
    const unready = `${path}.new`;
    this.#listener = Deno.listen({ transport: "unix", path: unready });
    Deno.renameSync(unready, path);
    this.#accept(this.#listener);
  }

  /** A stream came in for a process of this machine. */
  async deliver(processId: ProcessId, channel: SocketConn): Promise<void> {
    try {
      const path = socketPath(this.#folder, processId);
      const conn = await Deno.connect({ transport: "unix", path });
      this.#splice(channel, conn as SocketConn);
    } catch (error) {
      log.debug(`process ${processId} is not here: ${error}`);
      channel.close();
    }
  }

  /** Takes no more, and ends what there is. */
  close(): void {
    this.#listener?.close();
    for (const splice of [...this.#open]) this.#end(splice);
  }

  #end(splice: Splice): void {
    if (!this.#open.delete(splice)) return;
    splice.one.close();
    splice.other.close();
  }

  async #accept(listener: Deno.UnixListener): Promise<void> {
    try {
      for await (const conn of listener) this.#pass(conn as SocketConn);
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) {
        log.error(`no more streams are passed on: ${error}`);
      }
    }
  }

  async #pass(conn: SocketConn): Promise<void> {
    try {
      const id = await readExactly(conn, idLength);
      if (id === undefined) return conn.close();
      const processId = new TextDecoder().decode(id) as ProcessId;
      this.#splice(conn, await this.#dialFar(processId));
    } catch (error) {
      log.debug(`a stream was not passed on: ${error}`);
      conn.close();
    }
  }

  #splice(one: SocketConn, other: SocketConn): void {
    const splice = { one, other };
    this.#open.add(splice);
    const done = () => this.#end(splice);
    pump(one, other).then(done);
    pump(other, one).then(done);
  }
}

/** Copies what comes from one to the other, until it ends or the other can't take it. */
async function pump(from: SocketConn, to: SocketConn): Promise<void> {
  const buffer = new Uint8Array(chunkBytes);
  try {
    for (;;) {
      const count = await from.read(buffer);
      if (count === null) return;
      for (let at = 0; at < count;) {
        at += await to.write(buffer.subarray(at, count));
      }
    }
  } catch (error) {
    // Either side ended: so does the other.
    log.debug(`a stream ended: ${error}`);
  }
}

async function readExactly(
  conn: SocketConn,
  length: number,
): Promise<Uint8Array | undefined> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await conn.read(bytes.subarray(at));
    if (count === null) return undefined;
    at += count;
  }
  return bytes;
}
