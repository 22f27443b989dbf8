/**
 * Closures in the codec: what structured clone leaves behind goes along, where
 * it is asked for, and only there.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../src/base/errors.ts";
import { ValueCodec } from "../../src/wire/values.ts";

const codec = new ValueCodec();

function exactly<T>(value: T): T {
  const table: symbol[] = [];
  const encoded = codec.encode(value, { symbols: table });
  const symbols = new Map(table.map((symbol, index) => [index, symbol]));
  return codec.decode(encoded.bytes, { ...encoded, symbols }) as T;
}

Deno.test("a closure's objects keep what structured clone leaves behind", () => {
  const own = Symbol("own");
  const source = {
    plain: 1,
    get double() {
      return this.plain * 2;
    },
    [own]: [own],
    [Symbol.for("shared")]: 2,
  };
  Object.defineProperty(source, "hidden", { value: 3 });
  const copy = exactly(source);
  assertEquals(
    Object.getOwnPropertyDescriptors(copy),
    Object.getOwnPropertyDescriptors(source),
  );
  copy.plain = 5;
  assertEquals(copy.double, 10);
});

Deno.test("a closure's objects are closed once all of them are whole", () => {
  let deep: Record<string, unknown> = Object.freeze({ end: 1 });
  for (let level = 0; level < 450; level++) {
    deep = Object.freeze({ deep, list: Object.freeze([level]) });
  }
  const loop: Record<string, unknown> = { deep };
  loop["self"] = loop;
  let at = exactly(Object.freeze(loop));
  assert(at["self"] === at && Object.isFrozen(at));
  let levelCount = 0;
  for (; at["deep"] !== undefined; levelCount++) {
    at = at["deep"] as Record<string, unknown>;
    assert(Object.isFrozen(at));
  }
  assertEquals([levelCount, at["end"]], [451, 1]);
});

Deno.test("values proper are as structured clone has them", () => {
  const source = Object.freeze({
    get n() {
      return 1;
    },
    [Symbol.for("shared")]: 2,
  });
  const copy = codec.decode(codec.encode(source).bytes) as object;
  assertEquals(Reflect.ownKeys(copy), ["n"]);
  assertEquals(Object.getOwnPropertyDescriptor(copy, "n")?.value, 1);
  assert(!Object.isFrozen(copy));
  assertThrows(() => codec.encode(Symbol("s")));
});

Deno.test("bytes of closures that are none are a ProtocolError, or a value", () => {
  const source = {
    [Symbol("a")]: Object.create({ b: 1 }),
    frozen: Object.freeze([1, Object.freeze({ c: 2 })]),
    get d() {
      return 1;
    },
  };
  const { bytes, functions } = codec.encode(source, { symbols: [] });
  for (let at = 0; at < bytes.length; at++) {
    for (const wrong of [0, 1, 7, 19, 20, 127, 255]) {
      const spoilt = bytes.slice();
      spoilt[at] = wrong;
      try {
        codec.decode(spoilt, { functions });
      } catch (error) {
        assert(error instanceof ProtocolError, `byte ${at}: ${error}`);
      }
    }
  }
});
