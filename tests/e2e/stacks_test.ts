/**
 * Stacks of tasks' errors: the user's own lines, wherever one is read.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { get, init, remote, shutdown } from "../../mod.ts";
import { rejection } from "../support/notes.ts";
import { Program } from "../support/program.ts";

interface Unused {
  /** Types are lines that V8's text does not have. */
  readonly one: number;
  readonly two: number;
}

function thrower(_: Unused | undefined): never {
  throw new RangeError("here");
}

const lines = Deno.readTextFileSync(new URL(import.meta.url)).split("\n");

function assertShown(stack: unknown): void {
  const [, line] = /stacks_test\.ts:(\d+):\d+/.exec(String(stack)) ?? [];
  assertStringIncludes(lines[Number(line) - 1] ?? "", "throw new RangeError");
  assert(!/#v8-|\/src\/|ext:/.test(String(stack)), String(stack));
}

/** A stack without those who called: here they are the test runner's own. */
function topOf({ stack }: { stack?: string }): string {
  const lines = stack!.split("\n", 2);
  assertMatch(lines[1]!, /at (?!eval)/);
  return lines.join("\n");
}

function caught(): Error {
  try {
    return thrower(undefined);
  } catch (error) {
    return error as Error;
  }
}

Deno.test("A stack names the user's lines wherever it is read", async (t) => {
  await using _runtime = await init({ numCpus: 1, logToDriver: false });

  await t.step("inside the task", async () => {
    assertShown(await get(remote(() => caught().stack).remote()));
  });
  await t.step("of an error that is a value, or in one", async () => {
    assertShown((await get(remote(() => caught()).remote())).stack);
    const nested = await get(remote(() => ({ all: [caught()] })).remote());
    assertShown(nested.all[0]!.stack);
  });
  await t.step("of an error that hangs on a thrown one", async () => {
    const failing = remote(() => {
      throw Object.assign(new Error("outer"), {
        inner: caught(),
        list: [caught()],
      });
    });
    const { cause } = await rejection(get(failing.remote() as never));
    const { inner, list } = cause as unknown as { inner: Error; list: Error[] };
    assertShown(inner.stack);
    assertShown(list[0]!.stack);
  });
  await t.step("in an actor", async () => {
    class Reader {
      read(): string | undefined {
        return caught().stack;
      }
    }
    assertShown(await get(remote(Reader).remote().read.remote()));
  });
  await t.step("of a function that came back, called here", async () => {
    const made = remote(() => (of?: Unused) => {
      if (of !== undefined) return () => caught().stack;
      throw new RangeError("called here");
    });
    const here = await get(made.remote());
    assertShown(topOf(assertThrows(() => here(), RangeError)));
    // What it makes here is sent again under the lines where it first stood.
    const inner = here({ one: 1, two: 2 })!;
    assertShown(topOf({ stack: inner()! }));
    assertShown(await get(remote(inner).remote()));
    const late = remote(() => async () => {
      await import("node:path");
      throw new RangeError("late");
    });
    const stands = await get(late.remote());
    assertShown(topOf(await assertRejects(stands, RangeError)));
  });
  await t.step("and code that formats stacks itself is let be", async () => {
    const named = remote(() => {
      const before = Reflect.get(Error, "prepareStackTrace");
      Reflect.set(Error, "prepareStackTrace", () => "mine");
      const { stack } = new Error("x");
      Reflect.set(Error, "prepareStackTrace", before);
      return [stack, caught().stack];
    });
    const [mine, after] = await get(named.remote());
    assertMatch(mine!, /^mine$/);
    assertShown(after);
  });
});

Deno.test("What a worker logs names the user's lines", async () => {
  await shutdown();
  await using program = new Program();
  const { stderr } = await program.run(`
import { get, remote, shutdown } from "@manta/manta";
interface Gone {
  line: number;
}
const task = remote((_: Gone | void) => {
  console.error(new Error("told").stack);
});
await get(task.remote());
await shutdown();
`);
  assertMatch(stderr, /main\.ts:7:\d+/);
  assert(!stderr.includes("#v8-"), stderr);
});

Deno.test("The end of a program by a function that came back names the user's lines", async () => {
  await using program = new Program();
  const { code, stderr } = await program.run(`
import { get, remote, shutdown } from "@manta/manta";
interface Gone {
  line: number;
}
const task = remote((_?: Gone) => () => {
  throw new RangeError("own");
});
const fails = await get(task.remote());
await shutdown();
fails();
`);
  assertEquals(code, 1);
  assertMatch(stderr, /throw new RangeError\("own"\);\n/);
  assertMatch(stderr, /main\.ts:7:9/);
  assert(!stderr.includes("#v8-"), stderr);
});

Deno.test("The stack of a function with import() in it names the user's lines", async () => {
  await using program = new Program();
  const { stdout, stderr } = await program.run(
    `import { get, remote } from "@manta/manta";
type Dropped = {
  a: number;
};
const late = remote(async (x: number): Promise<number> => {
  await import("node:path");
  throw new RangeError("line seven");
});
await get(late.remote(1)).catch((error) => console.log(error.cause.stack));
`,
  );
  assertMatch(stdout, /RangeError: line seven\n +at .*main\.ts:7:9/, stderr);
});
