import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  ActorDiedError,
  type ActorHandle,
  cancel,
  get,
  init,
  PendingCallsLimitExceeded,
  put,
  remote,
  runtimeContext,
  SerializationError,
  signal,
  TaskCancelledError,
  TaskError,
} from "../../mod.ts";
import { note, Notes } from "../support/notes.ts";

class Diary {
  lines: string[] = [];
  /** How many methods are inside `pause` now, and at most were. */
  insideCount = 0;
  insideMax = 0;
  #open = Promise.withResolvers<void>();

  write(line: string): number {
    return this.lines.push(line);
  }

  read(): string[] {
    return this.lines;
  }

  async pause(line: string, turns: number): Promise<void> {
    this.insideMax = Math.max(this.insideMax, ++this.insideCount);
    this.lines.push(`${line} begins`);
    for (let turn = 0; turn < turns; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    this.lines.push(`${line} ends`);
    this.insideCount--;
  }

  most(): number {
    return this.insideMax;
  }

  async waitForDoor(): Promise<string> {
    await this.#open.promise;
    return "in";
  }

  openDoor(): void {
    this.#open.resolve();
  }
}

class Troubled {
  fine(): string {
    return "fine";
  }

  get size(): number {
    return 1;
  }

  toString(): string {
    return "a troubled one";
  }

  valueOf(): number {
    return 7;
  }

  hasOwnProperty(name: PropertyKey): boolean {
    return name === "own";
  }

  toJSON(): { as: string } {
    return { as: "json" };
  }

  failWith(what: unknown): never {
    throw what;
  }

  fail(): never {
    throw new RangeError("too far", { cause: "nobody knows" });
  }

  failLater(): Promise<never> {
    setTimeout(() => {
      throw new Error("from a timer");
    });
    return new Promise(() => {});
  }

  giveSocket(): unknown {
    return { conn: Deno.listen({ port: 0 }) };
  }

  giveSelf(): unknown {
    return [this];
  }

  sendSelf(echo: { remote(value: unknown): unknown }): unknown {
    return echo.remote(this);
  }

  async untilCancelled(told: ActorHandle<Diary>): Promise<void> {
    told.write.remote("begun");
    await new Promise<void>((resolve) => {
      signal().addEventListener("abort", () => {
        told.write.remote(`aborted by ${signal().reason.name}`);
        resolve();
      });
    });
  }
}

class Mirror {
  context() {
    const { actorId, taskId, attempt } = runtimeContext();
    return { actorId, taskId, attempt };
  }

  self(): unknown {
    return runtimeContext().currentActor;
  }

  async callsItself(): Promise<string> {
    const self = runtimeContext().currentActor as ActorHandle<Mirror>;
    self.noted.remote("by itself");
    return await Promise.resolve("at once");
  }

  notes: string[] = [];
  noted(note: string): void {
    this.notes.push(note);
  }

