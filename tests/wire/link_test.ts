import { assert, assertEquals, assertRejects } from "@std/assert";
import type { NodeId } from "../../src/base/ids.ts";
import {
  AuthenticationError,
  MantaError,
  ProtocolError,
} from "../../src/base/errors.ts";
import { limits } from "../../src/base/limits.ts";
import type { Channel, Link, LinkIdentity } from "../../src/wire/link.ts";
import { dialLink, type DialOptions } from "../../src/wire/link_dial.ts";
import {
  LinkListener,
  type ListenOptions,
} from "../../src/wire/link_listener.ts";
import { fill, writeAll } from "../../src/wire/streams.ts";
import { until } from "../support/notes.ts";
import { Proxy } from "../support/proxy.ts";
import { seeded } from "../support/random.ts";

const token = "a token of more than sixteen characters";
const timing = { heartbeatMs: 50, deadMs: 2000 };

function identity(tag: string): LinkIdentity {
  return {
    clusterId: "cluster",
    nodeId: `node-${tag}` as NodeId,
    tag,
    role: "node",
    pid: 1,
    address: "",
  };
}

function listen(options: Partial<ListenOptions> = {}) {
  const links: Link[] = [];
  const arrived = Promise.withResolvers<Link>();
  const listener = new LinkListener({
    hostname: "127.0.0.1",
    port: 0,
    token,
    timing,
    clusterId: () => "0123456789abcdef",
    self: () => identity("bbbbbbbb"),
    onLink: (link) => {
      link.onChannel = (to, channel) => serve(to, channel);
      links.push(link);
      arrived.resolve(link);
    },
    ...options,
  });
  return {
    listener,
    links,
    arrived: arrived.promise,
    async [Symbol.asyncDispose]() {
      for (const link of links) link.abort("the test is over");
      await Promise.all(links.map((link) => link.closed));
      await listener.close();
    },
  };
}

/** "echo" sends back what comes; anything else is closed. */
async function serve(to: string, channel: Channel): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  try {
    while (to === "echo") {
      const count = await channel.read(buffer);
      if (count === null) break;
      await writeAll(channel, buffer.slice(0, count));
    }
  } catch (error) {
    // Whoever opened it has left.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
  channel.close();
}

function dial(address: string, options: Partial<DialOptions> = {}) {
  return dialLink({
    address,
    token,
    timing,
    self: identity("aaaaaaaa"),
    ...options,
  });
}

async function readAll(channel: Channel, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const count = await fill(bytes, channel);
  if (count < length) {
    throw new Error(`ended after ${count} of ${length} bytes`);
  }
  return bytes;
}

async function echoes(link: Link, bytes: Uint8Array): Promise<void> {
  const channel = link.open("echo");
  const [back] = await Promise.all([
    readAll(channel, bytes.length),
    writeAll(channel, bytes),
  ]);
  assertEquals(back.length, bytes.length);
  assert(back.every((byte, at) => byte === bytes[at]), "Other bytes came back");
  channel.close();
}

function randomBytes(length: number, random: () => number): Uint8Array {
  return Uint8Array.from({ length }, () => Math.floor(random() * 256));
}

Deno.test("A link carries streams both ways, and says who is there", async () => {
  await using side = listen();
  const link = await dial(side.listener.address);
  assertEquals(link.remote.tag, "bbbbbbbb");
  assertEquals((await side.arrived).remote.tag, "aaaaaaaa");
  const random = seeded(1);
  await Promise.all(
    [1, 100, 100_000, 3_000_000].map((n) =>
      echoes(link, randomBytes(n, random))
    ),
  );
  await link.close("done");
  assertEquals((await side.links[0]!.closed).kind, "goodbye");
});

Deno.test("A link closes a stream to nowhere, and goes on", async () => {
  await using side = listen();
  const link = await dial(side.listener.address);
  const nowhere = link.open("nowhere");
  assertEquals(await nowhere.read(new Uint8Array(1)), null);
  await echoes(link, new Uint8Array([1, 2, 3]));
  await link.close("done");
});

Deno.test("A stream that nobody reads holds up no other, and takes no more than its share", async () => {
  await using side = listen();
  const link = await dial(side.listener.address);
  const stuck = link.open("echo");
  let written = 0;
  const writing = (async () => {
    for (;;) written += await stuck.write(new Uint8Array(100_000));
  })().catch(() => {});
  await echoes(link, new Uint8Array(1_000_000));
  await echoes(link, new Uint8Array(1_000_000));
  assert(written < 40_000_000, `${written} bytes were taken`);
  link.abort("done");
  await writing;
  await link.closed;
});

Deno.test("A wrong, a missing and a superfluous token are refused, with what to do", async () => {
  await using side = listen();
  const { address } = side.listener;
  const wrong = await assertRejects(
    () => dial(address, { token: "another token that is long enough" }),
    AuthenticationError,
  );
  assert(wrong.message.includes(address) && wrong.message.includes("wrong"));
  const { token: _, ...without } = { token, address, timing };
  const missing = await assertRejects(
    () => dialLink({ ...without, self: identity("aaaaaaaa") }),
    AuthenticationError,
  );
  assert(missing.message.includes("MANTA_TOKEN"));
  assertEquals(side.links.length, 0);
  await echoesOnce(address);
});

async function echoesOnce(address: string): Promise<void> {
  const link = await dial(address);
  await echoes(link, new Uint8Array([7]));
  await link.close("done");
}

