import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import {
  ActorDiedError,
  ProtocolError,
  TaskError,
} from "../../src/base/errors.ts";
import { limits } from "../../src/base/limits.ts";
import { type Extension, ValueCodec } from "../../src/wire/values.ts";
import { assertSame } from "./same.ts";

const codec = new ValueCodec();

function roundTrip<T>(value: T): T {
  const encoded = codec.encode(value);
  return codec.decode(encoded.bytes, encoded) as T;
}

const cyclic: Record<string, unknown> = { name: "loop" };
cyclic.self = cyclic;
const samples: Record<string, unknown> = {
  "undefined and null": [undefined, null],
  "booleans": [true, false],
  "whole numbers": [0, 63, 64, -1, 255, 2 ** 31 - 1, -(2 ** 31), 2 ** 31],
  "other numbers": [-0, NaN, Infinity, -Infinity, 1e300, 5e-324, 2 ** 53],
  "bigints": [0n, -1n, 2n ** 63n, -(2n ** 63n), 10n ** 4000n, -(7n ** 999n)],
  "strings": ["", "a", "hello", "x".repeat(63), "x".repeat(64), "grün", "🦕"],
  "long strings": [
    "€".repeat(70_000),
    "ü".repeat(1 << 20),
    "x".repeat(1 << 20),
  ],
  "lone surrogates": ["\ud800", "\udc00\ud800", "a\udfff".repeat(5000)],
  "a mark at the start of a string": "\ufeffgrün",
  "plain objects": { a: 1, b: { c: "d" }, 7: 8, "": 9 },
  "objects without a prototype": Object.assign(Object.create(null), { a: 1 }),
  "a key called __proto__": JSON.parse('{"__proto__":{"a":1},"b":2}'),
  "keys with a zero in them": [{ "a\0b": 1, c: 2 }, { a: 1, "b\0c": 2 }],
  "objects with many keys": Object.fromEntries(
    Array.from({ length: 3000 }, (_, i) => [`key ${i}`, i]),
  ),
  "records": Array.from({ length: 500 }, (_, id) => ({ id, name: `n${id}` })),
  "arrays": [[], [1, 2, 3], ["a"], [undefined], [[[]]]],
  "packed arrays": [
    Array.from({ length: 1000 }, (_, i) => i - 500),
    Array.from({ length: 1000 }, (_, i) => i / 3),
    [...new Array(20).fill(0), -0],
  ],
  "holes": [[1, , 3], new Array(5), [, 1], new Array(2 ** 32 - 1)],
  "holes in long arrays": Object.assign(new Array(1000), { 0: 1, 999: 2 }),
  "named properties of arrays": Object.assign([1, 2], { extra: [3] }),
  "named properties of long arrays": Object.assign(
    Array.from({ length: 1000 }, () => "x"),
    { extra: true },
  ),
  "a hole and a name that look dense": Object.assign([1, , 3], { x: 1 }),
  "maps": new Map<unknown, unknown>([["a", 1], [{ k: 1 }, new Map()]]),
  "sets": new Set<unknown>([1, "a", new Set([NaN])]),
  "dates": [new Date(0), new Date(NaN), new Date(-8.64e15)],
  "regular expressions": [/a\/b[\]/]/giu, /^$/m, new RegExp(""), /\u{1f995}/v],
  "boxed primitives": [Object(1), Object("s"), Object(false), Object(5n)],
  "buffers": [new ArrayBuffer(0), Uint8Array.of(1, 2, 3).buffer],
  "resizable buffers": new ArrayBuffer(3, { maxByteLength: 100 }),
  "typed arrays": [
    Int8Array.of(-1),
    Uint8Array.of(255),
    Uint8ClampedArray.of(255),
    Int16Array.of(-1),
    Uint16Array.of(65535),
    Int32Array.of(-1),
    Uint32Array.of(2 ** 32 - 1),
    Float16Array.of(1.5),
    Float32Array.of(0.1),
    Float64Array.of(0.1),
    BigInt64Array.of(-1n),
    BigUint64Array.of(1n),
    new DataView(new ArrayBuffer(8), 2, 3),
    new Uint8Array(0),
  ],
  "large typed arrays": [
    new Float64Array(5000).fill(1.5),
    new DataView(new ArrayBuffer(9000), 7),
  ],
  "errors": [
    new Error("a"),
    new TypeError("b", { cause: new RangeError("c") }),
    Object.assign(new SyntaxError("d"), { code: 5, info: { x: [1] } }),
    new AggregateError([new Error("e"), 5], "f"),
    new SuppressedError(1, 2, "g"),
    new DOMException("h", "AbortError"),
    new Deno.errors.NotFound("i"),
    new Error(undefined, { cause: undefined }),
  ],
  "cycles": cyclic,
  "shared parts": ((part) => [part, part, { part }])({ a: 1 }),
  "many shared parts": ((parts) => [...parts, ...parts.reverse()])(
    Array.from({ length: 300 }, (_, a) => ({ a })),
  ),
};

