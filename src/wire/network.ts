/**
 * A process's place in the session: its own socket, and peers by process id.
 *
 * Requests go over the connection this side dialled, answers come back on it;
 * so what one process says to another has one order. Two that dial each other
 * at once have two connections, one for each one's own words.
 *
 * @module
 */
import type { ProcessId } from "../base/ids.ts";
import { log } from "../base/log.ts";
import { type Hello, Peer, type PeerHandlers } from "./peer.ts";
import { type SocketConn, SocketTransport } from "./socket.ts";

/** Where the process with this id takes connections. */
export function socketPath(folder: string, processId: ProcessId): string {
  return `${folder}/${processId}.sock`;
}

/** Dials and listens for one process. */
export class Network {
  readonly self: Hello;
  readonly #folder: string;
  readonly #handlers: PeerHandlers;
  readonly #dialled = new Map<ProcessId, Promise<Peer>>();
  readonly #open = new Set<Peer>();
  #listener: Deno.UnixListener | undefined;
  #accepting: Promise<void> | undefined;

  constructor(folder: string, self: Hello, handlers: PeerHandlers) {
    this.#folder = folder;
    this.self = self;
    this.#handlers = handlers;
  }

  /** Starts to take connections. */
  listen(): void {
    const path = socketPath(this.#folder, this.self.processId);
    // Whoever finds the path may dial at once: it must listen before it is there.
    const unready = `${path}.new`;
    this.#listener = Deno.listen({ transport: "unix", path: unready });
    Deno.renameSync(unready, path);
    this.#listener.unref();
    this.#accepting = this.#accept(this.#listener);
  }

  /** The connection this side dialled to that process; dialled once. Rejects if nobody is there. */
  peer(processId: ProcessId): Promise<Peer> {
    let peer = this.#dialled.get(processId);
    if (peer === undefined) {
      peer = this.#dial(processId);
      this.#dialled.set(processId, peer);
      peer.catch(() => this.#dialled.delete(processId));
    }
    return peer;
  }

  /** A peer at once, over a connection that is still being made. */
  peerOver(processId: ProcessId, conn: Promise<Deno.UnixConn>): Peer {
    const peer = this.#adopt(conn);
    this.#dialled.set(processId, peer.hello.then(() => peer));
    this.#dialled.get(processId)!.catch(() => {}); // Whoever asks is told.
    return peer;
  }

  /** Ends all connections and takes no more. */
  async close(): Promise<void> {
    this.#listener?.close();
    this.#listener = undefined;
    for (const peer of this.#open) peer.close();
    await Promise.all([...this.#open].map((peer) => peer.closed));
    await this.#accepting;
  }

  async #dial(processId: ProcessId): Promise<Peer> {
    const path = socketPath(this.#folder, processId);
    const conn = await Deno.connect({ transport: "unix", path });
    const peer = this.#adopt(conn);
    await peer.hello;
    return peer;
  }

  async #accept(listener: Deno.UnixListener): Promise<void> {
    try {
      for await (const conn of listener) this.#adopt(conn);
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) {
        log.error(`no more connections are taken: ${error}`);
      }
    }
  }

  #adopt(conn: Deno.UnixConn | Promise<Deno.UnixConn>): Peer {
    const peer = new Peer(
      new SocketTransport(conn as SocketConn | Promise<SocketConn>),
      this.self,
      {
        requests: this.#handlers.requests,
        notices: this.#handlers.notices,
        frame: (kind, body, peer) => this.#handlers.frame?.(kind, body, peer),
        ended: (peer) => {
          this.#open.delete(peer);
          const id = peer.remote?.processId;
          if (id !== undefined) this.#forget(id, peer);
          this.#handlers.ended?.(peer);
        },
      },
    );
    peer.hold(false);
    this.#open.add(peer);
    return peer;
  }

  #forget(processId: ProcessId, ended: Peer): void {
    const dialled = this.#dialled.get(processId);
    dialled?.then((peer) => {
      if (peer === ended) this.#dialled.delete(processId);
    }, () => {});
  }
}
