/**
 * How actors in sandboxes are stopped, end and live again, here and on a
 * cluster, and that nothing of them is left.
 *
 * @module
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  ActorDiedError,
  ActorUnavailableError,
  cancel,
  exitActor,
  get,
  getActor,
  init,
  kill,
  remote,
  runtimeContext,
  RuntimeEnvSetupError,
  signal,
  TaskCancelledError,
  TaskTimeoutError,
} from "../../mod.ts";
import { TestCluster } from "../support/cluster.ts";
import { Notes, until } from "../support/notes.ts";
import { Program } from "../support/program.ts";

const none = { runtimeEnv: { permissions: "none" as const } };

/** Writes what happens to it into a file that it may write. */
class Witness {
  readonly #path: string | undefined;
  #ticks = 0;

  constructor(path?: string) {
    this.#path = path;
    this.#note("made");
  }

  #note(line: string): void {
    if (this.#path === undefined) return;
    Deno.writeTextFileSync(this.#path, `${line}\n`, { append: true });
  }

  tick(): number {
    return ++this.#ticks;
  }

  pid(): number {
    return Deno.pid;
  }

  nodeId(): string {
    return runtimeContext().nodeId;
  }

  spin(): never {
    this.#note("spins");
    for (;;);
  }

  async hear(): Promise<string> {
    this.#note("listens");
    await new Promise<void>((resolve) =>
      signal().addEventListener("abort", () => resolve())
    );
    this.#note("heard");
    return (signal().reason as Error).name;
  }

  /** Waits in its first run. */
  async onceMore(): Promise<number> {
    this.#note("runs");
    if (runtimeContext().attempt === 1) await new Promise(() => {});
    return runtimeContext().attempt;
  }

  leave(): never {
    return exitActor();
  }

  exit(code: number): never {
    return Deno.exit(code);
  }

  fill(): never {
    const all: number[][] = [];
    for (;;) all.push(new Array(100_000).fill(1.5));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 1));
    this.#note("disposed");
  }
}

/** Collects garbage, and lets finalizers run. */
async function collectGarbage(): Promise<void> {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  await new Promise((resolve) => setTimeout(resolve, 0));
}

async function diesOf(promise: Promise<unknown>): Promise<string> {
  const died = await assertRejects(() => promise, ActorDiedError);
  return died.reason;
}

function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    // There is none of that number.
    return false;
  }
}

