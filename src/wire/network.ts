/**
 * A process's place in the session: its own socket, and peers by process id.
 *
 * Processes of other machines are reached through this one's node, as byte
 * streams that end when the process or its node does.
 *
 * Requests go over the connection this side dialled, answers come back on it;
 * so what one process says to another has one order. Two that dial each other
 * at once have two connections, one for each one's own words.
 *
 * @module
 */
import { nodeTagOf, type ProcessId } from "../base/ids.ts";
import { log } from "../base/log.ts";
import type { Notices } from "./messages.ts";
import { type Hello, Peer, PeerEndedError, type PeerHandlers } from "./peer.ts";
import { type RingMemories, RingTransport } from "./ring_transport.ts";
import { type SocketConn, SocketTransport } from "./socket.ts";
import { writeAll } from "./streams.ts";
import {
  dialSocket,
  relayPath,
  socketPath,
  UnixListener,
} from "./unix_sockets.ts";

/** The head of the cluster, whichever process it is. */
export const headId = "head000000000000" as ProcessId;

/** Makes a stream to a process of another machine. */
export type FarDialler = (processId: ProcessId) => Promise<SocketConn>;

/** Dials and listens for one process. */
export class Network {
  readonly self: Hello;
  readonly #folder: string;
  readonly #handlers: PeerHandlers;
  readonly #dialFar: FarDialler;
  readonly #memories: RingMemories | undefined;
  readonly #dialled = new Map<ProcessId, Promise<Peer>>();
  readonly #open = new Set<Peer>();
  /** By what id each dialled one was asked for. */
  readonly #keys = new WeakMap<Peer, ProcessId>();
  #isClosed = false;
  #listener: UnixListener | undefined;

  constructor(
    folder: string,
    self: Hello,
    handlers: PeerHandlers,
    { dialFar = (processId) => dialRelay(folder, processId), memories }: {
      dialFar?: FarDialler;
      /** For rings to other processes of this machine; without it, sockets alone. */
      memories?: RingMemories | undefined;
    } = {},
  ) {
    this.#folder = folder;
    this.self = self;
    this.#handlers = handlers;
    this.#dialFar = dialFar;
    this.#memories = memories;
  }

  /** Starts to take connections. */
  listen(): void {
    const path = socketPath(this.#folder, this.self.processId);
    this.#listener = new UnixListener(path, (conn) => this.#adopt(conn));
    this.#listener.unref();
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

  /** Tells a process something; one that is gone hears nothing, and its end is told elsewhere. */
  tell<K extends keyof Notices>(
    processId: ProcessId,
    kind: K,
    notice: Notices[K],
  ): void {
    this.peer(processId).then(
      (peer) => peer.notify(kind, notice),
      (error) => log.debug(`${kind} was not told to ${processId}: ${error}`),
    );
  }

  /** A peer at once, over a connection that is still being made. */
  peerOver(processId: ProcessId, conn: Promise<SocketConn>): Peer {
    const peer = this.#adopt(conn);
    this.#keys.set(peer, processId);
    const dialled = peer.hello.then(() => peer);
    dialled.catch(() => {}); // Whoever asks is told.
    this.#dialled.set(processId, dialled);
    return peer;
  }

  /** Takes a stream that a process of another machine opened to this one. */
  accept(conn: SocketConn): void {
    this.#adopt(conn);
  }

  /** Ends all connections and takes no more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const stopped = this.#listener?.close();
    this.#listener = undefined;
    for (const peer of this.#open) peer.close();
    await Promise.all([...this.#open].map((peer) => peer.closed));
    await stopped;
  }

  async #dial(processId: ProcessId): Promise<Peer> {
    const conn = this.#isNear(processId)
      ? await dialSocket(socketPath(this.#folder, processId))
      : await this.#dialFar(processId);
    if (this.#isClosed) {
      conn.close();
      throw new PeerEndedError("Cannot connect: this process is leaving");
    }
    const peer = this.#adopt(conn);
    this.#keys.set(peer, processId);
    await peer.hello;
    return peer;
  }

  /** Whether it is a process of this machine. */
  #isNear(processId: ProcessId): boolean {
    return nodeTagOf(processId) === nodeTagOf(this.self.processId);
  }

  #adopt(conn: SocketConn | Promise<SocketConn>): Peer {
    const rings = this.#memories && new RingTransport(conn, this.#memories);
    const transport = rings ?? new SocketTransport(conn);
    const peer = new Peer(transport, this.self, {
      requests: this.#handlers.requests,
      notices: this.#handlers.notices,
      frame: (kind, body, peer) => this.#handlers.frame?.(kind, body, peer),
      ended: (peer) => {
        this.#open.delete(peer);
        this.#dialled.delete(this.#keys.get(peer)!);
        this.#handlers.ended?.(peer);
      },
    });
    peer.hold(false);
    if (rings !== undefined) {
      peer.hello.then(({ processId }) => {
        if (this.#isNear(processId)) rings.near();
      }, () => {}); // Whoever dialled is told.
    }
    this.#open.add(peer);
    return peer;
  }
}

/** Asks this machine's node for a stream to a process of another one. */
export async function dialRelay(
  folder: string,
  processId: ProcessId,
): Promise<SocketConn> {
  const conn = await dialSocket(relayPath(folder));
  const address = new TextEncoder().encode(processId);
  try {
    await writeAll(conn, address);
    return conn;
  } catch (error) {
    conn.close();
    throw error;
  }
}
