import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  type ActorHandle,
  get,
  init,
  ObjectRef,
  put,
  remote,
  SerializationError,
} from "../../mod.ts";

const bytes = [1, 2, 3, 250];

/** One of each kind of value of the contract, made afresh. */
function specimens(): Record<string, unknown> {
  return {
    undefined: undefined,
    null: null,
    booleans: [true, false],
    numbers: [0, -0, NaN, Infinity, -Infinity, 2 ** 53, 0.1],
    bigints: [0n, -1n, 2n ** 200n],
    strings: ["", "ü", "\u{1F600}", "\ud800", "x".repeat(100_000)],
    plain: { a: { b: { c: [1, { d: 2 }] } }, __proto__: null },
    sparse: [1, , 3],
    map: new Map<unknown, unknown>([["k", 1], [
      { deep: 1 },
      new Map([[1, 2]]),
    ]]),
    set: new Set<unknown>([1, "two", [3]]),
    dates: [new Date(0), new Date(NaN)],
    regexps: [/a+b/giu, /[/]/],
    boxed: [new Date(5), Object(1n)],
    int8: new Int8Array(bytes),
    uint8: new Uint8Array(bytes),
    clamped: new Uint8ClampedArray(bytes),
    int16: new Int16Array(bytes),
    uint16: new Uint16Array(bytes),
    int32: new Int32Array(bytes),
    uint32: new Uint32Array(bytes),
    float16: new Float16Array(bytes),
    float32: new Float32Array(bytes),
    float64: new Float64Array(bytes),
    bigInt64: new BigInt64Array([1n, -2n]),
    bigUint64: new BigUint64Array([1n, 2n]),
    view: new DataView(new Uint8Array(bytes).buffer, 1, 2),
    buffer: new Uint8Array(bytes).buffer,
    largeFloats: new Float64Array(50_000).fill(1.5),
    largeBuffer: new Uint8Array(100_000).fill(7).buffer,
    nested: { list: [new Uint8Array(70_000).fill(3), new Set([new Date(1)])] },
  };
}

function failure(): Error {
  const inner = new RangeError("inner");
  return Object.assign(new TypeError("outer", { cause: inner }), {
    code: "E_CODE",
    detail: { at: [1, 2] },
  });
}

const same = remote((value: unknown) => value);

Deno.test("values mean the same after put and after a task", async (t) => {
  await using _runtime = await init({ numCpus: 2 });

  for (const [name, value] of Object.entries(specimens())) {
    await t.step(name, async () => {
      assertEquals(await get(put(value)), value);
      assertEquals(await get(same.remote(value)), value);
      assertEquals(await get(same.remote({ inside: [value] })), {
        inside: [value],
      });
    });
  }

  await t.step(
    "errors keep name, message, cause and own properties",
    async () => {
      for (const ref of [put(failure()), same.remote(failure())]) {
        const error = await get(ref) as TypeError & Record<string, unknown>;
        assert(error instanceof TypeError);
        assert(error.cause instanceof RangeError);
        assertEquals(
          [error.name, error.message, error.code, error.detail],
          ["TypeError", "outer", "E_CODE", { at: [1, 2] }],
        );
      }
    },
  );

  await t.step("cycles and shared references", async () => {
    const shared = { n: 1 };
    const root: Record<string, unknown> = { a: shared, b: shared };
    root.self = root;
    root.map = new Map([[root, shared]]);
    const array = new Uint8Array(80_000);
    root.arrays = [array, array, array.buffer];
    for (const ref of [put(root), same.remote(root)]) {
      const back = await get(ref) as typeof root;
      assertStrictEquals(back.self, back);
      assertStrictEquals(back.a, back.b);
      assertStrictEquals((back.map as Map<unknown, unknown>).get(back), back.a);
      const [one, two] = back.arrays as Uint8Array[];
      assertStrictEquals(one, two);
    }
  });

  await t.step("a deep list and a wide object", async () => {
    let list: unknown = null;
    for (let i = 0; i < 20_000; i++) list = { next: list };
    const back = await get(same.remote(list)) as { next: unknown };
    let depth = 0;
    for (let at: unknown = back; at !== null; depth++) {
      at = (at as { next: unknown }).next;
    }
    assertEquals(depth, 20_000);
    const wide = Object.fromEntries(
      Array.from({ length: 20_000 }, (_, i) => [`k${i}`, i]),
    );
    assertEquals(await get(same.remote(wide)), wide);
  });

  await t.step(
    "refs stay refs inside values, handles stay handles",
    async () => {
      class Cell {
        #value = 0;
        set(value: number): number {
          return this.#value = value;
        }
      }
      const ref = put("kept");
      const cell = remote(Cell).remote();
      type Parts = { ref: ObjectRef<string>; cell: ActorHandle<Cell> };
      for (
        const parts of [
          await get(put({ ref, cell })),
          await get(same.remote({ ref, cell })) as Parts,
        ]
      ) {
        assert(parts.ref instanceof ObjectRef);
        assertEquals(parts.ref.id, ref.id);
        assertEquals(await get(parts.ref), "kept");
        assertEquals(await get(parts.cell.set.remote(4)), 4);
      }
    },
  );

  await t.step(
    "a ref as an argument is its value, one inside stays a ref",
    async () => {
      const kinds = remote((a: unknown, b: unknown[]) => [
        typeof a,
        b[0] instanceof ObjectRef,
      ]);
      assertEquals(await get(kinds.remote(put(1), [put(1)])), ["number", true]);
    },
  );

  await t.step(
    "what is stored is a copy, and each get gives another",
    async () => {
      const medium = put(new Uint8Array(10_000));
      (await get(medium))[0] = 1;
      assertEquals((await get(medium))[0], 0);
      const source = { list: [1], large: new Uint8Array(100_000) };
      const ref = put(source);
      source.list.push(2);
      source.large[0] = 9;
      const one = await get(ref), two = await get(ref);
      assertEquals([one.list, one.large[0]], [[1], 0]);
      assertEquals(Object.is(one, two), false);
      one.large[1] = 5;
      one.list.push(7);
      assertEquals([two.large[1], (await get(ref)).large[1]], [0, 0]);
      assertEquals((await get(ref)).list, [1]);
    },
  );

  await t.step("what can't travel is refused by its path", async () => {
    for (
      const [value, path] of [
        [{ a: [Symbol("s")] }, "value.a[0]"],
        [new Map([["k", { s: new ReadableStream() }]]), "k"],
        [{ job: { done: Promise.resolve() } }, "value.job.done"],
        [{ weak: new WeakMap() }, "value.weak"],
      ] as const
    ) {
      const error = assertThrows(() => put(value), SerializationError);
      assertStringIncludes(error.path, path);
      assertThrows(() => same.remote(value), SerializationError);
    }
    const give = remote(() => ({ out: [Symbol("s")] }));
    const error = await assertRejects(() => get(give.remote())) as Error;
    assertStringIncludes(error.message, "out[0]");
    assertEquals(await get(same.remote("on")), "on");
  });
});