Deno.test("lives of actors in sandboxes", async (t) => {
  await using _runtime = await init({ numCpus: 2, logToDriver: false });
  const Witnesses = remote(Witness, none);
  /** One that may write its notes. */
  const noting = (notes: Notes) =>
    Witnesses.options({
      runtimeEnv: { permissions: { write: [notes.path] } },
    });

  await t.step("a call that waits is cancelled and never runs", async () => {
    using notes = new Notes();
    const witness = noting(notes).remote(notes.path);
    const running = witness.hear.remote();
    await notes.reach(2);
    const waiting = witness.onceMore.remote();
    await cancel(waiting);
    await assertRejects(() => get(waiting), TaskCancelledError);
    await cancel(running);
    await assertRejects(() => get(running), TaskCancelledError);
    await notes.reach(3);
    assertEquals(await get(witness.tick.remote()), 1);
    assertEquals(notes.lines(), ["made", "listens", "heard"]);
  });
  await t.step("one over its time hears of it, or ends its actor", async () => {
    using notes = new Notes();
    const witness = noting(notes).remote(notes.path);
    await get(witness.tick.remote());
    const timed = witness.hear.options({ timeout: 50 }).remote();
    await assertRejects(() => get(timed), TaskTimeoutError);
    assertEquals(await get(witness.tick.remote()), 2);
    const pid = await get(witness.pid.remote());
    const spinning = witness.spin.options({ timeout: 50 }).remote();
    await assertRejects(() => get(spinning), TaskTimeoutError);
    assertStringIncludes(
      await diesOf(get(witness.tick.remote())),
      '"Witness.spin" ran longer',
    );
    await until(() => !isAlive(pid), "its end");
  });
  await t.step("force ends one that spins, and it starts anew", async () => {
    using notes = new Notes();
    const witness = noting(notes).options({ maxRestarts: 1 })
      .remote(notes.path);
    const spinning = witness.spin.remote();
    await notes.reach(2);
    await cancel(spinning, { force: true });
    await assertRejects(() => get(spinning), TaskCancelledError);
    await until(
      () => get(witness.tick.remote()).then(() => true, () => false),
      "its next life",
    );
    assertEquals(notes.lines(), ["made", "spins", "made"]);
  });
  await t.step("kill ends it, and its process", async () => {
    const witness = Witnesses.remote();
    const pid = await get(witness.pid.remote());
    await kill(witness);
    assertEquals(
      await diesOf(get(witness.tick.remote())),
      "it was killed by kill()",
    );
    await until(() => !isAlive(pid), "its end");
  });
  await t.step("exitActor ends it after its clean-up", async () => {
    using notes = new Notes();
    const witness = noting(notes).options({ maxRestarts: -1 })
      .remote(notes.path);
    const leaving = witness.leave.remote();
    const behind = witness.tick.remote();
    for (const call of [leaving, behind, witness.tick.remote()]) {
      assertEquals(await diesOf(get(call)), "it left by exitActor()");
    }
    await notes.reach(2);
    assertEquals(notes.lines(), ["made", "disposed"]);
  });
  await t.step("without a handle it ends after its clean-up", async () => {
    using notes = new Notes();
    const pid = await get(noting(notes).remote(notes.path).pid.remote());
    await until(async () => {
      await collectGarbage();
      return notes.lines().length >= 2;
    }, "its clean-up");
    assertEquals(notes.lines(), ["made", "disposed"]);
    await until(() => !isAlive(pid), "its end");
  });
  await t.step("a killed one is dead, and says of what", async () => {
    const witness = Witnesses.remote();
    Deno.kill(await get(witness.pid.remote()), "SIGKILL");
    assertEquals(
      await diesOf(until(
        () => get(witness.tick.remote()).then(() => false),
        "its death",
      )),
      "its sandbox ended by signal SIGKILL",
    );
    const exiting = Witnesses.remote();
    assertEquals(
      await diesOf(get(exiting.exit.remote(3))),
      "its sandbox ended by exit code 3",
    );
  });
  await t.step("a killed one lives again, from its constructor", async () => {
    using notes = new Notes();
    const witness = noting(notes).options({ maxRestarts: 2 })
      .remote(notes.path);
    assertEquals(await get(witness.tick.remote()), 1);
    const first = await get(witness.pid.remote());
    const cut = witness.onceMore.remote();
    await notes.reach(2);
    Deno.kill(first, "SIGKILL");
    const error = await assertRejects(() => get(cut), ActorUnavailableError);
    assertStringIncludes(error.message, "signal SIGKILL");
    assertEquals(await get(witness.tick.remote()), 1);
    assertNotEquals(await get(witness.pid.remote()), first);
  });
  await t.step("with maxTaskRetries the call is sent again", async () => {
    using notes = new Notes();
    const witness = noting(notes).options({ maxRestarts: 1, maxTaskRetries: 1 })
      .remote(notes.path);
    const pid = await get(witness.pid.remote());
    const again = witness.onceMore.remote();
    await notes.reach(2);
    Deno.kill(pid, "SIGKILL");
    assertEquals(await get(again), 2);
    assertEquals(notes.lines(), ["made", "runs", "made", "runs"]);
  });
  await t.step("its heap has the bound of its memory", async () => {
    const small = Witnesses.options({ memory: 64 << 20 }).remote();
    assertEquals(await get(small.tick.remote()), 1);
    const reason = await diesOf(get(small.fill.remote()));
    assertStringIncludes(reason, "it ran out of memory");
    assertStringIncludes(reason, `${64 << 20} bytes`);
  });
  await t.step("is found by its name", async () => {
    const witness = Witnesses.options({ name: "seen" }).remote();
    const found = await getActor<Witness>("seen");
    await get(witness.tick.remote());
    assertEquals(await get(found.tick.remote()), 2);
    const tick = remote((of: typeof found) => get(of.tick.remote()));
    assertEquals(await get(tick.remote(found)), 3);
  });
});

