import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  AuthenticationError,
  get,
  getActor,
  init,
  kill,
  put,
  remote,
  runtimeContext,
  shutdown,
  wait,
} from "../../mod.ts";
import { Program } from "../support/program.ts";
import { TestCluster } from "../support/cluster.ts";
import { note, Notes, until } from "../support/notes.ts";
import { deadline } from "@std/async";

async function joined(cluster: TestCluster) {
  const { address, token } = cluster;
  return await init({ address, token });
}

const whereAmI = remote(() => runtimeContext().nodeId);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const slowly = remote(async (ms: number) => {
  await new Promise((resolve) => setTimeout(resolve, ms));
  return runtimeContext().nodeId;
});
/** Ends once `count` of its kind are under way. */
const meets = remote(async (path: string, count: number) => {
  note(path, "here");
  await until(
    () => Deno.readTextFileSync(path).split("\n").length > count,
    "the others",
  );
  return runtimeContext().nodeId;
});
const sum = remote((array: Float64Array) => array.reduce((a, b) => a + b, 0));
const filled = remote((length: number, value: number) =>
  new Float64Array(length).fill(value)
);

class Counter {
  #count = 0;
  add(by: number) {
    return this.#count += by;
  }
  where() {
    return runtimeContext().nodeId;
  }
}

Deno.test("A program runs on all nodes of a cluster", async (t) => {
  await using cluster = await TestCluster.start(1);
  await using runtime = await joined(cluster);
  assertEquals(runtime.address, cluster.address);
  const ids = new Set([
    cluster.head.ready.nodeId,
    cluster.nodes[0]!.ready.nodeId,
  ]);

  await t.step("its nodes and their resources add up", async () => {
    const nodes = await runtime.nodes();
    assertEquals(new Set(nodes.map(({ nodeId }) => nodeId)), ids);
    assertEquals((await runtime.clusterResources())["CPU"], 4);
  });
  await t.step(
    "as many tasks run at once as both nodes have CPUs",
    async () => {
      using notes = new Notes();
      const places = await get(
        Array.from({ length: 4 }, () => meets.remote(notes.path, 4)),
      );
      assertEquals(new Set(places), ids);
    },
  );
  await t.step(
    "large arrays go to the task that takes them, and come back",
    async () => {
      const array = put(new Float64Array(300_000).fill(2));
      assertEquals(
        await get(Array.from({ length: 8 }, () => sum.remote(array))),
        new Array(8).fill(600_000),
      );
      const made = Array.from(
        { length: 8 },
        (_, at) => filled.remote(100_000, at),
      );
      assertEquals(
        await get(made.map((ref) => sum.remote(ref))),
        made.map((_, at) => at * 100_000),
      );
      assertEquals((await get(made[3]!))[99_999], 3);
    },
  );
  await t.step(
    "actors live on nodes, and keep their callers' order",
    async () => {
      const actors = Array.from({ length: 4 }, () => remote(Counter).remote());
      for (const actor of actors) {
        const calls = Array.from({ length: 50 }, () => actor.add.remote(1));
        assertEquals(await get(calls), calls.map((_, at) => at + 1));
        assert(ids.has(await get(actor.where.remote())));
      }
    },
  );
  await t.step("a handle works in a task of another node", async () => {
    const actor = remote(Counter).remote();
    const use = remote(async (counter: typeof actor) =>
      await get(counter.add.remote(1))
    );
    const counts = await get(
      Array.from({ length: 8 }, () => use.remote(actor)),
    );
    assertEquals(counts.toSorted((a, b) => a - b), [1, 2, 3, 4, 5, 6, 7, 8]);
  });
  await t.step("tasks of tasks spread too, and generators stream", async () => {
    const outer = remote(async () =>
      await get(Array.from({ length: 6 }, () => slowly.remote(50)))
    );
    const places = (await get([outer.remote(), outer.remote()])).flat();
    assert(places.every((id) => ids.has(id)));
    const numbers = remote(function* (n: number) {
      for (let at = 0; at < n; at++) yield at;
    });
    const seen: number[] = [];
    for await (const ref of numbers.remote(20)) seen.push(await get(ref));
    assertEquals(seen, Array.from({ length: 20 }, (_, at) => at));
  });
  await t.step(
    "errors come with their cause, from whichever node",
    async () => {
      const failing = remote((at: number) => {
        throw new RangeError(`no ${at}`);
      });
      for (const ref of [1, 2, 3, 4].map((at) => failing.remote(at))) {
        const error = await assertRejects(() => get(ref)) as Error;
        assert(error.cause instanceof RangeError);
      }
    },
  );
  await t.step(
    "what wait calls ready is on this machine, but with fetchLocal: false",
    async () => {
      const { nodeId } = cluster.nodes[0]!.ready;
      const made = filled.options({ schedulingStrategy: { nodeId } });
      const [near, far] = [made.remote(100_000, 1), made.remote(100_000, 2)];
      const both = [near, far];
      assertEquals(
        await wait(both, { numReturns: 2, fetchLocal: false }),
        [both, []],
      );
      assertEquals(await wait([near]), [[near], []]);
      const { stdout } = await cluster.run("list", "objects", "--json");
      const rows = JSON.parse(stdout) as Record<string, unknown>[];
      const copiesOf = ({ id }: { id: string }) =>
        rows.find(({ objectId }) => objectId === id)!["copiedTo"];
      const here = runtimeContext().nodeId;
      assertEquals(both.map(copiesOf), [[here], []]);
    },
  );
  await t.step("what a worker prints is the driver's", async () => {
    assert(ids.has(await get(whereAmI.remote())));
  });
});

