import { assert, assertEquals, assertRejects } from "@std/assert";
import { ProtocolError } from "../../src/base/errors.ts";
import type { ProcessId } from "../../src/base/ids.ts";
import { FrameKind } from "../../src/wire/frame.ts";
import { Network } from "../../src/wire/network.ts";
import { socketPath } from "../../src/wire/unix_sockets.ts";
import { PeerEndedError, type PeerHandlers } from "../../src/wire/peer.ts";
import type { Role } from "../../src/wire/facts.ts";

const id = (name: string) => `00000001${name}` as ProcessId;

/** Networks in one folder, all closed at the end. */
async function together(
  body: (
    join: (name: string, handlers?: Partial<PeerHandlers>) => Network,
    folder: string,
  ) => Promise<void>,
): Promise<void> {
  const folder = Deno.makeTempDirSync();
  const networks: Network[] = [];
  // Connections keep no program alive; here that is the test's own part.
  const hold = setInterval(() => {}, 2 ** 30);
  try {
    await body((name, handlers = {}) => {
      const self = { processId: id(name), pid: 1, role: "worker" as Role };
      const network = new Network(folder, self, {
        requests: {},
        notices: {},
        ...handlers,
      });
      network.listen();
      networks.push(network);
      return network;
    }, folder);
  } finally {
    await Promise.all(networks.map((network) => network.close()));
    clearInterval(hold);
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("Peer asks and is answered, each question its own", () =>
  together(async (join) => {
    join("b", {
      requests: {
        "code.get": ({ hash }) => {
          if (hash === "bad") throw new TypeError("no such code");
          return {};
        },
      },
    });
    const peer = await join("a").peer(id("b"));
    assertEquals(peer.remote?.processId, id("b"));
    const good = peer.request("code.get", { hash: "good" as never });
    const bad = peer.request("code.get", { hash: "bad" as never });
    assertEquals(await good, {});
    await assertRejects(() => bad, ProtocolError, "TypeError: no such code");
  }));

Deno.test("Peer says so when nobody handles a request", () =>
  together(async (join) => {
    join("b");
    const peer = await join("a").peer(id("b"));
    await assertRejects(
      () => peer.request("node.rows", {}),
      ProtocolError,
      'Cannot answer "node.rows"',
    );
  }));

Deno.test("Peer keeps the order of notices and frames", () =>
  together(async (join) => {
    const heard: string[] = [];
    const done = Promise.withResolvers<void>();
    join("b", {
      notices: {
        "lease.return": ({ leaseId }) => heard.push(leaseId),
      },
      frame: (_kind, body) => {
        heard.push(`frame ${body[0]}`);
        if (body[0] === 9) done.resolve();
      },
    });
    const peer = await join("a").peer(id("b"));
    const expected: string[] = [];
    for (let count = 0; count < 10; count++) {
      peer.notify("lease.return", { leaseId: `lease ${count}` as never });
      peer.begin(FrameKind.task).u8(count);
      peer.end();
      expected.push(`lease ${count}`, `frame ${count}`);
    }
    await done.promise;
    assertEquals(heard, expected);
  }));

Deno.test("Peer rejects what is open when the other side ends, and tells its user after the last frame", () =>
  together(async (join) => {
    const never = Promise.withResolvers<never>();
    const order: string[] = [];
    const other = join("b", {
      requests: { "node.rows": () => never.promise },
    });
    const own = join("a", {
      frame: () => order.push("frame"),
      ended: () => order.push("ended"),
    });
    const peer = await own.peer(id("b"));
    const back = await other.peer(id("a"));
    const asked = peer.request("node.rows", {});
    back.begin(FrameKind.reply).u8(1);
    back.end();
    await back.flush();
    await other.close();
    await assertRejects(() => asked, PeerEndedError, "it ended");
    await peer.closed;
    assertEquals(order[0], "frame");
    assert(peer.isEnded);
    await assertRejects(() => peer.request("node.rows", {}), PeerEndedError);
    peer.notify("lease.return", { leaseId: "late" as never });
  }));

Deno.test("Network dials a process once, also when two ask at the same time", () =>
  together(async (join) => {
    join("b");
    const network = join("a");
    const [one, two] = await Promise.all([
      network.peer(id("b")),
      network.peer(id("b")),
    ]);
    assertEquals(one, two);
  }));

Deno.test("Network rejects for a process that is not there, and finds it once it is", () =>
  together(async (join) => {
    const network = join("a");
    await assertRejects(() => network.peer(id("b")));
    join("b");
    assertEquals((await network.peer(id("b"))).remote?.processId, id("b"));
  }));

Deno.test("Network closes only the connection that speaks another version, and goes on", () =>
  together(async (join, folder) => {
    const network = join("b");
    const stranger = await Deno.connect({
      transport: "unix",
      path: socketPath(folder, id("b")),
    });
    const hello = new Uint8Array([3, 0, 0, 0, FrameKind.hello, 99, 0]);
    await stranger.write(hello);
    const buffer = new Uint8Array(1024);
    while (await stranger.read(buffer) !== null);
    stranger.close();
    const peer = await join("a").peer(network.self.processId);
    assertEquals(peer.remote?.role, "worker");
  }));

Deno.test("Network gives a peer at once over a connection that is still being made", () =>
  together(async (join, folder) => {
    const made = Promise.withResolvers<void>();
    const network = join("a");
    const peer = network.peerOver(
      id("b"),
      made.promise.then(() =>
        Deno.connect({ transport: "unix", path: socketPath(folder, id("b")) })
      ),
    );
    const asked = peer.request("node.rows", {});
    join("b", { requests: { "node.rows": () => ({ nodes: [] }) } });
    made.resolve();
    assertEquals(await asked, { nodes: [] });
  }));
