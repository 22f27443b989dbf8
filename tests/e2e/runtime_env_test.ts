import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { get, init, remote, RuntimeEnvSetupError } from "../../mod.ts";
import { TestCluster } from "../support/cluster.ts";

const seen = remote((name: string) => ({
  value: Deno.env.get(name),
  folder: Deno.cwd(),
  pid: Deno.pid,
}));

class Seer {
  see(name: string) {
    return Deno.env.get(name);
  }

  folder() {
    return Deno.cwd();
  }
}

Deno.test("runtimeEnv: { env, workingDir }", async (t) => {
  await using _runtime = await init({ numCpus: 2 });
  const folder = await Deno.realPath(await Deno.makeTempDir());

  await t.step(
    "for tasks: their own worker, used again for equal ones",
    async () => {
      const runtimeEnv = { env: { COLOUR: "red" }, workingDir: folder };
      const red = seen.options({ runtimeEnv });
      const first = await get(red.remote("COLOUR"));
      assertEquals([first.value, first.folder], ["red", folder]);
      const again = seen.options({ runtimeEnv: structuredClone(runtimeEnv) });
      assertEquals((await get(again.remote("COLOUR"))).pid, first.pid);
      const blue = seen.options({ runtimeEnv: { env: { COLOUR: "blue" } } });
      assertEquals((await get(blue.remote("COLOUR"))).value, "blue");
      assertEquals((await get(seen.remote("COLOUR"))).value, undefined);
      assert((await get(blue.remote("PATH"))).value);
    },
  );
  await t.step("for actors", async () => {
    const runtimeEnv = { env: { COLOUR: "green" }, workingDir: folder };
    const [green, plain] = [
      remote(Seer, { runtimeEnv }).remote(),
      remote(Seer).remote(),
    ];
    assertEquals(
      await get([green.see.remote("COLOUR"), plain.see.remote("COLOUR")]),
      ["green", undefined],
    );
    // What workingDir says is the whole process's.
    assertEquals(await get(green.folder.remote()), folder);
  });
  await t.step("many environments, few CPUs", async () => {
    const values = await get(
      Array.from(
        { length: 6 },
        (_, at) =>
          seen.options({ runtimeEnv: { env: { N: `${at}` } } }).remote("N"),
      ),
    );
    assertEquals(values.map(({ value }) => value), [
      "0",
      "1",
      "2",
      "3",
      "4",
      "5",
    ]);
  });
  await t.step("a variable may be empty", async () => {
    const empty = seen.options({ runtimeEnv: { env: { COLOUR: "" } } });
    assertEquals((await get(empty.remote("COLOUR"))).value, "");
  });
  await t.step(
    "another home hides nothing that Deno has downloaded",
    async () => {
      const runtimeEnv = { env: { HOME: folder } };
      const home = await get(seen.options({ runtimeEnv }).remote("HOME"));
      assertEquals(home.value, folder);
      assertEquals([...Deno.readDirSync(folder)], []);
    },
  );
  await t.step("what can't be set up is told, and why", async () => {
    const gone = await Deno.makeTempDir();
    const late = seen.options({ runtimeEnv: { workingDir: gone } });
    await Deno.remove(gone);
    await assertRejects(
      () => get(late.remote("A")),
      RuntimeEnvSetupError,
      gone,
    );
    const runtimeEnv = { env: { DENO_V8_FLAGS: "--no-such-flag" } };
    await assertRejects(
      () => get(seen.options({ runtimeEnv }).remote("A")),
      RuntimeEnvSetupError,
      "no-such-flag",
    );
  });
  await t.step("a bad one is told at the call", () => {
    const of = (runtimeEnv: unknown) => () =>
      seen.options({ runtimeEnv } as never);
    assertThrows(of({ workingDir: `${folder}/none` }), RuntimeEnvSetupError);
    assertThrows(of({ env: { A: 5 } }), TypeError, "A");
    assertThrows(of({ env: { A: "a\0b" } }), TypeError, "A");
    assertThrows(of({ permissions: { sys: ["no"] } }), TypeError, '"no"');
    const net = ["http://no host/"];
    assertThrows(of({ permissions: { net } }), TypeError, "no host");
    assertThrows(of({ variables: {} }), TypeError, "variables");
    assertThrows(of(5), TypeError, "runtimeEnv");
  });
  await Deno.remove(folder);
});

Deno.test("init({ runtimeEnv }) is for all of the program, here and on other nodes", async (t) => {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  await using cluster = await TestCluster.start(1);
  const { address, token } = cluster;
  for (const place of [{}, { address, token }]) {
    await t.step(
      place.address === undefined ? "here" : "elsewhere",
      async () => {
        const runtimeEnv = {
          env: { COLOUR: "red", SHAPE: "round" },
          workingDir: folder,
        };
        await using _runtime = await init({ numCpus: 1, ...place, runtimeEnv });
        const both = async (one: typeof seen) => {
          const [colour, shape] = await get([
            one.remote("COLOUR"),
            one.remote("SHAPE"),
          ]);
          return [colour.value, shape.value, colour.folder];
        };
        assertEquals(await both(seen), ["red", "round", folder]);
        const seer = remote(Seer).remote();
        assertEquals(await get(seer.see.remote("COLOUR")), "red");
        // What a task names itself goes on top.
        const blue = seen.options({ runtimeEnv: { env: { COLOUR: "blue" } } });
        assertEquals(await both(blue), ["blue", "round", folder]);
      },
    );
  }
  await t.step("a bad one is told at the call", async () => {
    const of = (runtimeEnv: unknown) => () => init({ runtimeEnv } as never);
    const nowhere = { workingDir: `${folder}/none` };
    await assertRejects(of(nowhere), RuntimeEnvSetupError);
    await assertRejects(of({ env: { A: 5 } }), TypeError, "A");
    await assertRejects(of({ permissions: "none" }), TypeError, "permissions");
  });
  await Deno.remove(folder);
});

Deno.test("runtimeEnv on a cluster; a node's token is in no task's environment", async () => {
  await using cluster = await TestCluster.start(1, {
    env: { MANTA_TOKEN: "a token that is long enough" },
  });
  const { address } = cluster;
  const token = cluster.token;
  await using _runtime = await init({ address, token });
  const runtimeEnv = { env: { COLOUR: "red" } };
  const values = await get(
    Array.from(
      { length: 6 },
      () =>
        seen.options({ runtimeEnv, schedulingStrategy: "SPREAD" }).remote(
          "COLOUR",
        ),
    ),
  );
  assert(values.every(({ value }) => value === "red"));
  const tokens = await get([
    seen.remote("MANTA_TOKEN"),
    seen.remote("MANTA_TOKEN_FILE"),
  ]);
  assert(tokens.every(({ value }) => value === undefined));
});
