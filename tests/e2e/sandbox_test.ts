/**
 * Tasks in sandboxes, as honest programs use them. What a hostile one tries is
 * in `sandbox_escapes_test.ts`.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  cancel,
  get,
  init,
  put,
  remote,
  runtimeContext,
  RuntimeEnvSetupError,
  SerializationError,
  signal,
  TaskCancelledError,
  TaskError,
  TaskTimeoutError,
  WorkerCrashedError,
} from "../../mod.ts";
import { TestCluster } from "../support/cluster.ts";
import { note, Notes, rejection, until } from "../support/notes.ts";
import { Program } from "../support/program.ts";

const none = { runtimeEnv: { permissions: "none" as const } };
const offset = 3;

class Point {
  readonly x: number;

  constructor(x: number) {
    this.x = x;
  }

  twice(): number {
    return this.x * 2;
  }
}

Deno.test("a task in a sandbox", async (t) => {
  await using _runtime = await init({ numCpus: 2, logToDriver: false });
  using notes = new Notes();
  const noting = {
    runtimeEnv: {
      permissions: { read: [notes.path], write: [notes.path] },
    },
  };

  await t.step("takes and gives values of every kind", async () => {
    const same = remote((value: unknown) => value, none);
    const kinds = [
      new Map([["a", new Date(0)]]),
      new Set([5n]),
      /a+/g,
      [undefined, NaN, -0],
      new RangeError("as a value"),
      new Uint8Array([1, 2]),
    ];
    assertEquals(await get(same.remote(kinds)), kinds);
  });
  await t.step("uses what its function captured, classes too", async () => {
    const moved = remote((point: Point) => point.twice() + offset, none);
    assertEquals(await get(moved.remote(new Point(4))), 11);
  });
  await t.step("reads large arrays, and returns them", async () => {
    const next = remote((a: Float64Array) => a.map((x) => x + 1), none);
    const array = put(new Float64Array(200_000).fill(2));
    const result = await get(next.remote(array));
    assertEquals([result.length, result.at(-1)], [200_000, 3]);
  });
  await t.step("has several results", async () => {
    const pair = remote(() => [1, "two"] as [number, string], {
      ...none,
      numReturns: 2,
    });
    assertEquals(await get(pair.remote()), [1, "two"]);
  });
  await t.step("may read what it was given", async () => {
    note(notes.path, "a line");
    const read = remote((path: string) => Deno.readTextFileSync(path), noting);
    assertStringIncludes(await get(read.remote(notes.path)), "a line");
  });
  await t.step("throws its own errors, with the user's lines", async () => {
    const failing = remote(function failing() {
      throw new RangeError("own");
    }, none);
    const error = await rejection(get(failing.remote()));
    assert(error instanceof TaskError && error.cause instanceof RangeError);
    assertStringIncludes(`${error.cause.stack}`, "sandbox_test.ts:");
  });
  await t.step("streams, and ends when nobody listens", async () => {
    const counting = remote(function* (path: string) {
      try {
        for (let n = 0;; n++) yield n;
      } finally {
        Deno.writeTextFileSync(path, "ended\n", { append: true });
      }
    }, noting);
    const taken: number[] = [];
    for await (const ref of counting.remote(notes.path)) {
      if (taken.push(await get(ref)) === 4) break;
    }
    assertEquals(taken, [0, 1, 2, 3]);
    await until(() => notes.lines().includes("ended"), "the producer's end");
  });
  await t.step("is ended by its timeout though it spins", async () => {
    const spinning = remote(() => {
      for (;;);
    }, { ...none, timeout: 300 });
    await assertRejects(() => get(spinning.remote()), TaskTimeoutError);
  });
  await t.step("hears a cancel, or is ended by one", async () => {
    const hears = remote(async (path: string) => {
      Deno.writeTextFileSync(path, "listens\n", { append: true });
      await new Promise<void>((resolve) =>
        signal().addEventListener("abort", () => resolve())
      );
      Deno.writeTextFileSync(path, "heard\n", { append: true });
    }, noting);
    const heard = hears.remote(notes.path);
    await until(() => notes.lines().includes("listens"), "its start");
    await cancel(heard);
    await assertRejects(() => get(heard), TaskCancelledError);
    await until(() => notes.lines().includes("heard"), "what it heard");
    const spins = remote((path: string) => {
      Deno.writeTextFileSync(path, "spins\n", { append: true });
      for (;;);
    }, noting);
    const forced = spins.remote(notes.path);
    await until(() => notes.lines().includes("spins"), "its start");
    await cancel(forced, { force: true });
    await assertRejects(() => get(forced), TaskCancelledError);
  });
  await t.step("runs again where its process ended", async () => {
    const dying = remote(() => {
      if (runtimeContext().attempt === 1) Deno.exit(1);
      return runtimeContext().attempt;
    }, none);
    assertEquals(await get(dying.remote()), 2);
    const exits = remote(() => Deno.exit(3), { ...none, maxRetries: 0 });
    const error = await rejection(get(exits.remote()));
    assert(error instanceof WorkerCrashedError);
    assertStringIncludes(error.message, "exit code 3");
  });
  await t.step("has a process of its own each time", async () => {
    const pid = remote(() => Deno.pid, none);
    const pids = await get([pid.remote(), pid.remote(), pid.remote()]);
    assertEquals(new Set(pids).size, 3);
  });
  await t.step("has no runtime in reach, and says so", async () => {
    const nested = remote(() => {
      put(1);
    }, none);
    const error = await rejection(get(nested.remote()));
    assertStringIncludes(`${error}`, "in a sandbox");
    const inside = remote((holder: { ref: unknown }) => `${holder.ref}`, none);
    await assertRejects(
      () => get(inside.remote({ ref: put(1) })),
      SerializationError,
      "inside a value",
    );
  });
  await t.step("returns no functions", async () => {
    const making = remote(() => ({ inner: () => 1 }), none);
    const error = await rejection(get(making.remote()));
    assert(error instanceof SerializationError);
    assertEquals(error.path, "result.inner");
  });
  await t.step("a bad one is told at the call", () => {
    const of = (permissions: unknown) => () =>
      remote(() => 1, { runtimeEnv: { permissions } } as never);
    assertThrows(of("all"), TypeError, '"none"');
    assertThrows(of({ reed: true }), TypeError, '"read"');
    assertThrows(of({ read: [""] }), TypeError, "read");
  });
});

Deno.test("a sandbox may never more than its program", async () => {
  await using program = new Program();
  const running = program.start([
    "run",
    "--allow-read",
    `--allow-write=${program.temporary}`,
    "--allow-net",
    "--allow-env",
    "--allow-run",
    "--allow-sys",
    "--allow-ffi",
    program.write(
      "main.ts",
      `
      import { get, init, remote, shutdown } from "@manta/manta";
      await init({ numCpus: 1 });
      const write = (path: string) => {
        try {
          Deno.writeTextFileSync(path, "x");
          return "written";
        } catch (error) {
          return (error as Error).message;
        }
      };
      const tryTo = async (permissions: unknown, path: string) => {
        try {
          const runtimeEnv = { permissions } as never;
          return await get(remote(write, { runtimeEnv }).remote(path));
        } catch (error) {
          return error.name + ": " + error.message;
        }
      };
      const folder = Deno.makeTempDirSync();
      const own = folder + "/x";
      const foreign = import.meta.dirname + "/x";
      console.log(await tryTo({ write: [foreign] }, foreign));
      console.log(await tryTo({ write: true }, foreign));
      console.log(await tryTo({ write: "inherit" }, foreign));
      console.log(await tryTo({ write: "inherit" }, own));
      console.log(await tryTo({ write: [own] }, own));
      Deno.removeSync(folder, { recursive: true });
      await shutdown();
    `,
    ),
  ]);
  const { code, stdout, stderr } = await running.ended;
  assertEquals(code, 0, stderr);
  const lines = stdout.trim().split("\n");
  assertStringIncludes(lines[0]!, RuntimeEnvSetupError.name);
  assertStringIncludes(lines[0]!, "--allow-write=");
  // All is more than it has.
  assertStringIncludes(lines[1]!, RuntimeEnvSetupError.name);
  assertStringIncludes(lines[2]!, "Requires write access");
  assertEquals(lines.slice(3), ["written", "written"]);
  await program.gone();
});

Deno.test("a sandbox that spins ends with its program, however that ends", async () => {
  await using program = new Program();
  const running = program.start([
    "run",
    "-A",
    program.write(
      "main.ts",
      `
      import { get, init, remote } from "@manta/manta";
      await init({ numCpus: 1 });
      const spin = remote(() => {
        console.log("spins");
        for (;;);
      }, { runtimeEnv: { permissions: "none" } });
      await get(spin.remote());
    `,
    ),
  ]);
  await running.said("spins");
  running.kill("SIGKILL");
  await running.ended;
  await program.gone();
});

Deno.test("sandboxes on the nodes of a cluster", async () => {
  await using cluster = await TestCluster.start(2);
  const { address, token } = cluster;
  await using _runtime = await init({ address, token });
  const where = remote(() => {
    const { state } = Deno.permissions.querySync({ name: "read" });
    return `${runtimeContext().nodeId} ${state}`;
  }, { ...none, schedulingStrategy: "SPREAD" });
  const places = await get([where.remote(), where.remote()]);
  assertEquals(new Set(places).size, 2);
  for (const place of places) assertStringIncludes(place, "prompt");
});
