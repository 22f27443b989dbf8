import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  ActorPool,
  get,
  GetTimeoutError,
  init,
  inspectSerializability,
  map,
  ObjectRef,
  put,
  Queue,
  registerClass,
  remote,
  TaskError,
} from "../../mod.ts";
import { until } from "../support/notes.ts";

const square = remote((x: number) => x * x);
const slowIf = remote(async (x: number) => {
  await new Promise((resolve) => setTimeout(resolve, x % 3 === 0 ? 60 : 0));
  return x;
});
const failAt = remote((x: number) => {
  if (x === 3) throw new RangeError("three");
  return x;
});

class Doubler {
  #calls = 0;
  double(x: number) {
    this.#calls++;
    return 2 * x;
  }
  calls() {
    return this.#calls;
  }
}

async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

Deno.test("map(remoteFn, iterable, { window, ordered })", async (t) => {
  await using _runtime = await init({ numCpus: 2 });

  await t.step("gives values in order", async () => {
    const numbers = Array.from({ length: 40 }, (_, at) => at);
    assertEquals(await listOf(map(slowIf, numbers)), numbers);
    assertEquals(await listOf(map(square, [])), []);
  });
  await t.step("or as they are ready", async () => {
    const numbers = Array.from({ length: 12 }, (_, at) => at);
    const seen = await listOf(map(slowIf, numbers, { ordered: false }));
    assertEquals(seen.toSorted((a, b) => a - b), numbers);
    assert(seen.indexOf(0) > 0);
  });
  await t.step(
    "takes endless inputs, never more than window at a time",
    async () => {
      let taken = 0;
      let isClosed = false;
      function* endless() {
        try {
          for (;;) yield taken++;
        } finally {
          isClosed = true;
        }
      }
      const seen: number[] = [];
      for await (const y of map(square, endless(), { window: 3 })) {
        seen.push(y);
        assert(taken - seen.length <= 3, `${taken} taken, ${seen.length} seen`);
        if (seen.length === 10) break;
      }
      assertEquals(seen, [0, 1, 4, 9, 16, 25, 36, 49, 64, 81]);
      await until(() => isClosed, "the input's end");
    },
  );
  await t.step("takes async inputs, and refs", async () => {
    async function* inputs() {
      for (let at = 0; at < 5; at++) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        yield at % 2 === 0 ? at : put(at);
      }
    }
    assertEquals(await listOf(map(square, inputs())), [0, 1, 4, 9, 16]);
  });
  await t.step("takes promises, as a loop would", async () => {
    const promised = [Promise.resolve(1), 2] as never as number[];
    assertEquals(await listOf(map(square, promised)), [1, 4]);
    let n = 0;
    const lazy = {
      // A thenable, no promise.
      next: () => ({
        then(come: (result: IteratorResult<number>) => void) {
          n++;
          come(n < 3 ? { done: false, value: n } : { done: true, value: 0 });
        },
      }),
    };
    const items = { [Symbol.asyncIterator]: () => lazy } as never;
    assertEquals(await listOf(map(square, items)), [1, 4]);
  });
  await t.step("an error comes at its place", async () => {
    const seen: number[] = [];
    const error = await assertRejects(async () => {
      for await (const x of map(failAt, [1, 2, 3, 4])) seen.push(x);
    }, TaskError);
    assert(error.cause instanceof RangeError);
    assertEquals(seen, [1, 2]);
  });
  await t.step("an error of the input too", async () => {
    function* broken() {
      yield 1;
      yield 2;
      throw new Error("input");
    }
    const seen: number[] = [];
    await assertRejects(
      async () => {
        for await (const x of map(square, broken())) seen.push(x);
      },
      Error,
      "input",
    );
    assertEquals(seen, [1, 4]);
  });
  await t.step("a bad argument is told at the call", () => {
    assertThrows(() => map(square, [1], { window: 0 }), RangeError, "window");
    assertThrows(() => map(square, 5 as never), TypeError, "iterable");
    assertThrows(() => map((() => 1) as never, [1]), TypeError, "remote()");
  });
});

