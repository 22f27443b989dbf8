import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  ActorDiedError,
  ActorUnavailableError,
  exitActor,
  get,
  getActor,
  init,
  kill,
  MantaError,
  remote,
  TaskUnschedulableError,
} from "../../mod.ts";

class Clock {
  ticks = 0;

  tick(): number {
    return ++this.ticks;
  }

  pid(): number {
    return Deno.pid;
  }

  spin(): never {
    for (;;);
  }

  never(): Promise<never> {
    return new Promise(() => {});
  }

  crash(): never {
    Deno.kill(Deno.pid, "SIGKILL");
    throw new Error("still here");
  }

  leave(): never {
    return exitActor();
  }

  exit(code: number): never {
    return Deno.exit(code);
  }
}

/** Writes a line into a file when it begins, when it runs, and when it is disposed. */
class Witness {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
    this.#note("made");
  }

  #note(line: string): void {
    Deno.writeTextFileSync(this.#file, `${line}\n`, { append: true });
  }

  /** Crashes its process as often as the file says it has not yet. */
  crashTimes(times: number): string {
    this.#note("ran");
    const runs = Deno.readTextFileSync(this.#file).split("ran").length - 1;
    if (runs <= times) Deno.kill(Deno.pid, "SIGKILL");
    return `after ${runs} runs`;
  }

  ping(): string {
    return "pong";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 1));
    this.#note("disposed");
  }
}

