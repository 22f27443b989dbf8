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
import { type NodeTag, nodeTagOf, type ProcessId } from "../base/ids.ts";
import { log } from "../base/log.ts";
import type { SocketConn } from "../wire/socket.ts";
import { fill, writeAll } from "../wire/streams.ts";
import {
  dialSocket,
  relayPath,
  socketPath,
  UnixListener,
} from "../wire/unix_sockets.ts";

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
  readonly #self: NodeTag;
  readonly #dialFar: (processId: ProcessId) => Promise<SocketConn>;
  #listener: UnixListener | undefined;
  readonly #open = new Set<Splice>();

  constructor(
    folder: string,
    { self, dialFar }: {
      self: NodeTag;
      dialFar: (processId: ProcessId) => Promise<SocketConn>;
    },
  ) {
    this.#folder = folder;
    this.#self = self;
    this.#dialFar = dialFar;
  }

  /** Starts to take connections of this machine's processes. */
  listen(): void {
    this.#listener = new UnixListener(
      relayPath(this.#folder),
      (conn) => this.#pass(conn),
    );
  }

  /** A stream came in for a process of this machine. */
  async deliver(processId: ProcessId, channel: SocketConn): Promise<void> {
    const path = socketPath(this.#folder, processId);
    await this.#join(processId, channel, () => dialSocket(path));
  }

  /** A command line's stream came in: it is linked to this node only, and may mean a process of another. */
  async forward(processId: ProcessId, channel: SocketConn): Promise<void> {
    if (nodeTagOf(processId) === this.#self) {
      return await this.deliver(processId, channel);
    }
    await this.#join(processId, channel, () => this.#dialFar(processId));
  }

  /** Takes no more, and ends what there is. */
  close(): void {
    this.#listener?.close();
    for (const splice of [...this.#open]) this.#end(splice);
  }

  async #join(
    processId: ProcessId,
    channel: SocketConn,
    dial: () => Promise<SocketConn>,
  ): Promise<void> {
    try {
      this.#splice(channel, await dial());
    } catch (error) {
      log.debug(`process ${processId} is not reached: ${error}`);
      channel.close();
    }
  }

  #end(splice: Splice): void {
    if (!this.#open.delete(splice)) return;
    splice.one.close();
    splice.other.close();
  }

  async #pass(conn: SocketConn): Promise<void> {
    try {
      const id = new Uint8Array(idLength);
      if (await fill(id, conn) < idLength) return conn.close();
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
      await writeAll(to, buffer.subarray(0, count));
    }
  } catch (error) {
    // Either side ended: so does the other.
    log.debug(`a stream ended: ${error}`);
  }
}
