import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  get,
  init,
  isInitialized,
  NodeDiedError,
  put,
  remote,
  shutdown,
} from "../../mod.ts";
import { currentSession } from "../../src/owner/current.ts";

const increment = remote((n: number) => n + 1);

Deno.test("When its node has ended, a program is told so at once, and can start anew", async () => {
  const runtime = await init({ numCpus: 1 });
  assertEquals(await get(increment.remote(1)), 2);
  const open = remote(() => new Promise<void>(() => {})).remote();
  currentSession()!.node.close();
  await assertRejects(() => get(open), NodeDiedError);
  assertThrows(() => increment.remote(1), NodeDiedError);
  assertThrows(() => put(1), NodeDiedError);
  await assertRejects(() => runtime.nodes(), NodeDiedError);
  await assertRejects(() => runtime.availableResources(), NodeDiedError);
  assert(isInitialized());
  await shutdown();
  await using _runtime = await init({ numCpus: 1 });
  assertEquals(await get(increment.remote(2)), 3);
});