Deno.test("schedulingStrategy places tasks by node, by label, and spread", async (t) => {
  await using cluster = await TestCluster.start(0);
  const other = await cluster.join({
    args: [
      "--num-cpus",
      "2",
      "--labels",
      "disk=ssd",
      "--resources",
      '{"red":1}',
    ],
  });
  await using runtime = await joined(cluster);
  const here = cluster.head.ready.nodeId;
  const there = other.ready.nodeId;

  await t.step("a node by its id, hard and soft", async () => {
    for (const nodeId of [here, there]) {
      const there = slowly.options({ schedulingStrategy: { nodeId } });
      const places = await get(
        Array.from({ length: 4 }, () => there.remote(2)),
      );
      assertEquals(new Set(places), new Set([nodeId]));
    }
    // Where they ran, as they are listed and drawn.
    const { traceEvents } = await runtime.timeline();
    const nodes = traceEvents.filter(({ name }) => name === "process_name");
    const names = nodes.map(({ args }) => args["name"]);
    assertEquals(new Set(names), new Set([`node ${here}`, `node ${there}`]));
    const soft = { nodeId: "gone", soft: true };
    assert(await get(whereAmI.options({ schedulingStrategy: soft }).remote()));
  });
  await t.step("labels, for tasks and actors", async () => {
    const schedulingStrategy = { labels: { disk: "ssd" } };
    const labelled = whereAmI.options({ schedulingStrategy });
    assertEquals(await get(labelled.remote()), there);
    const actor = remote(Counter, { schedulingStrategy }).remote();
    assertEquals(await get(actor.where.remote()), there);
  });
  await t.step(
    "what no node can do waits, and runs once one joins",
    async () => {
      const blue = whereAmI.options({ resources: { blue: 1 } }).remote();
      const actor = remote(Counter, { resources: { blue: 1 } }).remote();
      const answer = actor.where.remote();
      const [ready] = await wait([blue, answer], { timeout: 300 });
      assertEquals(ready.length, 0);
      const { stdout } = await cluster.run("cluster", "status");
      assert(stdout.includes("blue"), stdout);
      const late = await cluster.join({
        args: ["--num-cpus", "1", "--resources", '{"blue":2}'],
      });
      assertEquals(await get([blue, answer]), [
        late.ready.nodeId,
        late.ready.nodeId,
      ]);
    },
  );
  await t.step("custom resources are where they are", async () => {
    const red = whereAmI.options({ resources: { red: 1 } });
    assertEquals(await get([red.remote(), red.remote()]), [there, there]);
  });
});

