/**
 * What leaves a process before it computes on, and thousands that wait for one
 * another.
 *
 * @module
 */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { get, init, type ObjectRef, remote } from "../../mod.ts";
import { note, Notes, rejection, until } from "../support/notes.ts";

/** Computes until a file has as many lines; an error after half a minute. */
function computeUntil(path: string, count: number): void {
  const endMs = performance.now() + 30_000;
  while (Deno.readTextFileSync(path).split("\n").length <= count) {
    assert(performance.now() < endMs, `${path} has no ${count} lines`);
  }
}

/** Writes a line, and takes some milliseconds. */
function computeAndNote(path: string): void {
  note(path, "ran");
  const endMs = performance.now() + 3;
  while (performance.now() < endMs);
}

const noted = remote((path: string) => note(path, "ran"));
const computingNoted = remote(computeAndNote);
const computing = remote(computeUntil);

class Computing {
  noted(path: string): void {
    note(path, "ran");
  }
  computeAndNote(path: string): void {
    computeAndNote(path);
  }
  until(path: string, count: number): void {
    computeUntil(path, count);
  }
}

Deno.test("A program that computes on after a call does not keep it from beginning", async (t) => {
  await using _runtime = await init({ numCpus: 1 });
  const actor = remote(Computing).remote();
  const calls: Record<string, (path: string) => ObjectRef<void>> = {
    "a task": (path) => computingNoted.remote(path),
    "a call of an actor": (path) => actor.computeAndNote.remote(path),
  };
  for (const [what, call] of Object.entries(calls)) {
    await t.step(what, async () => {
      using notes = new Notes();
      await get(call(notes.path));
      const ref = call(notes.path);
      computeUntil(notes.path, 2);
      await get(ref);
    });
  }
});

Deno.test("An answer does not wait for what computes after it", async (t) => {
  await using _runtime = await init({ numCpus: 1 });
  const actor = remote(Computing).remote();
  type Pair = {
    first: (path: string) => ObjectRef<void>;
    then: (path: string, count: number) => ObjectRef<void>;
  };
  const pairs: Record<string, Pair> = {
    "of a task": {
      first: (path) => noted.remote(path),
      then: (path, count) => computing.remote(path, count),
    },
    "of an actor": {
      first: (path) => actor.noted.remote(path),
      then: (path, count) => actor.until.remote(path, count),
    },
  };
  for (const [what, { first, then }] of Object.entries(pairs)) {
    await t.step(what, async () => {
      using notes = new Notes();
      // Known to be short, so that both are sent at once.
      await get([first(notes.path), then(notes.path, 0)]);
      const answered = first(notes.path);
      const computes = then(notes.path, 3);
      await get(answered, { timeout: 30_000 });
      assertEquals(notes.lines().length, 2);
      note(notes.path, "go on");
      await get(computes);
    });
  }
});

class Gate {
  /** Resolves once a file has a line. */
  async open(path: string): Promise<void> {
    await until(() => Deno.readTextFileSync(path) !== "", "the gate's note");
  }
  pass(no: number): number {
    return no;
  }
}

Deno.test("Thousands of calls that waited for one all run, in order", async () => {
  await using _runtime = await init({ numCpus: 1 });
  using notes = new Notes();
  const gate = remote(Gate).remote();
  const opened = gate.open.remote(notes.path);
  const numbers = Array.from({ length: 5000 }, (_, no) => no);
  const passed = numbers.map((no) => gate.pass.remote(no));
  note(notes.path, "open");
  assertEquals(await get(passed, { timeout: 30_000 }), numbers);
  await get(opened);
});

Deno.test("A chain of thousands of tasks ends as its first one does", async (t) => {
  await using _runtime = await init({ numCpus: 1 });
  const first = remote(async (path: string, isFailing: boolean) => {
    await until(() => Deno.readTextFileSync(path) !== "", "the chain's note");
    if (isFailing) throw new RangeError("the first");
    return 0;
  });
  const next = remote((no: number) => no + 1);
  const count = 5000;
  const chain = async (isFailing: boolean) => {
    using notes = new Notes();
    let last = first.remote(notes.path, isFailing);
    for (let no = 0; no < count; no++) last = next.remote(last);
    note(notes.path, "go");
    return await get(last, { timeout: 60_000 });
  };
  await t.step("in a value", async () => {
    assertEquals(await chain(false), count);
  });
  await t.step("or in its error", async () => {
    const error = await rejection(chain(true));
    assertInstanceOf(error.cause, RangeError);
  });
});
