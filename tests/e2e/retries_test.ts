/**
 * Retries: what runs again after a crash or an error, and who is charged.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStringIncludes,
} from "@std/assert";
import {
  get,
  init,
  remote,
  runtimeContext,
  TaskError,
  type TaskOptions,
  WorkerCrashedError,
} from "../../mod.ts";
import { note, Notes, rejection } from "../support/notes.ts";

class Flaky extends Error {
  readonly code = 5;
}

/** Fails until its third attempt. */
function third(make: () => Error): number {
  const { attempt } = runtimeContext();
  if (attempt < 3) throw make();
  return attempt;
}

Deno.test("Crashed tasks go again, up to maxRetries", async (t) => {
  await using _runtime = await init({ numCpus: 2, logToDriver: false });
  const crash = (path: string, attempts: number) => {
    note(path, runtimeContext().attempt);
    if (runtimeContext().attempt <= attempts) {
      Deno.kill(Deno.pid, "SIGKILL");
    }
    return runtimeContext().attempt;
  };
  await t.step("a task survives as many crashes as it may", async () => {
    using notes = new Notes();
    assertEquals(await get(remote(crash).remote(notes.path, 3)), 4);
    assertEquals(notes.lines(), ["1", "2", "3", "4"]);
  });
  await t.step("-1 means without end", async () => {
    using notes = new Notes();
    const task = remote(crash, { maxRetries: -1 });
    assertEquals(await get(task.remote(notes.path, 6)), 7);
  });
  await t.step(
    "0 means once, and the error says how the worker ended",
    async () => {
      using notes = new Notes();
      const task = remote(crash, { maxRetries: 0, name: "doomed" });
      const error = await rejection(get(task.remote(notes.path, 9)));
      assertInstanceOf(error, WorkerCrashedError);
      assertEquals(notes.lines(), ["1"]);
      assertEquals(error.exitSignal, "SIGKILL");
      assertEquals(error.attempts, 1);
      assertEquals(error.functionName, "doomed");
      assertStringIncludes(error.message, "SIGKILL");
    },
  );
  await t.step("the last attempt's exit code and words are told", async () => {
    const task = remote(() => {
      console.error("the very last words");
      Deno.exit(7);
    }, { maxRetries: 1 });
    const error = await rejection(get(task.remote()));
    assertInstanceOf(error, WorkerCrashedError);
    assertEquals(error.exitCode, 7);
    assertEquals(error.attempts, 2);
    assertStringIncludes(error.message, "the very last words");
  });
});

Deno.test("Neighbours of a crashed task lose nothing", async (t) => {
  await using _runtime = await init({ numCpus: 1, logToDriver: false });
  using notes = new Notes();
  const task = remote((path: string, n: number) => {
    const { attempt } = runtimeContext();
    note(path, `${n}:${attempt}`);
    if (n === 200 && attempt === 1) Deno.kill(Deno.pid, "SIGKILL");
    return attempt;
  });
  await get(Array.from({ length: 50 }, () => task.remote(notes.path, -1)));
  const before = notes.lines().length;
  const attempts = await get(
    Array.from({ length: 400 }, (_, n) => task.remote(notes.path, n)),
  );
  await t.step("each has its result", () => {
    assertEquals(attempts.length, 400);
    assertEquals(attempts[200], 2);
  });
  await t.step("only the one that crashed is charged", () => {
    assertEquals(attempts.filter((attempt) => attempt > 1), [2]);
  });
  await t.step("what had not started ran once, uncharged", () => {
    const runs = new Map<number, number>();
    for (const line of notes.lines().slice(before)) {
      const n = Number(line.split(":")[0]);
      runs.set(n, (runs.get(n) ?? 0) + 1);
    }
    for (let n = 201; n < 400; n++) {
      assertEquals(runs.get(n), 1, `task ${n}`);
      assertEquals(attempts[n], 1, `task ${n}`);
    }
    for (let n = 0; n < 400; n++) assert(runs.has(n), `task ${n} never ran`);
  });
});

Deno.test("Tasks that may run once only lose nothing to a neighbour's crash either", async () => {
  await using _runtime = await init({ numCpus: 1, logToDriver: false });
  using notes = new Notes();
  const once = remote((path: string, n: number) => {
    note(path, n);
    if (n === 100) Deno.kill(Deno.pid, "SIGKILL");
    return n;
  }, { maxRetries: 0 });
  await get(Array.from({ length: 50 }, () => once.remote(notes.path, -1)));
  const refs = Array.from(
    { length: 200 },
    (_, n) => once.remote(notes.path, n),
  );
  const outcomes = await Promise.allSettled(refs.map((ref) => get(ref)));
  const failed = outcomes.flatMap(({ status }, n) =>
    status === "rejected" ? [n] : []
  );
  assertEquals(failed, [100]);
  const lines = notes.lines().slice(50);
  assertEquals(lines.length, 200);
  assertEquals(new Set(lines).size, 200);
});

Deno.test("retryExceptions decides which errors go again", async (t) => {
  await using _runtime = await init({ numCpus: 1 });
  const run = (retryExceptions: NonNullable<TaskOptions["retryExceptions"]>) =>
    remote(() => third(() => new Flaky("no")), { retryExceptions });
  await t.step("false: none", async () => {
    const error = await rejection(get(run(false).remote()));
    assertInstanceOf(error, TaskError);
  });
  await t.step("true: every one", async () => {
    assertEquals(await get(run(true).remote()), 3);
  });
  await t.step("a list of classes: those", async () => {
    assertEquals(await get(run([RangeError, Flaky]).remote()), 3);
    const error = await rejection(get(run([RangeError]).remote()));
    assertInstanceOf(error, TaskError);
  });
  await t.step(
    "a predicate: what it says, told the task's own error",
    async () => {
      const seen: unknown[] = [];
      const isFlaky = (error: unknown) => {
        seen.push(error);
        return error instanceof Error && "code" in error && error.code === 5;
      };
      assertEquals(await get(run(isFlaky).remote()), 3);
      assertEquals(seen.length, 2);
      await rejection(get(run(() => false).remote()));
    },
  );
  await t.step("no more often than maxRetries", async () => {
    using notes = new Notes();
    const task = remote((path: string) => {
      note(path, runtimeContext().attempt);
      throw new Flaky(`attempt ${runtimeContext().attempt}`);
    }, { retryExceptions: true, maxRetries: 2 });
    const error = await rejection(get(task.remote(notes.path)));
    assertEquals(notes.lines(), ["1", "2", "3"]);
    assertStringIncludes(error.message, "attempt 3");
  });
});

Deno.test("A worker that crashed is known to have, though what it started has its output and lives on", async () => {
  await using _runtime = await init({ numCpus: 1, logToDriver: false });
  using notes = new Notes();
  const crashes = remote((path: string) => {
    const { attempt } = runtimeContext();
    if (attempt > 1) return attempt;
    const child = new Deno.Command("setsid", {
      args: ["sleep", "60"],
      stdin: "null",
      stdout: "inherit",
      stderr: "inherit",
    }).spawn();
    note(path, child.pid);
    Deno.kill(Deno.pid, "SIGKILL");
  });
  assertEquals(await get(crashes.remote(notes.path)), 2);
  // It has not ended yet, so nobody waited for that.
  Deno.kill(Number(notes.lines()[0]), "SIGKILL");
});