async function until(
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  while (!await condition()) {
    await new Promise((resolve) => setTimeout(resolve, 5));
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
  assertStringIncludes(died.message, died.reason);
  return died.reason;
}

Deno.test("Lives of actors", async (t) => {
  await using runtime = await init({ numCpus: 2, resources: { lamp: 1 } });
  const folder = await Deno.makeTempDir();
  let fileCount = 0;
  const newFile = () => `${folder}/${fileCount++}`;
  const read = (file: string) => {
    try {
      return Deno.readTextFileSync(file).trim().split("\n");
    } catch (error) {
      // The actor has not begun to write.
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  };
  const Clocks = remote(Clock);

  await t.step(
    "a name finds its actor, and is free after its end",
    async () => {
      const clock = Clocks.options({ name: "big" }).remote();
      await get(clock.tick.remote());
      const found = await getActor<Clock>("big");
      assertEquals(await get(found.tick.remote()), 2);
      const second = Clocks.options({ name: "big" }).remote();
      for (const call of [second.tick.remote(), second.tick.remote()]) {
        assertStringIncludes(await diesOf(get(call)), '"big" is alive');
      }
      const elsewhere = Clocks.options({ name: "big", namespace: "other" })
        .remote();
      assertEquals(await get(elsewhere.tick.remote()), 1);
      const there = await getActor<Clock>("big", "other");
      assertEquals(await get(there.tick.remote()), 2);
      await kill(clock);
      const none = await assertRejects(() => getActor("big"), MantaError);
      assertStringIncludes(none.message, '"big" in namespace "default"');
      const again = Clocks.options({ name: "big" }).remote();
      assertEquals(await get(again.tick.remote()), 1);
    },
  );

  await t.step("getIfExists, raced, makes one actor", async () => {
    const join = remote(
      async (Clocks: ReturnType<typeof remote<typeof Clock>>) => {
        const clock = Clocks.remote();
        return { clock, tick: await get(clock.tick.remote()) };
      },
    );
    const Only = Clocks.options({ name: "only", getIfExists: true });
    const joined = await get([1, 2, 3, 4].map(() => join.remote(Only)));
    assertEquals(joined.map(({ tick }) => tick).sort(), [1, 2, 3, 4]);
    const pids = await get(joined.map(({ clock }) => clock.pid.remote()));
    assertEquals(new Set(pids).size, 1);
  });

  await t.step(
    "any handle keeps the actor, found by name or joined",
    async () => {
      const file = newFile();
      const Named = remote(Witness, { name: "kept", getIfExists: true });
      const handles = [Named.remote(file)];
      await get(handles[0]!.ping.remote());
      handles.push(Named.remote(file), await getActor<Witness>("kept"));
      while (handles.length > 0) {
        assertEquals(await get(handles[0]!.ping.remote()), "pong");
        // The maker's goes first.
        handles.shift();
        for (let round = 0; round < 5; round++) await collectGarbage();
        assertEquals(read(file).includes("disposed"), false);
        if (handles.length === 1) break;
      }
      handles.length = 0;
      await until(async () => {
        await collectGarbage();
        return read(file).includes("disposed");
      });
      assertEquals(read(file), ["made", "disposed"]);
    },
  );

  await t.step(
    "a method that spins is killed, and the queue behind it",
    async () => {
      const clock = Clocks.remote();
      const pid = await get(clock.pid.remote());
      const spinning = clock.spin.remote();
      const behind = clock.tick.remote();
      await kill(clock);
      assertEquals(await diesOf(get(spinning)), "it was killed by kill()");
      assertEquals(await diesOf(get(behind)), "it was killed by kill()");
      assertEquals(
        await diesOf(get(clock.tick.remote())),
        "it was killed by kill()",
      );
      await until(() => !isAlive(pid));
      await kill(clock); // A second time changes nothing.
    },
  );

  await t.step("kill with noRestart: false starts it again", async () => {
    const clock = Clocks.options({ maxRestarts: 1 }).remote();
    const first = await get(clock.pid.remote());
    await get(clock.tick.remote());
    await kill(clock, { noRestart: false });
    assertEquals(await get(clock.tick.remote()), 1);
    assertNotEquals(await get(clock.pid.remote()), first);
    await kill(clock, { noRestart: false });
    assertEquals(
      await diesOf(get(clock.tick.remote())),
      "it was killed by kill()",
    );
  });

  await t.step("calls after kill() go to the next incarnation", async () => {
    const clock = Clocks.options({ maxRestarts: -1 }).remote();
    for (let round = 0; round < 8; round++) {
      assertEquals(await get([clock.tick.remote(), clock.tick.remote()]), [
        1,
        2,
      ]);
      await kill(clock, { noRestart: false });
    }
  });

  await t.step(
    "exitActor ends it after its clean-up, without restart",
    async () => {
      const clock = Clocks.options({ maxRestarts: -1 }).remote();
      const leaving = clock.leave.remote();
      const behind = clock.tick.remote();
      assertEquals(await diesOf(get(leaving)), "it left by exitActor()");
      assertEquals(await diesOf(get(behind)), "it left by exitActor()");
      assertEquals(
        await diesOf(get(clock.tick.remote())),
        "it left by exitActor()",
      );
    },
  );

  await t.step(
    "Deno.exit and a killed process are named as reasons",
    async () => {
      const exiting = Clocks.remote();
      assertStringIncludes(await diesOf(get(exiting.exit.remote(3))), "code 3");
      const crashing = Clocks.remote();
      const reason = await diesOf(get(crashing.crash.remote()));
      assertStringIncludes(reason, "SIGKILL");
      const killed = Clocks.remote();
      Deno.kill(await get(killed.pid.remote()), "SIGKILL");
      assertStringIncludes(await diesOf(get(killed.never.remote())), "SIGKILL");
    },
  );

  await t.step(
    "a call cut short by a restart is told so, later ones run",
    async () => {
      const clock = Clocks.options({ maxRestarts: 1 }).remote();
      const pid = await get(clock.pid.remote());
      const cut = clock.never.remote();
      const alsoCut = clock.tick.remote();
      Deno.kill(pid, "SIGKILL");
      const unavailable = await assertRejects(
        () => get(cut),
        ActorUnavailableError,
      );
      assertStringIncludes(unavailable.message, "may have run");
      await assertRejects(() => get(alsoCut), ActorUnavailableError);
      assertEquals(await get(clock.tick.remote()), 1);
    },
  );

  await t.step("maxTaskRetries runs cut calls again, in order", async () => {
    const file = newFile();
    const Stubborn = remote(Witness, { maxRestarts: -1, maxTaskRetries: -1 });
    const witness = Stubborn.remote(file);
    const calls = [
      witness.crashTimes.remote(2),
      witness.crashTimes.remote(2),
      witness.ping.remote(),
    ];
    assertEquals(await get(calls), [
      "after 3 runs",
      "after 4 runs",
      "pong",
    ] as string[]);
    assertEquals(
      read(file).join(" "),
      "made ran made ran made ran ran",
    );
    const bounded = Stubborn.options({ maxTaskRetries: 1 }).remote(newFile());
    await assertRejects(
      () => get(bounded.crashTimes.remote(5)),
      ActorUnavailableError,
    );
  });

  await t.step("restarts are bounded by maxRestarts", async () => {
    const Bounded = remote(Witness, { maxRestarts: 2, maxTaskRetries: -1 });
    const file = newFile();
    const witness = Bounded.remote(file);
    const reason = await diesOf(get(witness.crashTimes.remote(9)));
    assertStringIncludes(reason, "SIGKILL");
    assertEquals(read(file).filter((line) => line === "made").length, 3);
  });

  await t.step("a crash during the constructor counts as a death", async () => {
    class Fragile {
      constructor(file: string) {
        const { size } = Deno.statSync(file);
        Deno.writeTextFileSync(file, "x", { append: true });
        if (size < 2) Deno.kill(Deno.pid, "SIGKILL");
      }
      size(file: string): number {
        return Deno.statSync(file).size;
      }
    }
    const file = newFile();
    await Deno.writeTextFile(file, "");
    const fragile = remote(Fragile, { maxRestarts: 2 }).remote(file);
    assertEquals(await get(fragile.size.remote(file)), 3);
    await Deno.writeTextFile(file, "");
    const dead = remote(Fragile).remote(file);
    assertStringIncludes(await diesOf(get(dead.size.remote(file))), "SIGKILL");
  });

  await t.step("a detached actor outlives the task that made it", async () => {
    const make = remote(() => {
      const Detached = remote(Clock, { name: "free", lifetime: "detached" });
      const clock = Detached.remote();
      return get(clock.tick.remote()).then(() => Deno.pid);
    }, { maxRetries: 0 });
    const pid = await get(make.remote());
    Deno.kill(pid, "SIGKILL");
    await until(() => !isAlive(pid));
    const clock = await getActor<Clock>("free");
    assertEquals(await get(clock.tick.remote()), 2);
    await kill(clock);
  });

  await t.step(
    "an actor of a task lives as long as a handle and its maker's process",
    async () => {
      const make = remote(async (file: string) => {
        const witness = remote(Witness).remote(file);
        await get(witness.ping.remote());
        return { witness, pid: Deno.pid };
      });
      const file = newFile();
      const { witness, pid } = await get(make.remote(file));
      assertEquals(await get(witness.ping.remote()), "pong");
      Deno.kill(pid, "SIGKILL");
      assertStringIncludes(
        await diesOf(until(() => get(witness.ping.remote()).then(() => false))),
        "the process that created it is gone",
      );
    },
  );

  await t.step("resources are waited for, and given back", async () => {
    const Lamp = remote(Clock, { resources: { lamp: 1 } });
    const first = Lamp.remote();
    await get(first.tick.remote());
    assertEquals((await runtime.availableResources())["lamp"], 0);
    const second = Lamp.remote();
    const waiting = second.tick.remote();
    const queued = Lamp.remote();
    const neverRuns = queued.tick.remote();
    await kill(queued);
    assertEquals(await diesOf(get(neverRuns)), "it was killed by kill()");
    await kill(first);
    assertEquals(await get(waiting), 1);
    await kill(second);
    assertEquals((await runtime.availableResources())["lamp"], 1);
    const never = remote(Clock, { numCpus: 64 }).remote();
    await assertRejects(
      () => get(never.tick.remote()),
      TaskUnschedulableError,
      "64 CPU",
    );
  });

  await t.step("an actor out of memory ends alone, and says so", async () => {
    class Hoarder {
      readonly #hoard: unknown[] = [];
      async fill(): Promise<never> {
        for (;;) {
          this.#hoard.push(Array.from({ length: 1000 }, (_, n) => ({ n })));
          await Promise.resolve();
        }
      }
    }
    const hoarder = remote(Hoarder, { memory: 48 * 2 ** 20 }).remote();
    assertStringIncludes(
      await diesOf(get(hoarder.fill.remote())),
      "out of memory",
    );
  });
  await Deno.remove(folder, { recursive: true });
});

function isAlive(pid: number): boolean {
  try {
    return !Deno.readTextFileSync(`/proc/${pid}/stat`).includes(") Z ");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
