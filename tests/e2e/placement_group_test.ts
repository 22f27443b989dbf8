import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  ActorDiedError,
  get,
  init,
  isInitialized,
  type PlacementGroup,
  placementGroup,
  remote,
  removePlacementGroup,
  runtimeContext,
  shutdown,
  TaskUnschedulableError,
  wait,
  why,
} from "../../mod.ts";
import { TestCluster } from "../support/cluster.ts";
import { until } from "../support/notes.ts";

const where = remote(() => runtimeContext().nodeId);

class Still {
  where() {
    return runtimeContext().nodeId;
  }
}

/** A group goes that something waits for, and that an actor lives in. */
async function removed(): Promise<void> {
  const group = placementGroup([{ CPU: 1 }]);
  await get(group.ready());
  const schedulingStrategy = { placementGroup: group };
  const holder = remote(Still, { numCpus: 1, schedulingStrategy }).remote();
  await get(holder.where.remote());
  const inside = remote(() => 1, { schedulingStrategy });
  const waiting = inside.remote();
  await removePlacementGroup(group);
  await assertRejects(
    () => get(waiting),
    TaskUnschedulableError,
    "its placement group was removed",
  );
  await assertRejects(
    () => get(inside.remote()),
    TaskUnschedulableError,
    "its placement group was removed",
  );
  await assertRejects(
    () => get(holder.where.remote()),
    ActorDiedError,
    "its placement group was removed",
  );
  await assertRejects(
    () => get(group.ready()),
    TaskUnschedulableError,
    "it was removed",
  );
}

Deno.test("placementGroup(bundles, { strategy, name }) on one machine", async (t) => {
  await using runtime = await init({ numCpus: 3, resources: { red: 2 } });

  await t.step(
    "reserves all, runs tasks and actors, and gives back",
    async () => {
      const group = placementGroup([{ CPU: 1 }, { CPU: 1, red: 1 }], {
        name: "g",
      });
      assertEquals(await get(group.ready()), true);
      assertEquals([group.name, group.bundles.length], ["g", 2]);
      const { CPU, red } = await runtime.availableResources();
      assertEquals([CPU, red], [1, 1]);
      const schedulingStrategy = { placementGroup: group };
      await get(Array.from(
        { length: 4 },
        () => where.options({ schedulingStrategy }).remote(),
      ));
      const second = { placementGroup: group, bundleIndex: 1 };
      const inSecond = where.options({
        schedulingStrategy: second,
        resources: { red: 1 },
      });
      assert(await get(inSecond.remote()));
      const actor = remote(Still, { numCpus: 1, schedulingStrategy }).remote();
      assert(await get(actor.where.remote()));
      await removePlacementGroup(group);
      await until(
        async () => (await runtime.availableResources())["CPU"] === 3,
        "the CPUs",
      );
    },
  );
  await t.step("waits for room, whole or not at all", async () => {
    const first = placementGroup([{ CPU: 2 }]);
    await get(first.ready());
    const second = placementGroup([{ CPU: 1 }, { CPU: 1 }]);
    const ready = second.ready();
    assertEquals((await wait([ready], { timeout: 200 }))[0].length, 0);
    assertEquals((await runtime.availableResources())["CPU"], 1);
    await removePlacementGroup(first);
    assertEquals(await get(ready), true);
    await removePlacementGroup(second);
  });
  await t.step("what waits for a removed one, or lives in it, ends", removed);
  await t.step("what can never be is told", async () => {
    for (
      const group of [
        placementGroup([{ CPU: 4 }]),
        placementGroup([{ CPU: 1 }, { CPU: 1 }], { strategy: "STRICT_SPREAD" }),
        placementGroup([{ blue: 1 }]),
      ]
    ) {
      await assertRejects(() => get(group.ready()), TaskUnschedulableError);
    }
  });
  await t.step("bad arguments are told at the call", async () => {
    assertThrows(() => placementGroup([]), TypeError, "bundles");
    assertThrows(() => placementGroup([{}]), RangeError, "bundle 0");
    assertThrows(() => placementGroup([{ CPU: -1 }]), RangeError, "bundle 0");
    assertThrows(
      () => placementGroup([{ CPU: 1 }], { strategy: "ANY" as never }),
      TypeError,
      "strategy",
    );
    const group = placementGroup([{ CPU: 1 }]);
    const place = (bundleIndex: number) => () =>
      where.options({
        schedulingStrategy: { placementGroup: group, bundleIndex },
      });
    assertThrows(place(1), RangeError, "bundleIndex");
    assertThrows(
      () =>
        where.options({
          numCpus: 2,
          schedulingStrategy: { placementGroup: group },
        }),
      RangeError,
      "no bundle",
    );
    assertThrows(
      () =>
        where.options({
          schedulingStrategy: {
            placementGroup: group,
            bundelIndex: 0,
          } as never,
        }),
      TypeError,
      "bundleIndex",
    );
    assertThrows(() => placementGroup([{ "a@b": 1 }]), TypeError, "a@b");
    await removePlacementGroup(group);
  });
  await t.step(
    "ready() of one that another process removed says so",
    async () => {
      const group = placementGroup([{ CPU: 1 }]);
      await get(group.ready());
      const remove = remote(
        (group: PlacementGroup) => removePlacementGroup(group),
        { numCpus: 0 },
      );
      await get(remove.remote(group));
      await assertRejects(() => get(group.ready()), TaskUnschedulableError);
    },
  );
  await t.step(
    "why() says what one that waits for room waits for",
    async () => {
      const large = placementGroup([{ CPU: 3 }], { name: "large" });
      await get(large.ready());
      const later = placementGroup([{ CPU: 3 }], { name: "later" });
      const ready = later.ready();
      assertEquals(await why(ready), "waits for placement group later");
      await removePlacementGroup(later);
      await assertRejects(() => get(ready), TaskUnschedulableError, "later");
      await removePlacementGroup(large);
    },
  );
});

