/**
 * Connections with rings: real sockets and two ends of one process, which
 * share the rings' memory.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { ProtocolError } from "../../src/base/errors.ts";
import { limits } from "../../src/base/limits.ts";
import { FrameAssembler, FrameKind } from "../../src/wire/frame.ts";
import {
  type RingMemories,
  RingTransport,
} from "../../src/wire/ring_transport.ts";
import type { SocketConn } from "../../src/wire/socket.ts";
import { until } from "../support/notes.ts";
import { seeded } from "../support/random.ts";

/** One end: keeps what it hears. */
class End {
  readonly transport: RingTransport;
  readonly frames: Uint8Array[] = [];
  readonly over: Promise<void>;

  constructor(conn: SocketConn, memories: RingMemories) {
    this.transport = new RingTransport(conn, memories);
    this.over = this.transport.receive(() => {
      const assembler = new FrameAssembler();
      return (chunk) =>
        assembler.push(chunk, (kind, body) => {
          if (kind === FrameKind.transport) this.transport.heard(body);
          else this.frames.push(body.slice());
        });
    });
    this.transport.near();
  }

  send(body: Uint8Array): void {
    const { out } = this.transport;
    out.u32(body.length + 1);
    out.u8(FrameKind.task);
    for (const byte of body) out.u8(byte);
    this.transport.schedule();
  }
}

/** A pair of connected ends, and how many rings they opened. */
class Pair implements AsyncDisposable {
  readonly ends: [End, End];
  readonly buffers = new Map<string, SharedArrayBuffer>();
  openedCount = 0;
  closedCount = 0;

  private constructor(conns: [SocketConn, SocketConn], canOpen: boolean) {
    const { buffers } = this;
    const memories: RingMemories = {
      create: (byteLength) => {
        const path = `ring ${buffers.size}`;
        const buffer = new SharedArrayBuffer(byteLength);
        buffers.set(path, buffer);
        let isClosed = false;
        const close = () => {
          if (!isClosed) this.closedCount++;
          isClosed = true;
        };
        return { path, buffer, close };
      },
      open: (path) => {
        if (!canOpen) throw new Error("no shared memory here");
        this.openedCount++;
        return buffers.get(path)!;
      },
    };
    const [one, other] = conns;
    this.ends = [new End(one, memories), new End(other, memories)];
  }

  static async connect(canOpen = true): Promise<Pair> {
    const folder = await Deno.makeTempDir();
    const path = `${folder}/s`;
    using listener = Deno.listen({ transport: "unix", path });
    const [one, other] = await Promise.all([
      Deno.connect({ transport: "unix", path }),
      listener.accept(),
    ]);
    await Deno.remove(folder, { recursive: true });
    return new Pair([one, other] as [SocketConn, SocketConn], canOpen);
  }

  /** Sends small frames until both ends use their rings. */
  async warm(): Promise<void> {
    const [one, other] = this.ends;
    while (this.openedCount < 2) {
      one.send(new Uint8Array(1));
      other.send(new Uint8Array(1));
      await new Promise((resolve) => setTimeout(resolve));
    }
    // What was said over the socket has come.
    const sent = [one.frames.length, other.frames.length];
    one.send(new Uint8Array(2));
    other.send(new Uint8Array(2));
    await until(
      () => [one, other].every((end, at) => end.frames.length > sent[at]!),
      "frames after the switch",
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.ends) end.transport.close();
    await Promise.allSettled(this.ends.map((end) => end.over));
  }
}

