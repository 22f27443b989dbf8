/**
 * Lineage files of programs that are killed, that share a file, or can't write
 * it: real processes, real signals.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { MantaError } from "../../src/base/errors.ts";
import {
  type LineageReader,
  openLineage,
} from "../../src/store/lineage_reader.ts";
import { canMount, mountDisk } from "../support/disk.ts";
import { until } from "../support/notes.ts";
import { Program } from "../support/program.ts";

/** What the file says, or undefined while there is none. */
function look<T>(
  path: string,
  read: (lineage: LineageReader) => T,
): T | undefined {
  try {
    using lineage = openLineage(path);
    return read(lineage);
  } catch (error) {
    if (error instanceof MantaError) return undefined;
    throw error;
  }
}

const counts = `
  import { get, init, remote, shutdown } from "@manta/manta";
  const one = remote(function one(n: number) { return n; });
  await init({ numCpus: 1, lineage: "runs.db" });
  let count = 0;
  for (let round = 0; round < 50; round++) {
    await get(Array.from({ length: 20 }, (_, n) => one.remote(n)));
    count += 20;
  }
  console.log(count);
  await shutdown();
`;

Deno.test("What a killed program had under way stays in its file, and the next program says that it crashed", async () => {
  await using program = new Program();
  const path = `${program.folder}/runs.db`;
  const running = program.start([
    "run",
    "-A",
    program.write(
      "killed.ts",
      `
      import { get, init, remote } from "@manta/manta";
      const endless = remote(async function endless(_?: number): Promise<number> {
        await new Promise(() => {});
        return 1;
      });
      const Keeper = remote(class Keeper { pid() { return Deno.pid; } });
      await init({ numCpus: 1, lineage: "runs.db" });
      const keeper = Keeper.remote();
      console.log(await get(keeper.pid.remote()));
      const first = endless.remote();
      const second = endless.remote(first);
      console.log("submitted");
      await get(second);
    `,
    ),
  ]);
  await running.said("submitted");
  const states = () =>
    look(
      path,
      (lineage) =>
        lineage.tasks({ name: "endless" }).map(({ state }) => state).join(),
    );
  await until(() => states() === "waiting,running", "both tasks in the file");
  running.kill("SIGKILL");
  const { stdout } = await running.ended;
  {
    using lineage = openLineage(path);
    assertEquals(states(), "waiting,running");
    const [second, first] = lineage.tasks({ name: "endless" });
    assert(first!.workerPid! > 0 && first!.nodeId !== undefined);
    assert(first!.startedAtMs! >= first!.submittedAtMs);
    assertEquals(second!.workerPid, undefined);
    const [taken] = lineage.dependencies(second!.taskId);
    assertEquals(taken!.objectId, `${first!.taskId}0000`);
    const [job] = lineage.jobs();
    assertEquals([job!.outcome, job!.finishedAtMs], [undefined, undefined]);
    const [actor] = lineage.actors();
    assertEquals(actor!.state, "alive");
    assertEquals(actor!.workerPid, Number(stdout.split("\n")[0]));
  }
  assertEquals((await program.run(counts)).stdout, "1000\n");
  using lineage = openLineage(path);
  const outcomes = lineage.jobs().map(({ outcome }) => outcome);
  assertEquals(outcomes, ["crashed", "finished"]);
  assertEquals(states(), "waiting,running");
  assertEquals(lineage.actors()[0]!.state, "dead");
  assertEquals(lineage.actors()[0]!.reason, "its program is gone");
});

Deno.test("Two programs write one file at the same time, and no row is lost", async () => {
  await using program = new Program();
  const path = program.write("counts.ts", counts);
  const both = [1, 2].map(() => program.start(["run", "-A", path]));
  for (const { ended } of both) {
    const { stdout, stderr } = await ended;
    assertEquals(stdout, "1000\n", stderr);
  }
  using lineage = openLineage(`${program.folder}/runs.db`);
  assertEquals(lineage.tasks({ name: "one" }).length, 2000);
  assertEquals(lineage.gaps(), []);
  const outcomes = lineage.jobs().map(({ outcome }) => outcome);
  assertEquals(outcomes, ["finished", "finished"]);
});

/** Runs tasks for each line it reads, then ends. */
const onDemand = `
  import { get, init, remote, shutdown } from "@manta/manta";
  // What it returns is of this run alone: only rows go to the file.
  const one = remote(function one(n: number) { return () => n; });
  await init({ numCpus: 1, lineage: Deno.args[0]! });
  console.log("up");
  for (let round = 0; !exists("stop"); round++) {
    await get(Array.from({ length: 20 }, (_, n) => one.remote(n)));
    if (round === 3) console.log("worked");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await shutdown();
  console.log("ended");
  function exists(path: string): boolean {
    try { return Deno.statSync(path).isFile; } catch { return false; }
  }
`;

