import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  cancel,
  get,
  GetTimeoutError,
  init,
  remote,
  signal,
  wait,
} from "../../mod.ts";
import { note, Notes, until } from "../support/notes.ts";

const dies = remote(function dies(): number {
  Deno.kill(Deno.pid, "SIGKILL");
  return 0;
});
const spins = remote(function spins(): number {
  for (;;);
});
const fib = remote(async (n: number): Promise<number> => {
  if (n < 2) return n;
  const [a, b] = await get([fib.remote(n - 1), fib.remote(n - 2)]);
  return a! + b!;
});

/** What a promise came to: the name of its error, or its value. */
async function outcomeOf(promise: Promise<unknown>): Promise<string> {
  try {
    return `${await promise}`;
  } catch (error) {
    return (error as Error).name;
  }
}

for (const numCpus of [1, 2]) {
  Deno.test(`Tasks that wait for their own, with ${numCpus} CPUs`, async (t) => {
    await using _runtime = await init({ numCpus, logToDriver: false });

    await t.step(
      "a task that kills its worker each time fails alone",
      async () => {
        using notes = new Notes();
        const parent = remote(async (path: string) => {
          note(path, "ran");
          return await outcomeOf(get(dies.remote()));
        });
        assertEquals(
          await get(parent.remote(notes.path)),
          "WorkerCrashedError",
        );
        // Once it was taken along; from then on it was kept apart.
        assert(notes.lines().length <= 2, `${notes.lines().length} runs`);
      },
    );

    await t.step("one that may run once is never taken along", async () => {
      const parent = remote(
        async () => await outcomeOf(get(dies.remote())),
        { maxRetries: 0 },
      );
      assertEquals(await get(parent.remote()), "WorkerCrashedError");
    });

    await t.step("a crash deep down fails what asked for it", async () => {
      const middle = remote(async () => await get(dies.remote()) + 1);
      const top = remote(async () => {
        const error = await get(middle.remote()).catch((error) => error);
        return `${error.name} of ${error.cause.name}`;
      });
      assertEquals(await get(top.remote()), "TaskError of WorkerCrashedError");
    });

    await t.step("a task's time is kept while it spins", async () => {
      const timed = spins.options({ timeout: 100 });
      const parent = remote(async () => await outcomeOf(get(timed.remote())));
      const parents = Array.from(
        { length: 2 * numCpus },
        () => parent.remote(),
      );
      assertEquals(
        new Set(await get(parents)),
        new Set(["TaskTimeoutError"]),
      );
    });

    await t.step(
      "a get with a timeout ends in time while its task spins",
      async () => {
        const parent = remote(async () => {
          const spinning = spins.remote();
          const outcome = await outcomeOf(get(spinning, { timeout: 100 }));
          await cancel(spinning, { force: true });
          return outcome;
        });
        assertEquals(await get(parent.remote()), "GetTimeoutError");
      },
    );

    await t.step("wait gives the quick one while the other spins", async () => {
      const quick = remote(() => "quick", { numCpus: 0.5 });
      const parent = remote(async () => {
        const spinning = spins.options({ numCpus: 0.5 }).remote();
        const [ready] = await wait([spinning, quick.remote()]);
        await cancel(spinning, { force: true });
        return await get(ready[0]!);
      });
      assertEquals(`${await get(parent.remote())}`, "quick");
    });

    await t.step(
      "a forced cancel of a task spares the one that asked",
      async () => {
        using notes = new Notes();
        const parent = remote(async (path: string) => {
          note(path, "ran");
          const spinning = spins.remote();
          setTimeout(() => cancel(spinning, { force: true }), 50);
          return await outcomeOf(get(spinning, { timeout: 20_000 }));
        });
        assertEquals(
          await get(parent.remote(notes.path)),
          "TaskCancelledError",
        );
        assertEquals(notes.lines().length, 1);
      },
    );

    await t.step("recursion goes on beside all that", async () => {
      assertEquals(await get(fib.remote(12)), 144);
    });
  });
}

Deno.test("What is over is not to blame, and what never started never starts", async (t) => {
  await using _runtime = await init({ numCpus: 1, logToDriver: false });

  await t.step("an error in a timer fails the task that set it", async () => {
    const throws = remote(async function throws() {
      setTimeout(() => {
        throw new RangeError("from a timer");
      }, 10);
      await new Promise(() => {});
    });
    const error = await assertRejects(() => get(throws.remote()));
    assertEquals((error as Error).cause instanceof RangeError, true);
  });

  await t.step("one set by a task that is done fails no other", async () => {
    const leaves = remote((ms: number) => {
      setTimeout(() => {
        throw new Error("too late");
      }, ms);
      setImmediate(() => Promise.reject(new Error("also too late")));
    });
    const outlasts = remote(async (ms: number) => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      return "unharmed";
    });
    await get(leaves.remote(20));
    assertEquals(await get(outlasts.remote(60)), "unharmed");
  });

  await t.step(
    "a cancelled task does not start, however it is raced",
    async () => {
      using notes = new Notes();
      const heeds = remote(async (path: string) => {
        if (signal().aborted) note(path, "started although cancelled");
        await new Promise<void>((resolve) =>
          signal().addEventListener("abort", () => resolve())
        );
      }, { numCpus: 0.05 });
      for (let round = 0; round < 8; round++) {
        const refs = Array.from({ length: 20 }, () => heeds.remote(notes.path));
        await until(async () => {
          const [ready] = await wait(refs, { timeout: 0 });
          return ready.length === 0;
        }, "a turn");
        await new Promise((resolve) => setTimeout(resolve, round));
        for (const ref of refs) cancel(ref);
        await Promise.allSettled(refs.map((ref) => get(ref)));
      }
      assertEquals(await get(remote(() => 1).remote()), 1);
      assertEquals(notes.lines(), []);
    },
  );

  await t.step("GetTimeoutError says what it waits for", async () => {
    const error = await assertRejects(
      () => get(spins.options({ timeout: 300 }).remote(), { timeout: 50 }),
      GetTimeoutError,
    );
    assertEquals(error.timeoutMs, 50);
  });
});