Deno.test("ActorPool: map and mapUnordered", async (t) => {
  await using _runtime = await init({ numCpus: 2 });
  const Actor = remote(Doubler);
  const actors = [Actor.remote(), Actor.remote(), Actor.remote()];
  const pool = new ActorPool(actors);

  await t.step("every actor works, values are in order", async () => {
    const items = Array.from({ length: 60 }, (_, at) => at);
    const values = await listOf(
      pool.map((actor, x: number) => actor.double.remote(x), items),
    );
    assertEquals(values, items.map((x) => 2 * x));
    const calls = await get(actors.map((actor) => actor.calls.remote()));
    assertEquals(calls.reduce((a, b) => a + b), 60);
    assert(calls.every((count) => count > 0));
  });
  await t.step("two maps at a time share them", async () => {
    const call = (actor: typeof actors[0], x: number) => actor.double.remote(x);
    const [a, b] = await Promise.all([
      listOf(pool.map(call, [1, 2, 3, 4, 5])),
      listOf(pool.mapUnordered(call, [6, 7, 8])),
    ]);
    assertEquals(a, [2, 4, 6, 8, 10]);
    assertEquals(b.toSorted((x, y) => x - y), [12, 14, 16]);
  });
  await t.step("is left early, and goes on with others", async () => {
    const call = (actor: typeof actors[0], x: number) => actor.double.remote(x);
    const endless = function* () {
      for (let at = 0;; at++) yield at;
    };
    for await (const y of pool.map(call, endless())) if (y > 10) break;
    assertEquals(await listOf(pool.map(call, [1, 2])), [2, 4]);
  });
  await t.step("a call that gives no ref takes no actor along", async () => {
    const pool = new ActorPool([remote(Doubler).remote()]);
    const wrong = (() => 5) as never;
    await assertRejects(
      () => listOf(pool.map(wrong, [1])),
      TypeError,
      "expected one ref",
    );
    const doubled = pool.map((actor, x: number) => actor.double.remote(x), [1]);
    assertEquals((await listOf(doubled)).length, 1);
  });
  await t.step("calls may give the same ref", async () => {
    const pool = new ActorPool(
      [Doubler, Doubler].map((one) => remote(one).remote()),
    );
    const same = slowIf.remote(3);
    assertEquals(await listOf(pool.map(() => same, [1, 2, 3])), [3, 3, 3]);
    const doubled = pool.map(
      (actor, x: number) => actor.double.remote(x),
      [1, 2, 3],
    );
    assertEquals((await listOf(doubled)).length, 3);
  });
  await t.step("no actors are refused", () => {
    assertThrows(() => new ActorPool([]), TypeError, "no actors");
  });
});

