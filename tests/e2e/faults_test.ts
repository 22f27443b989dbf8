/**
 * Faults that no other file shows, each made by force.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { get, init, remote, runtimeContext } from "../../mod.ts";
import { note, Notes, until } from "../support/notes.ts";
import { Program } from "../support/program.ts";

Deno.test("A worker that dies between its answer and the next task costs nobody anything", async () => {
  await using _runtime = await init({ numCpus: 1, logToDriver: false });
  using notes = new Notes();
  const answers = remote((path: string, n: number) => {
    note(path, n);
    // The answer is written in this turn; the process ends right after it.
    if (n % 5 === 4) setImmediate(() => Deno.kill(Deno.pid, "SIGKILL"));
    return n;
  });
  const refs = Array.from(
    { length: 30 },
    (_, n) => answers.remote(notes.path, n),
  );
  assertEquals(await get(refs), Array.from({ length: 30 }, (_, n) => n));
  // What was answered did not run again; what had not started lost nothing.
  const runs = notes.lines().map(Number);
  for (let n = 0; n < 30; n++) {
    if (n % 5 === 4) assertEquals(runs.filter((run) => run === n).length, 1);
  }
});

Deno.test("Workers that are killed as soon as they are there hold nothing up", async () => {
  await using program = new Program();
  const { code, stdout } = await program.run(`
    import { get, init, remote } from "@manta/manta";
    await init({ numCpus: 2, logToDriver: false });
    // From the start: these are the workers that were started in advance.
    let killed = 0;
    const pids = () => [...Deno.readDirSync("/proc")].map(({ name }) => Number(name))
      .filter((pid) => {
        try {
          return Deno.readTextFileSync("/proc/" + pid + "/stat").split(") ")[1].split(" ")[1] === String(Deno.pid) &&
            Deno.readTextFileSync("/proc/" + pid + "/cmdline").includes("worker_entry");
        } catch {
          return false; // It ended while it was looked at.
        }
      });
    const work = remote((n: number) => n * 2);
    for (let round = 0; round < 4; round++) {
      for (const pid of pids()) {
        Deno.kill(pid, "SIGKILL");
        killed++;
      }
      const values = await get(Array.from({ length: 20 }, (_, n) => work.remote(n)));
      if (values[19] !== 38) throw new Error("wrong");
    }
    console.log(killed > 0 ? "killed some" : "killed none");
  `);
  assertEquals([code, stdout.trim()], [0, "killed some"]);
  await program.gone();
});

Deno.test("A clock that jumps changes no deadline", async () => {
  await using program = new Program();
  const { code, stdout, stderr } = await program.run(`
    import { get, init, remote } from "@manta/manta";
    await init({ numCpus: 1, logToDriver: false });
    let offsetMs = 0;
    const now = Date.now;
    Date.now = () => now() + offsetMs;
    const naps = remote(async (ms: number) => {
      const now = Date.now;
      Date.now = () => now() - 10 ** 9;
      await new Promise((resolve) => setTimeout(resolve, ms));
      Date.now = now;
      return "rested";
    });
    const nap = naps.options({ timeout: 5000 }).remote(50);
    offsetMs = 10 ** 9;
    console.log(await get(nap, { timeout: 10_000 }));
    offsetMs = -(10 ** 9);
    const late = naps.options({ timeout: 100 }).remote(60_000);
    console.log(await get(late).catch((error) => error.name));
  `);
  assertEquals([code, stdout.trim()], [0, "rested\nTaskTimeoutError"], stderr);
});

Deno.test("A flood of output is passed on in whole lines, and stops no task", async () => {
  await using program = new Program();
  const { code, stdout, stderr } = await program.run(`
    import { get, init, remote } from "@manta/manta";
    await init({ numCpus: 2 });
    const floods = remote((who: number) => {
      for (let line = 0; line < 20_000; line++) console.log("w" + who + " line " + line + " ${
    "x".repeat(80)
  }");
      return who;
    });
    class Loud {
      shout() {
        for (let line = 0; line < 5_000; line++) console.error("loud " + line);
        return "done";
      }
    }
    console.error(await get([floods.remote(1), floods.remote(2)]), await get(remote(Loud).remote().shout.remote()));
  `);
  assertEquals(code, 0, stderr.slice(-500));
  const lines = stdout.split("\n").filter((line) => / w[12] line /.test(line));
  assertEquals(lines.length, 40_000);
  for (const who of [1, 2]) {
    const own = lines.filter((line) => line.includes(` w${who} line `));
    own.forEach((line, at) => assert(line.includes(` line ${at} `), line));
  }
  assert(stderr.includes("[ 1, 2 ] done"), stderr.slice(-500));
  await program.gone();
});

Deno.test("Attempts are counted and visible, in tasks of tasks too", async () => {
  await using _runtime = await init({ numCpus: 2, logToDriver: false });
  using notes = new Notes();
  const dies = remote((path: string, times: number) => {
    note(path, runtimeContext().attempt);
    if (runtimeContext().attempt <= times) Deno.kill(Deno.pid, "SIGKILL");
    return runtimeContext().attempt;
  }, { maxRetries: 5 });
  const outer = remote(async (path: string) => await get(dies.remote(path, 2)));
  assertEquals(await get(dies.remote(notes.path, 3)), 4);
  await until(() => notes.lines().length >= 4, "four runs");
  assertEquals(notes.lines(), ["1", "2", "3", "4"]);
  assertEquals(await get(outer.remote(notes.path)), 3);
});
