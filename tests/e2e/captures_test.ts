/**
 * Captures: what functions hold in their closures arrives as it was, and no
 * function ever runs with another's.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import {
  assertEquals,
  assertInstanceOf,
  assertStringIncludes,
} from "@std/assert";
import { get, init, put, remote, SerializationError } from "../../mod.ts";
import { rejection } from "../support/notes.ts";

Deno.test("closures of one text never get each other's data", async (t) => {
  await using _runtime = await init({ numCpus: 1 });
  // Beside the skeleton from 4096 bytes on, in a segment from 64 KiB on.
  const sizes = { inside: 4095, beside: 4096, shared: 100_000 };
  for (const [where, byteLength] of Object.entries(sizes)) {
    const filled = (v: number) => new Uint8Array(byteLength).fill(v);
    const both = async <T>(make: (v: number) => Promise<T>) =>
      assertEquals(await Promise.all([make(1), make(2)]), [1, 2] as T[]);

    await t.step(`with an array of their own, ${where}`, () =>
      both((v) => {
        const array = filled(v);
        return get(remote(() => array[0]).remote());
      }));
    await t.step(`with a helper that holds one, ${where}`, () =>
      both((v) => {
        const array = filled(v);
        const first = () => array[0];
        return get(remote(() => first()).remote());
      }));
    await t.step(`with one deep in an object, ${where}`, () =>
      both((v) => {
        const weights = { layers: new Map([["first", filled(v)]]) };
        return get(remote(() => weights.layers.get("first")![0]).remote());
      }));
    await t.step(`as arguments of a task, ${where}`, () =>
      both((v) => {
        const array = filled(v);
        const call = remote((read: () => number | undefined) => read());
        return get(call.remote(() => array[0]));
      }));
    await t.step(`as classes of actors, ${where}`, () =>
      both((v) => {
        const array = filled(v);
        class Holder {
          first(): number | undefined {
            return array[0];
          }
        }
        return get(remote(Holder).remote().first.remote());
      }));
    await t.step(`with a bare buffer, ${where}`, () =>
      both((v) => {
        const { buffer } = filled(v);
        return get(remote(() => new Uint8Array(buffer)[0]).remote());
      }));
  }
  await t.step("with refs of their own", async () => {
    const make = (v: number) => {
      const ref = put(v);
      return get(remote(() => get(ref)).remote());
    };
    assertEquals(await Promise.all([make(1), make(2)]), [1, 2]);
  });
  await t.step("nor each other's state", async () => {
    const makeCounter = () => {
      let n = 0;
      return () => ++n;
    };
    const count = remote((f: () => number, g: () => number) => [f(), f(), g()]);
    const [one, two] = [makeCounter(), makeCounter()];
    assertEquals(await get(count.remote(one, two)), [1, 2, 1]);
    const again = makeCounter();
    assertEquals(await get(count.remote(again, again)), [1, 2, 3]);
  });
  await t.step("and equal ones are one", async () => {
    const make = () => {
      const array = new Uint8Array(100_000).fill(7);
      return (): number | undefined => array[0];
    };
    const same = remote((
      a: () => number | undefined,
      b: () => number | undefined,
    ) => a === b);
    assertEquals(await get(same.remote(make(), make())), true);
  });
});

class Cache {
  #entries = new Map([["a", 1]]);

  get(key: string): number | undefined {
    return this.#entries.get(key);
  }
}

class Warm extends Cache {
  size = 1;
}

class Tally {
  static #count = 0;

  static add(): number {
    return ++Tally.#count;
  }
}

class HiddenError extends RangeError {
  #secret = 7;

  reveal(): number {
    return this.#secret;
  }
}

Deno.test("What a class hides travels, or is refused by name", async (t) => {
  await using _runtime = await init({ numCpus: 1, logToDriver: false });
  const cache = new Cache();
  const refused = async (promise: Promise<unknown>, path: string) => {
    const error = await rejection(promise);
    assertInstanceOf(error, SerializationError);
    assertStringIncludes(error.message, `"${path}"`);
    assertStringIncludes(error.message, "#entries");
    return error;
  };

  await t.step("static #private fields hold what they hold", async () => {
    Tally.add();
    Tally.add();
    assertEquals(await get(remote(() => Tally.add()).remote()), 3);
    assertEquals(Tally.add(), 3);
  });
  await t.step("an instance made in the task has its own", async () => {
    assertEquals(await get(remote(() => new Warm().get("a")).remote()), 1);
  });
  await t.step(
    "a captured instance names function, variable and path",
    async () => {
      const deep = { at: [cache] };
      const error = await refused(
        get(
          remote(function useCache() {
            return deep.at[0]!.get("a");
          }).remote(),
        ),
        "deep.at[0]",
      );
      assertStringIncludes(error.message, '"useCache"');
      assertStringIncludes(error.message, "Cache");
    },
  );
  await t.step("so does one in a value, an argument and a result", async () => {
    const pass = remote((value: unknown) => value);
    const make = remote(() => ({ made: new Warm() }));
    for (let times = 0; times < 2; times++) {
      await refused((async () => await get(put({ cache })))(), "value.cache");
      await refused(
        (async () => await get(pass.remote([new Warm()])))(),
        "argument 1[0]",
      );
      await refused(get(make.remote()), "result.made");
    }
  });
  await t.step(
    "the first value of a class that nobody looked at, too",
    async () => {
      class Newer {
        #entries = 1;
        count(): number {
          return this.#entries;
        }
      }
      assertEquals(new Newer().count(), 1);
      await refused(get(put([new Newer()])), "value[0]");
      await refused((async () => await get(put(new Newer())))(), "value");
    },
  );
  await t.step(
    "an error that hides something is the built-in it extends",
    async () => {
      const thrower = remote(() => {
        throw new HiddenError("orig");
      });
      for (let times = 0; times < 2; times++) {
        const { cause } = await rejection(get(thrower.remote() as never));
        assertInstanceOf(cause, RangeError);
        assertEquals(cause.message, "orig");
      }
    },
  );
});

class Vector extends Float64Array {
  norm(): number {
    return Math.hypot(...this);
  }
}

Deno.test("Captured objects arrive whole", async (t) => {
  await using _runtime = await init({ numCpus: 1 });
  const own = Symbol("own");

  await t.step("with symbol keys, those of the program too", async () => {
    const iterable = {
      *[Symbol.iterator]() {
        yield 1;
        yield 2;
      },
      [own]: { deep: own },
      [Symbol.for("shared")]: 3,
    };
    const f = remote(() => [
      [...iterable],
      iterable[own].deep === own,
      iterable[Symbol.for("shared") as never],
    ]);
    assertEquals(await get(f.remote()), [[1, 2], true, 3]);
    const disposable = { n: 0, [Symbol.dispose]: () => void disposable.n++ };
    const used = remote(() => {
      {
        using _used = disposable;
      }
      return disposable.n;
    });
    assertEquals(await get(used.remote()), 1);
  });
  await t.step("with getters and setters", async () => {
    const lazy = {
      n: 0,
      get next() {
        return ++this.n;
      },
      set jump(to: number) {
        this.n = to;
      },
    };
    const f = remote(() => {
      const taken = [lazy.next, lazy.next];
      lazy.jump = 10;
      return [...taken, lazy.next, Object.keys(lazy)];
    });
    assertEquals(await get(f.remote()), [1, 2, 11, ["n", "next", "jump"]]);
    assertEquals(lazy.n, 0);
  });
  await t.step(
    "frozen, sealed, hidden and read-only as they were",
    async () => {
      const frozen = Object.freeze({ list: Object.freeze([1, 2]), more: [3] });
      const sealed = Object.seal({ a: 1 });
      const odd = Object.defineProperties({}, {
        hidden: { value: 1, writable: true, configurable: true },
        fixed: { value: 2, enumerable: true },
      });
      const loop: Record<string, unknown> = {};
      loop["self"] = loop;
      Object.freeze(loop);
      const f = remote(() => [
        [frozen, frozen.list, frozen.more].map((one) => Object.isFrozen(one)),
        [Object.isSealed(sealed), Object.isFrozen(sealed)],
        Object.getOwnPropertyDescriptors(odd),
        loop["self"] === loop && Object.isFrozen(loop),
      ]);
      assertEquals(await get(f.remote()), [
        [true, true, false],
        [true, false],
        Object.getOwnPropertyDescriptors(odd),
        true,
      ]);
    },
  );
  await t.step("with the prototype they had", async () => {
    const bare = Object.assign(Object.create(null), { toString: 1 });
    const parent = { greet: () => "hello" };
    const child = Object.assign(Object.create(parent), { a: 1 });
    const f = remote(() => [
      "constructor" in bare,
      bare.toString,
      child.greet(),
      Object.hasOwn(child, "greet"),
      child instanceof Object,
    ]);
    assertEquals(await get(f.remote()), [false, 1, "hello", false, true]);
  });
  await t.step("Buffers, and typed arrays of a class", async () => {
    const buffer = Buffer.from("hi");
    const large = Buffer.alloc(100_000, 7);
    const vector = Object.assign(new Vector([3, 4]), { unit: "m" });
    const f = remote(() => [
      buffer.toString("hex"),
      large.readUInt8(99_999),
      vector.norm(),
      vector instanceof Vector && vector.length,
      vector.unit,
    ]);
    assertEquals(await get(f.remote()), ["6869", 7, 5, 2, "m"]);
  });
  await t.step("instances with such parts", async () => {
    class Tree {
      name = "root";
      [own] = 5;
    }
    const tree = new Tree();
    Object.defineProperty(tree, "size", { get: () => 9, enumerable: true });
    const extended = Object.assign(new Map([[1, 2]]), { label: "m" });
    const f = remote(() => [
      tree.name,
      tree[own],
      (tree as unknown as { size: number }).size,
      tree instanceof Tree,
      extended.get(1),
      extended.label,
    ]);
    assertEquals(await get(f.remote()), ["root", 5, 9, true, 2, "m"]);
  });
});
