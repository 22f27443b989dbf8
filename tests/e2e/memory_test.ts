import { assert, assertEquals } from "@std/assert";
import { collectGarbage } from "../../src/store/segment.ts";
import {
  type ActorHandle,
  cancel,
  get,
  init,
  type ObjectRef,
  put,
  remote,
} from "../../mod.ts";

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

Deno.test("A task that waits costs its owner under 1 KB", async () => {
  await using _runtime = await init({ numCpus: 1, logToDriver: false });
  const holds = remote(() => new Promise<void>(() => {}));
  const same = remote((n: number) => n);
  assertEquals(await get(same.remote(1)), 1);
  const held = holds.remote();
  const count = 200_000;
  collectGarbage();
  const before = Deno.memoryUsage().heapUsed;
  const refs = Array.from({ length: count }, (_, n) => same.remote(n));
  await new Promise((resolve) => setTimeout(resolve, 0));
  collectGarbage();
  const bytesEach = (Deno.memoryUsage().heapUsed - before) / count;
  assert(bytesEach < 1024, `${bytesEach} bytes`);
  await cancel(held, { force: true });
  const values = await get(refs);
  assertEquals(values.every((value, n) => value === n), true);
});

class Gate {
  readonly #opened = Promise.withResolvers<void>();

  open(): void {
    this.#opened.resolve();
  }

  passed(): Promise<void> {
    return this.#opened.promise;
  }
}

Deno.test("an idle worker that owns what others hold stays, one that does not leaves", async () => {
  await using _runtime = await init({ numCpus: 1 });
  const gate = remote(Gate, { maxConcurrency: 10 }).remote();
  // Without retries a task takes no guests: while it waits, strangers need further workers.
  const own = remote(
    async (gate: ActorHandle<Gate>, isOwner: boolean) => {
      const ref = isOwner ? put("kept") : undefined;
      await get(gate.passed.remote());
      return { pid: Deno.pid, ref };
    },
    { maxRetries: 0 },
  );
  const waiting = [true, false, false].map((is) => own.remote(gate, is));
  const pid = remote(() => Deno.pid, { maxRetries: 0 });
  await get(pid.remote()); // All three wait by now, each in its worker.
  await get(gate.open.remote());
  const [owner, ...others] = await get(waiting);
  assertEquals(new Set([owner!.pid, ...others.map(({ pid }) => pid)]).size, 3);
  while (others.some(({ pid }) => isThere(pid))) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assertEquals(isThere(owner!.pid), true);
  assertEquals(await get(owner!.ref!), "kept");
});

function isThere(pid: number): boolean {
  try {
    return Deno.statSync(`/proc/${pid}`).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
