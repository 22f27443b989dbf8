/**
 * Tasks: what they may ask for, wait for and give back, by real workers.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLess,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  asCompleted,
  cancel,
  free,
  get,
  GetTimeoutError,
  init,
  ObjectFreedError,
  type ObjectRef,
  OwnerDiedError,
  put,
  remote,
  runtimeContext,
  signal,
  TaskUnschedulableError,
  wait,
  why,
} from "../../mod.ts";
import { entryOfRef, ObjectEntry } from "../../src/owner/object_ref.ts";
import { note, Notes, rejection, until } from "../support/notes.ts";

const nap = remote(async (ms: number, value?: unknown) => {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
  return value;
});
const nothing = remote(() => {});
/** Runs until it is cancelled. */
const endless = remote(async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  signal().addEventListener("abort", () => resolve());
  await promise;
});
/** A task that runs for as long as this variable lives. */
function running(): { ref: ObjectRef<unknown> } & Disposable {
  const ref = endless.remote();
  return { ref, [Symbol.dispose]: () => cancel(ref) };
}
const sum = remote(async (refs: ObjectRef<number>[]) =>
  (await get(refs)).reduce((a, b) => a + b, 0)
);

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** Processes that ran tasks so far, this program's own. */
function workerCount(): number {
  let count = 0;
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${name}/stat`);
      const parent = Number(
        stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1],
      );
      if (parent === Deno.pid) count++;
    } catch {
      // It ended while the list was read.
    }
  }
  return count;
}

Deno.test("Tasks that wait for tasks need no further process", async (t) => {
  await using _runtime = await init({ numCpus: 2 });
  const fib = remote(async (n: number): Promise<number> => {
    if (n < 2) return n;
    const [a, b] = await get([fib.remote(n - 1), fib.remote(n - 2)]);
    return a + b;
  });
  const chain = remote(
    async (n: number): Promise<number> =>
      n === 0 ? 0 : 1 + await get(chain.remote(n - 1)),
  );
  const hasProc = Deno.build.os === "linux";
  await get(nothing.remote());

  await t.step("fib(20) as 21,891 recursive tasks", async () => {
    let processesMax = 0;
    const timer = setInterval(() => {
      if (hasProc) processesMax = Math.max(processesMax, workerCount());
    }, 50);
    try {
      assertEquals(await get(fib.remote(20)), 6765);
    } finally {
      clearInterval(timer);
    }
    assert(processesMax <= 3, `${processesMax} child processes`);
  });
  await t.step("a chain of 200 nested gets", async () => {
    assertEquals(await get(chain.remote(200)), 200);
  });
  await t.step("a chain of tasks without retries", async () => {
    const alone = remote(
      async (n: number): Promise<number> =>
        n === 0 ? 0 : 1 + await get(alone.remote(n - 1)),
      { maxRetries: 0 },
    );
    assertEquals(await get(alone.remote(50)), 50);
  });
  for (const maxRetries of [3, 0]) {
    await t.step(`100 parents with maxRetries ${maxRetries}`, async () => {
      const parent = remote(
        async (n: number) => await get(nap.remote(2, n)) as number,
        { maxRetries },
      );
      const values = await get(times(100, (n) => parent.remote(n)));
      assertEquals(values, times(100, (n) => n));
    });
  }
  await t.step("tasks that wait for a ref inside a list", async () => {
    const slow = nap.remote(200, 7) as ObjectRef<number>;
    assertEquals(
      await get(times(8, () => sum.remote([slow]))),
      times(8, () => 7),
    );
  });
});

Deno.test("Resources bound what runs", async (t) => {
  await using runtime = await init({ numCpus: 2, resources: { red: 2 } });
  using notes = new Notes();
  /** Runs some at once and counts how many overlapped. */
  async function overlap(options: {
    numCpus?: number;
    resources?: Record<string, number>;
  }): Promise<number> {
    const from = notes.lines().length;
    const task = remote(async (path: string) => {
      note(path, 1);
      await new Promise((resolve) => setTimeout(resolve, 100));
      note(path, -1);
    }, options);
    await get(times(6, () => task.remote(notes.path)));
    let running = 0;
    let most = 0;
    for (const line of notes.lines().slice(from)) {
      running += Number(line);
      most = Math.max(most, running);
    }
    return most;
  }
  await t.step("whole CPUs", async () => {
    assert(await overlap({}) <= 2);
  });
  await t.step("two CPUs a task leave room for one", async () => {
    assertEquals(await overlap({ numCpus: 2 }), 1);
  });
  await t.step(
    "fractions: four halves of two CPUs meet, and no fifth",
    async () => {
      assert(await overlap({ numCpus: 0.5 }) <= 4);
      using together = new Notes();
      const meet = remote(async (path: string) => {
        note(path, "here");
        const endMs = performance.now() + 20_000;
        while (Deno.readTextFileSync(path).split("\n").length < 5) {
          if (performance.now() > endMs) throw new Error("alone");
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      }, { numCpus: 0.5 });
      await get(times(4, () => meet.remote(together.path)));
    },
  );
  await t.step("custom resources, without CPU", async () => {
    assertEquals(await overlap({ numCpus: 0, resources: { red: 1 } }), 2);
    assertEquals(await overlap({ numCpus: 0, resources: { red: 2 } }), 1);
  });
  await t.step("a task knows what it holds", async () => {
    const held = remote(() => runtimeContext().assignedResources, {
      numCpus: 0.25,
      resources: { red: 1.5 },
    });
    assertEquals(await get(held.remote()), { CPU: 0.25, red: 1.5 });
  });
  await t.step("what no machine here has fails at once", async () => {
    const blue = remote(() => 1, { name: "paint", resources: { blue: 1 } });
    const error = await assertRejects(
      () => get(blue.remote()),
      TaskUnschedulableError,
      '"paint"',
    );
    assertStringIncludes(error.message, "blue");
    await assertRejects(
      () => get(remote(() => 1, { numCpus: 64 }).remote()),
      TaskUnschedulableError,
    );
  });
  await t.step("all is given back", async () => {
    await until(async () => {
      const { CPU, red } = await runtime.availableResources();
      return CPU === 2 && red === 2;
    }, "resources given back");
  });
});

Deno.test("Tasks run once, and side by side", async (t) => {
  await using _runtime = await init({ numCpus: 4 });
  using notes = new Notes();
  const mixed = remote((path: string, line: number, ms: number) => {
    note(path, line);
    const endMs = performance.now() + ms;
    while (performance.now() < endMs);
  });
  await t.step("10,000 short tasks leave 10,000 lines", async () => {
    await get(times(10_000, (n) => mixed.remote(notes.path, n, 0)));
    const lines = notes.lines();
    assertEquals(lines.length, 10_000);
    assertEquals(new Set(lines).size, 10_000);
  });
  await t.step("so do short and long ones taken back and forth", async () => {
    await get(
      times(
        3_000,
        (n) => mixed.remote(notes.path, 10_000 + n, n % 500 === 7 ? 60 : 0),
      ),
    );
    const lines = notes.lines();
    assertEquals(lines.length, 13_000);
    assertEquals(new Set(lines).size, 13_000);
  });
  await t.step(
    "four naps take the time of one, also after 10,000 short calls",
    async () => {
      // They meet: each waits until all four have begun.
      using together = new Notes();
      const meet = remote(async (path: string, isShort: boolean) => {
        if (isShort) return;
        note(path, "here");
        const endMs = performance.now() + 20_000;
        while (Deno.readTextFileSync(path).split("\n").length < 5) {
          if (performance.now() > endMs) throw new Error("alone");
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      });
      await get(times(10_000, () => meet.remote(together.path, true)));
      await get(times(4, () => meet.remote(together.path, false)));
      assertEquals(together.lines().length, 4);
    },
  );
  await t.step(
    "a short task behind a long one goes to an idle worker",
    async () => {
      await get(times(2_000, () => nap.remote(0)));
      using long = running();
      const short = times(20, (n) => nap.remote(0, n));
      const [ready] = await wait([long.ref, ...short], { numReturns: 20 });
      assertEquals(ready, short);
    },
  );
});

Deno.test("Objects are what their refs promise", async (t) => {
  await using _runtime = await init({ numCpus: 2 });
  const double = remote((x: number) => x * 2);

  await t.step("get keeps the shape it was given", async () => {
    const a = put(1), b = put("two");
    assertEquals(await get(a), 1);
    assertEquals(await get([a, b]), [1, "two"]);
    assertEquals(await get({ a, b }), { a: 1, b: "two" });
    assertEquals(await get([]), []);
    assertEquals(await get({}), {});
    assertEquals(await get([a, a]), [1, 1]);
  });
  await t.step("get with timeout 0 takes only what is ready", async () => {
    assertEquals(await get(put(5), { timeout: 0 }), 5);
    const late = nap.remote(300, 1);
    await assertRejects(() => get(late, { timeout: 0 }), GetTimeoutError);
    const error = await assertRejects(
      () => get([late], { timeout: 1 }),
      GetTimeoutError,
    );
    assertEquals(error.timeoutMs, 1);
    assertEquals(await get(late), 1);
  });
  await t.step(
    "an aborted signal rejects with its reason, and the task goes on",
    async () => {
      const late = nap.remote(200, 9);
      const reason = new Error("enough");
      const controller = new AbortController();
      queueMicrotask(() => controller.abort(reason));
      assertEquals(
        await rejection(get(late, { signal: controller.signal })),
        reason,
      );
      assertEquals(
        await rejection(get(late, { signal: controller.signal })),
        reason,
      );
      assertEquals(
        await rejection(wait([late], { signal: controller.signal })),
        reason,
      );
      assertEquals(await get(late), 9);
    },
  );
  await t.step(
    "get rejects with the first error met, not after the last value",
    async () => {
      using long = running();
      const bad = remote(() => {
        throw new RangeError("soon");
      });
      const error = await rejection(get([long.ref, bad.remote()]));
      assertInstanceOf(error.cause, RangeError);
      const again = await rejection(get({ long: long.ref, bad: bad.remote() }));
      assertInstanceOf(again.cause, RangeError);
    },
  );
  await t.step(
    "wait gives both lists in input order, never more than asked",
    async () => {
      const refs = times(4, (n) => put(n));
      using late = running();
      assertEquals(await wait([late.ref, ...refs], { numReturns: 2 }), [
        [refs[0]!, refs[1]!],
        [late.ref, refs[2]!, refs[3]!],
      ]);
      assertEquals(await wait([late.ref], { timeout: 0 }), [[], [late.ref]]);
      assertEquals(await wait([late.ref], { timeout: 10 }), [[], [late.ref]]);
    },
  );
  await t.step(
    "wait is about the refs as they were when it began",
    async () => {
      const late = running();
      const refs = [late.ref];
      const waiting = wait(refs);
      refs.length = 0;
      late[Symbol.dispose]();
      assertEquals(await waiting, [[late.ref], []]);
    },
  );
  await t.step("wait counts a failed one as ready", async () => {
    const bad = remote(() => {
      throw new Error("no");
    }).remote();
    assertEquals(await wait([bad]), [[bad], []]);
    await rejection(get(bad));
  });
  await t.step(
    "asCompleted that is left early, also while it waits, forgets its refs",
    async () => {
      using late = running();
      const entry = entryOfRef(late.ref);
      let forgottenCount = 0;
      entry.forget = (waiter) => {
        forgottenCount++;
        ObjectEntry.prototype.forget.call(entry, waiter);
      };
      for await (const ref of asCompleted([put(0), late.ref])) {
        assert(ref !== late.ref);
        break;
      }
      const iterator = asCompleted([late.ref]);
      const next = iterator.next();
      await iterator.return!();
      assertEquals(await next, { done: true, value: undefined });
      assertEquals(forgottenCount, 2);
    },
  );

  await t.step(
    "a task that looks again and again by wait() lets its own child run",
    async () => {
      const child = remote(() => "done");
      const parent = remote(async () => {
        const ref = child.remote();
        for (let looks = 0;; looks++) {
          const [ready] = await wait([ref], { timeout: 0 });
          if (ready.length > 0) return await get(ref);
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
      }, { numCpus: 2 });
      assertEquals(await get(parent.remote()), "done");
    },
  );

  await t.step("asCompleted gives each as soon as it is ready", async () => {
    using gate = new Notes();
    const held = remote(async (path: string, count: number) => {
      while (Deno.readTextFileSync(path).split("\n").length <= count) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      return count;
    }, { numCpus: 0.1 });
    const seen: number[] = [];
    for await (
      const ref of asCompleted([2, 1, 0].map((n) => held.remote(gate.path, n)))
    ) {
      seen.push(await get(ref));
      note(gate.path, "next");
    }
    assertEquals(seen, [0, 1, 2]);
    using late = running();
    await assertRejects(
      () => Array.fromAsync(asCompleted([late.ref], { timeout: 5 })),
      GetTimeoutError,
    );
  });
  await t.step("a freed object is gone for everyone", async () => {
    const ref = put([1]);
    free(ref);
    await assertRejects(() => get(ref), ObjectFreedError);
    const error = await rejection(get(remote((x: number[]) => x).remote(ref)));
    assertInstanceOf(error, ObjectFreedError);
  });
  await t.step(
    "also for tasks and calls that have it and wait, but not for who reads it",
    async () => {
      const size = remote((xs: Float64Array) => xs.length);
      const holds = remote(() => new Promise<void>(() => {}));
      class Sizes {
        size(xs: Float64Array): number {
          return xs.length;
        }
      }
      const ref = put(new Float64Array(100_000).fill(4));
      const read = await get(ref);
      const held = [holds.remote(), holds.remote()];
      const waits = size.remote(ref);
      const call = remote(Sizes).remote().size.remote(ref);
      free(ref);
      await Promise.all(held.map((one) => cancel(one, { force: true })));
      for (const one of [waits, call]) {
        assertInstanceOf(await rejection(get(one)), ObjectFreedError);
      }
      assertEquals(read[99_999], 4);
      await Promise.allSettled(held.map((one) => get(one)));
    },
  );
  await t.step(
    "a ref as argument becomes its value, one inside a value stays",
    async () => {
      const three = put(3);
      assertEquals(await get(double.remote(three)), 6);
      assertEquals(await get(double.remote(double.remote(three))), 12);
      const inside = remote(async (box: { ref: ObjectRef<number> }) =>
        await get(box.ref) + 1
      );
      assertEquals(await get(inside.remote({ ref: three })), 4);
    },
  );
  await t.step(
    "refs travel inside objects, results and further tasks",
    async () => {
      const boxed = put({ deep: [put(10)] });
      const { deep: [inner] } = await get(boxed);
      assertEquals(await get(inner!), 10);
      const maker = remote(() => ({ made: put("there") }));
      const { made } = await get(maker.remote());
      assertEquals(await get(made), "there");
      const pass = remote((box: { made: ObjectRef<string> }) => box);
      assertEquals(await get((await get(pass.remote({ made }))).made), "there");
      const child = remote(() => nap.remote(50, "late"));
      assertEquals(await get(await get(child.remote())), "late");
    },
  );
  await t.step("an object dies with its owner", async () => {
    const maker = remote(() => ({ ref: put(1), pid: Deno.pid }));
    const { ref, pid } = await get(maker.remote());
    Deno.kill(pid, "SIGKILL");
    await assertRejects(() => get(ref), OwnerDiedError);
  });
  await t.step(
    "a failed argument fails the task with the same error",
    async () => {
      const bad = remote(function culprit() {
        throw new RangeError("bad");
      }).remote() as ObjectRef<number>;
      const error = await rejection(get(double.remote(bad)));
      assertStringIncludes(error.message, '"culprit"');
      assertInstanceOf(error.cause, RangeError);
    },
  );
  await t.step("numReturns gives as many refs", async () => {
    const pair = remote(() => [1, "a"] as [number, string], { numReturns: 2 });
    const [number, text] = pair.remote();
    assertEquals([await get(number), await get(text)], [1, "a"]);
    assertEquals(nothing.options({ numReturns: 0 }).remote(), undefined);
  });
  await t.step("why says what a ref waits for", async () => {
    const task = remote((_: unknown) => {}, { name: "explained" });
    using late = running();
    const waiting = task.remote(late.ref);
    assertStringIncludes(await why(waiting), "argument");
    cancel(waiting);
    await rejection(get(waiting));
    assertEquals(await why(put(1)), "is ready");
    const bad = remote(() => {
      throw new Error("for a reason");
    }).remote();
    await rejection(get(bad));
    assertStringIncludes(await why(bad), "for a reason");
  });
  await t.step(
    "why asks the owner of a ref that came from elsewhere",
    async () => {
      using late = running();
      const explain = remote(async (refs: ObjectRef<unknown>[]) =>
        await Promise.all(refs.map((ref) => why(ref)))
      );
      const [pending, ready] = await get(
        explain.remote([late.ref, put("value")]),
      );
      assertStringIncludes(pending!, "runs on, or was sent to, worker");
      assertStringIncludes(ready!, "is ready");
    },
  );
});

Deno.test("A turn's tasks are in flight before the first one ends", async () => {
  await using _runtime = await init({ numCpus: 1 });
  const startedMs = performance.now();
  const refs = times(1_000, (n) => nap.remote(0, n));
  const submittedMs = performance.now() - startedMs;
  const values = await get(refs);
  assertEquals(values.length, 1_000);
  assertLess(submittedMs, performance.now() - startedMs);
});
