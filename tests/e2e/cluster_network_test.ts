import { assert, assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { get, init, remote, runtimeContext } from "../../mod.ts";
import { TestCluster } from "../support/cluster.ts";
import { until } from "../support/notes.ts";
import { Proxy } from "../support/proxy.ts";

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
}

Deno.test("A driver behind a network that delays, cuts and corrupts loses nothing and doubles nothing", async () => {
  await using cluster = await TestCluster.start(1);
  await using proxy = new Proxy(cluster.address, 11);
  await using _runtime = await init({
    address: proxy.address,
    token: cluster.token,
  });
  const actor = remote(Counter).remote();
  assertEquals(await get(actor.add.remote()), 1);
  proxy.weather = {
    cut: 0.01,
    corrupt: 0.01,
    hold: 0.002,
    delay: 0.05,
    delayMsMax: 10,
  };
  const faultCount = () => {
    const { cut = 0, corrupt = 0 } = proxy.counts;
    return cut + corrupt;
  };
  // On a slow machine much goes in few pieces, each of which may be lucky.
  for (let turn = 0; turn < 20 || faultCount() === 0; turn++) {
    assert(turn < 1000, JSON.stringify(proxy.counts));
    const calls = Array.from({ length: 20 }, () => actor.add.remote());
    const sums = Array.from(
      { length: 3 },
      (_, at) => sum.remote(new Float64Array(20_000).fill(at)),
    );
    assertEquals(
      await deadline(get(calls), 60_000),
      calls.map((_, at) => 2 + turn * 20 + at),
    );
    assertEquals(await deadline(get(sums), 60_000), [0, 20_000, 40_000]);
  }
  proxy.weather = { cut: 0, corrupt: 0, hold: 0, delay: 0, delayMsMax: 0 };
});

Deno.test("A node that is cut off and comes back is fenced: what it ran has ended, and it joins anew", async () => {
  await using cluster = await TestCluster.start(0);
  await using proxy = new Proxy(cluster.address, 1);
  // A connection that ends during the greeting is no refusal: the node waits.
  proxy.sever(true);
  const joining = cluster.join({ headAddress: proxy.address });
  await until(() => (proxy.counts.refused ?? 0) > 1, "tries to join");
  proxy.mend();
  const { nodeId } = (await joining).ready;
  await using runtime = await init({
    address: cluster.address,
    token: cluster.token,
  });
  const stateOf = async () =>
    (await runtime.nodes()).find((one) => one.nodeId === nodeId)?.alive;
  assertEquals(await stateOf(), true);
  const there = slowly.options({
    schedulingStrategy: { nodeId, soft: true },
  });
  assertEquals(await get(there.remote(1)), nodeId);
  const workersOf = () =>
    cluster.processes().filter(({ command }) =>
      command.includes("worker_entry.ts")
    ).map(({ pid }) => pid);
  const before = workersOf();
  assert(before.length > 0);
  proxy.sever(true);
  await until(async () => await stateOf() === false, "its loss");
  // A task for it runs elsewhere now.
  assertEquals(
    await deadline(get(there.remote(1)), 10_000),
    cluster.head.ready.nodeId,
  );
  proxy.mend();
  await until(async () => await stateOf() === true, "its return");
  // A lease that is held elsewhere is used first: it must have been given back.
  await until(async () => {
    const where = await get(there.remote(1));
    if (where !== nodeId) await new Promise((done) => setTimeout(done, 300));
    return where === nodeId;
  }, "a task there");
  const after = workersOf();
  assert(before.some((pid) => !after.includes(pid)), "Old workers live on");
});
