/**
 * Where processes of one machine meet: paths of unix sockets in their folder,
 * and how connections are made and taken there.
 *
 * @module
 */
import type { ProcessId } from "../base/ids.ts";
import { log } from "../base/log.ts";
import type { SocketConn } from "./socket.ts";

/** Where the process with this id takes connections. */
export function socketPath(folder: string, processId: ProcessId): string {
  return `${folder}/${processId}.sock`;
}

/** Where a node takes connections that go on to other nodes' processes. */
export function relayPath(folder: string): string {
  return `${folder}/relay.sock`;
}

/** Connects to whoever listens at `path`. Rejects if nobody does. */
export async function dialSocket(path: string): Promise<SocketConn> {
  return await Deno.connect({ transport: "unix", path }) as SocketConn;
}

/** Takes connections at one path. */
export class UnixListener {
  readonly #listener: Deno.UnixListener;
  readonly #accepting: Promise<void>;

  constructor(path: string, onConn: (conn: SocketConn) => void) {
    // Whoever finds the path may dial at once: it must listen before it is there.
    const unready = `${path}.new`;
    this.#listener = Deno.listen({ transport: "unix", path: unready });
    Deno.renameSync(unready, path);
    this.#accepting = this.#accept(onConn);
  }

  /** Lets the program end though connections may still come. */
  unref(): void {
    this.#listener.unref();
  }

  /** Takes no more; resolves when it has stopped. */
  async close(): Promise<void> {
    this.#listener.close();
    await this.#accepting;
  }

  async #accept(onConn: (conn: SocketConn) => void): Promise<void> {
    try {
      for await (const conn of this.#listener) onConn(conn as SocketConn);
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) {
        log.error(`no more connections are taken: ${error}`);
      }
    }
  }
}
