/**
 * What the public contract says of a run, its amounts, contexts, order and
 * words, where no other test is about it. `tests/contract_test.ts` has the
 * whole list.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  type ActorHandle,
  asCompleted,
  cancel,
  get,
  init,
  kill,
  type ObjectRef,
  put,
  remote,
  type ResourceOptions,
  runtimeContext,
  TaskUnschedulableError,
  why,
} from "../../mod.ts";
import { limits } from "../../src/base/limits.ts";
import { helpOf } from "../../src/cli/help.ts";
import { TestCluster } from "../support/cluster.ts";
import { note, Notes, until } from "../support/notes.ts";
import { Program } from "../support/program.ts";

const cli = fileURLToPath(new URL("../../cli.ts", import.meta.url));

class Seen {
  field = 1;
  get property(): number {
    return 2;
  }
  context(): Record<string, unknown> {
    const { currentActor, ...own } = runtimeContext();
    return { ...own, hasHandle: currentActor !== undefined };
  }
  async held(path: string): Promise<void> {
    while (!Deno.readTextFileSync(path).includes("go")) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
  idThroughTask(): ObjectRef<unknown> {
    const { currentActor } = runtimeContext();
    return actorIdBy.remote(currentActor as ActorHandle<Seen>);
  }
}

const actorIdBy = remote(async (handle: ActorHandle<Seen>) =>
  (await get(handle.context.remote()))["actorId"]
);
const context = remote(() => runtimeContext());
const number = remote((n: number) => n);

/** How many of a few tasks with these options ran at the same time, at most. */
async function together(options: ResourceOptions): Promise<number> {
  using notes = new Notes();
  const nap = remote(async (path: string) => {
    note(path, 1);
    await new Promise((resolve) => setTimeout(resolve, 15));
    note(path, -1);
  }, options);
  await get([1, 2, 3].map(() => nap.remote(notes.path)));
  let running = 0;
  return Math.max(...notes.lines().map((line) => running += Number(line)));
}

