/**
 * Calls and actors whose arguments are not there yet, or never come.
 *
 * @module
 */
import {
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  ActorDiedError,
  type ActorHandle,
  cancel,
  get,
  getActor,
  init,
  kill,
  type ObjectRef,
  PendingCallsLimitExceeded,
  remote,
  TaskCancelledError,
  TaskError,
} from "../../mod.ts";

class Diary {
  readonly lines: string[] = [];

  constructor(first?: string) {
    if (first !== undefined) this.lines.push(first);
  }

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

Deno.test("Actors whose constructor's argument is pending", async (t) => {
  await using _runtime = await init({ numCpus: 2 });
  const Book = remote(Diary);
  const isKilled = async (call: ObjectRef<unknown>) => {
    const died = await assertRejects(() => get(call), ActorDiedError);
    assertEquals(died.reason, "it was killed by kill()");
  };
  /** A ref that is settled by another task's file. */
  const waitsFor = remote(async (file: string) => {
    for (;;) {
      try {
        const text = Deno.readTextFileSync(file);
        // It is there for a moment before it is written.
        if (text !== "") return text;
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }, { numCpus: 0 });
  const folder = await Deno.makeTempDir();

  await t.step("kill() ends one before it is born", async () => {
    const argument = never.remote();
    const diary = Book.remote(argument);
    const before = diary.read.remote();
    await kill(diary);
    await isKilled(before);
    await isKilled(diary.read.remote());
    await kill(diary); // A second time changes nothing.
    cancel(argument);
  });

  await t.step("kill() in another process ends it too", async () => {
    const argument = never.remote();
    const diary = Book.remote(argument);
    const before = diary.read.remote();
    await get(
      remote((diary: ActorHandle<Diary>) => kill(diary)).remote(diary),
    );
    await isKilled(before);
    cancel(argument);
  });

  await t.step("calls of another process wait for it as well", async () => {
    const file = `${folder}/opened`;
    const diary = Book.remote(waitsFor.remote(file));
    const reader = remote((diary: ActorHandle<Diary>) => {
      const lines = diary.read.remote();
      Deno.writeTextFileSync(file, "at last");
      return get(lines);
    });
    assertEquals(await get(reader.remote(diary)), ["at last"]);
  });

  await t.step(
    "getActor() finds it, and one that was made just now",
    async () => {
      const file = `${folder}/named`;
      const diary = Book.options({ name: "slow" })
        .remote(waitsFor.remote(file));
      const found = await getActor<Diary>("slow");
      const lines = found.read.remote();
      Deno.writeTextFileSync(file, "named");
      assertEquals(await get(lines), ["named"]);
      const quick = Book.options({ name: "quick" }).remote();
      const sameQuick = await getActor<Diary>("quick");
      assertEquals(await get(sameQuick.write.remote("a")), 1);
      assertEquals(await get(quick.write.remote("b")), 2);
      assertEquals(await get(diary.read.remote()), ["named"]);
    },
  );

  await t.step(
    "one whose argument fails is not found, and says so",
    async () => {
      const diary = Book.options({ name: "unborn" }).remote(fails.remote());
      const died = await assertRejects(
        () => get(diary.read.remote()),
        ActorDiedError,
      );
      assertStringIncludes(died.message, "no line");
      await assertRejects(() => getActor("unborn"), Error, "none of that name");
    },
  );
  await Deno.remove(folder, { recursive: true });
});