Deno.test("an actor in a sandbox, its program and its words", async () => {
  await using program = new Program();
  const main = program.write(
    "main.ts",
    `
      import { exitActor, get, init, kill, remote } from "@manta/manta";
      class Speaker {
        #words = 0;
        speak(word: string): number {
          console.log("says", word);
          return ++this.#words;
        }
        leave(): never {
          return exitActor();
        }
        spin(): never {
          console.log("spins");
          for (;;);
        }
      }
      await init({ numCpus: 1 });
      const tryTo = (permissions: unknown) => {
        try {
          remote(Speaker, { runtimeEnv: { permissions } } as never).remote();
          return "made";
        } catch (error) {
          return error.name + ": " + error.message;
        }
      };
      console.log(tryTo({ write: ["/no/such"] }));
      const none = { runtimeEnv: { permissions: "none" } } as const;
      const speaker = remote(Speaker, none).remote();
      console.log("count", await get(speaker.speak.remote("hello")));
      const killed = remote(Speaker, none).remote();
      await get(killed.speak.remote("once"));
      await kill(killed);
      await get(remote(Speaker, none).remote().leave.remote()).catch(() => {});
      // What those two stored goes with their processes.
      const folder = Deno.env.get("TMPDIR") + "/manta-" + Deno.uid();
      const [session] = [...Deno.readDirSync(folder)];
      const stores = () =>
        [...Deno.readDirSync(folder + "/" + session.name)]
          .filter(({ name }) => name.startsWith("sandbox-")).length;
      while (stores() > 1) await new Promise((go) => setTimeout(go, 5));
      console.log("stores", stores());
      await get(speaker.spin.remote());
    `,
  );
  const running = program.start([
    "run",
    "--allow-read",
    `--allow-write=${program.temporary}`,
    "--allow-net",
    "--allow-env",
    "--allow-run",
    "--allow-sys",
    "--allow-ffi",
    main,
  ]);
  await running.said("spins");
  assert(
    program.processes().some(({ command }) => command.includes("sandbox")),
  );
  // However it ends, nothing is left.
  running.kill("SIGKILL");
  const { stdout } = await running.ended;
  const lines = stdout.trim().split("\n");
  assertStringIncludes(lines[0]!, RuntimeEnvSetupError.name);
  assertStringIncludes(lines[0]!, "--allow-write=");
  assert(lines.some((line) => /^\(Speaker pid=\d+\) says hello$/.test(line)));
  assert(lines.includes("count 1"));
  assert(lines.includes("stores 1"));
  assert(lines.some((line) => /^\(Speaker pid=\d+\) spins$/.test(line)));
  await program.gone();
});

Deno.test("actors in sandboxes on the nodes of a cluster", async () => {
  await using cluster = await TestCluster.start(1);
  const { address, token } = cluster;
  const nodeIds = [cluster.head, ...cluster.nodes].map(({ ready }) =>
    ready.nodeId
  );
  const on = (nodeId: string) =>
    remote(Witness, { ...none, schedulingStrategy: { nodeId } });
  let pid: number;
  {
    await using _runtime = await init({ address, token });
    const witnesses = nodeIds.map((nodeId) => on(nodeId).remote());
    const places = await get(witnesses.map((one) => one.nodeId.remote()));
    assertEquals(places, nodeIds);
    const lasting = on(nodeIds[1]!)
      .options({ name: "last", lifetime: "detached" }).remote();
    assertEquals(await get(lasting.tick.remote()), 1);
    pid = await get(lasting.pid.remote());
  }
  assert(isAlive(pid));
  await using _again = await init({ address, token });
  const found = await getActor<Witness>("last");
  assertEquals(await get(found.tick.remote()), 2);
  assertEquals(await get(found.pid.remote()), pid);
  await kill(found);
  await until(() => !isAlive(pid), "its end");
});