Deno.test("A wrong token, and an address that is no cluster, are told at init", async () => {
  await using cluster = await TestCluster.start(0);
  const { address } = cluster;
  const error = await assertRejects(
    () => init({ address, token: "a wrong token, of some length" }),
    AuthenticationError,
  );
  assert(error.message.includes(address));
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const answering = listener.accept().then((conn) => conn.close());
  const wrong = await assertRejects(() =>
    init({ address: `127.0.0.1:${port}`, token: "x".repeat(20) })
  ) as Error;
  assert(wrong.message.includes(`127.0.0.1:${port}`));
  await answering;
  await using _runtime = await joined(cluster);
  assert(await get(whereAmI.remote()));
});

Deno.test("A node that is killed: its tasks run elsewhere, its objects are made again, its actors start again", async () => {
  await using cluster = await TestCluster.start(2);
  await using runtime = await joined(cluster);
  const victim = cluster.nodes[0]!;
  const { nodeId } = victim.ready;
  const Restarting = remote(Counter, { maxRestarts: 3, maxTaskRetries: -1 });
  const actors = Array.from({ length: 6 }, () => Restarting.remote());
  await get(actors.map((actor) => actor.add.remote(1)));
  const kept = Array.from({ length: 8 }, (_, at) => filled.remote(50_000, at));
  await wait(kept, { numReturns: kept.length, fetchLocal: false });
  const running = Array.from({ length: 6 }, () => slowly.remote(1500));
  await pause(300);
  await victim.kill();
  const start = performance.now();
  const places = await deadline(get(running), 20_000);
  assert(!places.includes(nodeId));
  assertEquals(
    await get(kept.map((ref) => sum.remote(ref))),
    kept.map((_, at) => at * 50_000),
  );
  const homes = await get(actors.map((actor) => actor.where.remote()));
  assert(!homes.includes(nodeId));
  assert(performance.now() - start < 15_000);
  const row = (await runtime.nodes()).find((node) => node.nodeId === nodeId);
  assertEquals(row?.alive, false);
  assertEquals((await runtime.clusterResources())["CPU"], 4);
});

Deno.test("cluster status, drain and stop", async (t) => {
  await using cluster = await TestCluster.start(1);
  const [node] = cluster.nodes;
  await t.step("status lists nodes, for people and programs", async () => {
    const { stdout } = await cluster.run("cluster", "status");
    assert(stdout.includes(node!.ready.nodeId));
    const { stdout: json } = await cluster.run("cluster", "status", "--json");
    assertEquals(JSON.parse(json).nodes.length, 2);
  });
  await t.step("drain of no node fails in one line", async () => {
    const { code, stderr } = await cluster.run("cluster", "drain", "nowhere");
    assertEquals(code, 1);
    assertEquals(stderr.trim().split("\n").length, 1);
  });
  await t.step("a drained node leaves", async () => {
    const { code } = await cluster.run(
      "cluster",
      "drain",
      node!.ready.nodeId,
    );
    assertEquals([code, await node!.ended()], [0, 0]);
  });
  await t.step("stop ends the head", async () => {
    const { code } = await cluster.run("cluster", "stop");
    assertEquals([code, await cluster.head.ended()], [0, 0]);
  });
});

Deno.test("shutdown leaves nothing of a program on the nodes", async () => {
  await using cluster = await TestCluster.start(1);
  await joined(cluster);
  await get(Array.from({ length: 4 }, () => slowly.remote(100)));
  const isWorker = ({ command }: { command: string }) =>
    command.includes("_entry.ts");
  assert(cluster.processes().some(isWorker));
  await shutdown();
  const end = performance.now() + 10_000;
  while (cluster.processes().some(isWorker)) {
    assert(performance.now() < end, "Workers stay");
    await pause(20);
  }
});

