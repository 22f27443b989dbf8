/**
 * Errors: what a caller learns of what went wrong in another process.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import {
  get,
  init,
  ObjectFreedError,
  OutOfMemoryError,
  remote,
  SerializationError,
  TaskError,
  WorkerCrashedError,
} from "../../mod.ts";
import { rejection } from "../support/notes.ts";

const here = import.meta.url;

function fails<T>(body: () => T): Promise<Error> {
  return rejection(get(remote(body, { maxRetries: 0 }).remote() as never));
}

Deno.test("Errors of tasks arrive whole", async (t) => {
  await using runtime = await init({ numCpus: 1, logToDriver: false });
  const [node] = await runtime.nodes();

  await t.step(
    "with name, message, own properties and who ran it",
    async () => {
      const error = await rejection(
        get(
          remote(function teller() {
            throw Object.assign(new RangeError("too far"), {
              code: "E_FAR",
              detail: { at: [1, 2] },
            });
          }).remote() as never,
        ),
      );
      assertInstanceOf(error, TaskError);
      assertEquals(error.functionName, "teller");
      assertEquals(error.nodeId, node!.nodeId);
      assert(error.pid !== Deno.pid);
      const cause = error.cause as RangeError & Record<string, unknown>;
      assertInstanceOf(cause, RangeError);
      assertEquals(cause.message, "too far");
      assertEquals(cause["code"], "E_FAR");
      assertEquals(cause["detail"], { at: [1, 2] });
    },
  );
  await t.step(
    "with stacks of the user's own lines, and no others",
    async () => {
      async function asker() {
        await get(
          remote(function thrower(): void {
            throw new Error("here");
          }).remote(),
        );
      }
      const error = await rejection(asker());
      const cause = error.cause as Error;
      const line = /errors_test\.ts:(\d+):\d+/.exec(cause.stack ?? "")?.[1];
      const text = Deno.readTextFileSync(new URL(here)).split("\n");
      assertStringIncludes(text[Number(line) - 1]!, 'throw new Error("here")');
      assertMatch(error.stack ?? "", /at async asker \(.*errors_test\.ts/);
      for (const stack of [error.stack, cause.stack]) {
        assert(!stack!.includes("/src/"), stack);
        assert(!stack!.includes("ext:"), stack);
      }
    },
  );
  await t.step("with their own chain of causes", async () => {
    const error = await fails(() => {
      const root = new TypeError("root");
      throw new Error("top", { cause: new Error("middle", { cause: root }) });
    });
    const top = error.cause as Error;
    const middle = top.cause as Error;
    assertEquals([top.message, middle.message], ["top", "middle"]);
    assertInstanceOf(middle.cause, TypeError);
  });
  await t.step("also several at once", async () => {
    const error = await fails(() => {
      throw new AggregateError([new RangeError("a"), "b"], "both");
    });
    assertInstanceOf(error.cause, AggregateError);
    const [a, b] = error.cause.errors;
    assertInstanceOf(a, RangeError);
    assertEquals(b, "b");
  });
  await t.step("this library's own are revived as their class", async () => {
    const error = await fails(() => {
      throw new ObjectFreedError("Cannot: x", { objectId: "abc" });
    });
    assertInstanceOf(error.cause, ObjectFreedError);
    assertEquals(error.cause.objectId, "abc");
  });
  await t.step("through a task that only passed them on", async () => {
    const inner = remote(function inner(): number {
      throw new RangeError("deep");
    });
    const error = await rejection(
      get(remote(async () => await get(inner.remote())).remote()),
    );
    assertInstanceOf(error, TaskError);
    assertInstanceOf(error.cause, TaskError);
    assertEquals(error.cause.functionName, "inner");
    assertInstanceOf(error.cause.cause, RangeError);
  });
  await t.step("and may be anything", async () => {
    for (const thrown of ["text", 5, null, undefined, { code: 1 }]) {
      const error = await rejection(
        get(
          remote((value: unknown): void => {
            throw value;
          }).remote(thrown),
        ),
      );
      assertInstanceOf(error, TaskError);
      assertEquals(error.cause, thrown ?? error.cause);
    }
  });
  await t.step("even with what can't travel", async () => {
    const error = await fails(() => {
      throw Object.assign(new Error("held"), { socket: Symbol("s") });
    });
    assertInstanceOf(error, TaskError);
    assertStringIncludes(String(error.cause), "held");
  });
});

Deno.test("Tasks that misbehave fail alone", async (t) => {
  await using _runtime = await init({ numCpus: 1, logToDriver: false });
  const goesOn = async () =>
    assertEquals(await get(remote(() => "fine").remote()), "fine");

  await t.step("one that exits", async () => {
    const error = await fails(() => Deno.exit(3));
    assertInstanceOf(error, WorkerCrashedError);
    assertEquals(error.exitCode, 3);
    await goesOn();
  });
  await t.step("one that throws in a timer", async () => {
    const error = await fails(async () => {
      setTimeout(() => {
        throw new RangeError("late");
      }, 1);
      await new Promise(() => {});
    });
    assertInstanceOf(error.cause, RangeError);
    await goesOn();
  });
  await t.step("one that leaves a rejection unhandled", async () => {
    const error = await fails(async () => {
      Promise.reject(new RangeError("loose"));
      await new Promise((resolve) => setTimeout(resolve, 20_000));
    });
    assertInstanceOf(error.cause, RangeError);
    await goesOn();
  });
  await t.step("one that recurses without end", async () => {
    const error = await fails(() => {
      const deeper = (): number => 1 + deeper();
      return deeper();
    });
    assertInstanceOf(error.cause, RangeError);
    await goesOn();
  });
  await t.step("one that prints megabytes without a newline", async () => {
    const loud = remote(() => {
      const bytes = new Uint8Array(3 << 20).fill(97);
      for (let at = 0; at < bytes.length;) {
        at += Deno.stdout.writeSync(bytes.subarray(at));
      }
      return bytes.length;
    });
    assertEquals(await get(loud.remote()), 3 << 20);
    await goesOn();
  });
  await t.step("one whose result can't travel, told by its path", async () => {
    const symbol = await fails(() => ({ a: { b: Symbol("x") } }));
    assertInstanceOf(symbol, SerializationError);
    assertStringIncludes(symbol.message, "result.a.b");
    const promise = await fails(() => ({ later: Promise.resolve(1) }));
    assertInstanceOf(promise, SerializationError);
    assertStringIncludes(promise.message, "await it first");
    const socket = await fails(() => {
      const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
      return { cfg: { listener } };
    });
    assertInstanceOf(socket, SerializationError);
    assertStringIncludes(socket.message, "result.cfg.listener");
    const captured = await fails(() => {
      const held = { inner: Promise.resolve("captured") };
      return { call: () => held.inner };
    });
    assertInstanceOf(captured, SerializationError);
    assertStringIncludes(captured.message, "held.inner");
    await goesOn();
  });
  await t.step("one that returns less than numReturns", async () => {
    const task = remote(() => [1, 2, 3], { numReturns: 2, name: "three" });
    const refs = task.remote();
    for (const ref of refs) {
      const error = await rejection(get(ref));
      assertInstanceOf(error, TaskError);
      assertStringIncludes(error.message, "numReturns is 2");
    }
    await goesOn();
  });
});

Deno.test("A task that fills its memory is ended, and says why", async () => {
  // Workers take this from the program's environment; their heap is filled sooner.
  const flags = Deno.env.get("DENO_V8_FLAGS");
  Deno.env.set("DENO_V8_FLAGS", "--max-old-space-size=100");
  try {
    await using _runtime = await init({ numCpus: 1, logToDriver: false });
    const hog = remote(() => {
      const kept: number[][] = [];
      for (;;) kept.push(new Array<number>(1 << 16).fill(kept.length));
    }, { maxRetries: 0 });
    const error = await rejection(get(hog.remote()));
    assertInstanceOf(error, OutOfMemoryError);
    assertStringIncludes(error.message, "ran out of memory");
    assertEquals(await get(remote(() => "fine").remote()), "fine");
  } finally {
    if (flags === undefined) Deno.env.delete("DENO_V8_FLAGS");
    else Deno.env.set("DENO_V8_FLAGS", flags);
  }
});

Deno.test("A failure that nobody asks for is logged once", async () => {
  const logged: string[] = [];
  const original = console.error;
  console.error = (...parts: unknown[]) => logged.push(parts.join(" "));
  const rejections: unknown[] = [];
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    rejections.push(event.reason);
  };
  globalThis.addEventListener("unhandledrejection", onRejection);
  try {
    await using _runtime = await init({ numCpus: 1 });
    const fail = remote((what: string): void => {
      throw new Error(what);
    });
    fail.remote("nobody-asked");
    fail.options({ numReturns: 0 }).remote("nobody-could");
    const asked = fail.remote("asked-for");
    await rejection(get(asked));
  } finally {
    console.error = original;
    globalThis.removeEventListener("unhandledrejection", onRejection);
  }
  const all = logged.join("\n");
  for (const what of ["nobody-asked", "nobody-could"]) {
    const lines = logged.filter((line) => line.includes(what));
    assertEquals(lines.length, 1, all);
  }
  assert(!all.includes("asked-for"), all);
  assertEquals(rejections, []);
});
