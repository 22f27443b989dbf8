/**
 * One actor by several handles: those found by name, made or joined by
 * `getIfExists`, here or in another process.
 *
 * @module
 */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  ActorDiedError,
  type ActorHandle,
  get,
  getActor,
  init,
  kill,
  PendingCallsLimitExceeded,
  remote,
} from "../../mod.ts";

class Diary {
  readonly lines: number[] = [];

  write(line: number): void {
    this.lines.push(line);
  }

  read(): number[] {
    return this.lines;
  }

  never(): Promise<never> {
    return new Promise(() => {});
  }
}

Deno.test("One actor by several handles", async (t) => {
  await using _runtime = await init({ numCpus: 2 });
  const Book = remote(Diary, { name: "book", getIfExists: true });
  const inOrder = (count: number) => Array.from({ length: count }, (_, n) => n);

  await t.step(
    "calls of one caller keep their order across all of them",
    async () => {
      const Named = Book.options({ name: "order" });
      const handles = [Named.remote()];
      let line = 0;
      for (let round = 0; round < 20; round++) {
        for (const handle of handles) handle.write.remote(line++);
        if (round < 10) handles.push(Named.remote());
        for (const handle of handles) handle.write.remote(line++);
      }
      handles.push(await getActor<Diary>("order"));
      for (const handle of handles) handle.write.remote(line++);
      for (const handle of handles) {
        assertEquals(await get(handle.read.remote()), inOrder(line));
      }
    },
  );

  await t.step(
    "also where the first was made without getIfExists, or elsewhere",
    async () => {
      const made = remote(Diary, { name: "elsewhere", lifetime: "detached" });
      await get(
        remote((made: ReturnType<typeof remote<typeof Diary>>) =>
          get(made.remote().read.remote())
        ).remote(made),
      );
      const found = await getActor<Diary>("elsewhere");
      await get(found.read.remote());
      const joined = Book.options({ name: "elsewhere" }).remote();
      let line = 0;
      for (let round = 0; round < 20; round++) {
        joined.write.remote(line++);
        found.write.remote(line++);
      }
      assertEquals(await get(found.read.remote()), inOrder(line));
      await kill(joined);
      await assertRejects(() => get(found.read.remote()), ActorDiedError);
    },
  );

  await t.step(
    "another process that gets them keeps the order too",
    async () => {
      const Named = Book.options({ name: "passed" });
      const write = remote(async (diaries: ActorHandle<Diary>[]) => {
        let line = 0;
        for (let round = 0; round < 20; round++) {
          for (const diary of diaries) diary.write.remote(line++);
        }
        return await get(diaries[0]!.read.remote());
      });
      const diaries = [Named.remote(), Named.remote(), Named.remote()];
      assertEquals(await get(write.remote(diaries)), inOrder(60));
    },
  );

  await t.step("maxPendingCalls counts the calls of all of them", async () => {
    const Bounded = Book.options({ name: "bounded", maxPendingCalls: 2 });
    const one = Bounded.remote();
    await get(one.read.remote());
    const two = Bounded.remote();
    one.never.remote();
    two.never.remote();
    for (const handle of [one, two]) {
      assertThrows(() => handle.read.remote(), PendingCallsLimitExceeded);
    }
    await kill(two);
  });

  await t.step(
    "after the end of the one a further handle makes another",
    async () => {
      const Named = Book.options({ name: "again" });
      const first = Named.remote();
      first.write.remote(0);
      await get(first.read.remote());
      const killing = kill(first);
      const second = Named.remote();
      second.write.remote(1);
      await killing;
      const third = Named.remote();
      third.write.remote(2);
      const lines = await get(third.read.remote());
      assertEquals(lines.at(-1), 2);
    },
  );
});
