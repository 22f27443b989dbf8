/**
 * Durable actors of programs that are killed and started again with the same
 * lineage file: real programs, real signals.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { init } from "../../mod.ts";
import { rejection } from "../support/notes.ts";
import { type Ended, Program } from "../support/program.ts";
import { seeded } from "../support/random.ts";

const counting = (resume: boolean) => `
  import { get, init, remote, shutdown } from "@manta/manta";
  class Counter {
    count = 0;
    seen: number[] = [];
    add(n: number) { this.seen.push(n); return this.count += n; }
    read() { return [this.count, this.seen.length]; }
  }
  await init({ numCpus: 1, lineage: "count.db", resume: ${resume} });
  const counter = remote(Counter, { durable: true, name: "counter" }).remote();
  console.log("begun");
  for (let at = 0; at < 30; at++) {
    const added = Array.from({ length: 10 }, () => counter.add.remote(1));
    console.log("left at", (await get(added)).at(-1), "in round", at);
  }
  console.log("result", JSON.stringify(await get(counter.read.remote())));
  await shutdown();
`;

/** Runs a program until it ends by itself; kills it so often before, in rounds that `random` names. */
async function runKilled(
  program: Program,
  source: string,
  { killCount, random }: { killCount: number; random: () => number },
): Promise<Ended> {
  const args = ["run", "-A", program.write("main.ts", source)];
  let round = 0;
  for (let kill = 0; kill < killCount; kill++) {
    const running = program.start(args);
    round += Math.floor(random() * 4);
    await running.said(`in round ${round}\n`);
    running.kill("SIGKILL");
    await running.ended;
  }
  return await program.start(args).ended;
}

Deno.test("A program that is killed six times and resumed has counted each call to a durable actor once", async () => {
  await using program = new Program();
  const random = seeded(11);
  const killed = { killCount: 6, random };
  const ended = await runKilled(program, counting(true), killed);
  assertEquals(ended.code, 0, ended.stderr);
  assertMatch(ended.stdout, /result \[300,300\]/);
  // It ended in success: nobody asks again, and the state stays.
  using database = new DatabaseSync(`${program.folder}/count.db`);
  const calls = database.prepare("SELECT * FROM durable_calls").all();
  assertEquals(calls.length, 0);
  const actors = database.prepare("SELECT name, seq FROM durable_actors").all();
  assertEquals(actors.map(({ name }) => name), ["counter"]);
});

Deno.test("A program that is killed and does not resume calls a durable actor anew, on the state that is there", async () => {
  await using program = new Program();
  const killed = { killCount: 1, random: () => 0.5 };
  const ended = await runKilled(program, counting(false), killed);
  assertEquals(ended.code, 0, ended.stderr);
  const [, count] = /result \[(\d+),/.exec(ended.stdout)!;
  assert(Number(count) >= 330, `counted ${count}`);
});

Deno.test("A durable actor is one program's at a time", async () => {
  await using program = new Program();
  const holds = `
    import { get, init, remote } from "@manta/manta";
    class Counter { count = 0; add() { return ++this.count; } }
    await init({ numCpus: 1, lineage: "count.db" });
    const counter = remote(Counter, { durable: true, name: "counter" }).remote();
    console.log("count", await get(counter.add.remote()));
    if (Deno.args[0] === "hold") await new Promise(() => setInterval(() => {}, 1000));
  `;
  const path = program.write("main.ts", holds);
  const first = program.start(["run", "-A", path, "hold"]);
  await first.said("count 1");
  const second = await program.start(["run", "-A", path]).ended;
  assert(second.code !== 0);
  assertMatch(second.stderr, /"counter" lives in the program .*main\.ts/);
  first.kill("SIGKILL");
  await first.ended;
  const third = await program.start(["run", "-A", path]).ended;
  assertMatch(third.stdout, /count 2/, third.stderr);
});

Deno.test("Another program finds a durable actor by its name alone, with what its class closes over and its arguments", async () => {
  await using program = new Program();
  const made = await program.run(`
    import { get, init, put, remote } from "@manta/manta";
    const step = { size: 3, weights: new Float64Array(20_000).fill(0.5) };
    class Counter {
      count = 0;
      start: number;
      constructor(start: number, all: Float64Array) {
        this.start = start + all.length;
      }
      add() {
        this.count += step.size;
        return [this.start, this.count, step.weights.length];
      }
    }
    await init({ numCpus: 1, lineage: "count.db" });
    const all = put(new Float64Array(10_000));
    const counter = remote(Counter, { durable: true, name: "counter" })
      .remote(5, all);
    console.log("first", (await get(counter.add.remote())).join());
    Deno.kill(Deno.pid, "SIGKILL");
  `);
  assertMatch(made.stdout, /first 10005,3,20000/, made.stderr);
  const path = program.write(
    "other.ts",
    `
    import { get, getActor, init, shutdown } from "@manta/manta";
    await init({ numCpus: 1, lineage: "count.db" });
    const counter = await getActor("counter");
    console.log("then", (await get(counter.add.remote()) as number[]).join());
    await shutdown();
  `,
  );
  const found = await program.start(["run", "-A", path]).ended;
  assertMatch(found.stdout, /then 10005,6,20000/, found.stderr);
});

Deno.test("A run that resumes and calls something else than the run before is told so", async () => {
  await using program = new Program();
  const source = (method: string, end: string) => `
    import { get, init, remote } from "@manta/manta";
    class Counter {
      count = 0;
      add() { return ++this.count; }
      take() { return --this.count; }
    }
    await init({ numCpus: 1, lineage: "count.db", resume: true });
    const counter = remote(Counter, { durable: true, name: "counter" }).remote();
    console.log("count", await get(counter.${method}.remote()));
    ${end}
  `;
  const killed = await program.run(
    source("add", 'Deno.kill(Deno.pid, "SIGKILL");'),
  );
  assertMatch(killed.stdout, /count 1/, killed.stderr);
  const other = await program.run(source("take", ""));
  assertMatch(other.stderr, /which was a call of "add" in the run before/);
});

Deno.test("Resuming needs a lineage file", async () => {
  const error = await rejection(init({ resume: true }));
  assert(error instanceof TypeError);
  assertMatch(error.message, /"resume" without "lineage"/);
});

Deno.test("The example bank keeps its sum, whatever is killed", async () => {
  const path = fileURLToPath(
    new URL("../../examples/bank.ts", import.meta.url),
  );
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", path, "120", "20"],
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  assertEquals(code, 0, decoder.decode(stderr));
  const said =
    /120 transfers, (\d) kills of the program and (\d) of an account: .* = 4000, as without a kill: yes/;
  const [, programs, accounts] = said.exec(decoder.decode(stdout))!;
  assertEquals(Number(programs) + Number(accounts), 5);
});