Deno.test("A placement group ends with its runtime", async () => {
  await init({ numCpus: 1 });
  const group = placementGroup([{ CPU: 1 }]);
  const schedulingStrategy = { placementGroup: group };
  const inside = where.options({ schedulingStrategy });
  await get(inside.remote());
  await shutdown();
  assertThrows(() => inside.remote(), TypeError, "its runtime has ended");
  assertEquals(isInitialized(), false);
  await using _runtime = await init({ numCpus: 1 });
  assertThrows(() => inside.remote(), TypeError, "its runtime has ended");
  assertThrows(
    () => remote(Still, { schedulingStrategy }).remote(),
    TypeError,
    "its runtime has ended",
  );
  assertThrows(() => group.ready(), TypeError, "its runtime has ended");
  await assertRejects(
    () => removePlacementGroup(group),
    TypeError,
    "its runtime has ended",
  );
});

Deno.test("placementGroup on a cluster: strategies, and a node's death", async (t) => {
  await using cluster = await TestCluster.start(2);
  const { address, token } = cluster;
  await using _runtime = await init({ address, token });
  const placesOf = async (group: ReturnType<typeof placementGroup>) =>
    await get(group.bundles.map((_, bundleIndex) =>
      where.options({
        schedulingStrategy: { placementGroup: group, bundleIndex },
      }).remote()
    ));

  await t.step(
    "STRICT_SPREAD takes a node each, STRICT_PACK one for all",
    async () => {
      const spread = placementGroup([{ CPU: 1 }, { CPU: 1 }, { CPU: 1 }], {
        strategy: "STRICT_SPREAD",
      });
      await get(spread.ready());
      assertEquals(new Set(await placesOf(spread)).size, 3);
      await removePlacementGroup(spread);
      const pack = placementGroup([{ CPU: 1 }, { CPU: 1 }], {
        strategy: "STRICT_PACK",
      });
      await get(pack.ready());
      assertEquals(new Set(await placesOf(pack)).size, 1);
      await removePlacementGroup(pack);
    },
  );
  await t.step("what waits for a removed one, or lives in it, ends", removed);
  await t.step("bundles of a node that died are placed again", async () => {
    const group = placementGroup([{ CPU: 1 }, { CPU: 1 }, { CPU: 1 }], {
      strategy: "SPREAD",
    });
    await get(group.ready());
    await placesOf(group);
    const victim = cluster.nodes[0]!;
    await victim.kill();
    await until(async () => {
      const places = await placesOf(group);
      return !places.includes(victim.ready.nodeId);
    }, "the bundle on another node");
  });
});
