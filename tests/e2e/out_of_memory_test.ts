import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  type ActorHandle,
  get,
  init,
  isInitialized,
  OutOfMemoryError,
  put,
  remote,
  runtimeContext,
} from "../../mod.ts";

const MiB = 1 << 20;
const GiB = 1 << 30;
const variable = "MANTA_MEMORY_LIMIT_BYTES";

/** Fills memory up to so much, and holds it. */
function fill(bytes: number): number {
  const held: Uint8Array[] = [];
  for (let at = 0; at < bytes; at += 16 << 20) {
    held.push(new Uint8Array(16 << 20).fill(1));
  }
  return held.length;
}

class Meeting {
  readonly #begun = Promise.withResolvers<void>();
  readonly #over = Promise.withResolvers<void>();

  begin(): void {
    this.#begun.resolve();
  }
  begun(): Promise<void> {
    return this.#begun.promise;
  }
  end(): void {
    this.#over.resolve();
  }
  over(): Promise<void> {
    return this.#over.promise;
  }
}

Deno.test("a task that fills memory is ended before the machine is full", async (t) => {
  Deno.env.set(variable, String(1.5 * GiB));
  try {
    await using _runtime = await init({
      numCpus: 2,
      objectStoreMemory: 512 * MiB,
    });
    const hog = remote(fill);

    await t.step("its neighbour is not, and what fits runs on", async () => {
      const meeting = remote(Meeting, { maxConcurrency: 4 }).remote();
      const neighbour = remote(
        async (meeting: ActorHandle<Meeting>, bytes: number) => {
          const held = new Uint8Array(bytes).fill(1);
          await get(meeting.begin.remote());
          await get(meeting.over.remote());
          return [runtimeContext().attempt, held.at(-1)];
        },
      ).remote(meeting, 100 * MiB);
      await get(meeting.begun.remote());
      const error = await assertRejects(
        () => get(hog.options({ maxRetries: 1, name: "hog" }).remote(8 * GiB)),
        OutOfMemoryError,
      );
      assertStringIncludes(error.message, `"hog"`);
      assertStringIncludes(error.message, "after 2 attempts");
      assertStringIncludes(error.message, variable);
      assertStringIncludes(error.message, `${error.rssBytes} bytes`);
      assertStringIncludes(error.message, `${error.limitBytes} bytes`);
      assertEquals(error.limitBytes, 1.5 * GiB);
      assert(error.rssBytes! > 300 * MiB, `${error.rssBytes} bytes held`);
      assertEquals(error.functionName, "hog");
      assertEquals(error.taskId?.length, 28);
      await get(meeting.end.remote());
      assertEquals(await get(neighbour), [1, 1]);
      assertEquals(await get(hog.remote(64 * MiB)), 4);
    });

    await t.step("it runs again, and may do better", async () => {
      const better = remote((large: number, small: number) =>
        fill(runtimeContext().attempt === 1 ? large : small)
      );
      assertEquals(await get(better.remote(8 * GiB, 32 * MiB)), 2);
    });

    await t.step("without retries it fails at once", async () => {
      const once = hog.options({ maxRetries: 0 });
      const error = await assertRejects(
        () => get(once.remote(8 * GiB)),
        OutOfMemoryError,
      );
      assertStringIncludes(error.message, "after 1 attempt");
    });

    await t.step("shared objects count once, whoever reads them", async () => {
      const ref = put(new Uint8Array(400 * MiB).fill(1));
      // So long that it is looked at several times.
      const sum = remote((array: Uint8Array) => {
        const endMs = performance.now() + 600;
        for (;;) {
          let sum = 0;
          for (let at = 0; at < array.length; at += 4096) sum += array[at]!;
          if (performance.now() > endMs) return sum;
        }
      }, { maxRetries: 1 });
      const sums = await get([1, 2].map(() => sum.remote(ref)));
      assertEquals(sums, [102_400, 102_400]);
    });
  } finally {
    Deno.env.delete(variable);
  }
});

Deno.test("a memory limit that is no number of bytes is refused at the start", async () => {
  Deno.env.set(variable, "4GB");
  try {
    const error = await assertRejects(() => init(), TypeError);
    assertStringIncludes(error.message, `${variable}="4GB"`);
    assertEquals(isInitialized(), false);
  } finally {
    Deno.env.delete(variable);
  }
});