for (const [kind, value] of Object.entries(samples)) {
  Deno.test(`ValueCodec gives back ${kind}`, () => {
    const fresh = new ValueCodec();
    const encoded = fresh.encode(value);
    assertSame(fresh.decode(encoded.bytes, encoded), value);
  });
}

Deno.test("ValueCodec reads getters and drops what structured clone drops", () => {
  const value = {
    get now() {
      return 5;
    },
    [Symbol("s")]: 1,
  };
  Object.defineProperty(value, "hidden", { value: 1 });
  const sticky = /a/g;
  sticky.lastIndex = 3;
  deepStrictEqual(roundTrip(value), { now: 5 });
  strictEqual(roundTrip(sticky).lastIndex, 0);
  deepStrictEqual(roundTrip(Object.create({ above: 1 })), {});
});

Deno.test("ValueCodec keeps two views on one small buffer together", () => {
  const buffer = new ArrayBuffer(16);
  const [left, right] = roundTrip([
    new Uint8Array(buffer, 0, 8),
    new Uint16Array(buffer, 4),
  ]) as [Uint8Array, Uint16Array];
  left[4] = 7;
  strictEqual(left.buffer, right.buffer);
  strictEqual(right[0], 7);
});

Deno.test("ValueCodec takes only what a small view of a large buffer shows", () => {
  const pool = new Uint8Array(1 << 20).fill(3);
  const encoded = codec.encode(pool.subarray(100, 110));
  ok(encoded.bytes.length < 40);
  const seen = codec.decode(encoded.bytes) as Uint8Array;
  strictEqual(seen.buffer.byteLength, 10);
  deepStrictEqual([...seen], new Array(10).fill(3));
});

Deno.test("ValueCodec leaves large arrays beside the skeleton, uncopied", () => {
  const numbers = new Float64Array(1000).fill(2.5);
  const small = new Uint8Array(limits.outOfBandBytesMin - 1);
  const encoded = codec.encode({ numbers, again: numbers, small });
  strictEqual(encoded.buffers.length, 1);
  strictEqual(encoded.buffers[0]!.buffer, numbers.buffer);
  ok(encoded.bytes.length < limits.outOfBandBytesMin + 100);
});

Deno.test("ValueCodec builds an array over the memory it is given", () => {
  const encoded = codec.encode(new Float64Array(1000).fill(2.5));
  const memory = new ArrayBuffer(20_000);
  const part = new Uint8Array(memory, 64, 8000);
  part.set(encoded.buffers[0]!);
  const over = codec.decode(encoded.bytes, { buffers: [part] }) as Float64Array;
  strictEqual(over.buffer, memory);
  deepStrictEqual([over.byteOffset, over.length, over[999]], [64, 1000, 2.5]);

  const crooked = new Uint8Array(memory, 9001, 8000);
  crooked.set(encoded.buffers[0]!);
  const copied = codec.decode(encoded.bytes, {
    buffers: [crooked],
  }) as Float64Array;
  ok(copied.buffer !== memory);
  deepStrictEqual([copied.length, copied[999]], [1000, 2.5]);
});

Deno.test("ValueCodec gives a bare large buffer memory of its own", () => {
  const encoded = codec.encode(new Uint8Array(5000).fill(9).buffer);
  const given = new Uint8Array(10_000).subarray(100, 5100);
  given.set(encoded.buffers[0]!);
  const buffer = codec.decode(encoded.bytes, {
    buffers: [given],
  }) as ArrayBuffer;
  ok(buffer !== given.buffer);
  deepStrictEqual([buffer.byteLength, new Uint8Array(buffer)[4999]], [5000, 9]);
});

Deno.test("ValueCodec results stay as they are while others are written", () => {
  const results = Array.from(
    { length: 20_000 },
    (_, i) => codec.encode({ i, text: "x".repeat(i % 50) }).bytes,
  );
  results.forEach((bytes, i) =>
    deepStrictEqual(codec.decode(bytes), { i, text: "x".repeat(i % 50) })
  );
});

Deno.test("ValueCodec may be used by a getter of the value it writes", () => {
  const value = {
    get inner() {
      return codec.encode({ a: 1 }).bytes.length;
    },
    after: "x",
  };
  deepStrictEqual(roundTrip(value), { inner: value.inner, after: "x" });
});

Deno.test("ValueCodec gives back values nested 100,000 deep", () => {
  for (
    const wrap of [
      (v: unknown) => [v],
      (v: unknown) => ({ v }),
      (v: unknown) => new Map([[1, v]]),
      (v: unknown) => new Set([v]),
    ]
  ) {
    let value: unknown = "core";
    for (let i = 0; i < 100_000; i++) value = wrap(value);
    let found: unknown = roundTrip(value);
    let depth = 0;
    for (; typeof found === "object"; depth++) {
      [found] = found instanceof Map || found instanceof Set
        ? found.values()
        : Object.values(found as object);
    }
    deepStrictEqual([found, depth], ["core", 100_000]);
  }
});