/** A second process that holds the file until it is told to let go. */
function holdLocked(program: Program, path: string) {
  const script = program.write(
    "hold.ts",
    `
    import { DatabaseSync } from "node:sqlite";
    const database = new DatabaseSync(Deno.args[0]!, { timeout: 5000 });
    database.exec("BEGIN EXCLUSIVE");
    console.log("held");
    while (!exists("let-go")) await new Promise((resolve) => setTimeout(resolve, 10));
    database.exec("COMMIT");
    database.close();
    function exists(path: string): boolean {
      try { return Deno.statSync(path).isFile; } catch { return false; }
    }
  `,
  );
  return program.start(["run", "-A", script, path]);
}

for (
  const { name, isLong } of [
    { name: "for a moment", isLong: false },
    { name: "longer than a write waits", isLong: true },
  ]
) {
  Deno.test(`A file that another program locks ${name} costs no task, no row and no end`, async () => {
    await using program = new Program();
    const path = `${program.folder}/runs.db`;
    const script = program.write("work.ts", onDemand);
    const working = program.start(["run", "-A", script, path]);
    await working.said("worked");
    const holder = holdLocked(program, path);
    await holder.said("held");
    const before = look(path, (lineage) => lineage.tasks().length)!;
    if (isLong) await working.complained("locked by another program");
    program.write("let-go", "");
    await holder.ended;
    await until(
      () => look(path, (lineage) => lineage.tasks().length > before)!,
      "rows that came after the lock",
    );
    program.write("stop", "");
    const { stdout, stderr } = await working.ended;
    assertEquals(stdout, "up\nworked\nended\n");
    assertEquals(stderr.includes("locked"), isLong, stderr);
    assertEquals(stderr.includes("nothing is missing"), isLong, stderr);
    using lineage = openLineage(path);
    assertEquals(lineage.gaps(), []);
    assertEquals(lineage.tasks({ name: "one" }).length % 20, 0);
  });
}

Deno.test("A file that stays locked does not keep a program from ending, which says what is missing", async () => {
  await using program = new Program();
  const path = `${program.folder}/runs.db`;
  const script = program.write("work.ts", onDemand);
  const working = program.start(["run", "-A", script, path]);
  await working.said("worked");
  const holder = holdLocked(program, path);
  await holder.said("held");
  await working.complained("locked by another program");
  program.write("stop", "");
  const { stdout, stderr } = await working.ended;
  assertEquals(stdout, "up\nworked\nended\n");
  assertStringIncludes(stderr, "rows of this program are missing there");
  program.write("let-go", "");
  await holder.ended;
});

Deno.test({
  name:
    "A disk that fills up costs rows, not tasks: that is said once, and the file says what is missing when there is room",
  ignore: !canMount,
  fn: async () => {
    await using program = new Program();
    using disk = mountDisk("1m");
    const path = `${disk.path}/runs.db`;
    const script = program.write("work.ts", onDemand);
    const working = program.start(["run", "-A", script, path]);
    await working.said("worked");
    const ballast = disk.fill();
    await working.complained("Make room on its disk");
    ballast.release();
    await until(
      () => look(path, (lineage) => lineage.gaps().length > 0)!,
      "a note of what is missing",
    );
    program.write("stop", "");
    const { stdout, stderr } = await working.ended;
    assertEquals(stdout, "up\nworked\nended\n");
    assertEquals(stderr.split("Cannot write lineage file").length, 2, stderr);
    assertStringIncludes(stderr, "rows are missing");
    using lineage = openLineage(path);
    assert(lineage.gaps()[0]!.rowCount > 0);
    assertEquals(lineage.jobs()[0]!.outcome, "finished");
  },
});

Deno.test("Old jobs go from a named file while a program runs", async () => {
  await using program = new Program();
  const path = `${program.folder}/runs.db`;
  await program.run(counts);
  const database = new DatabaseSync(path);
  database.exec(`UPDATE jobs SET started_at_ms = 0, finished_at_ms = 1000`);
  database.close();
  const script = program.write("work.ts", onDemand);
  const working = program.start(["run", "-A", script, path]);
  await until(
    () =>
      look(
        path,
        (lineage) =>
          lineage.jobs().length === 1 && lineage.pruned().length === 1,
      )!,
    "the old job gone",
  );
  program.write("stop", "");
  await working.ended;
  using lineage = openLineage(path);
  assertEquals(lineage.pruned()[0]!.reason, "age");
  const { jobId } = lineage.jobs()[0]!;
  assert(lineage.tasks().every((task) => task.jobId === jobId));
});
