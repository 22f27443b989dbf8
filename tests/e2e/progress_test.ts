import { assert, assertEquals, assertThrows } from "@std/assert";
import { progress } from "../../mod.ts";
import { Program } from "../support/program.ts";

Deno.test("progress(iterable | total, { label }): bars from any process, drawn by the driver", async () => {
  await using program = new Program();
  const { stdout, stderr, code } = await program.run(`
    import { get, init, progress, remote } from "@manta/manta";
    await init({ numCpus: 2 });
    const seen = [];
    for (const x of progress([1, 2, 3], { label: "loop" })) seen.push(x);
    async function* later() { yield "a"; yield "b"; }
    for await (const x of progress(later(), { label: "async" })) seen.push(x);
    console.log(seen.join());
    await get(remote(() => {
      using bar = progress(5, { label: "task" });
      for (let n = 0; n < 5; n++) bar.advance();
    }).remote());
    class Worker { work() { const bar = progress(4, { label: "actor" }); bar.advance(4); bar.done(); } }
    await get(remote(Worker).remote().work.remote());
    await new Promise((resolve) => setTimeout(resolve, 200));
  `);
  assertEquals([code, stdout.trim()], [0, "1,2,3,a,b"]);
  for (const label of ["loop", "async", "task", "actor"]) {
    assert(stderr.includes(label), stderr);
  }
  assert(stderr.includes("5/5") && stderr.includes("4/4"), stderr);
  assertEquals(stderr.includes("\x1b"), false);
});

Deno.test("A bar starts no runtime, and may outlive one", async () => {
  await using program = new Program();
  const { stdout, stderr, code } = await program.run(`
    import { init, isInitialized, progress, shutdown } from "@manta/manta";
    using early = progress(2, { label: "early" });
    early.advance(2);
    early.done();
    console.log(isInitialized());
    await init({ numCpus: 1 });
    {
      using late = progress(3, { label: "late" });
      late.advance();
      await shutdown();
      late.advance(2);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
    console.log(isInitialized());
  `);
  assertEquals([code, stdout], [0, "false\nfalse\n"], stderr);
  assert(stderr.includes("2/2") && stderr.includes("3/3"), stderr);
});

Deno.test("progress refuses what has no steps", () => {
  assertThrows(() => progress(-1), RangeError, "-1");
  assertThrows(() => progress({} as never), TypeError, "iterable");
  assertThrows(() => progress(5, { title: "x" } as never), TypeError, "title");
});
