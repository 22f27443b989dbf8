/** Provisional. @module */
import type { NodeId } from "../base/ids.ts";

export interface LinkIdentity {
  clusterId: string;
  nodeId: NodeId;
  tag: string;
  role: "head" | "node" | "driver" | "client";
  pid: number;
  version: string;
  address: string;
}
export interface LinkEnd {
  reason: string;
  kind: "goodbye" | "lost" | "refused";
}
export interface TlsClient {
  ca?: string;
}
export interface TlsServer {
  cert: string;
  key: string;
}

export class Channel {
  #chunks: Uint8Array[] = [];
  #waiter: (() => void) | undefined;
  #isEnded = false;
  constructor(readonly id: number, readonly link: Link) {}
  pushed(bytes: Uint8Array | undefined): void {
    if (bytes === undefined) this.#isEnded = true;
    else this.#chunks.push(bytes);
    this.#waiter?.();
  }
  async read(buffer: Uint8Array): Promise<number | null> {
    while (this.#chunks.length === 0) {
      if (this.#isEnded) return null;
      await new Promise<void>((r) => this.#waiter = r);
    }
    const first = this.#chunks[0]!;
    const count = Math.min(first.length, buffer.length);
    buffer.set(first.subarray(0, count));
    if (count === first.length) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(count);
    return count;
  }
  async write(bytes: Uint8Array): Promise<number> {
    if (this.#isEnded) throw new Deno.errors.BrokenPipe("closed");
    await this.link.send(this.id, 1, bytes);
    return bytes.length;
  }
  close(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#waiter?.();
    this.link.forget(this.id);
    this.link.send(this.id, 2, new Uint8Array(0)).catch(() => {});
  }
  ref(): void {}
  unref(): void {}
}

export class Link {
  onChannel: (to: string, channel: Channel) => void = () => {};
  readonly #channels = new Map<number, Channel>();
  readonly #closed = Promise.withResolvers<LinkEnd>();
  #nextId: number;
  #isClosed = false;
  #writing: Promise<unknown> = Promise.resolve();
  constructor(
    readonly conn: Deno.Conn,
    readonly remote: LinkIdentity,
    readonly isDialled: boolean,
  ) {
    this.#nextId = isDialled ? 1 : 2;
    queueMicrotask(() => this.#run());
  }
  get closed() {
    return this.#closed.promise;
  }
  get isClosed() {
    return this.#isClosed;
  }
  open(to: string): Channel {
    const id = this.#nextId;
    this.#nextId += 2;
    const channel = new Channel(id, this);
    this.#channels.set(id, channel);
    this.send(id, 0, new TextEncoder().encode(to)).catch(() => {});
    return channel;
  }
  forget(id: number): void {
    this.#channels.delete(id);
  }
  send(id: number, kind: number, body: Uint8Array): Promise<void> {
    const frame = new Uint8Array(9 + body.length);
    const view = new DataView(frame.buffer);
    view.setUint32(0, body.length, true);
    view.setUint32(4, id, true);
    frame[8] = kind;
    frame.set(body, 9);
    const done = this.#writing.then(() => writeAll(this.conn, frame));
    this.#writing = done.catch(() => {});
    return done;
  }
  async close(_reason: string): Promise<void> {
    await this.#writing;
    this.abort(_reason);
  }
  abort(reason: string): void {
    this.#end({ reason, kind: "goodbye" });
  }
  #end(end: LinkEnd): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.conn.close();
    for (const channel of this.#channels.values()) channel.pushed(undefined);
    this.#channels.clear();
    this.#closed.resolve(end);
  }
  async #run(): Promise<void> {
    try {
      const header = new Uint8Array(9);
      for (;;) {
        if (!await readAll(this.conn, header)) break;
        const view = new DataView(header.buffer);
        const body = new Uint8Array(view.getUint32(0, true));
        const id = view.getUint32(4, true);
        if (!await readAll(this.conn, body)) break;
        if (header[8] === 0) {
          const channel = new Channel(id, this);
          this.#channels.set(id, channel);
          this.onChannel(new TextDecoder().decode(body), channel);
        } else if (header[8] === 1) this.#channels.get(id)?.pushed(body);
        else {
          this.#channels.get(id)?.pushed(undefined);
          this.#channels.delete(id);
        }
      }
    } catch {
      // provisional
    }
    this.#end({ reason: "the connection ended", kind: "lost" });
  }
}
async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await conn.write(bytes.subarray(at));
  }
}
async function readAll(conn: Deno.Conn, bytes: Uint8Array): Promise<boolean> {
  for (let at = 0; at < bytes.length;) {
    const n = await conn.read(bytes.subarray(at));
    if (n === null) return false;
    at += n;
  }
  return true;
}
async function greet(
  conn: Deno.Conn,
  self: LinkIdentity,
): Promise<LinkIdentity> {
  const own = new TextEncoder().encode(JSON.stringify(self));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, own.length, true);
  await writeAll(conn, length);
  await writeAll(conn, own);
  await readAll(conn, length);
  const other = new Uint8Array(new DataView(length.buffer).getUint32(0, true));
  await readAll(conn, other);
  return JSON.parse(new TextDecoder().decode(other));
}
export async function dialLink(
  { address, self }: {
    address: string;
    tls?: TlsClient;
    token?: string;
    self: LinkIdentity;
  },
): Promise<Link> {
  const [hostname, port] = address.split(":");
  const conn = await Deno.connect({ hostname: hostname!, port: Number(port) });
  conn.setNoDelay(true);
  conn.unref();
  return new Link(conn, await greet(conn, self), true);
}
export class LinkListener {
  readonly address: string;
  readonly #listener: Deno.Listener;
  constructor(
    options: {
      hostname: string;
      port: number;
      tls?: TlsServer;
      token?: string;
      self: () => LinkIdentity;
      onLink(link: Link): void;
    },
  ) {
    this.#listener = Deno.listen({
      hostname: options.hostname,
      port: options.port,
    });
    const { hostname, port } = this.#listener.addr as Deno.NetAddr;
    this.address = `${hostname}:${port}`;
    const listener = this.#listener;
    (async () => {
      for await (const conn of listener) {
        (conn as Deno.TcpConn).setNoDelay(true);
        greet(conn, options.self()).then((remote) =>
          options.onLink(new Link(conn, remote, false))
        );
      }
    })();
  }
  close(): Promise<void> {
    this.#listener.close();
    return Promise.resolve();
  }
}
