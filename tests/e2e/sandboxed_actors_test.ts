/**
 * Actors in sandboxes, as honest programs use them: calls, streams, errors.
 * How they end is in `sandboxed_actors_lives_test.ts`, and what a hostile one
 * tries in `sandboxed_actors_escapes_test.ts`.
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
  ActorDiedError,
  cancel,
  get,
  init,
  type ObjectRef,
  put,
  remote,
  runtimeContext,
  SerializationError,
  TaskError,
} from "../../mod.ts";
import { Notes, rejection, until } from "../support/notes.ts";

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

class Ledger {
  readonly lines: unknown[] = [];

  constructor(...lines: unknown[]) {
    this.lines.push(...lines);
  }

  add(line: unknown): number {
    return this.lines.push(line);
  }

  async addSlowly(line: unknown): Promise<number> {
    await new Promise((resolve) => setTimeout(resolve, 1));
    return this.add(line);
  }

  applied(fn: (n: number) => number, n: number): number {
    this.lines.push(n);
    return fn(n);
  }

  all(): unknown[] {
    return this.lines;
  }

  moved(point: Point): number {
    return point.twice() + offset;
  }

  next(array: Float64Array): Float64Array {
    return array.map((x) => x + 1);
  }

  pair(): [number, string] {
    return [1, "two"];
  }

  fail(): never {
    throw new RangeError("own");
  }

  failOddly(): never {
    const odd = new Error("odd");
    const get = () => {
      throw new Error("unreadable");
    };
    throw Object.defineProperty(odd, "message", { get });
  }

  failAside(): Promise<never> {
    setTimeout(() => {
      throw new RangeError("in a timer");
    }, 0);
    return this.never();
  }

  never(): Promise<never> {
    return new Promise(() => {});
  }

  itself(): this {
    return this;
  }

  making(): unknown {
    return { inner: () => 1 };
  }

  putting(): void {
    put(1);
  }

  where(): unknown {
    const { actorId, attempt, currentActor, workerId } = runtimeContext();
    const { state } = Deno.permissions.querySync({ name: "read" });
    return { actorId, attempt, currentActor, workerId, pid: Deno.pid, state };
  }
}

class Gate {
  #open!: () => void;
  readonly #opened = new Promise<void>((resolve) => this.#open = resolve);
  readonly order: number[] = [];

  async pass(): Promise<string> {
    await this.#opened;
    return "passed";
  }

  open(): void {
    this.#open();
  }

  take(n: number, fn?: (n: number) => number): number {
    this.order.push(fn === undefined ? n : fn(n));
    return n;
  }

  taken(): number[] {
    return this.order;
  }
}

class Source {
  readonly #notes: string;

  constructor(notes: string) {
    this.#notes = notes;
  }

  async *count(to: number): AsyncGenerator<number> {
    try {
      for (let n = 0; n < to; n++) {
        Deno.writeTextFileSync(this.#notes, `${n}\n`, { append: true });
        yield n;
      }
    } finally {
      Deno.writeTextFileSync(this.#notes, "ended\n", { append: true });
    }
  }

  *breaking(): Generator<number> {
    yield 1;
    throw new RangeError("broken");
  }
}

class Faulty {
  constructor() {
    throw new RangeError("not made");
  }

  tick(): number {
    return 1;
  }
}

Deno.test("an actor in a sandbox", async (t) => {
  await using _runtime = await init({ numCpus: 2, logToDriver: false });
  using notes = new Notes();
  const Ledgers = remote(Ledger, none);
  const ledger = Ledgers.remote("first", put("second"));

  await t.step(
    "remembers, and its constructor takes refs' values",
    async () => {
      assertEquals(await get(ledger.add.remote("third")), 3);
      assertEquals(await get(ledger.all.remote()), [
        "first",
        "second",
        "third",
      ]);
    },
  );
  await t.step("takes and gives values of every kind", async () => {
    const kinds = [
      new Map([["a", new Date(0)]]),
      new Set([5n]),
      /a+/g,
      [undefined, NaN, -0],
      new RangeError("as a value"),
      new Uint8Array([1, 2]),
    ];
    const own = Ledgers.remote();
    await get(own.add.remote(kinds));
    assertEquals(await get(own.all.remote()), [kinds]);
    assertEquals(await get(own.moved.remote(new Point(4))), 11);
    assertEquals(await get(own.applied.remote((n) => n + offset, 4)), 7);
    assertEquals(
      await get(own.pair.options({ numReturns: 2 }).remote()),
      [1, "two"],
    );
  });
  await t.step("takes and gives large arrays, and refs' values", async () => {
    const array = put(new Float64Array(200_000).fill(2));
    const result = await get(ledger.next.remote(array));
    assertEquals([result.length, result.at(-1)], [200_000, 3]);
    const square = remote((n: number) => n * n);
    assertEquals(await get(ledger.add.remote(square.remote(4))), 4);
  });
  await t.step("runs one caller's calls in the order sent", async () => {
    const own = Ledgers.remote();
    const slow = remote(async () => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      return 0;
    }).remote();
    const counts: ObjectRef<number>[] = [own.add.remote(slow)];
    for (let n = 1; n < 60; n++) {
      counts.push((n % 3 === 0 ? own.addSlowly : own.add).remote(n));
    }
    await get(counts);
    assertEquals(
      await get(own.all.remote()),
      Array.from({ length: 60 }, (_, n) => n),
    );
  });
  await t.step(
    "runs several at a time where it may, begun in order",
    async () => {
      const gate = remote(Gate, { ...none, maxConcurrency: 3 }).remote();
      const passing = gate.pass.remote();
      const factor = 10;
      const taking = Array.from(
        { length: 20 },
        (_, n) =>
          n % 2 === 0
            ? gate.take.remote(n, (n) => n * factor)
            : gate.take.remote(n),
      );
      await get(taking);
      assertEquals(
        await get(gate.taken.remote()),
        Array.from({ length: 20 }, (_, n) => n % 2 === 0 ? n * factor : n),
      );
      await get(gate.open.remote());
      assertEquals(await get(passing), "passed");
    },
  );
  await t.step("has concurrency groups", async () => {
    const gate = remote(Gate, {
      ...none,
      concurrencyGroups: { waiting: { max: 2, methods: ["pass"] } },
    }).remote();
    const passing = [gate.pass.remote(), gate.pass.remote()];
    await get(gate.open.remote());
    assertEquals(await get(passing), ["passed", "passed"]);
  });
  await t.step("streams, no further than its consumer lets it", async () => {
    const source = remote(Source, {
      runtimeEnv: { permissions: { write: [notes.path] } },
    }).remote(notes.path);
    const stream = source.count.options({ backpressure: 2 }).remote(5);
    const taken: number[] = [];
    await until(() => notes.lines().length >= 2, "the first two");
    for await (const ref of stream) taken.push(await get(ref));
    assertEquals(taken, [0, 1, 2, 3, 4]);
    assertEquals(notes.lines(), ["0", "1", "2", "3", "4", "ended"]);
    for await (const ref of source.count.remote(1_000_000)) {
      if (await get(ref) === 3) break;
    }
    await until(
      () => notes.lines().filter((line) => line === "ended").length === 2,
      "the producer's end",
    );
    const items: number[] = [];
    const error = await rejection((async () => {
      for await (const ref of source.breaking.remote()) {
        items.push(await get(ref));
      }
    })());
    assertEquals(items, [1]);
    assert(error instanceof TaskError && error.cause instanceof RangeError);
  });
  await t.step("throws its own errors, with the user's lines", async () => {
    const error = await rejection(get(ledger.fail.remote()));
    assert(error instanceof TaskError && error.cause instanceof RangeError);
    assertEquals(error.functionName, "Ledger.fail");
    const odd = await rejection(get(ledger.failOddly.remote()));
    assert(odd instanceof TaskError);
    assertStringIncludes(`${odd.message}`, "unreadable");
    assertStringIncludes(`${error.cause.stack}`, "sandboxed_actors_test.ts:");
  });
  await t.step(
    "a call fails of what no promise chain of it caught",
    async () => {
      const own = Ledgers.options({ maxConcurrency: 3 }).remote();
      const waiting = own.never.remote();
      const error = await rejection(get(own.failAside.remote()));
      assert(error instanceof TaskError && error.cause instanceof RangeError);
      assertEquals(error.cause.message, "in a timer");
      assertEquals(await get(own.add.remote(1)), 1);
      await cancel(waiting);
    },
  );
  await t.step("its constructor's error reaches each call", async () => {
    const faulty = remote(Faulty, none).remote();
    for (const call of [faulty.tick.remote(), faulty.tick.remote()]) {
      const died = await assertRejects(() => get(call), ActorDiedError);
      assertEquals(died.reason, "its constructor threw");
      assert(died.cause instanceof RangeError);
      assertEquals(died.cause.message, "not made");
    }
  });
  await t.step("returns neither functions nor itself", async () => {
    const making = await rejection(get(ledger.making.remote()));
    assert(making instanceof SerializationError);
    assertEquals(making.path, "result.inner");
    const itself = await rejection(get(ledger.itself.remote()));
    assert(itself instanceof SerializationError);
    assertStringIncludes(itself.message, "the actor Ledger itself");
  });
  await t.step("has no runtime in reach, and says so", async () => {
    const error = await rejection(get(ledger.putting.remote()));
    assertStringIncludes(`${error}`, "in a sandbox");
    await assertRejects(
      () => get(ledger.add.remote({ ref: put(1) })),
      SerializationError,
      "inside a value",
    );
    await assertRejects(
      () => get(ledger.add.remote({ handle: ledger })),
      SerializationError,
      "in a sandbox",
    );
  });
  await t.step("knows where it is, and is alone there", async () => {
    const [first, again, second] = await get([
      ledger.where.remote(),
      ledger.where.remote(),
      Ledgers.remote().where.remote(),
    ]) as Record<string, unknown>[];
    assertEquals(first!["pid"], again!["pid"]);
    assert(first!["pid"] !== second!["pid"]);
    assert(first!["actorId"] !== second!["actorId"]);
    assertEquals(first!["attempt"], 1);
    assertEquals(first!["currentActor"], undefined);
    assertEquals(first!["state"], "prompt");
  });
  await t.step("sees the variables it was given, and no others", async () => {
    class Seer {
      see(): Record<string, string> {
        return Deno.env.toObject();
      }

      read(name: string): string | undefined {
        return Deno.env.get(name);
      }
    }
    const runtimeEnv = {
      env: { COLOUR: "red" },
      permissions: "none" as const,
    };
    const seer = remote(Seer, { runtimeEnv }).remote();
    assertEquals(await get(seer.read.remote("COLOUR")), "red");
    await assertRejects(() => get(seer.read.remote("PATH")), TaskError);
    await assertRejects(() => get(seer.see.remote()), TaskError);
  });
  await t.step("what can't be is told at the call", () => {
    const of = (options: unknown) => () => remote(Point, options as never);
    assertThrows(of({ ...none, durable: true }), TypeError, '"durable"');
    assertThrows(
      of({ runtimeEnv: { permissions: "all" } }),
      TypeError,
      '"none"',
    );
    assertThrows(
      () =>
        remote(Point, { runtimeEnv: { permissions: { reed: true } } } as never),
      TypeError,
      '"reed"',
    );
  });
});
