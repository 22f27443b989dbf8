/**
 * Calls and actors whose arguments are not there yet, or never come.
 *
 * @module
 */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  cancel,
  get,
  init,
  type ObjectRef,
  PendingCallsLimitExceeded,
  remote,
  TaskCancelledError,
  TaskError,
} from "../../mod.ts";

class Diary {
  readonly lines: string[] = [];

  write(line: string): number {
    return this.lines.push(line);
  }

  read(): string[] {
    return this.lines;
  }
}

const fails = remote((): string => {
  throw new Error("no line");
});
const never = remote(() => new Promise<string>(() => {}), { numCpus: 0 });

Deno.test("Arguments of calls that never come", async (t) => {
  await using _runtime = await init({ numCpus: 2 });
  const Book = remote(Diary, { maxPendingCalls: 3 });

  await t.step(
    "a call whose argument fails lets those behind it go",
    async () => {
      const diary = Book.remote();
      const failed = diary.write.remote(fails.remote());
      const behind = diary.write.remote("behind");
      await assertRejects(() => get(failed), TaskError, "no line");
      assertEquals(await get(behind), 1);
    },
  );

  await t.step(
    "so does one that is cancelled while its argument is pending",
    async () => {
      const diary = Book.remote();
      const argument = never.remote();
      const cancelled = diary.write.remote(argument);
      const behind = diary.write.remote("behind");
      cancel(cancelled);
      await assertRejects(() => get(cancelled), TaskCancelledError);
      assertEquals(await get(behind), 1);
      cancel(argument);
    },
  );

  await t.step("neither counts for maxPendingCalls any more", async () => {
    const diary = Book.remote();
    const failed: ObjectRef<number>[] = [];
    for (let round = 0; round < 5; round++) {
      const [one, two] = [fails.remote(), never.remote()];
      const calls = [diary.write.remote(one), diary.write.remote(two)];
      diary.write.remote("third");
      assertThrows(
        () => diary.write.remote("fourth"),
        PendingCallsLimitExceeded,
      );
      await assertRejects(() => get(calls[0]!), TaskError);
      cancel(two);
      await assertRejects(() => get(calls[1]!), TaskCancelledError);
      failed.push(...calls);
      await get(diary.read.remote());
    }
    assertEquals((await get(diary.read.remote())).length, 5);
  });
});