  all(): string[] {
    return this.notes;
  }
}

/** Gives the value once there is a note. */
const settlesLater = remote(async (value: string, notes: string) => {
  while (Deno.readTextFileSync(notes) === "") {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return value;
}, { numCpus: 0 });

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!await condition()) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

Deno.test("Calls to actors", async (t) => {
  await using _runtime = await init({ numCpus: 2 });
  const Book = remote(Diary);

  await t.step("one caller's calls run in the order sent", async () => {
    const diary = Book.remote();
    const counts = Array.from(
      { length: 200 },
      (_, at) => diary.write.remote(String(at)),
    );
    assertEquals(
      await get(counts),
      Array.from({ length: 200 }, (_, at) => at + 1),
    );
    const lines = await get(diary.read.remote());
    assertEquals(lines, Array.from({ length: 200 }, (_, at) => String(at)));
  });

  await t.step(
    "a slow argument holds back its own caller's later calls only",
    async () => {
      const diary = Book.remote();
      const other = remote((diary: ActorHandle<Diary>) =>
        get(diary.write.remote("another caller"))
      );
      using notes = new Notes();
      const slow = settlesLater.remote("slow", notes.path);
      diary.write.remote(slow);
      const last = diary.write.remote("later");
      await get(other.remote(diary));
      note(notes.path, "now");
      assertEquals(await get(last), 3);
      assertEquals(await get(diary.read.remote()), [
        "another caller",
        "slow",
        "later",
      ]);
    },
  );

  await t.step(
    "an argument that fails, or a call that is cancelled, holds back no later call",
    async () => {
      const diary = Book.remote();
      const never = diary.waitForDoor.remote();
      const fails = remote(async (ms: number): Promise<string> => {
        await new Promise((resolve) => setTimeout(resolve, ms));
        throw new RangeError("no line");
      });
      const other = Book.remote();
      const failed = other.write.remote(fails.remote(20));
      assertEquals(await get(other.write.remote("behind a failure")), 1);
      await assertRejects(() => get(failed), TaskError, "no line");
      const pending = other.write.remote(never);
      const behind = other.write.remote("behind a cancelled call");
      cancel(pending);
      assertEquals(await get(behind), 2);
      await assertRejects(() => get(pending), TaskCancelledError);
      diary.openDoor.remote();
    },
  );

  await t.step("a method runs alone, awaits included", async () => {
    const diary = Book.remote();
    await get([diary.pause.remote("a", 5), diary.pause.remote("b", 1)]);
    assertEquals(await get(diary.read.remote()), [
      "a begins",
      "a ends",
      "b begins",
      "b ends",
    ]);
  });

  await t.step("maxConcurrency methods run at a time, no more", async () => {
    const diary = Book.options({ maxConcurrency: 3 }).remote();
    const inside = diary.waitForDoor.remote();
    await get([1, 2, 3, 4, 5].map((n) => diary.pause.remote(`${n}`, 3)));
    diary.openDoor.remote();
    assertEquals(await get(inside), "in");
    assertEquals(await get(diary.most.remote()), 2);
  });

  await t.step(
    "calls come from tasks, other actors and closures",
    async () => {
      const diary = Book.remote();
      class Clerk {
        readonly #diary: ActorHandle<Diary>;
        constructor(diary: ActorHandle<Diary>) {
          this.#diary = diary;
        }
        note(line: string) {
          return get(this.#diary.write.remote(line));
        }
        hand() {
          return { held: [this.#diary] };
        }
      }
      const captured = remote(async (line: string) => {
        await get(diary.write.remote(line));
        return diary;
      });
      const handle = await get(captured.remote("from a closure"));
      const clerk = remote(Clerk).remote(handle);
      await get(clerk.note.remote("from an actor"));
      const { held } = await get(clerk.hand.remote());
      await get(held[0]!.write.remote("by a handle from an actor"));
      assertEquals(await get(diary.read.remote()), [
        "from a closure",
        "from an actor",
        "by a handle from an actor",
      ]);
    },
  );

  await t.step("two tasks in one worker are two callers", async () => {
    const diary = Book.remote();
    const blocked = remote(
      async (diary: ActorHandle<Diary>, notes: string) => {
        const slow = settlesLater.remote("slow", notes);
        return await get(diary.write.remote(slow));
      },
      { numCpus: 0 },
    );
    const quick = remote(
      (diary: ActorHandle<Diary>) => get(diary.write.remote("quick")),
      { numCpus: 0 },
    );
    using notes = new Notes();
    const first = blocked.remote(diary, notes.path);
    await get(quick.remote(diary));
    note(notes.path, "now");
    await get(first);
    assertEquals(await get(diary.read.remote()), ["quick", "slow"]);
  });

  await t.step(
    "errors of methods come with their cause, and the actor goes on",
    async () => {
      const troubled = remote(Troubled).remote();
      const failed = await assertRejects(
        () => get(troubled.fail.remote()),
        TaskError,
        "Troubled.fail",
      );
      assert(failed.cause instanceof RangeError);
      assertEquals(failed.cause.cause, "nobody knows");
      const timer = await assertRejects(
        () => get(troubled.failLater.remote()),
        TaskError,
      );
      assertStringIncludes(String(timer.cause), "from a timer");
      const refused = await assertRejects(
        () => get(troubled.giveSocket.remote()),
        SerializationError,
      );
      assertStringIncludes(refused.message, "conn");
      assertEquals(await get(troubled.fine.remote()), "fine");
    },
  );

  await t.step("whatever is thrown fails the call, undefined too", async () => {
    const troubled = remote(Troubled).remote();
    for (const what of [undefined, null, 0, "text"]) {
      const failed = await assertRejects(
        () => get(troubled.failWith.remote(what)),
        TaskError,
        "its function threw",
      );
      assertEquals(failed.cause, what);
    }
    assertEquals(await get(troubled.fine.remote()), "fine");
  });

  await t.step("methods may be called like those of every object", async () => {
    const troubled = remote(Troubled).remote();
    assertEquals(await get(troubled.toString.remote()), "a troubled one");
    assertEquals(await get(troubled.valueOf.remote()), 7);
    assertEquals(await get(troubled.hasOwnProperty.remote("own")), true);
    assertEquals(await get(troubled.toJSON.remote()), { as: "json" });
    assert("toString" in troubled && !("isPrototypeOf" in troubled));
    assertEquals(JSON.stringify({ troubled }), '{"troubled":{}}');
    const diary = Book.remote();
    assert(!("toString" in diary));
    assertMatch(String(diary), /^ActorHandle\(Diary, [0-9a-f]{28}\)$/);
    assertEquals(await Promise.resolve(diary), diary);
  });

  await t.step("what is no method is an error at the call", () => {
    const troubled = remote(Troubled).remote() as unknown as Record<
      string,
      { remote(): unknown }
    >;
    assertThrows(
      () => troubled["fin"]!.remote(),
      TypeError,
      "no such method; it has fine",
    );
    assertThrows(() => troubled["size"]!.remote(), TypeError, "no such method");
  });

  await t.step("an actor itself can't travel, its handle can", async () => {
    const troubled = remote(Troubled).remote();
    await assertRejects(
      () => get(troubled.giveSelf.remote()),
      SerializationError,
      "runtimeContext().currentActor",
    );
    const echo = remote((value: unknown) => value);
    const failed = await assertRejects(
      () => get(troubled.sendSelf.remote(echo)),
      TaskError,
    );
    assertStringIncludes(String(failed.cause), "currentActor");

    const mirror = remote(Mirror).remote();
    const self = await get(mirror.self.remote()) as ActorHandle<Mirror>;
    assertEquals(await get(mirror.callsItself.remote()), "at once");
    await until(async () =>
      (await get(self.all.remote())).includes("by itself")
    );
    const { actorId, taskId, attempt } = await get(mirror.context.remote());
    assertStringIncludes(Deno.inspect(mirror), actorId!);
    assert(taskId !== undefined && attempt === 1);
  });

  await t.step(
    "more than maxPendingCalls is an error at the call",
    async () => {
      const diary = Book.options({ maxPendingCalls: 2 }).remote();
      const first = diary.pause.remote("a", 20);
      const second = diary.pause.remote("b", 0);
      assertThrows(
        () => diary.write.remote("c"),
        PendingCallsLimitExceeded,
        "maxPendingCalls of 2",
      );
      await get([first, second]);
      assertEquals(await get(diary.write.remote("c")), 5);
    },
  );

  await t.step(
    "a running call hears of its cancelling, a waiting one never runs",
    async () => {
      const diary = Book.remote();
      const troubled = remote(Troubled).remote();
      const running = troubled.untilCancelled.remote(diary);
      await until(async () => (await get(diary.read.remote())).length > 0);
      const waiting = troubled.untilCancelled.remote(diary);
      const after = troubled.fine.remote();
      cancel(waiting);
      await assertRejects(() => get(waiting), TaskCancelledError);
      cancel(running);
      await assertRejects(() => get(running), TaskCancelledError);
      assertEquals(await get(after), "fine");
      await until(async () => (await get(diary.read.remote())).length > 1);
      assertEquals(await get(diary.read.remote()), [
        "begun",
        "aborted by TaskCancelledError",
      ]);
    },
  );

  await t.step("numReturns and refs nested in values", async () => {
    class Splitter {
      halves(text: string): [string, string] {
        const middle = text.length / 2;
        return [text.slice(0, middle), text.slice(middle)];
      }
      async sum(refs: { parts: ReturnType<typeof put<number>>[] }) {
        const parts = await get(refs.parts);
        return parts.reduce((a, b) => a + b, 0);
      }
    }
    const splitter = remote(Splitter).remote();
    const [left, right] = splitter.halves.options({ numReturns: 2 })
      .remote("onetwo");
    assertEquals(await get([left!, right!]), ["one", "two"]);
    const sum = splitter.sum.remote({ parts: [put(1), put(2)] });
    assertEquals(await get(sum), 3);
  });

  await t.step("a constructor's error reaches every call", async () => {
    class Unborn {
      constructor() {
        throw new TypeError("not today");
      }
      method(): void {}
    }
    const unborn = remote(Unborn).remote();
    for (const call of [unborn.method.remote(), unborn.method.remote()]) {
      const died = await assertRejects(() => get(call), ActorDiedError);
      assertStringIncludes(died.message, "its constructor threw");
      assert(died.cause instanceof TypeError);
      assertEquals(died.cause.message, "not today");
    }
  });

  await t.step(
    "a constructor takes refs, and a failed one's error",
    async () => {
      class Holder {
        constructor(readonly value: number, readonly nested: unknown) {}
        get(): number {
          return this.value;
        }
      }
      const seven = remote(() => 7).remote();
      assertEquals(
        await get(remote(Holder).remote(seven, { seven }).get.remote()),
        7,
      );
      const bad = remote((): number => {
        throw new Error("no number");
      }).remote();
      const died = await assertRejects(
        () => get(remote(Holder).remote(bad, 0).get.remote()),
        ActorDiedError,
      );
      assert(died.cause instanceof TaskError);
    },
  );
});
