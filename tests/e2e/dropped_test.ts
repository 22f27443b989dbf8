import { assert, assertEquals } from "@std/assert";
import { get, init, remote } from "../../mod.ts";
import { collectGarbage } from "../../src/store/segment.ts";

class Holder {
  answer() {
    return 1;
  }
}

Deno.test("An actor that nobody has a handle of gives its resources to who waits for them", async (t) => {
  await using _runtime = await init({ numCpus: 1 });
  const one = remote(() => 1);

  await t.step("to a task, and to the next actor", async () => {
    for (let turn = 0; turn < 3; turn++) {
      await (async () => {
        const actor = remote(Holder, { numCpus: 1 }).remote();
        assertEquals(await get(actor.answer.remote(), { timeout: 20_000 }), 1);
      })();
    }
    assertEquals(await get(one.remote(), { timeout: 20_000 }), 1);
  });
  await t.step("also where a task had the handle", async () => {
    const use = remote(
      async (actor: { answer: { remote(): never } }) =>
        await get(actor.answer.remote()),
      { numCpus: 0 },
    );
    for (let turn = 0; turn < 3; turn++) {
      await (async () => {
        const actor = remote(Holder, { numCpus: 1 }).remote();
        const ref = use.remote(actor as never);
        assertEquals(await get(ref, { timeout: 20_000 }), 1);
      })();
    }
  });
});

Deno.test("A stream that is left early is forgotten, with its arguments", async () => {
  await using _runtime = await init({ numCpus: 1 });
  const lengths = remote(function* (array: Uint8Array) {
    for (;;) yield array.length;
  }, { backpressure: 2 });
  const leaveSome = async (count: number) => {
    for (let turn = 0; turn < count; turn++) {
      for await (const ref of lengths.remote(new Uint8Array(60_000))) {
        assertEquals(await get(ref), 60_000);
        break;
      }
    }
  };
  const heldBytes = async () => {
    for (let turn = 0; turn < 5; turn++) {
      collectGarbage();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { heapUsed, external } = Deno.memoryUsage();
    return heapUsed + external;
  };
  await leaveSome(20);
  const before = await heldBytes();
  await leaveSome(150);
  const grownBytes = await heldBytes() - before;
  assert(grownBytes < 3_000_000, `${grownBytes} bytes stay`);
});
