import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  free,
  get,
  init,
  ObjectFreedError,
  ObjectLostError,
  type ObjectRef,
  put,
  remote,
  runtimeContext,
} from "../../mod.ts";
import { loseCopies } from "../support/lost_copies.ts";
import { note, Notes } from "../support/notes.ts";

const bytes = 1 << 20;

/** An array of which every element tells who made it; notes each run. */
const make = remote(function make(path: string, value: number) {
  note(path, `make ${value}`);
  return new Uint8Array(1 << 20).fill(value);
});
const add = remote(
  function add(path: string, a: Uint8Array, b: Uint8Array | number) {
    note(path, "add");
    return a.map((x, at) => x + (typeof b === "number" ? b : b[at]!));
  },
);
const first = remote((array: Uint8Array) => array[0]!);

/** Takes away every copy of that size, those kept to be filled again among them. */
function lose(): void {
  assert(loseCopies(bytes) >= 1, "There was a copy to lose");
}

Deno.test("A lost object is made again from what its task was", async (t) => {
  await using _runtime = await init({ numCpus: 2, logToDriver: false });

  await t.step(
    "for the program that reads it, as often as it is lost",
    async () => {
      using notes = new Notes();
      using ref = make.remote(notes.path, 7);
      assertEquals((await get(ref))[5], 7);
      for (let round = 1; round <= 3; round++) {
        lose();
        assertEquals((await get(ref))[5], 7);
        assertEquals(notes.lines().length, round + 1);
      }
    },
  );

  await t.step("once, however many ask at the same time", async () => {
    using notes = new Notes();
    using ref = make.remote(notes.path, 3);
    await get(ref);
    lose();
    const askers = Array.from(
      { length: 6 },
      () => [get(ref).then((array) => array[0]), get(first.remote(ref))],
    ).flat();
    assertEquals(new Set(await Promise.all(askers)), new Set([3]));
    assertEquals(notes.lines(), ["make 3", "make 3"]);
  });

  await t.step(
    "and first what its task took, if that is gone too",
    async () => {
      using notes = new Notes();
      const { path } = notes;
      using sum = add.remote(path, make.remote(path, 1), make.remote(path, 2));
      using more = add.remote(path, sum, 10);
      assertEquals((await get(more))[9], 13);
      // The refs of the first two are gone, and with them their copies.
      const before = notes.lines().length;
      lose();
      assertEquals((await get(more))[9], 13);
      assertEquals(notes.lines().slice(before).toSorted(), [
        "add",
        "add",
        "make 1",
        "make 2",
      ]);
    },
  );

  await t.step("for a task, a nested ref and an actor alike", async () => {
    using notes = new Notes();
    using ref = make.options({ maxRetries: -1 }).remote(notes.path, 4);
    const reads = remote(async ({ inner }: { inner: ObjectRef<Uint8Array> }) =>
      (await get(inner))[1]!
    );
    class Reader {
      read(array: Uint8Array): number {
        return array[2]!;
      }

      async readInner(
        { inner }: { inner: ObjectRef<Uint8Array> },
      ): Promise<number> {
        return (await get(inner))[3]!;
      }
    }
    const reader = remote(Reader).remote();
    await get([ref, reader.read.remote(ref)]);
    const readers = [
      () => first.remote(ref),
      () => reads.remote({ inner: ref }),
      () => reader.read.remote(ref),
      () => reader.readInner.remote({ inner: ref }),
    ];
    for (const read of readers) {
      const before = notes.lines().length;
      lose();
      assertEquals(await get(read()), 4);
      assertEquals(notes.lines().length, before + 1);
    }
  });

  await t.step("also one that a task owns", async () => {
    using notes = new Notes();
    const outer = remote(async (path: string) => {
      const ref = make.remote(path, 6);
      await get(ref);
      return { ref };
    });
    const { ref } = await get(outer.remote(notes.path));
    assertEquals((await get(ref))[0], 6);
    lose();
    assertEquals((await get(ref))[0], 6);
    assertEquals(notes.lines(), ["make 6", "make 6"]);
  });

  await t.step("only what is lost of a task's many returns", async () => {
    using notes = new Notes();
    const pair = remote((path: string): [Uint8Array, string] => {
      note(path, "pair");
      return [new Uint8Array(1 << 20).fill(8), "small"];
    }, { numReturns: 2 });
    const [large, small] = pair.remote(notes.path);
    await get([large, small]);
    lose();
    assertEquals((await get(large))[0], 8);
    assertEquals(await get(small), "small");
    assertEquals(notes.lines(), ["pair", "pair"]);
  });

  await t.step(
    "each run is an attempt, and the retries are its bound",
    async () => {
      const attempts = remote(() => {
        const array = new Uint8Array(1 << 20);
        array[0] = runtimeContext().attempt;
        return array;
      }, { maxRetries: 1 });
      using ref = attempts.remote();
      assertEquals((await get(ref))[0], 1);
      lose();
      assertEquals((await get(ref))[0], 2);
      lose();
      const error = await assertRejects(() => get(ref), ObjectLostError);
      assertStringIncludes(error.message, "its task may not run again");
      assertEquals(error.objectId, ref.id);
      // It stays so, for whoever asks.
      await assertRejects(() => get(first.remote(ref)), ObjectLostError);
    },
  );

  await t.step(
    "but not what put() stored, nor what an actor made",
    async () => {
      using stored = put(new Uint8Array(bytes).fill(1));
      await get(first.remote(stored));
      // The program's own descriptor of it is among them.
      lose();
      const error = await assertRejects(() => get(stored), ObjectLostError);
      assertStringIncludes(error.message, "by put()");

      class Maker {
        make(): Uint8Array {
          return new Uint8Array(1 << 20);
        }
      }
      const maker = remote(Maker).remote();
      using made = maker.make.remote();
      await get(made);
      lose();
      const lost = await assertRejects(() => get(made), ObjectLostError);
      assertStringIncludes(lost.message, "actor");
    },
  );

  await t.step(
    "a task that waits for its turn gets what is made anew",
    async () => {
      using notes = new Notes();
      using ref = make.remote(notes.path, 9);
      await get(ref);
      lose();
      // More than there are CPUs: some are sent while it is made.
      const readers = Array.from({ length: 8 }, () => first.remote(ref));
      assertEquals(await get(readers), Array(8).fill(9));
      assertEquals(notes.lines(), ["make 9", "make 9"]);
    },
  );

  await t.step("nor what needs something that the program freed", async () => {
    using notes = new Notes();
    const { path } = notes;
    using source = put(new Uint8Array(bytes).fill(5));
    using sum = add.remote(path, source, 1);
    assertEquals((await get(sum))[0], 6);
    free([source]);
    lose();
    const error = await assertRejects(() => get(sum), ObjectFreedError);
    assertStringIncludes(error.message, source.id);
  });
});
