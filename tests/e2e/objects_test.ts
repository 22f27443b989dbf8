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
  type ObjectRef,
  ObjectStoreFullError,
  put,
  remote,
  runtimeContext,
  wait,
} from "../../mod.ts";

const MiB = 1 << 20;

function filled(mebibytes: number, value: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(mebibytes * (1 << 20)).fill(value);
}

/** Where in this process's map an array's memory lies. */
function mappingOf(array: Uint8Array<ArrayBuffer>): string | undefined {
  const pointer = Deno.UnsafePointer.of(new Uint8Array(array.buffer));
  const at = Deno.UnsafePointer.value(pointer);
  return Deno.readTextFileSync("/proc/self/maps").split("\n").find((line) => {
    const [start, end] = line.split(" ")[0]!.split("-")
      .map((hex) => BigInt(`0x${hex}`));
    return start! <= BigInt(at) && BigInt(at) < (end ?? 0n);
  });
}

Deno.test("objects are shared, counted and let go", async (t) => {
  await using _runtime = await init({
    numCpus: 2,
    objectStoreMemory: 256 * MiB,
  });

  await t.step(
    "a large array is mapped, not copied, here and in a task",
    async () => {
      const ref = put(filled(4, 7));
      const here = await get(ref);
      assertStringIncludes(mappingOf(here)!, "memfd:manta");
      const there = remote((array: Uint8Array<ArrayBuffer>) => [
        array[5],
        mappingOf(array)?.includes("memfd:manta"),
      ]);
      assertEquals(await get(there.remote(ref)), [7, true]);
    },
  );

  await t.step(
    "a shared array's buffer is rounded up and stays where it is",
    async () => {
      const array = await get(put(filled(1, 3).subarray(0, 100_000)));
      assertEquals(array.length, 100_000);
      assert(array.buffer.byteLength >= 100_000);
      assertEquals(array.buffer.byteLength % 65_536, 0);
      assertEquals(array.slice().buffer.byteLength, 100_000);
      let thrown: unknown;
      try {
        structuredClone(array, { transfer: [array.buffer] });
      } catch (error) {
        thrown = error;
      }
      assert(thrown instanceof TypeError, String(thrown));
      assertEquals(array[99_999], 3);
      const bare = await get(put(filled(1, 4).buffer));
      assertEquals(bare.byteLength, MiB);
      assertEquals(bare.transfer().byteLength, MiB);
    },
  );

  await t.step(
    "free gives the memory back at once, whoever holds it",
    async () => {
      const refs = [1, 2, 3, 4, 5, 6, 7].map((n) => put(filled(32, n)));
      await wait(refs, { numReturns: refs.length });
      const look = remote(async (refs: ObjectRef<Uint8Array>[]) => {
        return (await get(refs[0]!))[0];
      });
      assertEquals(await get(look.remote(refs)), 1);
      free(refs);
      await assertRejects(() => get(refs[0]!), ObjectFreedError);
      const error = await assertRejects(() => get(look.remote(refs)));
      assert((error as Error).cause instanceof ObjectFreedError);
      const again = [1, 2, 3, 4, 5, 6, 7].map((n) => put(filled(32, n)));
      assertEquals((await get(again)).map((array) => array[9]), [
        1,
        2,
        3,
        4,
        5,
        6,
        7,
      ]);
      free(again);
    },
  );

  await t.step(
    "using lets go, but not of what tasks and values still hold",
    async () => {
      const total = remote((array: Uint8Array) => array.length);
      let length: ObjectRef<number>, list: ObjectRef<ObjectRef<Uint8Array>[]>;
      let gone: ObjectRef<Uint8Array>;
      {
        using ref = put(filled(32, 1));
        length = total.remote(ref);
        list = put([ref]);
        gone = ref;
      }
      assertEquals(await get(length), 32 * MiB);
      const [inside] = await get(list);
      assertEquals((await get(inside!))[3], 1);
      free(inside!);
      await assertRejects(() => get(gone), ObjectFreedError);
      for (let i = 0; i < 20; i++) {
        using ref = put(filled(64, i));
        await wait([ref]);
      }
    },
  );

  await t.step(
    "a store full of what is read says what holds it, and takes more when there is room",
    async () => {
      const kept = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => put(filled(32, n)));
      // What is read stays in memory; anything else would go to disk.
      const read = await get(kept);
      const error = await assertRejects(
        () => get(put(filled(32, 9))),
        ObjectStoreFullError,
      );
      assertStringIncludes(error.message, `driver ${Deno.pid} holds`);
      assertEquals(error.capacityBytes, 256 * MiB);
      const make = remote(() => new Uint8Array(32 * (1 << 20)));
      await assertRejects(() => get(make.remote()), ObjectStoreFullError);
      await assertRejects(() => get(put(filled(300, 1))), ObjectStoreFullError);
      assertEquals(read.length, 8);
      read.length = 0;
      assertEquals((await get(put(filled(32, 9))))[0], 9);
      free(kept);
    },
  );

  await t.step(
    "putting without ever waiting fills the store, not the machine",
    async () => {
      const refs = Array.from({ length: 100 }, () => put(filled(32, 1)));
      const outcomes = await Promise.all(
        refs.map((ref) => get(ref).then(() => "stored", (error) => error)),
      );
      const full = outcomes.filter((outcome) => outcome !== "stored");
      assert(full.length > 0 && full.length < 100, `${full.length} refused`);
      assert(full.every((error) => error instanceof ObjectStoreFullError));
      free(refs);
      assertEquals((await get(put(filled(32, 9))))[0], 9);
    },
  );

  await t.step(
    "refs that tasks made, passed on over two hops, live on",
    async () => {
      const make = remote(() => ({ big: put(filled(1, 5)), small: put("s") }));
      const pass = remote((refs: Record<string, ObjectRef<unknown>>) => [refs]);
      const open = remote(async (
        [refs]: Record<string, ObjectRef<unknown>>[],
      ) => await get(refs!));
      const made = make.remote();
      const { big, small } = await get(
        open.remote(pass.remote(await get(made))),
      ) as { big: Uint8Array; small: string };
      assertEquals([big[3], small], [5, "s"]);
      const deep = remote(async () => {
        const inner = remote(() => put(put("deep")));
        return await get(inner.remote());
      });
      const outer = await get(await get(deep.remote()));
      assertEquals(await get(outer), "deep");
    },
  );

  await t.step(
    "refs in an actor's state and in closures keep their objects",
    async () => {
      class Keeper {
        #kept: ObjectRef<Uint8Array> | undefined;
        keep(refs: ObjectRef<Uint8Array>[]): void {
          this.#kept = refs[0]!;
        }
        async look(): Promise<number> {
          return (await get(this.#kept!))[1]!;
        }
      }
      const keeper = remote(Keeper).remote();
      const first = remote(async (refs: ObjectRef<Uint8Array>[]) =>
        (await get(refs[0]!))[1]!
      );
      {
        using ref = put(filled(8, 6));
        await get(keeper.keep.remote([ref]));
        assertEquals(await get(first.remote([ref])), 6);
      }
      assertEquals(await get(keeper.look.remote()), 6);
    },
  );

  await t.step("what a killed worker had made lives on", async () => {
    const make = remote(() => ({
      pid: Deno.pid,
      array: new Uint8Array(4 * (1 << 20)).fill(8),
    }));
    const ref = make.remote();
    const { pid } = await get(ref);
    Deno.kill(pid, "SIGKILL");
    const here = remote(() => runtimeContext().workerId);
    await get([here.remote(), here.remote()]);
    assertEquals((await get(ref)).array[77], 8);
  });
});
