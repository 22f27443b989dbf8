import { assert, assertEquals, assertMatch } from "@std/assert";
import { Kernel, type Output, python } from "../support/notebook.ts";
import { until } from "../support/notes.ts";

/** All that a cell printed or gave, as text. */
function textOf(outputs: Output[]): string {
  return outputs.map(({ text, data, traceback }) =>
    text ?? data?.["text/plain"] ?? traceback?.join("\n") ?? ""
  ).join("");
}

/** The one rich output of a cell. */
function htmlOf(outputs: Output[]): string {
  assertEquals(outputs.length, 1, JSON.stringify(outputs));
  return outputs[0]!.data!["text/html"]!;
}

Deno.test({
  name:
    "A notebook: cells become tasks and actors, the last definition counts, and a kernel that ends leaves nothing",
  ignore: python === undefined,
  fn: async (t) => {
    await using kernel = await Kernel.start();
    const { run } = { run: (code: string) => kernel.run(code) };

    await t.step("functions and closures over cells' variables", async () => {
      assertEquals(
        await run(`
          import { get, init, progress, put, remote } from "./mod.ts";
          const factor = 3;
          const helper = (x: number) => x * factor;
          function times(x: number): number { return helper(x); }
        `),
        [],
      );
      const text = textOf(await run(`await get(remote(times).remote(2))`));
      assertEquals(text, "6");
    });

    await t.step("a new definition counts, in helpers too", async () => {
      await run(`function times(x: number): number { return -helper(x); }`);
      const one = await run(`await get(remote(times).remote(2))`);
      assertEquals(textOf(one), "-6");
      await run(`
        const factor = 10;
        const helper = (x: number) => x * factor;
        function times(x: number): number { return helper(x); }
      `);
      const two = await run(`await get(remote(times).remote(2))`);
      assertEquals(textOf(two), "20");
    });

    await t.step("classes; living actors keep their definition", async () => {
      await run(`
        class Counter { n = 0; add(k: number): number { return this.n += k; } }
        const old = remote(Counter, { name: "<old>" }).remote();
      `);
      await run(`
        class Counter { n = 100; add(k: number): number { return this.n += k * factor; } }
        const young = remote(Counter).remote();
      `);
      const counts = await run(
        `await get([old.add.remote(1), young.add.remote(1)])`,
      );
      assertEquals(textOf(counts), "[ 1, 110 ]");
    });

    await t.step("refs, handles and runtimes as HTML", async () => {
      const ref = htmlOf(await run(`put(5)`));
      assertMatch(ref, /<code>ObjectRef<\/code> .*[0-9a-f]{32}, ready/);
      const handle = htmlOf(await run(`old`));
      assertMatch(handle, /ActorHandle.*Counter &#34;&#60;old&#62;&#34;.*add/);
      const runtime = htmlOf(await run(`await init({ ignoreReinit: true })`));
      assertMatch(runtime, /Runtime.*local.*<li>[0-9a-f]{8} CPU \d+ of \d+/);
    });

    await t.step("errors name the cell", async () => {
      await run(`
        function parse(text: string): number {
          if (text === "") throw new RangeError("nothing to parse");
          return Number(text);
        }
      `);
      const [error] = await run(`await get(remote(parse).remote(""))`);
      assertEquals(error!.ename, "TaskError");
      const stack = error!.traceback!.join("\n");
      assertMatch(stack, /at parse \(cell "function parse\(text\) \{":2:\d+\)/);
      assert(!stack.includes("$deno$jupyter"), stack);
    });

    await t.step("bars, one for each, in place", async () => {
      const outputs = await run(`
        for (const _ of progress([1, 2, 3], { label: "a <loop>" })) {
          await new Promise((resolve) => setTimeout(resolve, 150));
        }
        const work = remote(() => {
          using bar = progress(5, { label: "task" });
          bar.advance(5);
        });
        await get(work.remote());
      `);
      const late = await untilShown(kernel, outputs, "5/5");
      const [loop, task] = late.filter(({ id }) => id?.startsWith("manta-"));
      assert(loop!.updates! >= 1, JSON.stringify(late));
      assertMatch(
        loop!.data!["text/html"]!,
        /^<div>a &#60;loop&#62; <progress value="1"><\/progress> 3\/3 /,
      );
      assertMatch(task!.data!["text/plain"]!, /^task \[#+\] 100 % 5\/5/);
    });

    await t.step("what tasks print is shown", async () => {
      const outputs = await run(`
        await get(remote(function chat() { console.log("100 %s"); }).remote());
      `);
      assertMatch(
        textOf(await untilShown(kernel, outputs, "100 %s")),
        /\(\w+ pid=\d+\) 100 %s\n/,
      );
    });

    await t.step("a restart leaves no process", async () => {
      assert(kernel.workers().length > 0);
      const before = kernel.pid;
      await kernel.restart();
      assert(kernel.pid !== before);
      await until(() => kernel.leftovers().length === 0, "nothing left");
      assertMatch(textOf(await run(`times`)), /times is not defined/);
    });

    await t.step("nor does a kernel that is killed", async () => {
      await run(`
        import { get, remote } from "./mod.ts";
        const spin = remote(() => { for (;;); }).remote();
        await get(remote(() => 1).remote());
      `);
      assert(kernel.workers().length > 0);
      Deno.kill(kernel.pid, "SIGKILL");
      await until(() => kernel.leftovers().length === 0, "nothing left");
    });
  },
});

/** What comes of other processes may come after the cell's end: it stands below the next one. */
async function untilShown(
  kernel: Kernel,
  outputs: Output[],
  text: string,
): Promise<Output[]> {
  const all = [...outputs];
  await until(async () => {
    if (JSON.stringify(all).includes(text)) return true;
    all.push(...await kernel.run(""));
    return false;
  }, text);
  return all;
}
