import {
  assert,
  assertAlmostEquals,
  assertEquals,
  AssertionError,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { abortable, deadline, delay, pooledMap, retry } from "@std/async";
import { delay as delayOfItsOwnPath } from "@std/async/delay";
import { parseArgs } from "@std/cli";
import { decode, encode, type ValueType } from "@std/msgpack";

Deno.test("@std/async/delay and @std/async are one module", () => {
  assertStrictEquals(delayOfItsOwnPath, delay);
});

Deno.test("encode() and decode() give every kind of value back", () => {
  const value = {
    int: -129,
    float: 0.5,
    wide: 2 ** 40,
    big: 2n ** 63n,
    negative: -5n,
    text: "žluťoučký",
    bytes: Uint8Array.of(1, 2),
    list: [true, null, { deep: [] }],
  };
  assertEquals(decode(encode(value)), value);
});

Deno.test("encode() writes integers past 32 bits as floats, bigints as 64 bits", () => {
  assertEquals(encode(2 ** 32)[0], 0xcb);
  assertEquals(encode(2 ** 32 - 1)[0], 0xce);
  assertEquals(encode(1n)[0], 0xcf);
  assertEquals(encode(-1n)[0], 0xd3);
});

Deno.test("encode() refuses what has no place in MessagePack", () => {
  const misfits = [
    undefined,
    { a: undefined },
    [Symbol("s")],
    () => {},
    new Date(),
    new Map(),
    new Float64Array(1),
    2n ** 64n,
  ];
  for (const misfit of misfits) {
    assertThrows(() => encode(misfit as ValueType), Error, "Cannot safely");
  }
});

Deno.test("decode() refuses bytes past the value, a cut-off value and extensions", () => {
  assertThrows(() => decode(Uint8Array.of(1, 2)), Error, "whole array");
  assertThrows(() => decode(Uint8Array.of(0x92, 1)));
  assertThrows(() => decode(Uint8Array.of(0xd6, 0xff, 0, 0, 0, 0)), Error);
});

Deno.test("delay() rejects with the signal's reason", async () => {
  const controller = new AbortController();
  const waiting = delay(60_000, { signal: controller.signal });
  controller.abort(new TypeError("enough"));
  await assertRejects(() => waiting, TypeError, "enough");
  await delay(1);
});

Deno.test("deadline() rejects with a TimeoutError, or gives the value", async () => {
  const never = new Promise<never>(() => {});
  const error = await assertRejects(() => deadline(never, 1), DOMException);
  assertEquals(error.name, "TimeoutError");
  assertEquals(await deadline(Promise.resolve(5), 60_000), 5);
});

Deno.test("abortable() ends promises and iterables with the signal's reason", async () => {
  const controller = new AbortController();
  async function* endless() {
    yield 1;
    await new Promise(() => {});
  }
  const waiting = abortable(new Promise(() => {}), controller.signal);
  const steps = abortable(endless(), controller.signal);
  assertEquals(await steps.next(), { done: false, value: 1 });
  const next = steps.next();
  controller.abort(new TypeError("enough"));
  await assertRejects(() => waiting, TypeError, "enough");
  await assertRejects(() => next, TypeError, "enough");
});

Deno.test("retry() stops at maxAttempts, with the last error as cause", async () => {
  let calls = 0;
  const error = await assertRejects(
    () =>
      retry(() => {
        throw new TypeError(`call ${++calls}`);
      }, { maxAttempts: 3, minTimeout: 1 }),
    Error,
    "maxAttempts (3)",
  );
  assert(error.cause instanceof TypeError);
  assertEquals(error.cause.message, "call 3");
  await assertRejects(() => retry(() => 1, { maxAttempts: 0 }), RangeError);
});

Deno.test("pooledMap() keeps the order and the bound, and gathers errors", async () => {
  let running = 0;
  let runningMost = 0;
  async function work(n: number) {
    runningMost = Math.max(runningMost, ++running);
    await delay(6 - n);
    running--;
    if (n > 5) throw new TypeError(`bad ${n}`);
    return n * n;
  }
  const squares = await Array.fromAsync(pooledMap(2, [1, 2, 3, 4], work));
  assertEquals(squares, [1, 4, 9, 16]);
  assertEquals(runningMost, 2);
  assertThrows(() => pooledMap(0, [1], work), RangeError, "poolLimit");
  const seen: number[] = [];
  const error = await assertRejects(async () => {
    for await (const n of pooledMap(3, [1, 6, 7, 8], work)) seen.push(n);
  }, AggregateError);
  assertEquals(seen, [1]);
  assertEquals(error.errors.map((e) => e.message), ["bad 6", "bad 7"]);
});

Deno.test("parseArgs() reads each kind of option", () => {
  const argv = ["-v", "--port", "80", "--tag=a", "--tag", "b", "--no-color"];
  const read = parseArgs([...argv, "x", "7", "--", "--y"], {
    boolean: ["verbose", "color", "quiet"],
    string: ["port", "tag"],
    collect: ["tag"],
    negatable: ["color"],
    alias: { verbose: "v" },
    default: { color: true, host: "here" },
    "--": true,
  });
  const port: string | undefined = read.port;
  const tags: string[] = read.tag;
  const isQuiet: boolean = read.quiet;
  assertEquals([port, tags, isQuiet], ["80", ["a", "b"], false]);
  assertEquals({ ...read } as unknown, {
    v: true,
    verbose: true,
    port: "80",
    tag: ["a", "b"],
    color: false,
    quiet: false,
    host: "here",
    _: ["x", 7],
    "--": ["--y"],
  });
});

Deno.test("parseArgs() leaves the rest alone with stopEarly, and tells of the unknown", () => {
  const unknown: string[] = [];
  const read = parseArgs(["--json", "run", "--json=1", "-x"], {
    boolean: ["json"],
    stopEarly: true,
    unknown: (arg) => void unknown.push(arg),
  });
  assertEquals(read._, ["run", "--json=1", "-x"]);
  parseArgs(["--nope", "1"], {
    string: ["yes"],
    unknown: (arg, key, value) => void unknown.push(`${arg} ${key} ${value}`),
  });
  assertEquals(unknown, ["run", "--nope nope 1"]);
});

Deno.test("assertEquals() compares deeply, and tells missing from undefined", () => {
  assertEquals(
    { a: [new Map([[{ k: 1 }, new Set([1])]])], z: -0, n: NaN },
    { n: NaN, z: 0, a: [new Map([[{ k: 1 }, new Set([1])]])] },
  );
  assertNotEquals<unknown>({ a: undefined }, {});
  assertNotEquals<unknown>([1], { 0: 1 });
  assertNotEquals(new Error("a"), new Error("b"));
  assertNotEquals(Float64Array.of(1), Float64Array.of(2));
  assertThrows(() => assertEquals(1, 2), AssertionError, "not equal");
});

Deno.test("assertThrows() and assertRejects() check class and message", async () => {
  const fail = () => {
    throw new RangeError("too far");
  };
  assertEquals(assertThrows(fail, RangeError, "far").message, "too far");
  assertThrows(() => assertThrows(fail, TypeError), AssertionError);
  assertThrows(() => assertThrows(fail, RangeError, "near"), AssertionError);
  assertThrows(() => assertThrows(() => {}), AssertionError, "to throw");
  await assertRejects(
    () => assertRejects(() => Promise.resolve()),
    AssertionError,
    "to reject",
  );
  await assertRejects(() => assertRejects(fail), AssertionError);
  assertAlmostEquals(0.1 + 0.2, 0.3);
});
