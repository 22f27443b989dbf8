/**
 * Lineage: what a program's file knows of it afterwards.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  cancel,
  free,
  get,
  init,
  kill,
  MantaError,
  put,
  remote,
  runtimeContext,
} from "../../mod.ts";
import { openLineage } from "../../src/store/lineage_reader.ts";
import { sessionFoldersIn } from "../support/sessions.ts";
import { note, Notes, rejection, until } from "../support/notes.ts";

const quick = remote(function quick(n: number) {
  return n;
});
const works = remote(function works() {
  const endMs = performance.now() + 3;
  while (performance.now() < endMs);
});
const fails = remote(function fails(): void {
  throw new RangeError("out of bounds");
});
const flaky = remote(function flaky() {
  const { attempt } = runtimeContext();
  if (attempt < 3) throw new Error(`attempt ${attempt}`);
  return attempt;
}, { retryExceptions: true });
const dies = remote(function dies() {
  if (runtimeContext().attempt === 1) Deno.exit(3);
  return Deno.pid;
});
const large = remote(function large(byteLength: number, _?: Uint8Array) {
  return new Uint8Array(byteLength);
});
const Keeper = remote(
  class Keeper {
    pid() {
      return Deno.pid;
    }
    fall() {
      Deno.exit(1);
    }
  },
  { maxRestarts: 1, name: "keeper" },
);
const endless = remote(async function endless(path: string) {
  note(path, "begun");
  await new Promise(() => {});
});

Deno.test("A named lineage file keeps every task of the program", async (t) => {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/lineage.db`;
  using notes = new Notes();
  const beforeMs = Date.now();
  let survivorPid = 0;
  {
    await using _runtime = await init({
      numCpus: 2,
      lineage: path,
      logToDriver: false,
    });
    await get(Array.from({ length: 50 }, (_, n) => quick.remote(n)));
    await get(works.remote());
    await rejection(get(fails.remote()));
    await get(flaky.remote());
    survivorPid = await get(dies.remote());
    const stopped = endless.remote(notes.path);
    await notes.reach(1);
    cancel(stopped, { force: true });
    await rejection(get(stopped));
  }
  using lineage = openLineage(path);
  const last = (name: string) => lineage.tasks({ name })[0]!;
  const attempts = (name: string) => lineage.attempts(last(name).taskId);

  await t.step("the job, from its start to its end", () => {
    const [job, ...others] = lineage.jobs();
    assertEquals(others, []);
    assertEquals(job!.driverPid, Deno.pid);
    assertEquals(job!.script, Deno.mainModule);
    assertEquals(job!.outcome, "finished");
    assert(job!.startedAtMs >= beforeMs - 1);
    assert(job!.finishedAtMs! > job!.startedAtMs);
  });
  await t.step("each task is a row, however short", () => {
    assertEquals(lineage.tasks({ name: "quick" }).length, 50);
    assertEquals(lineage.counts(), []);
    assertEquals(lineage.gaps(), []);
  });
  await t.step("when and where it ran", () => {
    const row = last("works");
    assertEquals(row.state, "finished");
    assert(row.workerPid! > 0 && row.workerPid !== Deno.pid);
    assert(row.finishedAtMs! - row.startedAtMs! >= 2);
    assert(row.submittedAtMs <= row.startedAtMs! + 5);
  });
  await t.step("what it failed of", () => {
    const row = last("fails");
    assertEquals(row.state, "failed");
    assertEquals(row.errorName, "RangeError");
    assertEquals(row.errorMessage, "out of bounds");
  });
  await t.step("each attempt of a task that was tried again", () => {
    assertEquals(
      attempts("flaky").map((
        row,
      ) => [row.attempt, row.state, row.errorMessage]),
      [
        [1, "failed", "attempt 1"],
        [2, "failed", "attempt 2"],
        [3, "finished", undefined],
      ],
    );
  });
  await t.step("a crash, and the worker that came after", () => {
    const [first, second] = attempts("dies");
    assertEquals(first!.state, "crashed");
    assertEquals(first!.errorName, "WorkerCrashedError");
    assertEquals(second!.state, "finished");
    assertEquals(second!.workerPid, survivorPid);
    assert(first!.workerPid !== survivorPid);
  });
  await t.step("a cancelled task", () => {
    const row = last("endless");
    assertEquals(row.state, "cancelled");
    assertStringIncludes(row.errorMessage!, "cancelled");
  });
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("A named lineage file keeps objects, what tasks take, and the lives of actors", async (t) => {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/lineage.db`;
  const pids: number[] = [];
  const ids: Record<string, string> = {};
  {
    await using _runtime = await init({ numCpus: 2, lineage: path });
    const shared = put(new Uint8Array(1 << 20));
    const small = put("small");
    const taking = large.remote(70_000, shared);
    await get([small, taking]);
    free([small, shared]);
    for (const [name, ref] of Object.entries({ shared, small, taking })) {
      ids[name] = ref.id;
    }
    const keeper = Keeper.remote();
    pids.push(await get(keeper.pid.remote()));
    await rejection(get(keeper.fall.remote()));
    pids.push(await get(keeper.pid.remote()));
    kill(keeper);
    const fallen = Keeper.options({ maxRestarts: 0, name: "other" }).remote();
    await get(fallen.pid.remote());
    Keeper.options({ name: "last" }).remote();
    await rejection(get(fallen.fall.remote()));
  }
  using lineage = openLineage(path);
  const objects = new Map(
    lineage.objects().map((row) => [row.objectId as string, row]),
  );

  await t.step("objects of both origins, with size, birth and end", () => {
    const { shared, small, taking } = ids;
    const row = objects.get(shared!)!;
    assertEquals(row.origin, "put");
    assert(row.sizeBytes >= 1 << 20 && row.sizeBytes < (1 << 20) + 4096);
    assert(row.freedAtMs! >= row.createdAtMs);
    assert(objects.get(small!)!.sizeBytes < 100);
    assert(objects.get(small!)!.freedAtMs !== undefined);
    assertEquals(objects.get(taking!)!.origin, "task");
    assert(objects.get(taking!)!.sizeBytes >= 70_000);
  });
  await t.step("what a task takes, by position", () => {
    const [task] = lineage.tasks({ name: "large" });
    assertEquals(
      lineage.dependencies(task!.taskId).map((row) => [
        row.position,
        row.objectId as string,
      ]),
      [[1, ids.shared]],
    );
  });
  await t.step("actors with their incarnations, processes and ends", () => {
    const rows = new Map(lineage.actors().map((row) => [row.name!, row]));
    const keeper = rows.get("keeper")!;
    assertEquals(keeper.className, "Keeper");
    assertEquals([keeper.incarnation, keeper.workerPid], [1, pids[1]]);
    assertEquals([keeper.state, keeper.reason], [
      "dead",
      "it was killed by kill()",
    ]);
    assert(keeper.endedAtMs! > keeper.createdAtMs);
    assertStringIncludes(rows.get("other")!.reason!, "exit code 1");
    assertEquals(rows.get("last")!.state, "dead");
    assertStringIncludes(rows.get("last")!.reason!, "its program ended");
  });
  await t.step("calls, with the process that ran them", () => {
    const calls = lineage.tasks({ name: "Keeper.pid" }).toReversed();
    assertEquals(calls.slice(0, 2).map(({ workerPid }) => workerPid), pids);
    const [fallen] = lineage.tasks({ name: "Keeper.fall" });
    assertEquals(fallen!.state, "failed");
  });
  Deno.removeSync(folder, { recursive: true });
});

/** Whether the node has made the file by now. */
function isThere(path: string): boolean {
  try {
    openLineage(path)[Symbol.dispose]();
    return true;
  } catch (error) {
    if (error instanceof MantaError) return false;
    throw error;
  }
}

