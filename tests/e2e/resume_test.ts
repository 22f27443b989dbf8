import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { get, init, type ObjectRef, put, remote, shutdown } from "../../mod.ts";
import { note, Notes, until } from "../support/notes.ts";
import { Program } from "../support/program.ts";
import { seeded } from "../support/random.ts";

const example = fileURLToPath(
  new URL("../../examples/resume.ts", import.meta.url),
);

/** A program of steps that note when they run, and end it when they are told to. */
const pipeline = (body: string) => `
import { get, init, put, remote } from "@manta/manta";
const [lineage, notes] = Deno.args;
const note = (line: string) =>
  Deno.writeTextFileSync(notes!, line + "\\n", { append: true });
await init({ lineage: lineage!, resume: true });
${body}
`;

/** Runs such a program in a folder of its own, again and again. */
class Pipeline implements AsyncDisposable {
  readonly #program = new Program();
  readonly #notes = new Notes();
  readonly lineage = `${this.#program.folder}/runs.db`;

  async run(body: string, env: Record<string, string> = {}) {
    const path = this.#program.write("main.ts", pipeline(body));
    const args = [this.lineage, this.#notes.path];
    const { code, signal, stdout, stderr } = await this.#program.start(
      ["run", "-A", path, ...args],
      { env },
    ).ended;
    const lines = this.#notes.lines();
    Deno.truncateSync(this.#notes.path);
    return { code, signal, stdout: stdout.trim(), stderr, ran: lines.sort() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#notes[Symbol.dispose]();
    await this.#program[Symbol.asyncDispose]();
  }
}

const dies = `Deno.kill(Deno.pid, "SIGKILL");`;

Deno.test("A killed program that resumes repeats no finished task", async (t) => {
  const steps = `
    const base = remote((n: number) => { note("base " + n); return new Float64Array(20_000).fill(n); });
    const sum = remote((xs: Float64Array, more: number) => {
      note("sum");
      return xs.reduce((a, b) => a + b) + more;
    });
    const first = sum.remote(base.remote(1), 5);
    const twice = [base.remote(2), base.remote(2)];
    console.log(await get(first), (await get(twice)).map((xs) => xs[7]).join());
  `;

  await t.step("what it had seen does not run again", async () => {
    await using runs = new Pipeline();
    const killed = await runs.run(steps + dies);
    assertEquals(killed.signal, "SIGKILL", killed.stderr);
    assertEquals(killed.ran, ["base 1", "base 2", "base 2", "sum"]);
    const again = await runs.run(steps);
    assertEquals([again.stdout, again.ran], [killed.stdout, []]);
    // It ended in success: there is nothing to go on from.
    const anew = await runs.run(steps);
    assertEquals(anew.ran, killed.ran);
  });

  await t.step(
    "changed code or arguments run anew, and what depends on them",
    async () => {
      await using runs = new Pipeline();
      await runs.run(steps + dies);
      const other = await runs.run(
        steps.replace("remote(1), 5", "remote(1), 6") + dies,
      );
      assertEquals(other.ran, ["sum"]);
      const moved = await runs.run(
        "// A comment moves lines.\\n" + steps + dies,
      );
      assertEquals(moved.ran, []);
      const changed = await runs.run(
        steps.replace("fill(n)", "fill(n * 2)") + dies,
      );
      assertEquals(changed.ran, ["base 1", "base 2", "base 2", "sum"]);
    },
  );

  await t.step(
    "captured values and imported modules are code too",
    async () => {
      await using runs = new Pipeline();
      const body = (value: number) => `
      const factor = { by: ${value} };
      const scaled = remote((n: number) => { note("scaled"); return n * factor.by; });
      const plain = remote((n: number) => { note("plain"); return n; });
      console.log(await get([scaled.remote(2), plain.remote(3)]));
    `;
      await runs.run(body(1) + dies);
      assertEquals((await runs.run(body(1) + dies)).ran, []);
      assertEquals((await runs.run(body(4) + dies)).ran, ["scaled"]);
    },
  );

  await t.step(
    "refs inside values, put and nested tasks keep their names",
    async () => {
      await using runs = new Pipeline();
      const body = `
      const leaf = remote((n: number) => { note("leaf " + n); return n; });
      const open = remote(async (x: { inner: unknown }) => { note("open"); return await get(x.inner as never); });
      const tree = remote(async (n: number) => {
        note("tree");
        const parts = await get([leaf.remote(n), leaf.remote(n + 1)]);
        if (Deno.env.has("DIES")) {
          Deno.kill(Deno.ppid, "SIGKILL");
          await new Promise(() => {});
        }
        return parts[0]! + parts[1]!;
      });
      const data = put(new Uint8Array(100_000).fill(3));
      const size = remote((xs: Uint8Array) => { note("size"); return xs.length; });
      console.log(await get([open.remote({ inner: leaf.remote(9) }), size.remote(data)]));
      console.log(await get(tree.remote(20)));
    `;
      // It dies while "tree" is under way: what that had seen is done.
      const killed = await runs.run(body, { DIES: "yes" });
      assertEquals(
        killed.ran,
        ["leaf 20", "leaf 21", "leaf 9", "open", "size", "tree"],
        killed.stderr,
      );
      const again = await runs.run(body);
      assertEquals(again.stdout, "[ 9, 100000 ]\n41", again.stderr);
      assertEquals(again.ran, ["tree"]);
    },
  );

  await t.step("without resume all runs anew", async () => {
    await using runs = new Pipeline();
    await runs.run(steps + dies);
    const { ran } = await runs.run(
      `const { shutdown } = await import("@manta/manta");
       await shutdown();
       await init({ lineage: lineage! });` + steps + dies,
    );
    assertEquals(ran.length, 4);
  });
});

Deno.test("A task whose import() was edited, or can't be known, runs anew", async () => {
  await using program = new Program();
  using notes = new Notes();
  const write = (k: number) => {
    program.write("late.ts", `export const k = ${k};`);
    program.write("deep.ts", `export const k = ${k};`);
    program.write(
      "mid.ts",
      `export async function viaMid() { return (await import("./deep.ts")).k; }`,
    );
  };
  const path = program.write(
    "main.ts",
    `
    import { get, init, remote } from "@manta/manta";
    import { viaMid } from "./mid.ts";
    const note = (line: string) =>
      Deno.writeTextFileSync("${notes.path}", line + "\\n", { append: true });
    const name = "late";
    await init({ lineage: "${program.folder}/l.db", resume: true });
    console.log(await get([
      remote(async () => { note("own"); return (await import("./late.ts")).k; }).remote(),
      remote(async () => { note("mid"); return await viaMid(); }).remote(),
      remote(async () => { note("any"); return (await import(\`./\${name}.ts\`)).k; }).remote(),
      remote(() => { note("none"); return 0; }).remote(),
    ]));
    Deno.kill(Deno.pid, "SIGKILL");
  `,
  );
  const run = async () =>
    (await program.start(["run", "-A", path]).ended).stdout.trim();
  write(1);
  assertEquals(await run(), "[ 1, 1, 1, 0 ]");
  Deno.truncateSync(notes.path);
  assertEquals(await run(), "[ 1, 1, 1, 0 ]");
  assertEquals(notes.lines(), ["any"]);
  Deno.truncateSync(notes.path);
  write(2);
  assertEquals(await run(), "[ 2, 2, 2, 0 ]");
  assertEquals(notes.lines().sort(), ["any", "mid", "own"]);
});

Deno.test("Which ends leave results for the next run", async (t) => {
  const step = `await get(remote(() => note("step")).remote());`;
  const ends: [name: string, end: string, isKept: boolean][] = [
    ["Deno.exit(0) is success", `Deno.exit(0);`, false],
    [
      "so is process.exit(0)",
      `(await import("node:process")).default.exit(0);`,
      false,
    ],
    ["so is the end of the program", ``, false],
    ["Deno.exit(3) is none", `Deno.exit(3);`, true],
    ["nor is an error", `throw new Error("no");`, true],
  ];
  for (const [name, end, isKept] of ends) {
    await t.step(name, async () => {
      await using runs = new Pipeline();
      assertEquals((await runs.run(step + end)).ran, ["step"]);
      assertEquals((await runs.run(step + end)).ran, isKept ? [] : ["step"]);
    });
  }
});

Deno.test("A second run that would resume beside a living one is refused", async () => {
  await using program = new Program();
  const path = program.write(
    "main.ts",
    `
    import { get, init, remote } from "@manta/manta";
    await init({ lineage: "${program.folder}/l.db", resume: true });
    console.log(await get(remote(() => "up").remote()));
    await new Promise((resolve) => setTimeout(resolve, Number(Deno.args[0])));
  `,
  );
  const first = program.start(["run", "-A", path, "60000"]);
  await first.said("up");
  const second = await program.start(["run", "-A", path, "0"]).ended;
  assertEquals(second.code, 1);
  assertStringIncludes(second.stderr, "runs already");
  assertStringIncludes(second.stderr, `${program.folder}/l.db`);
  first.kill("SIGKILL");
  await first.ended;
  const third = await program.start(["run", "-A", path, "0"]).ended;
  assertEquals([third.code, third.stdout.trim()], [0, "up"]);
});

Deno.test("The pipeline over WordNet, killed at random moments, runs each step that was seen once", async () => {
  await using program = new Program();
  using notes = new Notes();
  const seed = Number(Deno.env.get("SEED") ?? Math.floor(Math.random() * 1e9));
  const random = seeded(seed);
  const killsMax = Number(Deno.env.get("KILLS") ?? 20);
  const run = () =>
    program.start(["run", "-A", example, `${program.folder}/p.db`, notes.path]);
  const countRuns = (step: string) =>
    notes.lines().filter((line) => line === step).length;
  /** How often each step had run when the program saw its result. */
  const seen = new Map<string, number>();
  let killCount = 0;
  let answer: string | undefined;
  while (answer === undefined) {
    const running = run();
    let hasEnded = false;
    running.ended.then(() => hasEnded = true);
    const momentMs = performance.now() + 250 + random() * 350;
    await until(
      () => hasEnded || killCount < killsMax && performance.now() > momentMs,
      "the moment, or the end",
    );
    if (!hasEnded) {
      running.kill("SIGKILL");
      killCount++;
    }
    const { code, signal, stdout, stderr } = await running.ended;
    for (const [, step] of stdout.matchAll(/^seen (.*)$/gm)) {
      if (!seen.has(step!)) seen.set(step!, countRuns(step!));
    }
    if (signal === null) {
      assertEquals(code, 0, `seed ${seed}: ${stderr}`);
      answer = stdout.trim().split("\n").at(-1)!;
    }
  }
  console.log(`seed ${seed}: ${killCount} kills`);
  assertEquals(answer, "1629980 words of 6.228 letters");
  for (const [step, count] of seen) {
    assertEquals(countRuns(step), count, `seed ${seed}: "${step}" ran again`);
  }
});

Deno.test("Each import() of a module counts, wherever it stands, and no comment", async () => {
  await using program = new Program();
  using notes = new Notes();
  program.write(
    "mid.ts",
    `
    export const two = async () => [(await import("./a.ts")).k, (await import("./b.ts")).k];
    export const url = async () => { const u = "http://x"; return [u, (await import("./b.ts")).k]; };
  `,
  );
  program.write("none.ts", "/** Not import(name). */ export const none = 0;");
  const path = program.write(
    "main.ts",
    `
    import { get, init, remote } from "@manta/manta";
    import { two, url } from "./mid.ts";
    import { none } from "./none.ts";
    const note = (line: string) =>
      Deno.writeTextFileSync("${notes.path}", line + "\\n", { append: true });
    await init({ lineage: "${program.folder}/l.db", resume: true });
    console.log(await get([
      remote(async () => { note("two"); return await two(); }).remote(),
      remote(async () => { note("url"); return await url(); }).remote(),
      remote(() => { note("none"); /* import(name) */ return none; }).remote(),
    ]));
    Deno.kill(Deno.pid, "SIGKILL");
  `,
  );
  program.write("a.ts", "export const k = 1;");
  for (const k of [1, 2]) {
    program.write("b.ts", `export const k = ${k};`);
    const { stdout, stderr } = await program.start(["run", "-A", path]).ended;
    const seen = `[ [ 1, ${k} ], [ "http://x", ${k} ], 0 ]`;
    assertEquals(stdout.trim(), seen, stderr);
    const ran = k === 1 ? ["none", "two", "url"] : ["two", "url"];
    assertEquals(notes.lines().sort(), ran);
    Deno.truncateSync(notes.path);
  }
});

Deno.test("Deno.exit(0) while results come in leaves none behind", async () => {
  await using runs = new Pipeline();
  const { code, stderr } = await runs.run(`
    const step = remote((n: number) => n);
    const refs = Array.from({ length: 3000 }, (_, n) => step.remote(n));
    await get(refs[20]!);
    Deno.exit(0);
  `);
  assertEquals([code, stderr], [0, ""]);
  using database = new DatabaseSync(runs.lineage);
  const count = "SELECT count(*) AS count FROM results";
  assertEquals(database.prepare(count).get()!.count, 0);
  const outcomes = database.prepare("SELECT outcome FROM jobs").all();
  assertEquals(outcomes.map(({ outcome }) => outcome), ["finished"]);
});

Deno.test("Deno.exit(0) forgets what calls to durable actors came to", async () => {
  await using runs = new Pipeline();
  const count = `
    class Counter { n = 0; add() { return ++this.n; } }
    const counter = remote(Counter, { durable: true, name: "counter" }).remote();
    console.log(await get(counter.add.remote()));
    Deno.exit(0);
  `;
  assertEquals((await runs.run(count)).stdout, "1");
  assertEquals((await runs.run(count)).stdout, "2");
});

Deno.test("A relative lineage file is found again after Deno.chdir", async () => {
  await using program = new Program();
  const source = `
    import { get, init, remote } from "@manta/manta";
    await init({ lineage: "runs.db", resume: true });
    console.log(await get(remote(() => { console.error("ran"); }).remote()));
    Deno.chdir("/");
  `;
  for (let round = 0; round < 2; round++) {
    const { stderr } = await program.run(source);
    assertStringIncludes(stderr, "ran");
  }
});

/** Runs until it is killed, once it has a result. */
const livesOn = (lineage: string) => `
  import { get, init, remote } from "@manta/manta";
  const resume = Deno.args[0] === "resume";
  await init({ lineage: "${lineage}", resume, numCpus: 1 });
  const step = remote(() => { console.error("ran"); return "up"; });
  console.log(await get(step.remote()));
  if (Deno.args[1] === "stay") setInterval(() => {}, 1000);
`;

Deno.test("A run without resume beside a living one leaves that one's results alone", async () => {
  await using program = new Program();
  const lineage = `${program.folder}/l.db`;
  const path = program.write("main.ts", livesOn(lineage));
  const run = (...args: string[]) =>
    program.start(["run", "-A", path, ...args]);
  const first = run("resume", "stay");
  await first.said("up");
  const second = await run("anew").ended;
  assertEquals(second.code, 0);
  assertStringIncludes(second.stderr, "ran");
  assertStringIncludes(
    second.stderr,
    `results of this run are not kept in lineage file "${lineage}": process ${first.pid} runs`,
  );
  first.kill("SIGKILL");
  await first.ended;
  const third = await run("resume").ended;
  assertEquals([third.code, third.stdout, third.stderr], [0, "up\n", ""]);
});

Deno.test("Of runs that would resume at the same moment one does", async () => {
  await using program = new Program();
  const path = program.write("main.ts", livesOn(`${program.folder}/l.db`));
  const runs = [1, 2, 3].map(() =>
    program.start(["run", "-A", path, "resume", "stay"])
  );
  const outcomes = await Promise.allSettled(runs.map((run) => run.said("up")));
  const living = outcomes.findIndex(({ status }) => status === "fulfilled");
  assertEquals(
    outcomes.filter(({ status }) => status === "rejected").length,
    2,
  );
  for (const [index, run] of runs.entries()) {
    if (index === living) continue;
    const { code, stderr } = await run.ended;
    assertEquals(code, 1);
    assertStringIncludes(
      stderr,
      `it runs already, as process ${runs[living]!.pid}`,
    );
  }
  runs[living]!.kill("SIGKILL");
  await runs[living]!.ended;
});

Deno.test("A resume that makes no sense is refused", async (t) => {
  const folder = Deno.makeTempDirSync();
  await t.step("without a file", async () => {
    const error = await assertRejects(() => init({ resume: true }), TypeError);
    assertStringIncludes(error.message, '"lineage"');
  });
  await t.step("with the file of another program", async () => {
    await using runs = new Pipeline();
    await runs.run("");
    const error = await assertRejects(
      () => init({ lineage: runs.lineage, resume: true }),
    );
    assertStringIncludes(`${error}`, "of another program");
    assertStringIncludes(`${error}`, "main.ts");
  });
  await t.step("a new file is fine: it is the first run", async () => {
    using notes = new Notes();
    const step = remote((path: string, x: ObjectRef<number> | number) => {
      note(path, "ran");
      return x;
    });
    for (let round = 0; round < 2; round++) {
      await init({ lineage: `${folder}/new.db`, resume: true, numCpus: 1 });
      assertEquals(await get(step.remote(notes.path, put(7))), 7);
      await shutdown();
    }
    // Within one program nothing is forgotten: its end decides.
    assertEquals(notes.lines(), ["ran"]);
  });
  Deno.removeSync(folder, { recursive: true });
});
