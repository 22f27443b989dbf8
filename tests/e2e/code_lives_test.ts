/**
 * Captured code and values: they go when nothing needs them, and no sooner.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  type ActorHandle,
  get,
  init,
  kill,
  put,
  remote,
  type RemoteFunction,
} from "../../mod.ts";
import { collectGarbage } from "../../src/store/segment.ts";
import { until } from "../support/notes.ts";

const MiB = 1 << 20;
const probes = globalThis as { probe?: WeakRef<object> };

/** Whether what a task put under watch is still there; for a worker with one slot. */
function makeWatch(): RemoteFunction<[], boolean> {
  return remote(async () => {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 0));
    return probes.probe?.deref() !== undefined;
  });
}

/** More than once: what ends by a finalizer may let go of more. */
async function collect(): Promise<void> {
  for (let times = 0; times < 4; times++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

Deno.test("Functions that are garbage make room for others", async (t) => {
  await using _runtime = await init({
    numCpus: 1,
    objectStoreMemory: 16 * MiB,
  });
  const arrayOf = (v: number) => new Uint8Array(900_000).fill(v);

  await t.step(
    "tasks: 60 closures over 900 KB in a store of 16 MiB",
    async () => {
      for (let i = 0; i < 60; i++) {
        const array = arrayOf(i);
        assertEquals(await get(remote(() => array[7]).remote()), i);
      }
    },
  );
  await t.step("arguments", async () => {
    const call = remote((read: () => number | undefined) => read());
    for (let i = 0; i < 60; i++) {
      const array = arrayOf(i);
      assertEquals(await get(call.remote(() => array[7])), i);
    }
  });
  await t.step("results, called here", async () => {
    const make = remote((i: number) => {
      const array = new Uint8Array(900_000).fill(i);
      return () => array[7];
    });
    for (let i = 0; i < 60; i++) {
      assertEquals((await get(make.remote(i)))(), i);
    }
  });
  await t.step("functions made and submitted by a task", async () => {
    const outer = remote(async (i: number) => {
      const array = new Uint8Array(900_000).fill(i);
      return await get(remote(() => array[7]).remote());
    });
    for (let i = 0; i < 60; i++) assertEquals(await get(outer.remote(i)), i);
  });
});

Deno.test("A function that is garbage here goes from its worker too", async () => {
  await using _runtime = await init({ numCpus: 1 });
  const watch = makeWatch();
  const run = async () => {
    const small = { letters: "x".repeat(1000) };
    await get(
      remote(() => {
        probes.probe = new WeakRef(small);
      }).remote(),
    );
  };
  await run();
  await until(async () => {
    await collect();
    return !await get(watch.remote());
  }, "the worker's copy is collected");
});

Deno.test("Code stays while something needs it", async (t) => {
  await using _runtime = await init({ numCpus: 2 });
  const large = (v: number) => new Uint8Array(200_000).fill(v);
  const apply = remote((read: () => number | undefined) => read());

  await t.step("a stored value", async () => {
    const store = () => {
      const array = large(1);
      return put({ read: () => array[9] });
    };
    const ref = store();
    await collect();
    const call = remote((v: { read: () => number | undefined }) => v.read());
    assertEquals(await get(call.remote(ref)), 1);
    assertEquals((await get(ref)).read(), 1);
  });
  await t.step("a task that waits", async () => {
    const gate = remote(() => new Promise<void>((done) => setTimeout(done)));
    const submit = () => {
      const array = large(2);
      const waits = remote((_: unknown) => array[9]);
      return waits.remote(gate.remote());
    };
    const ref = submit();
    await collect();
    assertEquals(await get(ref), 2);
  });
  await t.step("an actor that starts again", async () => {
    const make = () => {
      const array = large(3);
      class Holder {
        first(): number | undefined {
          return array[9];
        }
      }
      return remote(Holder, { maxRestarts: -1 }).remote();
    };
    const handle: ActorHandle<{ first(): number | undefined }> = make();
    assertEquals(await get(handle.first.remote()), 3);
    await collect();
    await kill(handle, { noRestart: false });
    await until(
      () => get(handle.first.remote()).then((v) => v === 3, () => false),
      "the actor is back",
    );
  });
  await t.step(
    "a closure from a task, passed on when its maker has forgotten it",
    async () => {
      const make = remote((v: number) => {
        const array = new Uint8Array(200_000).fill(v);
        return () => array[9];
      });
      const forget = remote(async () => {
        collectGarbage();
        await new Promise((resolve) => setTimeout(resolve, 0));
      });
      const closure = await get(make.remote(4));
      const held = make.remote(5);
      await get([held]);
      for (let times = 0; times < 4; times++) {
        await get([forget.remote(), forget.remote()]);
        await collect();
      }
      assertEquals(await get([apply.remote(closure), apply.remote(held)]), [
        4,
        5,
      ]);
      assertEquals(closure(), 4);
      assert(await get(held) !== undefined);
    },
  );
});
