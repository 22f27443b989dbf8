import { assertEquals } from "@std/assert";
import { get, init, type ObjectRef, put, remote } from "../../mod.ts";

const MiB = 1 << 20;

Deno.test("200 objects of 32 MiB pass through a store of 256 MiB, whoever makes them", async (t) => {
  await using _runtime = await init({
    numCpus: 2,
    objectStoreMemory: 256 * MiB,
  });
  await t.step("put and read here", async () => {
    const source = new Uint8Array(32 * MiB);
    for (let i = 0; i < 70; i++) {
      source[5] = i;
      const ref = put(source);
      assertEquals((await get(ref))[5], i);
    }
  });
  await t.step("made by a task", async () => {
    const make = remote((i: number) => {
      const array = new Uint8Array(32 * (1 << 20));
      array[5] = i;
      return array;
    });
    for (let i = 0; i < 70; i++) {
      assertEquals((await get(make.remote(i)))[5], i);
    }
  });
  await t.step(
    "made by a task and put inside of it, read by another",
    async () => {
      const make = remote((i: number) => {
        const array = new Uint8Array(32 * (1 << 20));
        array[5] = i;
        return { ref: put(array) };
      });
      const read = remote(async (made: { ref: ObjectRef<Uint8Array> }) =>
        (await get(made.ref))[5]
      );
      for (let i = 0; i < 60; i++) {
        assertEquals(await get(read.remote(make.remote(i))), i);
      }
    },
  );
});

Deno.test("an idle worker that owns what others hold stays, one that does not leaves", async () => {
  await using _runtime = await init({ numCpus: 1 });
  // A task without retries takes no guests, so that these need further workers.
  type Made = { pid: number; ref?: ObjectRef<string> };
  const make = remote(
    (isOwner: boolean): Made =>
      isOwner ? { pid: Deno.pid, ref: put("kept") } : { pid: Deno.pid },
    { maxRetries: 0 },
  );
  const ask = remote(
    async (isOwner: boolean) => [
      { pid: Deno.pid },
      await get(make.remote(isOwner)),
    ],
    { maxRetries: 0 },
  );
  const made: Made[] = (await get(
    [true, false, true, false, true, false].map((is) => ask.remote(is)),
  )).flat();
  const refs = made.flatMap(({ ref }) => ref ?? []);
  const owners = new Set(made.filter(({ ref }) => ref).map(({ pid }) => pid));
  const leaving = [...new Set(made.map(({ pid }) => pid))]
    .filter((pid) => !owners.has(pid));
  console.log(owners.size, leaving.length, made.length);
  const isThere = (pid: number) => {
    try {
      return Deno.statSync(`/proc/${pid}`).isDirectory;
    } catch {
      return false; // It has left.
    }
  };
  // One worker is always kept.
  while (leaving.filter(isThere).length > 1) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assertEquals(await get(refs), ["kept", "kept", "kept"]);
});
