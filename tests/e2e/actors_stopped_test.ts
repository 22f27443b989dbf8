/**
 * Methods of actors that must be stopped and do not stop by themselves.
 *
 * @module
 */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  ActorDiedError,
  type ActorHandle,
  ActorUnavailableError,
  cancel,
  get,
  init,
  remote,
  signal,
  TaskCancelledError,
  TaskTimeoutError,
} from "../../mod.ts";
import { note, Notes, until } from "../support/notes.ts";

class Clock {
  readonly #notes: string;
  #ticks = 0;

  constructor(notes: string) {
    this.#notes = notes;
  }

  tick(): number {
    return ++this.#ticks;
  }

  spin(): never {
    note(this.#notes, "spins");
    for (;;);
  }

  never(): Promise<never> {
    return new Promise(() => {});
  }

  /** Sleeps until there is such a note. */
  async sleep(until: string): Promise<string> {
    note(this.#notes, "sleeps");
    while (!Deno.readTextFileSync(this.#notes).includes(until)) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return until;
  }

  heeds(): Promise<void> {
    return new Promise((_, reject) =>
      signal().addEventListener("abort", () => reject(signal().reason))
    );
  }
}

Deno.test("Methods of actors that do not stop by themselves", async (t) => {
  await using _runtime = await init({ numCpus: 1 });
  using notes = new Notes();
  const Clocks = remote(Clock);

  await t.step(
    "one over its time that spins is ended with its actor",
    async () => {
      const clock = Clocks.remote(notes.path);
      await get(clock.tick.remote());
      const spinning = clock.spin.options({ timeout: 50 }).remote();
      const behind = clock.tick.remote();
      await assertRejects(() => get(spinning), TaskTimeoutError);
      const died = await assertRejects(() => get(behind), ActorDiedError);
      assertEquals(
        died.reason,
        'its call "Clock.spin" ran longer than its timeout of 50 ms',
      );
    },
  );

  await t.step("so is one that waits and ignores its signal", async () => {
    const clock = Clocks.options({ maxRestarts: 1 }).remote(notes.path);
    const waiting = clock.never.options({ timeout: 50 }).remote();
    const behind = clock.tick.remote();
    await assertRejects(() => get(waiting), TaskTimeoutError);
    const cut = await assertRejects(() => get(behind), ActorUnavailableError);
    assertStringIncludes(cut.message, '"Clock.never" ran longer');
    assertEquals(await get(clock.tick.remote()), 1);
  });

  await t.step(
    "one that heeds its signal costs its actor nothing",
    async () => {
      const clock = Clocks.remote(notes.path);
      await get(clock.tick.remote());
      const heeding = clock.heeds.options({ timeout: 50 }).remote();
      await assertRejects(() => get(heeding), TaskTimeoutError);
      assertEquals(await get(clock.tick.remote()), 2);
    },
  );

  await t.step("cancel with force ends a spinning one at once", async () => {
    using notes = new Notes();
    const clock = Clocks.options({ maxRestarts: 1 }).remote(notes.path);
    const spinning = clock.spin.remote();
    await notes.reach(1);
    const behind = clock.tick.remote();
    cancel(spinning, { force: true });
    await assertRejects(() => get(spinning), TaskCancelledError);
    const cut = await assertRejects(() => get(behind), ActorUnavailableError);
    assertStringIncludes(cut.message, "cancelled by force");
    assertEquals(await get(clock.tick.remote()), 1);
  });

  await t.step(
    "one that is cancelled before it began is ended as well",
    async () => {
      const clock = Clocks.options({ maxRestarts: 1 }).remote(notes.path);
      await get(clock.tick.remote());
      const spinning = clock.spin.remote();
      cancel(spinning, { force: true });
      await assertRejects(() => get(spinning), TaskCancelledError);
      // By its withdrawal or by the actor's end: it goes on.
      await until(
        () => get(clock.tick.remote()).then(() => true, () => false),
        "the actor",
      );
    },
  );

  await t.step(
    "cancel with force of a call that waits costs the one that runs nothing",
    async () => {
      using notes = new Notes();
      const clock = Clocks.remote(notes.path);
      const running = clock.sleep.remote("wake up");
      await notes.reach(1);
      const waiting = clock.spin.remote();
      cancel(waiting, { force: true });
      await assertRejects(() => get(waiting), TaskCancelledError);
      const behind = clock.tick.remote();
      // Whatever the node does for the cancelled one it has done by then.
      await get(Clocks.remote(notes.path).tick.remote());
      note(notes.path, "wake up");
      assertEquals(await get(running), "wake up");
      assertEquals(await get(behind), 1);
    },
  );

  await t.step("so does one of another process, by its ref", async () => {
    using notes = new Notes();
    const clock = Clocks.remote(notes.path);
    const begin = remote((clock: ActorHandle<Clock>) => [clock.spin.remote()]);
    const [spinning] = await get(begin.remote(clock));
    await notes.reach(1);
    cancel(spinning!, { force: true });
    await assertRejects(() => get(spinning!), TaskCancelledError);
    const died = await assertRejects(
      () => get(clock.tick.remote()),
      ActorDiedError,
    );
    assertStringIncludes(died.reason, "cancelled by force");
  });
});