Deno.test("Frames of any size keep their order over socket and rings, both ways at once", async () => {
  await using pair = await Pair.connect();
  const random = seeded(7);
  const [one, other] = pair.ends;
  const sent: [Uint8Array[], Uint8Array[]] = [[], []];
  for (let turn = 0; turn < 300; turn++) {
    for (const [at, end] of pair.ends.entries()) {
      for (let count = Math.floor(random() * 4); count > 0; count--) {
        // Some are larger than a ring.
        const isLarge = random() < 0.03;
        const length = Math.floor(
          random() * (isLarge ? 3 * limits.ringBytes : 200),
        );
        const body = new Uint8Array(length).fill(turn & 255);
        end.send(body);
        sent[at]!.push(body);
      }
    }
    if (random() < 0.5) {
      await new Promise((resolve) => setTimeout(resolve, random() * 2));
    }
  }
  await until(
    () =>
      one.frames.length === sent[1].length &&
      other.frames.length === sent[0].length,
    "all frames",
  );
  assertEquals(pair.openedCount, 2);
  assertEquals(pair.closedCount, 2);
  for (const [at, frames] of [other.frames, one.frames].entries()) {
    frames.forEach((frame, index) => {
      const body = sent[at]![index]!;
      assert(
        frame.length === body.length && frame.every((it) => it === body[0]),
        `frame ${index} of ${at}`,
      );
    });
  }
});

Deno.test("A ring that is never empty keeps no more than what is on its way", async () => {
  await using pair = await Pair.connect();
  await pair.warm();
  const [one, other] = pair.ends;
  const body = new Uint8Array(10_000);
  const onTheWayMax = 50;
  const first = other.frames.length;
  let sentCount = 0;
  let keptBytesMax = 0;
  const endMs = performance.now() + 30_000;
  const isRoom = () => first + sentCount - other.frames.length < onTheWayMax;
  while (sentCount < 3000) {
    while (isRoom()) {
      one.send(body);
      sentCount++;
    }
    keptBytesMax = Math.max(keptBytesMax, one.transport.out.length);
    // Not `until`: the ring would be empty meanwhile.
    await new Promise((resolve) => setImmediate(resolve));
    assert(performance.now() < endMs, `${other.frames.length} frames came`);
  }
  assert(
    keptBytesMax <= onTheWayMax * (body.length + 5),
    `${keptBytesMax} bytes are kept of ${sentCount} frames`,
  );
});

Deno.test("What one long turn says is in the ring before it ends", async () => {
  await using pair = await Pair.connect();
  await pair.warm();
  const [one, other] = pair.ends;
  const before = other.frames.length;
  const body = new Uint8Array(100);
  const count = 5 * Math.ceil(limits.ringPourBytes / body.length);
  let keptBytesMax = 0;
  for (let at = 0; at < count; at++) {
    one.send(body);
    keptBytesMax = Math.max(keptBytesMax, one.transport.out.length);
  }
  assert(
    keptBytesMax < limits.ringPourBytes + 2 * body.length,
    `${keptBytesMax} bytes waited for the turn to end`,
  );
  await until(() => other.frames.length === before + count, "all frames");
});

Deno.test("What was flushed into a ring arrives though its writer ends at once", async () => {
  await using pair = await Pair.connect();
  await pair.warm();
  const [one, other] = pair.ends;
  const before = other.frames.length;
  for (let at = 0; at < 100; at++) one.send(new Uint8Array(1000).fill(at));
  await one.transport.flush();
  one.transport.close();
  await other.over;
  assertEquals(other.frames.length, before + 100);
  assertEquals(other.frames.at(-1)![0], 99);
});

Deno.test("An end without shared memory leaves both ways to the socket", async () => {
  await using pair = await Pair.connect(false);
  const [one, other] = pair.ends;
  for (let turn = 0; turn < 3 * limits.ringTurns; turn++) {
    one.send(new Uint8Array(10));
    other.send(new Uint8Array(10));
    await one.transport.flush();
    await other.transport.flush();
  }
  await until(
    () =>
      pair.ends.every(({ frames }) => frames.length === 3 * limits.ringTurns),
    "all frames",
  );
  assertEquals(pair.openedCount, 0);
});

Deno.test("A ring whose words are nonsense ends its connection with an error", async () => {
  await using pair = await Pair.connect();
  await pair.warm();
  const [one] = pair.ends;
  const ended = one.over.then(() => undefined, (error: unknown) => error);
  // Where its reader is.
  for (const buffer of pair.buffers.values()) new Int32Array(buffer)[1] = -5;
  one.send(new Uint8Array(1));
  assert(await ended instanceof ProtocolError);
});