Deno.test("The head that is killed and comes back: what runs goes on, and what it knew is known", async (t) => {
  await using cluster = await TestCluster.start(1);
  await using runtime = await joined(cluster);
  const nodeId = cluster.nodes[0]!.ready.nodeId;
  const schedulingStrategy = { nodeId };
  const onNode = { schedulingStrategy };
  const named = remote(Counter, { ...onNode, name: "kept" }).remote();
  const detached = remote(Counter, {
    ...onNode,
    name: "lasting",
    lifetime: "detached",
  }).remote();
  await get([named.add.remote(1), detached.add.remote(10)]);
  const running = Array.from(
    { length: 2 },
    () => slowly.options(onNode).remote(3000),
  );
  await pause(300);
  await cluster.head.kill();

  await t.step("calls and tasks go on while it is away", async () => {
    const calls = Array.from({ length: 20 }, () => named.add.remote(1));
    assertEquals((await get(calls)).at(-1), 21);
  });
  await cluster.startHead();
  await t.step("tasks that ran meanwhile end", async () => {
    assertEquals(await get(running), [nodeId, nodeId]);
  });
  await t.step("names are known, and handles go on", async () => {
    const again = await getActor<Counter>("kept");
    assertEquals(await get(again.add.remote(1)), 22);
    const lasting = await getActor<Counter>("lasting");
    assertEquals(await get(lasting.add.remote(1)), 11);
  });
  await t.step(
    "it is the same cluster, on the same port, and takes new work",
    async () => {
      const ids = (await runtime.nodes()).map((node) => node.nodeId);
      assert(ids.includes(nodeId) && ids.includes(cluster.head.ready.nodeId));
      const both = [nodeId, cluster.head.ready.nodeId];
      const work = both.map((nodeId) =>
        slowly.options({ schedulingStrategy: { nodeId } }).remote(0)
      );
      assertEquals(await get(work), both);
    },
  );
});

Deno.test("Programs that wait for one another's CPUs all get them", async () => {
  await using cluster = await TestCluster.start(0, {
    args: ["--num-cpus", "1"],
  });
  await using program = new Program();
  const { address, token } = cluster;
  const source = `
    import { get, init, remote } from "@manta/manta";
    await init({ address: "${address}", token: "${token}" });
    const f = remote((x) => x);
    await get(Array.from({ length: 6 }, (_, at) => f.remote(at)));
    console.log("done");
  `;
  for (let round = 0; round < 2; round++) {
    const three = [1, 2, 3].map(() => program.start(["eval", source]));
    const ended = await deadline(
      Promise.all(three.map(({ ended }) => ended)),
      30_000,
    );
    for (const { stdout } of ended) assertEquals(stdout.trim(), "done");
  }
});

Deno.test("A driver that is killed leaves nothing on the nodes but its detached actors", async () => {
  await using cluster = await TestCluster.start(1);
  await using program = new Program();
  const { address, token } = cluster;
  const running = program.start([
    "eval",
    `
    import { get, init, remote } from "@manta/manta";
    await init({ address: "${address}", token: "${token}", namespace: "n" });
    class Counter { n = 0; add() { return ++this.n; } }
    const lasting = remote(Counter, { name: "lasting", lifetime: "detached" }).remote();
    const plain = remote(Counter, { name: "plain" }).remote();
    await get([lasting.add.remote(), plain.add.remote()]);
    const spin = remote((counter) => { counter.add.remote(); for (;;); });
    const spinning = [spin.remote(plain), spin.remote(plain)];
    while (await get(plain.add.remote()) < 4);
    console.log("ready");
    await new Promise((done) => setTimeout(done, 60_000));
  `,
  ]);
  await running.said("ready");
  const isWorker = ({ command }: { command: string }) =>
    command.includes("worker_entry.ts");
  assert(cluster.processes().some(isWorker));
  running.kill("SIGKILL");
  const end = performance.now() + 10_000;
  while (cluster.processes().some(isWorker)) {
    assert(performance.now() < end, "Workers stay");
    await pause(20);
  }
  await using _runtime = await init({ address, token, namespace: "n" });
  const lasting = await getActor<{ add(): number }>("lasting");
  assertEquals(await get(lasting.add.remote()), 2);
  while (await getActor("plain").then(() => true, () => false)) {
    assert(performance.now() < end, "An actor of a killed program lives");
    await pause(20);
  }
  await kill(lasting);
});