Deno.test("ValueCodec writes functions as an index and asks for them back", () => {
  const double = (x: number) => x * 2;
  const half = (x: number) => x / 2;
  const table = [half];
  const encoded = codec.encode({ double, list: [half, double] }, {
    functions: table,
  });
  deepStrictEqual(table, [half, double]);
  strictEqual(encoded.functions, table);
  deepStrictEqual(encoded.functionUses, ["value", "value"]);
  const decoded = codec.decode(encoded.bytes, { functions: table });
  deepStrictEqual(decoded, { double, list: [half, double] });
  throws(() => codec.decode(encoded.bytes), ProtocolError);
});

class Point {
  x = 1;
  #y = 2;
  sum(): number {
    return this.x + this.#y;
  }
}
class Point3 extends Point {
  z = { deep: 3 };
}
class Stack extends Array<number> {}
class Cache extends Map<string, number> {
  hits = 3;
}
class CodeError extends Error {
  code = 5;
  override get name(): string {
    return "CodeError";
  }
}

Deno.test("ValueCodec makes instances again where their class came along", () => {
  const point = Object.assign(new Point3(), { self: undefined as unknown });
  point.self = point;
  const cache = new Cache([["a", 1]]);
  const error = new CodeError("no");
  const value = { point, cache, stack: Stack.of(1, 2), error };
  const found = roundTrip(value);
  assertSame(found, value);
  ok(!Object.hasOwn(found.error, "name"));
});

Deno.test("ValueCodec makes plain values of instances whose class stayed behind", () => {
  const encoded = codec.encode([
    new Point3(),
    new Cache([["a", 1]]),
    new CodeError("no"),
  ]);
  deepStrictEqual(encoded.functions, [Point3, Cache, CodeError]);
  deepStrictEqual(encoded.functionUses, ["class", "class", "class"]);
  const [point, cache, error] = codec.decode(encoded.bytes, {
    functions: [null, null, null],
  }) as [unknown, unknown, Error & { code: number }];
  deepStrictEqual(point, { x: 1, z: { deep: 3 } });
  deepStrictEqual(cache, new Map([["a", 1]]));
  strictEqual(Object.getPrototypeOf(error), Error.prototype);
  deepStrictEqual([error.name, error.message, error.code], [
    "CodeError",
    "no",
    5,
  ]);
});

Deno.test("ValueCodec tells which classes were registered and which must travel", () => {
  const own = new ValueCodec();
  own.registerClass(Point);
  const { functions, functionUses } = own.encode([
    new Point(),
    new Point3(),
    new Cache(),
    Cache,
  ]);
  deepStrictEqual(functions, [Point, Point3, Cache]);
  deepStrictEqual(functionUses, ["registered", "class", "value"]);
});

Deno.test("ValueCodec gives back this library's errors with class and fields", () => {
  const error = new TaskError('Cannot finish task "f": it threw', {
    functionName: "f",
    pid: 5,
    cause: new ActorDiedError("gone", { actorId: "a", reason: "killed" }),
  });
  const found = roundTrip(error);
  assertSame(found, error);
  ok(found instanceof TaskError && found.cause instanceof ActorDiedError);
  strictEqual(Object.hasOwn(found, "name"), false);
});

class Handle {
  readonly parts: unknown;
  constructor(parts: unknown) {
    this.parts = parts;
  }
}
const handles: Extension<Handle> = {
  tag: "Handle",
  constructor: Handle,
  tracked: true,
  toFields: (handle) => handle.parts,
  fromFields: (fields) => new Handle(fields),
};

Deno.test("ValueCodec lists tracked objects once and makes them again", () => {
  const own = new ValueCodec([handles]);
  const inner = new Handle("inner");
  const outer = new Handle({ inner, hello: () => "hi" });
  const proxied = new Proxy(new Handle("p"), {
    get: () => {
      throw new Error("not to be read");
    },
  });
  own.register<Handle>({
    ...handles,
    toFields: (h) => h === proxied ? "p" : h.parts,
  });
  const encoded = own.encode([outer, inner, proxied, outer]);
  deepStrictEqual(encoded.refs, [outer, inner, proxied]);
  const found = own.decode(encoded.bytes, encoded) as Handle[];
  strictEqual(found[0], found[3]);
  strictEqual((found[0]!.parts as { inner: Handle }).inner, found[1]);
  strictEqual(found[2]!.parts, "p");
});

Deno.test("ValueCodec lets an extension's own error through", () => {
  const own = new ValueCodec([{
    ...handles,
    fromFields: () => {
      throw new ActorDiedError("gone", {});
    },
  }]);
  const { bytes } = own.encode(new Handle(1));
  throws(() => own.decode(bytes), ActorDiedError);
  throws(() => codec.decode(bytes), /nobody here knows "Handle"/);
});

Deno.test("ValueCodec refuses an extension that holds itself", () => {
  const own = new ValueCodec([handles]);
  const loop = new Handle({ list: [] as unknown[] });
  (loop.parts as { list: unknown[] }).list.push(loop);
  throws(() => own.encode(loop), /can't travel: it contains itself/);
});