/** Folders of this program's sessions. */
function sessionFolders(): string[] {
  const root = Deno.env.get("TMPDIR") ?? "/tmp";
  return sessionFoldersIn(root)
    .filter((folder) => folder.includes(`/manta-${Deno.pid}-`));
}

Deno.test("The session's own file keeps the objects that lie in shared memory, and no others", async () => {
  const before = sessionFolders();
  await using _runtime = await init({ numCpus: 1 });
  const folder = sessionFolders().find((path) => !before.includes(path));
  const shared = put(new Uint8Array(1 << 20));
  const small = put("small");
  const made = large.remote(1 << 20, shared);
  await get([small, made, quick.remote(1)]);
  const file = `${folder}/lineage.db`;
  await until(() => isThere(file), "a file with tables");
  await until(() => {
    using lineage = openLineage(file);
    const found = lineage.objects().map(({ objectId }) => objectId as string);
    return found.join() === [shared.id, made.id].toSorted().join();
  }, "the two large objects");
  free([shared]);
  await until(() => {
    using lineage = openLineage(file);
    const row = lineage.objects().find(({ objectId }) =>
      objectId as string === shared.id
    );
    return row!.freedAtMs !== undefined;
  }, "the end of one");
});

Deno.test("The session's own file counts the shortest tasks", async () => {
  const before = sessionFolders();
  await using _runtime = await init({ numCpus: 1 });
  const folder = sessionFolders().find((path) => !before.includes(path));
  assert(folder !== undefined, "a session folder");
  for (let round = 0; round < 200; round++) {
    await get(Array.from({ length: 10 }, (_, n) => quick.remote(n)));
  }
  await rejection(get(fails.remote()));
  let counted = 0;
  const file = `${folder}/lineage.db`;
  await until(() => isThere(file), "a file with tables");
  await until(() => {
    using lineage = openLineage(file);
    const rowCount = lineage.tasks({ name: "quick" }).length;
    counted = lineage.counts().reduce((sum, { count }) => sum + count, 0);
    const hasFailed = lineage.tasks({ name: "fails" }).length === 1;
    return hasFailed && counted + rowCount === 2000;
  }, "every task in the file, as a row or counted");
  assert(counted > 1000, `${counted} were counted`);
});