Deno.test("A run on this machine: its amounts, contexts and order are what the contract says", async (t) => {
  await using runtime = await init({
    numCpus: 2,
    numGpus: 2,
    labels: { zone: "a" },
    namespace: "mine",
  });

  // First: its waits share a timer with those before it.
  await t.step(
    "a wait that takes long says once what it waits for",
    async () => {
      const soon = limits as { waitWarnMs: number };
      const { waitWarnMs } = soon;
      const { error } = console;
      const over = new AbortController();
      const said: string[] = [];
      const never = remote(function never() {
        return new Promise<number>(() => {});
      }).remote();
      soon.waitWarnMs = 20;
      console.error = (line: string) => said.push(line);
      try {
        const waiting = get(never, { signal: over.signal });
        await until(() => said.length > 0, "a warning");
        over.abort(new Error("seen"));
        await assertRejects(() => waiting, Error, "seen");
      } finally {
        soon.waitWarnMs = waitWarnMs;
        console.error = error;
      }
      await cancel(never, { force: true });
      assertEquals(said.length, 1);
      assertStringIncludes(said[0]!, "never");
    },
  );

  await t.step("nodes() tells of the one", async () => {
    const [node, ...others] = await runtime.nodes();
    assertEquals(others, []);
    const { nodeId, pid, address, alive, labels, resources } = node!;
    assertEquals(nodeId, runtimeContext().nodeId);
    assertEquals({ pid, address, alive, labels }, {
      pid: Deno.pid,
      address: "local",
      alive: true,
      labels: { zone: "a" },
    });
    assertEquals(resources, await runtime.clusterResources());
    assertEquals([resources["CPU"], resources["GPU"]], [2, 2]);
    assert(resources["memory"]! > 0);
    assertEquals(runtime.address, "local");
  });

  await t.step("numGpus and memory bound what runs", async () => {
    assertEquals(await together({ numCpus: 0, numGpus: 2 }), 1);
    const all = (await runtime.clusterResources())["memory"]!;
    assertEquals(await together({ numCpus: 0, memory: all }), 1);
    for (const options of [{ numGpus: 3 }, { memory: all + 1 }]) {
      const refused = number.options(options).remote(1);
      await assertRejects(() => get(refused), TaskUnschedulableError);
    }
  });

  await t.step(
    "runtimeContext() in the driver, a task and an actor",
    async () => {
      const here = runtimeContext();
      const { jobId, nodeId } = here;
      assertEquals([here.namespace, here.attempt], ["mine", 0]);
      assertEquals([here.taskId, here.actorId], [undefined, undefined]);
      const held = { CPU: 0.5, GPU: 1, memory: 1000 };
      const options = { numCpus: 0.5, numGpus: 1, memory: 1000 };
      const there = await get(context.options(options).remote());
      assertEquals(there.assignedResources, held);
      assertEquals([there.jobId, there.nodeId], [jobId, nodeId]);
      assertEquals([there.namespace, there.attempt], ["mine", 1]);
      assert(there.taskId !== undefined && there.workerId !== here.workerId);
      const actor = remote(Seen, options).remote();
      const inside = await get(actor.context.remote());
      assertEquals(inside["assignedResources"], held);
      assertEquals(inside["hasHandle"], true);
      const ref = await get(actor.idThroughTask.remote());
      assertEquals(await get(ref), inside["actorId"]);
      await kill(actor);
    },
  );

  await t.step("a call goes by the name that it is given", async () => {
    using gate = new Notes();
    const actor = remote(Seen).remote();
    const held = actor.held.options({ name: "glance" }).remote(gate.path);
    assertStringIncludes(await why(held), '"glance"');
    note(gate.path, "go");
    await get(held);
    await kill(actor);
  });

  await t.step("asCompleted ends where its signal aborts", async () => {
    using gate = new Notes();
    const actor = remote(Seen).remote();
    const held = actor.held.remote(gate.path);
    const over = new AbortController();
    const seen: ObjectRef<unknown>[] = [];
    const enough = await assertRejects(async () => {
      const refs = [held, put(1)] as ObjectRef<unknown>[];
      for await (const ref of asCompleted(refs, { signal: over.signal })) {
        seen.push(ref);
        over.abort(new Error("enough"));
      }
    }, Error);
    assertEquals([enough.message, seen.length], ["enough", 1]);
    note(gate.path, "go");
    await get(held);
    await kill(actor);
  });

  await t.step("getters and fields of an actor are not remote", () => {
    const actor = remote(Seen).remote() as unknown as Record<
      string,
      { remote(): unknown }
    >;
    for (const name of ["field", "property"]) {
      const error = assertThrows(() => actor[name]!.remote(), TypeError);
      assertStringIncludes(error.message, `"${name}"`);
    }
  });

  await t.step(
    "priority: the higher runs first among waiting tasks",
    async () => {
      using gate = new Notes();
      const hold = remote(async (path: string) => {
        note(path, "holds");
        while (!Deno.readTextFileSync(path).includes("go")) {
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      }, { numCpus: 2 });
      const holding = hold.remote(gate.path);
      await gate.reach(1);
      const waiting = [0, 5, -1, 9].map((priority) =>
        number.options({ priority, numCpus: 2 }).remote(priority)
      );
      const said = () => Promise.all(waiting.map((ref) => why(ref)));
      await until(
        async () => (await said()).every((line) => /CPU/.test(line)),
        `all wait for CPUs: ${await said()}`,
      );
      note(gate.path, "go");
      const order: number[] = [];
      for await (const ref of asCompleted(waiting)) order.push(await get(ref));
      assertEquals(order, [9, 5, 0, -1]);
      await get(holding);
    },
  );

  await t.step(
    "a ref is no thenable: returned or awaited it stays one",
    async () => {
      const ref: ObjectRef<number> = put(7);
      assertEquals(await ref, ref);
      const inner = await get(remote(() => put(8)).remote());
      assertEquals(await get(inner), 8);
    },
  );
});

Deno.test("What the runtime says of itself: MANTA_LOG, large captures, logToDriver", async (t) => {
  await using program = new Program();
  const large = (options: string) => `
import { get, init, remote } from "@manta/manta";
await init({ numCpus: 1${options} });
const big = new Uint8Array(2 << 20);
const sized = remote(function sized() { console.log("inside"); return big.length; });
console.log(await get(sized.remote()) + await get(sized.remote()));`;

  await t.step(
    "a capture over 1 MiB warns once and names the variable",
    async () => {
      const { code, stdout, stderr } = await program.run(large(""));
      const [line, ...more] = stderr.trim().split("\n");
      assertEquals([code, more], [0, []]);
      assert(
        /^manta warn: .*"sized" captures 2\.0 MiB \(big\)/.test(line!),
        line,
      );
      assertEquals(stdout.match(/\) inside$/gm)?.length, 2);
    },
  );

  await t.step(
    "MANTA_LOG=off and logToDriver: false: nothing but the program's own",
    async () => {
      const { code, stdout, stderr } = await program.run(
        large(", logToDriver: false"),
        { env: { MANTA_LOG: "off" } },
      );
      assertEquals([code, stdout, stderr], [0, "4194304\n", ""]);
    },
  );

  await t.step("a level that is none is refused by init", async () => {
    const { stdout, stderr } = await program.run(
      `import { init, isInitialized } from "@manta/manta";
await init().catch((error) => console.log(error.name, error.message, isInitialized()));`,
      { env: { MANTA_LOG: "loud" } },
    );
    assertEquals(stderr, "");
    assertStringIncludes(stdout, 'TypeError Cannot use MANTA_LOG="loud": ');
    assertStringIncludes(stdout, "false");
  });
  await program.gone();
});

