import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  type ActorHandle,
  cancel,
  get,
  init,
  type ObjectRef,
  type ObjectRefStream,
  put,
  remote,
  runtimeContext,
  signal,
  TaskError,
  TaskTimeoutError,
  WorkerCrashedError,
} from "../../mod.ts";
import { note, Notes, until } from "../support/notes.ts";

/** All items of a stream, as values. */
async function valuesOf<T>(stream: ObjectRefStream<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const ref of stream) values.push(await get(ref));
  return values;
}

/** Yields numbers without end; notes each before it is yielded, and its end. */
const counting = remote(function* counting(path: string) {
  try {
    for (let n = 0;; n++) {
      note(path, n);
      yield n;
    }
  } finally {
    note(path, "ended");
  }
});

class Feed {
  readonly #items = ["a", "b", "c"];

  *all(): Generator<string> {
    yield* this.#items;
  }

  async *slowly(): AsyncGenerator<string> {
    for (const item of this.#items) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      yield item;
    }
  }

  async *endless(path: string): AsyncGenerator<number> {
    try {
      for (let n = 0;; n++) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        yield n;
      }
    } finally {
      note(path, "ended");
    }
  }

  add(item: string): number {
    return this.#items.push(item);
  }
}

Deno.test("Generators stream", async (t) => {
  setFlagsFromString("--expose-gc");
  await using _runtime = await init({ numCpus: 2, logToDriver: false });

  await t.step("each item is there before the next is made", async () => {
    using notes = new Notes();
    const paced = counting.options({ backpressure: 1 });
    let taken = 0;
    for await (const ref of paced.remote(notes.path)) {
      assertEquals(await get(ref), taken++);
      if (taken === 20) break;
    }
    await until(() => notes.lines().includes("ended"), "the producer's end");
    // It may have made the one after the last that was taken.
    assert(notes.lines().length <= 20 + 2, `${notes.lines()}`);
  });

  await t.step(
    "without backpressure the producer runs ahead, and all arrives in order",
    async () => {
      const many = remote(function* (count: number) {
        for (let n = 0; n < count; n++) yield n;
      });
      const values = await valuesOf(many.remote(20_000));
      assertEquals(values.length, 20_000);
      assertEquals(values.every((value, at) => value === at), true);
    },
  );

  await t.step("an empty generator is an empty stream", async () => {
    const none = remote(function* (): Generator<number> {});
    assertEquals(await valuesOf(none.remote()), []);
  });

  await t.step("leaving the loop ends the producer", async () => {
    using notes = new Notes();
    for await (const _ref of counting.remote(notes.path)) break;
    await until(() => notes.lines().includes("ended"), "the producer's end");
    // Its worker is free again.
    assertEquals(await get(remote(() => "free").remote()), "free");
  });

  await t.step("also one that waits, or that computes", async () => {
    using notes = new Notes();
    const waits = remote(async function* waits(path: string) {
      try {
        yield 1;
        await new Promise(() => {});
      } finally {
        note(path, "ended");
      }
    });
    const computes = remote(function* computes(path: string) {
      yield Deno.pid;
      note(path, "computes");
      for (;;);
    });
    const whole = { numCpus: 2 };
    for await (const _ref of waits.options(whole).remote(notes.path)) break;
    for await (const ref of computes.options(whole).remote(notes.path)) {
      await notes.reach(1);
      assertEquals(typeof await get(ref), "number");
      break;
    }
    // All CPUs are free again.
    assertEquals(await get(remote(() => "free", whole).remote()), "free");
  });

  await t.step("an error comes after the items before it", async () => {
    const failing = remote(async function* failing() {
      yield 1;
      yield 2;
      await new Promise((resolve) => setTimeout(resolve, 1));
      throw new RangeError("no third");
    });
    const taken: number[] = [];
    const error = await assertRejects(async () => {
      for await (const ref of failing.remote()) taken.push(await get(ref));
    }, TaskError);
    assertEquals(taken, [1, 2]);
    assert(error.cause instanceof RangeError);
    assertEquals(error.cause.message, "no third");
  });

  await t.step("a crash repeats no item that was delivered", async () => {
    const crashing = remote(function* crashing() {
      const { attempt } = runtimeContext();
      for (let n = 0; n < 10; n++) {
        if (n === 4 * attempt) Deno.kill(Deno.pid, "SIGKILL");
        yield `${n}`;
      }
    }, { backpressure: 1 });
    const values = await valuesOf(crashing.remote());
    assertEquals(values, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
  });

  await t.step(
    "a crash without retries ends the loop by its error",
    async () => {
      const crashing = remote(function* crashing() {
        yield 1;
        Deno.kill(Deno.pid, "SIGKILL");
      }, { maxRetries: 0, backpressure: 1 });
      const taken: number[] = [];
      const error = await assertRejects(async () => {
        for await (const ref of crashing.remote()) taken.push(await get(ref));
      }, WorkerCrashedError);
      assertEquals(taken, [1]);
      assertStringIncludes(error.message, "SIGKILL");
    },
  );

  await t.step("a timeout ends a generator that spins", async () => {
    const spinning = remote(function* (): Generator<number> {
      yield 1;
      for (;;);
    }, { timeout: 200 });
    const taken: number[] = [];
    await assertRejects(async () => {
      for await (const ref of spinning.remote()) taken.push(await get(ref));
    }, TaskTimeoutError);
    assertEquals(taken, [1]);
  });

  await t.step("an item that can't travel is named by its place", async () => {
    const odd = remote(function* (): Generator<unknown> {
      yield 1;
      yield { inner: Symbol("odd") };
    });
    const error = await assertRejects(() => valuesOf(odd.remote()));
    assertStringIncludes(`${error}`, "item 1");
    assertStringIncludes(`${error}`, "inner");
  });

  await t.step("items hold large arrays, refs and errors", async () => {
    const rich = remote(async function* rich() {
      yield new Float64Array(100_000).fill(7);
      yield { ref: put("inside") };
      await Promise.resolve();
      yield new RangeError("as a value");
    });
    const [array, holder, error] = await valuesOf<unknown>(
      rich.remote() as ObjectRefStream<unknown>,
    );
    assertEquals((array as Float64Array).at(-1), 7);
    const { ref } = holder as { ref: ObjectRef<string> };
    assertEquals(await get(ref), "inside");
    assert(error instanceof RangeError);
  });

  await t.step("a task consumes another task's stream", async () => {
    const numbers = remote(function* (count: number) {
      for (let n = 1; n <= count; n++) yield n;
    });
    const sum = remote(async (count: number) => {
      let total = 0;
      for await (const ref of numbers.remote(count)) total += await get(ref);
      return total;
    });
    assertEquals(await get([sum.remote(10), sum.remote(100)]), [55, 5050]);
  });

  await t.step("return() ends it while an item is awaited", async () => {
    const silent = remote(async function* (path: string) {
      try {
        note(path, "begun");
        await new Promise<void>((resolve) =>
          signal().addEventListener("abort", () => resolve())
        );
        yield 1;
      } finally {
        note(path, "ended");
      }
    });
    using notes = new Notes();
    const iterator = silent.remote(notes.path)[Symbol.asyncIterator]();
    const next = iterator.next();
    const after = iterator.next();
    await notes.reach(1);
    const over = { done: true, value: undefined } as const;
    assertEquals(await iterator.return!(), over);
    assertEquals([await next, await after], [over, over]);
    await notes.reach(2);
    assertEquals(await iterator.next(), over);
  });

  await t.step("one that nobody has any more ends its producer", async () => {
    using notes = new Notes();
    const gc = runInNewContext("gc");
    const endless = counting.options({ backpressure: 2 });
    const drop = () => void endless.remote(notes.path);
    const dropIterator = () => {
      const iterator = endless.remote(notes.path)[Symbol.asyncIterator]();
      return iterator.next().then(({ value }) => get(value!));
    };
    drop();
    assertEquals(await dropIterator(), 0);
    await until(() => {
      gc();
      return notes.lines().filter((line) => line === "ended").length === 2;
    }, "the producers' end");
  });

  await t.step("a stream is iterated once", async () => {
    const stream = remote(function* () {
      yield 1;
    }).remote();
    assertEquals(await valuesOf(stream), [1]);
    const error = await assertRejects(() => valuesOf(stream), TypeError);
    assertStringIncludes(error.message, "twice");
  });

  await t.step("items outlive the loop, and can be arguments", async () => {
    const add = remote((a: number, b: number) => a + b);
    const refs: ObjectRef<number>[] = [];
    const three = remote(function* () {
      yield 1;
      yield 2;
      yield 3;
    });
    for await (const ref of three.remote()) refs.push(ref);
    assertEquals(await get(add.remote(refs[0]!, refs[2]!)), 4);
    await cancel(refs[1]!); // There is nothing to cancel any more.
    assertEquals(await get(refs), [1, 2, 3]);
  });

  await t.step("an actor's generators stream too", async () => {
    const feed = remote(Feed).remote();
    assertEquals(await valuesOf(feed.all.remote()), ["a", "b", "c"]);
    assertEquals(await valuesOf(feed.slowly.remote()), ["a", "b", "c"]);
    assertEquals(await get(feed.add.remote("d")), 4);
    assertEquals(await valuesOf(feed.all.remote()), ["a", "b", "c", "d"]);
  });

  await t.step("leaving an actor's stream frees its mailbox", async () => {
    using notes = new Notes();
    const feed: ActorHandle<Feed> = remote(Feed).remote();
    for await (const ref of feed.endless.remote(notes.path)) {
      if (await get(ref) === 3) break;
    }
    assertEquals(await get(feed.add.remote("next")), 4);
    assertEquals(notes.lines(), ["ended"]);
  });
});
