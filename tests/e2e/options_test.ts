import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  ActorDiedError,
  get,
  getActor,
  init,
  kill,
  remote,
  runtimeContext,
  TaskUnschedulableError,
} from "../../mod.ts";
import { until } from "../support/notes.ts";

const pidOf = remote(() => Deno.pid);

class Mixed {
  #log: string[] = [];
  async fetch(name: string) {
    this.#log.push(`${name} begins`);
    await new Promise((resolve) => setTimeout(resolve, 60));
    this.#log.push(`${name} ends`);
  }
  async plain(name: string) {
    this.#log.push(`${name} begins`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    this.#log.push(`${name} ends`);
  }
  log() {
    return this.#log;
  }
}

class Still {
  answer() {
    return 1;
  }
}

Deno.test("maxCalls: a worker that ran this many is replaced", async () => {
  await using _runtime = await init({ numCpus: 1 });
  const counted = pidOf.options({ maxCalls: 2 });
  const pids: number[] = [];
  for (let at = 0; at < 6; at++) pids.push(await get(counted.remote()));
  const runs = Map.groupBy(pids, (pid) => pid);
  assertEquals(runs.size, 3);
  assert([...runs.values()].every((runs) => runs.length === 2));
  const many = await get(Array.from({ length: 6 }, () => counted.remote()));
  for (const [, runs] of Map.groupBy(many, (pid) => pid)) {
    assert(runs.length <= 2);
  }
  const plain = await get(Array.from({ length: 20 }, () => pidOf.remote()));
  assertEquals(new Set(plain).size, 1);
});

Deno.test("concurrencyGroups: methods of a group run beside the others", async (t) => {
  await using _runtime = await init({ numCpus: 1 });
  await t.step(
    "each group within its bound, the rest one at a time",
    async () => {
      const actor = remote(Mixed, {
        concurrencyGroups: {
          io: { max: 2, methods: ["fetch"] },
          look: { max: 1, methods: ["log"] },
        },
      }).remote();
      await get([
        actor.fetch.remote("a"),
        actor.fetch.remote("b"),
        actor.fetch.remote("c"),
        actor.plain.remote("x"),
        actor.plain.remote("y"),
      ]);
      const log = await get(actor.log.remote());
      assert(log.indexOf("b begins") < log.indexOf("a ends"));
      assert(log.indexOf("c begins") > log.indexOf("a ends"));
      assert(log.indexOf("x begins") < log.indexOf("a ends"));
      assert(log.indexOf("y begins") > log.indexOf("x ends"));
    },
  );
  await t.step("bad groups are told at the call", () => {
    const of = (concurrencyGroups: unknown) => () =>
      remote(Mixed, { concurrencyGroups } as never).remote();
    assertThrows(of(5), TypeError, "concurrencyGroups");
    assertThrows(of({ io: { max: 0, methods: [] } }), RangeError, "max");
    assertThrows(of({ io: { max: 1 } }), TypeError, "methods");
    assertThrows(of({ io: { max: 1, methods: ["none"] } }), TypeError, "none");
    const twice = { max: 1, methods: ["fetch"] };
    assertThrows(of({ a: twice, b: twice }), TypeError, "fetch");
  });
});

Deno.test("lifetime, ttl: an actor ends that long after its last call", async () => {
  await using _runtime = await init({ numCpus: 1 });
  const actor = remote(Still, {
    name: "brief",
    lifetime: "detached",
    ttl: 400,
  }).remote();
  for (let at = 0; at < 4; at++) {
    assertEquals(await get(actor.answer.remote()), 1);
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  await until(
    () => getActor("brief").then(() => false, () => true),
    "its end",
  );
  const error = await assertRejects(
    () => get(actor.answer.remote()),
    ActorDiedError,
  );
  assert(error.message.includes("ttl"), error.message);
});

Deno.test("schedulingStrategy on one machine", async (t) => {
  await using runtime = await init({ numCpus: 1, labels: { zone: "a" } });
  const [node] = await runtime.nodes();
  const where = remote(() => runtimeContext().nodeId);
  await t.step("its own node, its own labels", async () => {
    for (
      const schedulingStrategy of [
        "SPREAD" as const,
        { nodeId: node!.nodeId },
        { labels: { zone: "a" } },
        { labels: { zone: "b" }, soft: true },
        { nodeId: "none", soft: true },
      ]
    ) {
      assertEquals(
        await get(where.options({ schedulingStrategy }).remote()),
        node!.nodeId,
      );
    }
  });
  await t.step("another can't be met", async () => {
    for (
      const schedulingStrategy of [{ nodeId: "none" }, {
        labels: { zone: "b" },
      }]
    ) {
      await assertRejects(
        () => get(where.options({ schedulingStrategy }).remote()),
        TaskUnschedulableError,
      );
      const actor = remote(Still, { schedulingStrategy }).remote();
      await assertRejects(
        () => get(actor.answer.remote()),
        TaskUnschedulableError,
      );
    }
  });
});

Deno.test("kill of a named actor frees its name", async () => {
  await using _runtime = await init({ numCpus: 1 });
  const Named = remote(Still, { name: "one" });
  const first = Named.remote();
  await get(first.answer.remote());
  await kill(first);
  assertEquals(await get(Named.remote().answer.remote()), 1);
});
