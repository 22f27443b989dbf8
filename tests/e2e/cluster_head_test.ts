import { assertEquals, assertRejects } from "@std/assert";
import { deadline } from "@std/async";
import {
  ActorDiedError,
  exitActor,
  get,
  init,
  placementGroup,
  remote,
  removePlacementGroup,
  runtimeContext,
  wait,
} from "../../mod.ts";
import { TestCluster } from "../support/cluster.ts";
import { note, Notes, until } from "../support/notes.ts";
import { Program } from "../support/program.ts";

const whereAmI = remote(() => runtimeContext().nodeId, { numCpus: 0 });

const having = (resources: Record<string, number>) => ({
  args: ["--num-cpus", "2", "--resources", JSON.stringify(resources)],
});

class Counter {
  #count = 0;
  add(by: number) {
    return this.#count += by;
  }
}

/** Less than the time after which a head that came back gives nodes up. */
const soon = { timeout: 7000 };

class Noted {
  readonly #no: number;
  constructor(path: string, no: number) {
    note(path, no);
    this.#no = no;
  }
  answer() {
    return this.#no;
  }
}

type Group = ReturnType<typeof placementGroup>;

/** Where a task runs in a bundle of a group. */
async function placeOf(
  group: Group,
  { bundleIndex = 0, timeout = soon.timeout } = {},
): Promise<string> {
  const schedulingStrategy = { placementGroup: group, bundleIndex };
  const place = whereAmI.options({ schedulingStrategy }).remote();
  return await get(place, { timeout });
}

/** A program that makes a group, and is killed. */
function maker({ address, token }: TestCluster): string[] {
  return [
    "eval",
    `
    import { get, init, placementGroup } from "@manta/manta";
    await init({ address: "${address}", token: "${token}" });
    await get(placementGroup([{ green: 1 }]).ready());
    console.log("ready");
    await new Promise((done) => setTimeout(done, 60_000));
  `,
  ];
}

Deno.test("Placement groups outlive a killed head: reserved ones stay, waiting ones are placed, removed ones are given back", async (t) => {
  await using cluster = new TestCluster();
  await cluster.startHead(having({ blue: 1 }));
  const mortal = await cluster.join(having({ spare: 1 }));
  await using runtime = await init({
    address: cluster.address,
    token: cluster.token,
  });
  const moving = placementGroup([{ spare: 1 }]);
  await get(moving.ready(), soon);
  const node = await cluster.join(having({ red: 4, green: 1, spare: 1 }));
  const { nodeId } = node.ready;
  const group = placementGroup([{ CPU: 1, red: 1 }, { red: 1 }]);
  const going = placementGroup([{ red: 1 }]);
  const onHead = placementGroup([{ blue: 1 }]);
  await get([group.ready(), going.ready(), onHead.ready()], soon);
  const waiting = placementGroup([{ red: 3 }]);
  const ready = waiting.ready();
  const schedulingStrategy = { placementGroup: group };
  const counter = remote(Counter, { numCpus: 1, schedulingStrategy }).remote();
  assertEquals(await get(counter.add.remote(1), soon), 1);
  await using program = new Program();
  const other = program.start(maker(cluster));
  await other.said("ready");
  const free = async (name: string) =>
    (await runtime.availableResources())[name];
  await until(async () => await free("green") === 0, "it is reserved");
  assertEquals(await free("red"), 1);

  await cluster.head.kill();
  other.kill("SIGKILL");
  await mortal.kill();
  await t.step("what runs in a group goes on while it is away", async () => {
    assertEquals(await get(counter.add.remote(1), soon), 2);
    assertEquals(await placeOf(group, { bundleIndex: 1 }), nodeId);
  });
  const removing = removePlacementGroup(going);
  await cluster.startHead(having({ blue: 1 }));
  await t.step("a group that is removed meanwhile is given back", async () => {
    await deadline(removing, 5000);
    await until(async () => await free("red") === 2, "what it reserved");
  });
  await t.step(
    "what is reserved is so still, and tasks run there",
    async () => {
      assertEquals(await placeOf(group), nodeId);
      assertEquals(await get(counter.add.remote(1), soon), 3);
      assertEquals(await free("red"), 2);
      assertEquals((await wait([ready], { timeout: 0 }))[0].length, 0);
    },
  );
  await t.step("what lay on the head itself is placed again", async () => {
    assertEquals(await placeOf(onHead), cluster.head.ready.nodeId);
  });
  await t.step("what waits is placed when there is room", async () => {
    await removePlacementGroup(group);
    assertEquals(await get(ready, soon), true);
    assertEquals(await placeOf(waiting), nodeId);
    await until(async () => await free("red") === 1, "what is left");
  });
  await t.step(
    "a bundle whose node did not come back is placed again",
    async () => {
      assertEquals(await placeOf(moving, { timeout: 20_000 }), nodeId);
    },
  );
  await t.step(
    "what a program made that was killed is given back",
    async () => {
      await until(async () => await free("green") === 1, "what it reserved");
    },
  );
});

Deno.test("Actors that are being made while the head is killed are made, once", async () => {
  await using cluster = await TestCluster.start(1, {
    args: ["--num-cpus", "0"],
  });
  const { address, token } = cluster;
  await using _runtime = await init({ address, token });
  const [node] = cluster.nodes;
  const { nodeId } = node!.ready;
  using notes = new Notes();
  // None of them may die: it would not start again.
  const Made = remote(Noted, { schedulingStrategy: { nodeId } });
  let madeCount = 0;
  for (const delayMs of [0, 40, 150]) {
    const make = () => Made.remote(notes.path, madeCount++);
    const actors = Array.from({ length: 5 }, make);
    await new Promise((done) => setTimeout(done, delayMs));
    await cluster.head.kill();
    actors.push(...Array.from({ length: 3 }, make));
    await cluster.startHead({ args: ["--num-cpus", "0"] });
    const answers = get(actors.map((actor) => actor.answer.remote()), soon);
    assertEquals(
      await answers,
      actors.map((_, at) => madeCount - actors.length + at),
    );
  }
  const all = Array.from({ length: madeCount }, (_, at) => String(at));
  assertEquals(notes.lines().toSorted(), all.toSorted());
});

class Leaving {
  answer() {
    return 1;
  }
  leave() {
    exitActor();
  }
}

Deno.test("What an actor told a head that was about to be killed is told to the next one: that it leaves", async () => {
  await using cluster = await TestCluster.start(1);
  const { address, token } = cluster;
  await using _runtime = await init({ address, token });
  const { nodeId } = cluster.nodes[0]!.ready;
  const options = { maxRestarts: -1, schedulingStrategy: { nodeId } };
  const leaving = remote(Leaving, options).remote();
  assertEquals(await get(leaving.answer.remote(), soon), 1);
  // What is said to it now is never heard.
  Deno.kill(cluster.head.pid, "SIGSTOP");
  await assertRejects(() => get(leaving.leave.remote(), soon), ActorDiedError);
  await cluster.head.kill();
  await cluster.startHead();
  const error = await assertRejects(
    () => get(leaving.answer.remote(), soon),
    ActorDiedError,
  );
  assertEquals(error.reason, "it left by exitActor()");
});
