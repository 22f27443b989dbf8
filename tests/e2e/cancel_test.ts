/**
 * Cancelling and time limits: what never starts, what stops, what is free after.
 *
 * @module
 */
import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import {
  cancel,
  get,
  init,
  remote,
  signal,
  TaskCancelledError,
  TaskTimeoutError,
} from "../../mod.ts";
import { note, Notes, until } from "../support/notes.ts";

const spin = remote((path: string) => {
  note(path, "spins");
  for (;;);
}, { maxRetries: 0 });
const heed = remote(async (path: string) => {
  note(path, "waits");
  await new Promise<void>((_, reject) =>
    signal().addEventListener("abort", () => {
      note(path, "aborted");
      reject(signal().reason);
    })
  );
});
const leave = remote((path: string, line: string) => note(path, line));

Deno.test("A cancelled task stops, and holds nothing", async (t) => {
  await using runtime = await init({ numCpus: 1, logToDriver: false });
  const allFree = () =>
    until(async () => (await runtime.availableResources())["CPU"] === 1, "CPU");

  await t.step("not started: it never runs", async () => {
    using notes = new Notes();
    const first = heed.remote(notes.path);
    await notes.reach(1);
    const second = leave.remote(notes.path, "second");
    const third = leave.remote(notes.path, "third");
    cancel(second);
    await assertRejects(() => get(second), TaskCancelledError);
    cancel(first);
    await get(third);
    assertEquals(notes.lines().filter((line) => line === "second"), []);
  });
  await t.step("waiting for an argument: it never runs", async () => {
    using notes = new Notes();
    const slow = heed.remote(notes.path);
    const next = leave.options({ name: "next" }).remote(
      notes.path,
      slow as never,
    );
    await notes.reach(1);
    cancel(next);
    await assertRejects(() => get(next), TaskCancelledError);
    cancel(slow);
    await assertRejects(() => get(slow), TaskCancelledError);
  });
  await t.step("pushed and not started: its lease is free", async () => {
    using notes = new Notes();
    // From here on a lease is held, and a turn's submissions are pushed at its end.
    await get(leave.remote(notes.path, "first"));
    const ref = leave.remote(notes.path, "second");
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    cancel(ref);
    await assertRejects(() => get(ref), TaskCancelledError);
    await allFree();
  });
  await t.step("running: its signal aborts", async () => {
    using notes = new Notes();
    const ref = heed.remote(notes.path);
    await notes.reach(1);
    cancel(ref);
    await assertRejects(() => get(ref), TaskCancelledError);
    assertEquals(await notes.reach(2), ["waits", "aborted"]);
    await allFree();
  });
  await t.step("spinning: force ends its worker", async () => {
    using notes = new Notes();
    const ref = spin.remote(notes.path);
    await notes.reach(1);
    cancel(ref, { force: true });
    await assertRejects(() => get(ref), TaskCancelledError);
    await get(leave.remote(notes.path, "after"));
    assertEquals(notes.lines(), ["spins", "after"]);
    await allFree();
  });
  await t.step("what it submitted is cancelled with it", async () => {
    using notes = new Notes();
    const parent = remote(async (path: string) => {
      await get([heed.remote(path)]);
    });
    const ref = parent.remote(notes.path);
    await notes.reach(1);
    cancel(ref);
    await assertRejects(() => get(ref), TaskCancelledError);
    assertEquals(await notes.reach(2), ["waits", "aborted"]);
    await allFree();
  });
  await t.step("unless recursive is false", async () => {
    using notes = new Notes();
    const child = remote(async (path: string) => {
      note(path, "begun");
      while (!Deno.readTextFileSync(path).includes("go")) {
        signal().throwIfAborted();
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      note(path, "done");
    });
    const parent = remote(async (path: string) =>
      await get(child.remote(path))
    );
    const ref = parent.remote(notes.path);
    await notes.reach(1);
    cancel(ref, { recursive: false });
    await assertRejects(() => get(ref), TaskCancelledError);
    note(notes.path, "go");
    assertEquals(await notes.reach(3), ["begun", "go", "done"]);
  });
  await t.step("done: nothing changes, however often", async () => {
    using notes = new Notes();
    const ref = remote(() => 5).remote();
    assertEquals(await get(ref), 5);
    cancel(ref);
    cancel(ref, { force: true });
    assertEquals(await get(ref), 5);
    const twice = spin.remote(notes.path);
    await notes.reach(1);
    cancel(twice, { force: true });
    cancel(twice, { force: true });
    await assertRejects(() => get(twice), TaskCancelledError);
  });
});

Deno.test("Time limits end what runs or waits too long", async (t) => {
  await using runtime = await init({ numCpus: 1, logToDriver: false });
  await t.step(
    "timeout ends a task that sleeps, its signal first",
    async () => {
      using notes = new Notes();
      const task = heed.options({ timeout: 100 });
      const error = await assertRejects(
        () => get(task.remote(notes.path)),
        TaskTimeoutError,
      );
      assertEquals(error.timeoutMs, 100);
      assertEquals(await notes.reach(2), ["waits", "aborted"]);
    },
  );
  await t.step("the signal says why it aborts", async () => {
    using notes = new Notes();
    const says = remote(async (path: string) => {
      note(path, "waits");
      await new Promise((resolve) =>
        signal().addEventListener("abort", resolve)
      );
      note(path, signal().reason.name);
    });
    const timed = says.options({ timeout: 100 }).remote(notes.path);
    await assertRejects(() => get(timed), TaskTimeoutError);
    await notes.reach(2);
    const cancelled = says.remote(notes.path);
    await notes.reach(3);
    await cancel(cancelled);
    await assertRejects(() => get(cancelled), TaskCancelledError);
    assertEquals(await notes.reach(4), [
      "waits",
      "TaskTimeoutError",
      "waits",
      "TaskCancelledError",
    ]);
  });
  await t.step("timeout ends a task that spins", async () => {
    using notes = new Notes();
    const task = spin.options({ timeout: 100 });
    await assertRejects(() => get(task.remote(notes.path)), TaskTimeoutError);
    await get(leave.remote(notes.path, "after"));
    assertEquals(notes.lines(), ["spins", "after"]);
  });
  await t.step("time in the queue does not count as run time", async () => {
    const hold = remote(() => {
      const endMs = performance.now() + 600;
      while (performance.now() < endMs);
    });
    const quick = remote(() => 1, { timeout: 400 });
    const refs = [hold.remote(), quick.remote()] as const;
    assertEquals(await get(refs[1]), 1);
    await get(refs[0]);
  });
  await t.step("schedulingTimeout ends a task that can't start", async () => {
    using notes = new Notes();
    const hold = heed.remote(notes.path);
    await notes.reach(1);
    const late = leave.options({ schedulingTimeout: 50 });
    const ref = late.remote(notes.path, "late");
    await assertRejects(() => get(ref), TaskTimeoutError, "schedulingTimeout");
    cancel(hold);
    await get(leave.remote(notes.path, "next"));
    assertEquals(notes.lines().includes("late"), false);
  });
  await t.step(
    "schedulingTimeout leaves a task alone that started",
    async () => {
      using notes = new Notes();
      const task = remote(async (path: string) => {
        note(path, "started");
        await new Promise((resolve) => setTimeout(resolve, 600));
        return "whole";
      }, { schedulingTimeout: 400 });
      await get(remote(() => 0).remote());
      assertEquals(await get(task.remote(notes.path)), "whole");
    },
  );
  await t.step("all is free afterwards", async () => {
    await until(
      async () => (await runtime.availableResources())["CPU"] === 1,
      "CPU",
    );
    assertInstanceOf(signal(), AbortSignal);
  });
});