Deno.test("A node's flags are what its cluster has, and programs find it by the environment, or by run", async () => {
  const args = "--num-cpus 1 --num-gpus 3 --object-store-memory 33554432";
  await using cluster = await TestCluster.start(0, {
    args: [...args.split(" "), "--labels", "zone=b,disk=ssd"],
  });
  await using program = new Program();
  const { code, stdout, stderr } = await program.run(
    `import { get, init, remote } from "@manta/manta";
await using runtime = await init();
const [{ resources: { CPU, GPU }, labels, address }] = await runtime.nodes();
console.log(CPU, GPU, labels.zone, labels.disk, address === runtime.address);
const large = remote(() => new Uint8Array(40 << 20), { maxRetries: 0 });
await get(large.remote()).catch((error) => console.log(error.name, error.message.includes("33554432") || error.message));`,
    {
      env: {
        MANTA_ADDRESS: cluster.address,
        MANTA_TOKEN_FILE: `${cluster.head.dir}/token`,
      },
    },
  );
  const script = program.write(
    "leaves.ts",
    `import { get, remote } from "@manta/manta";
console.log(await get(remote((word: string) => word + "!").remote(Deno.args[0]!)));
Deno.exit(7);`,
  );
  const run = (...args: string[]) =>
    program.start(["run", "-A", cli, "run", ...args, script, "--hello"], {
      env: { MANTA_TOKEN: "one of another cluster" },
    }).ended;
  const place = ["--dir", cluster.head.dir, "--token-file"];
  const ran = await run(...place, `${cluster.head.dir}/token`);
  assertEquals([ran.code, ran.stdout, ran.stderr], [7, "--hello!\n", ""]);
  const misused = await run("--tls-ca", "ca.pem");
  assertEquals(misused.code, 2);
  assertStringIncludes(misused.stderr, "init({ tls: { ca } })");

  assertEquals([code, stderr], [0, ""]);
  assertEquals(stdout, "1 3 b ssd true\nObjectStoreFullError true\n");
});

Deno.test("Each command of the command line has a help with an example", () => {
  const all = helpOf(undefined)!;
  const commands =
    "cluster run submit jobs list summary memory logs why timeline doctor bench"
      .split(" ");
  for (const command of commands) {
    assertStringIncludes(all, `\n  ${command}`);
    assertStringIncludes(helpOf(command)!, `cli.ts ${command}`);
    assert(/Examples?:\n {2}deno run/.test(helpOf(command)!), command);
  }
  assertEquals(helpOf("none"), undefined);
});
