/**
 * Bad input: each fault is named at the call, and the runtime goes on.
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
  asCompleted,
  cancel,
  free,
  get,
  init,
  type InitOptions,
  isInitialized,
  kill,
  type ObjectRef,
  put,
  remote,
  SerializationError,
  shutdown,
  type TaskOptions,
  wait,
  why,
} from "../../mod.ts";
import { rejection } from "../support/notes.ts";

const one = () => 1;
class Empty {}

function refused(
  make: () => unknown,
  errorClass: typeof TypeError | typeof RangeError,
  ...parts: string[]
): void {
  const error = assertThrows(make, errorClass);
  for (const part of parts) assertStringIncludes(error.message, part);
}

Deno.test("remote() refuses what is no function or class", () => {
  for (const target of [5, "f", null, undefined, {}, [one]]) {
    refused(() => remote(target as never), TypeError, "expected a function");
  }
});

Deno.test("Options are checked at the call, by name", async (t) => {
  const cases: [Record<string, unknown>, typeof TypeError, ...string[]][] = [
    [{ numCpu: 1 }, TypeError, '"numCpu"', '"numCpus"'],
    [{ maxretries: 1 }, TypeError, '"maxRetries"'],
    [{ colour: 1 }, TypeError, '"colour"', "no such option"],
    [{ numCpus: -1 }, RangeError, "numCpus", "-1"],
    [{ numCpus: NaN }, RangeError, "numCpus", "NaN"],
    [{ numCpus: Infinity }, RangeError, "numCpus", "Infinity"],
    [{ numCpus: "2" }, TypeError, "numCpus", '"2"'],
    [{ numCpus: null }, TypeError, "numCpus"],
    [{ memory: -5 }, RangeError, "memory"],
    [{ resources: { red: -1 } }, RangeError, "resources", "red"],
    [{ resources: { CPU: 1 } }, TypeError, "numCpus"],
    [{ resources: [1] }, TypeError, "resources"],
    [{ numReturns: 1.5 }, RangeError, "numReturns"],
    [{ numReturns: -1 }, RangeError, "numReturns"],
    [{ maxRetries: -2 }, RangeError, "maxRetries"],
    [{ maxRetries: 0.5 }, RangeError, "maxRetries"],
    [{ retryExceptions: "all" }, TypeError, "retryExceptions"],
    [{ retryExceptions: ["Error"] }, TypeError, "retryExceptions"],
    [{ retryExceptions: [() => true] }, TypeError, "retryExceptions"],
    [{ resources: { "a@b": 1 } }, TypeError, "resources", "a@b"],
    [{ resources: JSON.parse('{"__proto__":1}') }, TypeError, "__proto__"],
    [
      { runtimeEnv: { env: JSON.parse('{"__proto__":"a"}') } },
      TypeError,
      "__proto__",
    ],
    [{ timeout: 0 }, RangeError, "timeout"],
    [{ timeout: -1 }, RangeError, "timeout"],
    [{ timeout: Infinity }, RangeError, "timeout"],
    [{ schedulingTimeout: "1s" }, TypeError, "schedulingTimeout"],
    [{ schedulingStrategy: "FAST" }, TypeError, "schedulingStrategy"],
    [{ schedulingStrategy: { node: "a" } }, TypeError, "schedulingStrategy"],
    [{ schedulingStrategy: { labels: 5 } }, TypeError, "labels"],
    [{ schedulingStrategy: { nodeId: "a", soft: 1 } }, TypeError, "soft"],
    [{ name: "" }, TypeError, "name"],
    [{ priority: NaN }, RangeError, "priority"],
    [{ backpressure: 0 }, RangeError, "backpressure"],
  ];
  for (const [options, errorClass, ...parts] of cases) {
    await t.step(Deno.inspect(options), () => {
      const given = options as TaskOptions;
      refused(() => remote(one, given), errorClass, ...parts);
      refused(() => remote(one).options(given), errorClass, ...parts);
    });
  }
  await t.step("no object at all", () => {
    for (const options of [5, "fast", null, [1]]) {
      refused(
        () => remote(one, options as never),
        TypeError,
        "expected an object",
      );
    }
  });
  await t.step("undefined counts as left out", () => {
    assertEquals(remote(one, { name: undefined } as never).name, "one");
  });
});

Deno.test("Options that mean nothing for what is called are refused, not ignored", async () => {
  const generators: (() => unknown)[] = [
    function* gen() {},
    async function* gen() {},
  ];
  for (const gen of generators) {
    refused(
      () => remote(gen, { numReturns: 2 }),
      TypeError,
      '"numReturns" for "gen"',
      "generator",
    );
    refused(() => remote(gen).options({ numReturns: 1 }), TypeError, "stream");
    assertEquals(remote(gen, { backpressure: 1 }).name, "gen");
  }
  refused(
    () => remote(one, { backpressure: 1 }),
    TypeError,
    '"backpressure" for "one"',
  );
  refused(() => remote(one).options({ backpressure: 1 }), TypeError, "one");
  class Both {
    one() {}
    *many() {}
  }
  await using _runtime = await init({ numCpus: 1 });
  const both = remote(Both).remote();
  refused(
    () => both.one.options({ backpressure: 1 }),
    TypeError,
    '"backpressure" for "Both.one"',
  );
  refused(
    () => both.many.options({ numReturns: 1 }),
    TypeError,
    '"numReturns" for "Both.many"',
  );
});

Deno.test("A class with a method named then can't be remote: its handles would be thenables", () => {
  class Chain {
    then(): void {}
  }
  class Link extends Chain {}
  refused(() => remote(Chain), TypeError, '"Chain"', '"then"');
  refused(() => remote(Link), TypeError, '"Link"', '"then"');
});

Deno.test("init() refuses a dashboard that is none, by name", async () => {
  const cases: [unknown, typeof TypeError, string][] = [
    ["yes", TypeError, "true, false or a port"],
    [8265, TypeError, "true, false or a port"],
    [null, TypeError, "true, false or a port"],
    [[8265], TypeError, "true, false or a port"],
    [{ prot: 1 }, TypeError, '"port"'],
    [{ port: "1" }, TypeError, '"port"'],
    [{ port: -1 }, RangeError, '"port"'],
    [{ port: 65_536 }, RangeError, '"port"'],
    [{ port: 1.5 }, RangeError, '"port"'],
  ];
  for (const [dashboard, errorClass, part] of cases) {
    const error = await rejection(init({ dashboard } as InitOptions));
    assert(error instanceof errorClass, `${error}`);
    assertStringIncludes(error.message, '"dashboard"');
    assertStringIncludes(error.message, part);
  }
  assertEquals(isInitialized(), false);
});

Deno.test("Calls name the argument that is wrong, and the runtime goes on", async (t) => {
  await using _runtime = await init({ numCpus: 1 });
  const ref = put(1);
  const noRef = { id: "0".repeat(32) } as unknown as ObjectRef<unknown>;

  await t.step("what is no ref", async () => {
    for (
      const bad of [5, "x", null, undefined, noRef, [5], { a: 5 }, [ref, 5]]
    ) {
      await assertRejects(() => get(bad as never), TypeError);
    }
    await assertRejects(() => get([ref, one] as never), TypeError, "element 1");
    await assertRejects(() => get({ b: 5 } as never), TypeError, '"b"');
    await assertRejects(() => wait([noRef]), TypeError, "element 0");
    await assertRejects(() => wait(ref as never), TypeError, "array");
    await assertRejects(() => why(noRef), TypeError);
    assertThrows(() => cancel(noRef), TypeError);
    assertThrows(() => free([noRef]), TypeError);
    assertThrows(() => asCompleted([noRef]), TypeError, "element 0");
  });
  await t.step(
    "wait() with duplicates, or for more than there are",
    async () => {
      await assertRejects(() => wait([ref, ref]), TypeError, "twice");
      await assertRejects(
        () => wait([ref], { numReturns: 2 }),
        RangeError,
        "2 of 1",
      );
      await assertRejects(() => wait([ref], { numReturns: 0 }), RangeError);
      await assertRejects(
        () => wait([ref], { timeOut: 1 } as never),
        TypeError,
        '"timeout"',
      );
    },
  );
  await t.step("options of get() and cancel()", async () => {
    await assertRejects(() => get(ref, { timeout: -1 }), RangeError, "timeout");
    await assertRejects(
      () => get(ref, { timeout: NaN }),
      RangeError,
      "timeout",
    );
    await assertRejects(
      () => get(ref, { signal: {} as AbortSignal }),
      TypeError,
      "signal",
    );
    assertThrows(
      () => cancel(ref, { forced: true } as never),
      TypeError,
      '"force"',
    );
    assertThrows(() => cancel(ref, null as never), TypeError, "an object");
    await assertRejects(() => wait([ref], null as never), TypeError);
    await assertRejects(() => get(ref, null as never), TypeError);
    const { message } = await rejection(init(null as never));
    assertStringIncludes(message, "an object of options");
  });
  await t.step("asCompleted() checks at the call, not at the loop", () => {
    const bad = { timeOut: 5 } as never;
    assertThrows(() => asCompleted([ref], bad), TypeError, '"timeout"');
    assertThrows(() => asCompleted([ref, ref]), TypeError, "twice");
  });
  await t.step("options of kill(), and what is no handle", async () => {
    const empty = remote(Empty).remote();
    for (const bad of [{ norestart: false }, null, 5]) {
      await assertRejects(() => kill(empty, bad as never), TypeError);
    }
    await assertRejects(
      () => kill(empty, { noRestart: "no" } as never),
      TypeError,
      '"noRestart"',
    );
    for (const bad of [null, undefined, 5, ref, Empty]) {
      await assertRejects(() => kill(bad as never), TypeError, "actor handle");
    }
  });
  await t.step("a stream can't be cancelled, and it says what ends it", () => {
    const stream = remote(function* () {}).remote();
    assertThrows(
      () => cancel(stream as never),
      TypeError,
      "leaving its loop, or by its iterator's return()",
    );
  });
  await t.step("values that can't travel, by their path", () => {
    const task = remote((_: unknown) => {});
    for (const make of [put, (value: unknown) => task.remote(value)]) {
      const error = assertThrows(
        () => make({ a: [0, { b: Symbol("s") }] }),
        SerializationError,
      );
      assertStringIncludes(error.message, "a[1].b");
    }
    assertThrows(() => put({ p: Promise.resolve() }), SerializationError, "p");
  });
  await t.step("a function that can't travel", async () => {
    const conn = { deep: [Promise.resolve("open")] };
    const error = await assertRejects(
      () =>
        get(
          remote(function uses() {
            return conn.deep.length;
          }).remote(),
        ),
      SerializationError,
    );
    for (const part of ["uses", "conn.deep[0]"]) {
      assertStringIncludes(error.message, part);
    }
  });
  await t.step("all goes on", async () => {
    assertEquals(await get(remote(one).remote()), 1);
  });
});

Deno.test("What can't be a value is refused, and never called", async (t) => {
  await using _runtime = await init({ numCpus: 1 });
  const same = remote((x: unknown) => typeof x);
  const refusal = async (make: () => unknown, ...parts: string[]) => {
    const error = await rejection((async () => await get(make() as never))());
    assert(error instanceof SerializationError, `${error}`);
    for (const part of parts) assertStringIncludes(error.message, part);
  };

  await t.step("a thenable, which get() would unwrap", async () => {
    let called = 0;
    const then = (resolve: (value: number) => void) => {
      called++;
      resolve(8);
    };
    await refusal(() => put({ then }), '"value"', '"then"');
    await refusal(() => put(Object.assign(() => 1, { then })), '"then"');
    assertEquals(await get(same.remote({ then })), "object");
    const inside = await get(put({ deep: { then: () => 1 } }));
    assertEquals(typeof inside.deep.then, "function");
    assertEquals(called, 0);
  });
  await t.step("a revoked proxy, wherever it stands", async () => {
    const revoked = (of: object) => {
      const { proxy, revoke } = Proxy.revocable(of, {});
      revoke();
      return proxy;
    };
    const object = revoked({});
    const fn = revoked(one);
    const cfg = { at: [object] };
    await refusal(() => put(object), '"value" could not be read');
    await refusal(() => put({ a: [object] }), '"value.a[0]"');
    await refusal(() => same.remote(object), '"argument 1"');
    await refusal(() => same.remote(fn), "could not be read");
    await refusal(() => remote(() => cfg.at).remote(), '"cfg.at[0]"');
    await refusal(() => remote(() => object).remote(), '"object"');
    await refusal(() => remote(() => fn).remote(), '"fn"');
  });
  await t.step("a stream of refs", async () => {
    const stream = remote(function* () {
      yield 1;
    }).remote();
    await refusal(() => put({ stream }), '"value.stream"', "stream");
    await refusal(() => same.remote(stream), '"argument 1"', "stream");
    await refusal(() => remote(() => stream).remote(), '"stream"');
    for await (const ref of stream) assertEquals(await get(ref), 1);
  });
  await t.step("a list with a hole", async () => {
    const holed = [put(1), put(2), put(3)];
    delete holed[1];
    await assertRejects(() => get(holed), TypeError, "element 1, undefined");
    await assertRejects(() => wait(holed), TypeError, "element 1, undefined");
    assertThrows(() => free(holed), TypeError, "element 1, undefined");
  });
});

Deno.test("Refs and handles of an ended runtime are refused", async () => {
  class Clock {
    tick() {}
  }
  await init({ numCpus: 1 });
  const old = put(1);
  const clock = remote(Clock).remote();
  const detached = remote(Clock, { lifetime: "detached" }).remote();
  await get([clock.tick.remote(), detached.tick.remote()]);
  await shutdown();
  for (const handle of [clock, detached]) {
    assertThrows(() => handle.tick.remote(), TypeError, "ended");
    await assertRejects(() => kill(handle), TypeError, "ended");
  }
  await assertRejects(() => get(old), TypeError, "ended");
  await assertRejects(() => wait([old]), TypeError, "ended");
  await assertRejects(() => why(old), TypeError, "ended");
  assertThrows(() => free(old), TypeError, "ended");
  assertThrows(() => cancel(old), TypeError, "ended");
  assertEquals(isInitialized(), false);
  {
    await using _runtime = await init({ numCpus: 1 });
    const same = remote((x: unknown) => x);
    await assertRejects(() => get(old), TypeError, "ended");
    await assertRejects(() => wait([old]), TypeError, "ended");
    assertThrows(() => same.remote(old), TypeError, "ended");
    assertThrows(() => same.remote([old]), Error, "ended");
    assertThrows(() => put({ old }), Error, "ended");
    assertThrows(() => clock.tick.remote(), TypeError, "ended");
    assertThrows(() => detached.tick.remote(), TypeError, "ended");
    assertThrows(() => put({ clock }), Error, "ended");
    await assertRejects(() => kill(detached), TypeError, "ended");
    assertEquals(await get(same.remote(2)), 2);
  }
});