Deno.test("Queue({ maxSize }): put, get, size", async (t) => {
  await using _runtime = await init({ numCpus: 1 });

  await t.step("first in, first out; refs stay refs", async () => {
    const queue = new Queue<unknown>();
    await queue.put(1);
    await queue.put({ two: 2 });
    await queue.put(put(3));
    await queue.put(undefined);
    assertEquals(await queue.size(), 4);
    assertEquals(await queue.get(), 1);
    assertEquals(await queue.get(), { two: 2 });
    const ref = await queue.get();
    assert(ref instanceof ObjectRef);
    assertEquals(await get(ref), 3);
    assertEquals(await queue.get({ timeout: 0 }), undefined);
  });
  await t.step("is bounded, and both sides can give up", async () => {
    const queue = new Queue<number>({ maxSize: 2 });
    await queue.put(1);
    await queue.put(2);
    await assertRejects(() => queue.put(3, { timeout: 50 }), GetTimeoutError);
    await assertRejects(() => queue.put(3, { timeout: 0 }), GetTimeoutError);
    const late = queue.put(4);
    assertEquals([await queue.get(), await queue.get()], [1, 2]);
    await late;
    assertEquals(await queue.get(), 4);
    await assertRejects(() => queue.get({ timeout: 50 }), GetTimeoutError);
    await assertRejects(() => queue.get({ timeout: 0 }), GetTimeoutError);
    assertEquals(await queue.size(), 0);
  });
  await t.step("who gave up takes nothing from others", async () => {
    const queue = new Queue<number>();
    await assertRejects(() => queue.get({ timeout: 20 }), GetTimeoutError);
    await queue.put(7);
    assertEquals(await queue.get(), 7);
  });
  await t.step("goes to tasks, and one that waits holds no CPU", async () => {
    const numbers = new Queue<number>({ maxSize: 3 });
    const sums = new Queue<number>();
    const consume = remote(async (
      from: Queue<number>,
      { to }: { to: Queue<number> },
    ) => {
      let sum = 0;
      for (let n = 0; n < 20; n++) sum += await from.get();
      await to.put(sum);
    });
    const produce = remote(async (to: Queue<number>) => {
      for (let n = 0; n < 20; n++) await to.put(n);
    });
    const done = [
      consume.remote(numbers, { to: sums }),
      produce.remote(numbers),
    ];
    assertEquals(await sums.get({ timeout: 20_000 }), 190);
    await get(done);
  });
  await t.step("a bad option is told at the call", async () => {
    assertThrows(() => new Queue({ maxSize: 0 }), RangeError, "maxSize");
    assertThrows(() => new Queue({ size: 1 } as never), TypeError, "size");
    const queue = new Queue();
    await assertRejects(
      () => queue.get({ timeout: -1 }),
      RangeError,
      "timeout",
    );
  });
});

Deno.test("registerClass(C): instances travel as instances", async (t) => {
  await using _runtime = await init({ numCpus: 1 });
  class Point {
    constructor(public x: number, public y: number) {}
    get length() {
      return Math.hypot(this.x, this.y);
    }
  }
  assertEquals(registerClass(Point), Point);
  await t.step("to a task and back", async () => {
    const grown = remote((p: Point) => new Point(p.x * 2, p.length));
    const back = await get(grown.remote(new Point(3, 4)));
    assert(back instanceof Point);
    assertEquals([back.x, back.y], [6, 5]);
    assertEquals((await get(put([new Point(0, 2)])))[0]!.length, 2);
  });
  await t.step("what is no class is refused", () => {
    assertThrows(() => registerClass((() => 1) as never), TypeError, "class");
    assertThrows(() => registerClass(5 as never), TypeError, "class");
  });
});

Deno.test("inspectSerializability(value) names what can't travel", async (t) => {
  await using _runtime = await init({ numCpus: 1 });
  await t.step("nothing, where all can", async () => {
    const found = await inspectSerializability({
      a: [1, new Map([["k", new Date()]])],
      f: (x: number) => x,
    });
    assertEquals([found.ok, found.problems.length], [true, 0]);
  });
  await t.step("each part, as a tree", async () => {
    const lock = new WeakRef({});
    const found = await inspectSerializability({
      fine: 1,
      db: { conn: lock, "odd key": [0, new WeakMap()] },
      call: () => lock,
    });
    assertEquals(found.ok, false);
    assertEquals(found.problems.map(({ path }) => path), [
      "value.db.conn",
      'value.db["odd key"][1]',
      "value.call",
    ]);
    assert(found.problems[2]!.reason.includes("lock"));
    assert(`${found}`.includes("value.db.conn"));
    assertEquals(found.tree?.parts.length, 2);
  });
  await t.step("what can't even be read", async () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const found = await inspectSerializability({
      get broken() {
        throw new RangeError("no");
      },
      gone: proxy,
    });
    assertEquals(found.problems.map(({ path }) => path), [
      "value.broken",
      "value.gone",
    ]);
    assertStringIncludes(found.problems[0]!.reason, "RangeError: no");
  });
  await t.step("cycles end", async () => {
    const loop: Record<string, unknown> = { weak: new WeakSet() };
    loop["self"] = loop;
    const found = await inspectSerializability(loop);
    assert(found.problems.some(({ path }) => path === "value.weak"));
  });
});