Deno.test("Garbage, half a greeting, HTTP, TLS and a huge length each end one connection", async () => {
  await using side = listen();
  const { address } = side.listener;
  const [hostname, port] = address.split(":") as [string, string];
  const openings: (string | Uint8Array)[] = [
    new Uint8Array(4000).fill(255),
    "MANTA\n",
    "GET / HTTP/1.1\r\nHost: x\r\n\r\n" + " ".repeat(100),
    new Uint8Array([0x16, 3, 1, 2, 0, ...new Uint8Array(100)]),
    new Uint8Array(0),
  ];
  for (const opening of openings) {
    using conn = await Deno.connect({ hostname, port: Number(port) });
    const bytes = typeof opening === "string"
      ? new TextEncoder().encode(opening)
      : opening;
    await conn.write(bytes);
    await conn.closeWrite();
    const buffer = new Uint8Array(1000);
    while (await conn.read(buffer).catch(() => null) !== null);
  }
  await echoesOnce(address);
});

Deno.test("An echo of the listener's words is no proof", async () => {
  await using side = listen();
  const [hostname, port] = side.listener.address.split(":") as [string, string];
  using conn = await Deno.connect({ hostname, port: Number(port) });
  const own = new Uint8Array(40);
  own.set(new TextEncoder().encode("MANTA\n"));
  own[6] = 1;
  await conn.write(own);
  const answer = new Uint8Array(56);
  await conn.read(answer);
  await conn.write(answer.subarray(8, 40));
  const verdict = new Uint8Array(33);
  await conn.read(verdict);
  assertEquals(verdict[0], 0);
  assertEquals(side.links.length, 0);
});

Deno.test("A stream that is opened before anybody hears of it is served once somebody does", async () => {
  await using side = listen({
    onLink: (link) => {
      side.links.push(link);
      const channel = link.open("echo");
      echoed.resolve(
        writeAll(channel, new Uint8Array([1, 2, 3]))
          .then(() => readAll(channel, 3)),
      );
    },
  });
  const echoed = Promise.withResolvers<Uint8Array>();
  const link = await dial(side.listener.address);
  // Its first streams have come by now; they are heard of late.
  await until(() => link.receivedSeq > 0, "a stream");
  link.onChannel = (to, channel) => void serve(to, channel);
  assertEquals(await echoed.promise, new Uint8Array([1, 2, 3]));
  await link.close("the test is over");
});

Deno.test("Five hundred connections that say nothing keep nobody out", async () => {
  await using side = listen();
  const [hostname, port] = side.listener.address.split(":") as [string, string];
  const silent = await Promise.all(
    Array.from(
      { length: 500 },
      () => Deno.connect({ hostname, port: Number(port) }),
    ),
  );
  await echoesOnce(side.listener.address);
  for (const conn of silent) conn.close();
});

Deno.test("A port that another has is named", () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  let error: unknown;
  try {
    listen({ port });
  } catch (caught) {
    error = caught;
  }
  assert(error instanceof MantaError);
  assert(error.message.includes(`${port}`) && error.message.includes("--port"));
});

Deno.test("A side that speaks another version is told both versions", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const answering = (async () => {
    using conn = await listener.accept();
    await conn.read(new Uint8Array(100));
    const other = new Uint8Array(56);
    other.set(new TextEncoder().encode("MANTA\n"));
    other[6] = 99;
    await conn.write(other);
    await conn.read(new Uint8Array(1)).catch(() => {});
  })();
  const error = await assertRejects(
    () => dial(`127.0.0.1:${port}`),
    ProtocolError,
  );
  assert(
    error.message.includes("99") &&
      error.message.includes(`${limits.protocolVersion}`),
  );
  await answering;
  listener.close();
});

Deno.test("A link survives that its connections are cut, held and corrupted", async () => {
  await using side = listen();
  await using proxy = new Proxy(side.listener.address, 7);
  const link = await dial(proxy.address);
  proxy.weather = {
    cut: 0.004,
    corrupt: 0.004,
    hold: 0.002,
    delay: 0.02,
    delayMsMax: 5,
  };
  const random = seeded(3);
  await Promise.all(
    Array.from(
      { length: 8 },
      () => echoes(link, randomBytes(2_000_000, random)),
    ),
  );
  const { cut = 0, corrupt = 0, hold = 0 } = proxy.counts;
  assert(cut > 0 && corrupt > 0 && hold > 0, JSON.stringify(proxy.counts));
  proxy.weather = { cut: 0, corrupt: 0, hold: 0, delay: 0, delayMsMax: 0 };
  link.abort("done");
  await link.closed;
});

Deno.test("A link that nothing is heard of is lost on both sides, and stays so", async () => {
  await using side = listen({ timing: { heartbeatMs: 30, deadMs: 200 } });
  await using proxy = new Proxy(side.listener.address, 1);
  const link = await dial(proxy.address, {
    timing: { heartbeatMs: 30, deadMs: 5000 },
  });
  await side.arrived;
  const waiting = link.open("echo").read(new Uint8Array(1));
  proxy.sever(true);
  assertEquals((await side.links[0]!.closed).kind, "lost");
  proxy.mend();
  assertEquals((await link.closed).kind, "refused");
  assertEquals(await waiting, null);
});

Deno.test("An idle link stays, by its pulse alone", async () => {
  await using side = listen({ timing: { heartbeatMs: 20, deadMs: 150 } });
  const link = await dial(side.listener.address, {
    timing: { heartbeatMs: 20, deadMs: 150 },
  });
  await new Promise((resolve) => setTimeout(resolve, 600));
  assertEquals([link.isClosed, side.links[0]!.isClosed], [false, false]);
  assert(link.silentMs < 150);
  await link.close("done");
});
