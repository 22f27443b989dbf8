/**
 * A cluster over hosts with addresses of their own, whose cables are pulled:
 * network namespaces where this machine gives them.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { get, init, put, remote, runtimeContext } from "../../mod.ts";
import { TestCluster } from "../support/cluster.ts";
import { type Hosts, makeHosts } from "../support/hosts.ts";
import { until } from "../support/notes.ts";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const slowly = remote(async (ms: number) => {
  await new Promise((resolve) => setTimeout(resolve, ms));
  return runtimeContext().nodeId;
});
const sum = remote((xs: Float64Array) => xs.reduce((a, b) => a + b, 0));

class Counter {
  #count = 0;
  add() {
    return ++this.#count;
  }
  where() {
    return runtimeContext().nodeId;
  }
}

function argsOn(hosts: Hosts, no: number): string[] {
  const at = ["--host", hosts.address(no)];
  return ["--num-cpus", "1", ...at, "--insecure"];
}

/** A head on host 0, and a node on each further one. */
async function clusterOver(hosts: Hosts, nodeCount: number) {
  const cluster = await TestCluster.start(0, {
    args: [...argsOn(hosts, 0), "--no-dashboard"],
    on: (command) => hosts.on(0, command),
  });
  for (let no = 1; no <= nodeCount; no++) {
    await cluster.join({
      args: argsOn(hosts, no),
      headAddress: hosts.wayTo(no, cluster.address),
      on: (command) => hosts.on(no, command),
    });
  }
  return cluster;
}

Deno.test("A cluster over several hosts: work, objects, and cables that are pulled", async (t) => {
  await using hosts = await makeHosts(4);
  console.log(`hosts are ${hosts.kind}`);
  await using cluster = await clusterOver(hosts, 3);
  const { address, token } = cluster;
  await using runtime = await init({ address, token });
  const ids = [cluster.head, ...cluster.nodes].map(({ ready }) => ready.nodeId);
  const on = (no: number, soft = false) => ({
    schedulingStrategy: { nodeId: ids[no]!, soft },
  });
  const isAlive = async (no: number) =>
    (await runtime.nodes()).find(({ nodeId }) => nodeId === ids[no])?.alive;

  await t.step("each node is at its own address, and has work", async () => {
    const addresses = (await runtime.nodes())
      .filter(({ nodeId }) => ids.includes(nodeId))
      .map(({ address }) => address.split(":")[0]);
    const expected = ids.map((_, no) => hosts.address(no));
    assertEquals(new Set(addresses), new Set(expected));
    const places = ids.map((_, no) => slowly.options(on(no)).remote(1));
    assertEquals(await get(places), ids);
  });

  await t.step("a broadcast costs its origin two copies at most", async () => {
    const bytes = 64 << 20;
    const origin = remote(
      (length: number) => put(new Float64Array(length).fill(1)),
      on(1),
    );
    const array = await get(origin.remote(bytes / 8));
    const before = hosts.sentBytes(1);
    const sums = [0, 2, 3].map((no) => sum.options(on(no)).remote(array));
    assertEquals(await get(sums), [0, 2, 3].map(() => bytes / 8));
    if (before === undefined) return;
    const copies = (hosts.sentBytes(1)! - before) / bytes;
    assert(copies < 2.2, `${copies} copies`);
  });

  const actor = remote(Counter, {
    ...on(2, true),
    maxRestarts: 1,
    maxTaskRetries: 1,
  }).remote();
  assertEquals(await get(actor.where.remote()), ids[2]);

  await t.step(
    "a cable is pulled for a moment: no call is lost or doubled",
    async () => {
      const calls = [];
      for (let round = 0; round < 4; round++) {
        if (round === 1) await hosts.pull(2);
        for (let call = 0; call < 10; call++) calls.push(actor.add.remote());
        await pause(300);
        if (round === 2) await hosts.plug(2);
      }
      const counts = await deadline(get(calls), 30_000);
      assertEquals(counts, calls.map((_, at) => at + 1));
      assertEquals(await get(actor.where.remote()), ids[2]);
    },
  );

  await t.step(
    "the head's cable is pulled: what runs elsewhere goes on",
    async () => {
      const running = [1, 3].map((no) => slowly.options(on(no)).remote(2500));
      await pause(200);
      await hosts.pull(0);
      const calls = Array.from({ length: 10 }, () => actor.add.remote());
      assertEquals((await deadline(get(calls), 5000)).at(-1), 50);
      await pause(1500);
      await hosts.plug(0);
      assertEquals(await deadline(get(running), 30_000), [ids[1], ids[3]]);
      assertEquals(await get(slowly.options(on(0)).remote(1)), ids[0]);
    },
  );

  await t.step(
    "a cable is pulled for good: work goes elsewhere, and the node is fenced",
    async () => {
      const workers = () =>
        cluster.processes().filter(({ command }) =>
          command.includes("worker_entry.ts") && command.includes(ids[3]!)
        ).map(({ pid }) => pid);
      const old = workers();
      assert(old.length > 0);
      const lost = slowly.options(on(3, true)).remote(60_000);
      await pause(300);
      await hosts.pull(3);
      await until(async () => await isAlive(3) === false, "its loss");
      const there = slowly.options(on(3, true));
      assert(await deadline(get(there.remote(1)), 10_000) !== ids[3]);
      await hosts.plug(3);
      await until(async () => await isAlive(3) === true, "its return");
      await until(
        () => workers().every((pid) => !old.includes(pid)),
        "the end of its workers of before",
      );
      assertEquals(await get(slowly.options(on(3)).remote(1)), ids[3]);
      lost[Symbol.dispose]();
    },
  );
});
