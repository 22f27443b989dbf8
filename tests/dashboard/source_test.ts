import { assertEquals, assertRejects } from "@std/assert";
import { Source } from "../../src/dashboard/source.ts";
import type { Reach } from "../../src/inspect/reach.ts";
import { until } from "../support/notes.ts";

/** A reach whose head can go, and that says when it was let go. */
function fakeReach() {
  const closed = Promise.withResolvers<void>();
  const told = { leftCount: 0 };
  const reach = {
    head: { closed: closed.promise },
    [Symbol.asyncDispose]: () => {
      told.leftCount++;
      closed.resolve();
      return Promise.resolve();
    },
  } as unknown as Reach;
  return { reach, told, lose: () => closed.resolve() };
}

Deno.test("Source.reach() is made once, and anew after it was lost", async () => {
  const fakes = [fakeReach(), fakeReach()] as const;
  let openedCount = 0;
  const source = new Source(() => Promise.resolve(fakes[openedCount++]!.reach));
  assertEquals(await source.reach(), fakes[0].reach);
  assertEquals(await source.reach(), fakes[0].reach);
  fakes[0].lose();
  await until(() => fakes[0].told.leftCount === 1, "the first one left");
  assertEquals(await source.reach(), fakes[1].reach);
  await source[Symbol.asyncDispose]();
  assertEquals(fakes.map(({ told }) => told.leftCount), [1, 1]);
  assertEquals(openedCount, 2);
});

Deno.test("Source.reach() rejects where nobody is there, and tries again", async () => {
  let openedCount = 0;
  await using source = new Source(() => {
    openedCount++;
    return Promise.reject(new Error("nobody"));
  });
  await assertRejects(() => source.reach(), Error, "nobody");
  await assertRejects(() => source.reach(), Error, "nobody");
  assertEquals(openedCount, 2);
});
