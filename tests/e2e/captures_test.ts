/**
 * Captures: what functions hold in their closures arrives as it was, and no
 * function ever runs with another's.
 *
 * @module
 */
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
