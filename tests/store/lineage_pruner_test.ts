/**
 * Pruning, on real files.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import type { JobId, ObjectId, ProcessId, TaskId } from "../../src/base/ids.ts";
import type { JobRow } from "../../src/base/lineage.ts";
import { LineageLog } from "../../src/store/lineage_log.ts";
import type { PruneBounds } from "../../src/store/lineage_pruner.ts";
import { openLineage } from "../../src/store/lineage_reader.ts";
import { ownMark } from "../../src/store/process_mark.ts";
import { type AnyRow, batchOf, countRow, taskRow } from "../support/lineage.ts";

const dayMs = 24 * 3_600_000;
const nowMs = 1_800_000_000_000;

function withFile(use: (path: string) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    use(`${folder}/lineage.db`);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** A job that began so many days ago, with that many tasks of each of two owners. */
function jobRows(
  no: number,
  { daysAgo, taskCount, ...more }:
    & { daysAgo: number; taskCount: number }
    & Partial<JobRow>,
): AnyRow[] {
  const jobId = `job${no}` as JobId;
  const startedAtMs = nowMs - daysAgo * dayMs;
  const rows: AnyRow[] = [{
    kind: "job",
    jobId,
    script: `main${no}.ts`,
    driverPid: no,
    startedAtMs,
    finishedAtMs: startedAtMs + 1000,
    outcome: "finished",
    ...more,
  }];
  rows.push(countRow({ jobId, atMs: startedAtMs }));
  for (const letter of ["a", "b"]) {
    const ownerId = letter.repeat(15) + no as ProcessId;
    for (let n = 0; n < taskCount; n++) {
      const taskId = ownerId + n.toString(16).padStart(12, "0") as TaskId;
      const objectId = `${taskId}0000` as ObjectId;
      const failed = { errorName: "Error", errorMessage: "x".repeat(50) };
      rows.push(taskRow(0, { taskId, jobId, state: "failed", ...failed }));
      rows.push({ kind: "dependency", taskId, objectId, position: 0 });
      const value = { sizeBytes: 1, createdAtMs: startedAtMs };
      rows.push({
        kind: "object",
        objectId,
        jobId,
        ownerId,
        origin: "task",
        ...value,
      });
    }
  }
  return rows;
}

/** Steps until nothing is left to remove; how many that took. */
function prune(path: string, prune: PruneBounds, running?: AnyRow[]) {
  using log = new LineageLog(path, { prune });
  if (running !== undefined) log.write([batchOf(running)]);
  let stepCount = 0;
  while (log.prune(nowMs)) stepCount++;
  return stepCount;
}

function write(path: string, ...lists: AnyRow[][]): void {
  using log = new LineageLog(path);
  log.write(lists.map(batchOf));
}

function countsOf(path: string): Record<string, number> {
  const database = new DatabaseSync(path, { readOnly: true });
  const tables = ["attempts", "errors", "dependencies", "objects", "owners"];
  tables.push("lanes", "task_counts", "jobs");
  const counts = tables.map((table) => {
    const row = database.prepare(`SELECT count(*) AS n FROM ${table}`).get();
    return [table, Number(row?.n)];
  });
  database.close();
  return Object.fromEntries(counts);
}

Deno.test("Jobs past their age go with all their rows, in small steps, and the file says which", () => {
  withFile((path) => {
    write(
      path,
      jobRows(1, { daysAgo: 50, taskCount: 100 }),
      jobRows(2, { daysAgo: 31, taskCount: 10 }),
      jobRows(3, { daysAgo: 29, taskCount: 10 }),
    );
    const stepCount = prune(path, { rowsEach: 50 });
    assert(stepCount >= 2 * 4 * 100 / 50, `${stepCount} steps`);
    assertEquals(countsOf(path), {
      attempts: 20,
      errors: 20,
      dependencies: 20,
      objects: 20,
      owners: 2,
      lanes: 1,
      task_counts: 1,
      jobs: 1,
    });
    using reader = openLineage(path);
    assertEquals(
      reader.pruned().map((row) => [row.jobId, row.script, row.reason]),
      [["job1", "main1.ts", "age"], ["job2", "main2.ts", "age"]],
    );
    assertEquals(reader.tasks({ jobId: "job3" }).length, 20);
  });
});

Deno.test("The oldest jobs go until the file is small enough, and its room is used again", () => {
  withFile((path) => {
    for (let no = 0; no < 6; no++) {
      write(path, jobRows(no, { daysAgo: 20 - no, taskCount: 300 }));
    }
    const { size } = Deno.statSync(path);
    prune(path, { fileBytesMax: size / 2 });
    using reader = openLineage(path);
    const left = reader.jobs().map(({ jobId }) => jobId);
    assert(left.length >= 2 && left.length <= 4, left.join());
    assertEquals(left, ["job3", "job4", "job5"].slice(3 - left.length));
    assert(reader.pruned().every(({ reason }) => reason === "size"));
    write(path, jobRows(7, { daysAgo: 1, taskCount: 300 }));
    assertEquals(Deno.statSync(path).size, size);
  });
});

Deno.test("A job that runs is not pruned, neither this program's nor another's", () => {
  withFile((path) => {
    const running = { daysAgo: 90, taskCount: 5, finishedAtMs: undefined };
    const open = ({ finishedAtMs: _, outcome: __, ...row }: JobRow): JobRow =>
      row;
    const rowsOf = (no: number, more: Partial<JobRow>) => {
      const { finishedAtMs: _, ...options } = running;
      const [job, ...rest] = jobRows(no, { ...options, ...more });
      return [open(job as JobRow), ...rest];
    };
    const driverMark = ownMark()!;
    write(path, rowsOf(1, { driverMark }), rowsOf(2, {}));
    prune(path, { fileBytesMax: 0 }, rowsOf(3, {}));
    using reader = openLineage(path);
    assertEquals(reader.jobs().map(({ jobId }) => jobId), ["job1", "job3"]);
    assertEquals(reader.tasks({ jobId: "job3" }).length, 10);
  });
});

Deno.test("A removal that was broken off goes on where it was", () => {
  withFile((path) => {
    write(path, jobRows(1, { daysAgo: 50, taskCount: 100 }));
    {
      using log = new LineageLog(path, { prune: { rowsEach: 50 } });
      assertEquals(log.prune(nowMs), true);
    }
    const { attempts } = countsOf(path);
    assert(attempts! > 0 && attempts! < 200, `${attempts} left`);
    prune(path, {});
    assertEquals(Object.values(countsOf(path)), Array(8).fill(0));
    using reader = openLineage(path);
    assertEquals(reader.pruned().length, 1);
  });
});

Deno.test("A job whose driver is gone has crashed, and its actors are dead, once the file is opened again", async () => {
  const child = new Deno.Command("true").spawn();
  await child.status;
  withFile((path) => {
    const mark = (pid: number) =>
      JSON.stringify({ ...JSON.parse(ownMark()!), pid });
    const rows = ["gone", "alive", "unknown"].map((name, no): JobRow => ({
      kind: "job",
      jobId: name as JobId,
      script: "main.ts",
      driverPid: 1,
      startedAtMs: no,
    }));
    rows[0]!.driverMark = mark(child.pid);
    rows[1]!.driverMark = ownMark()!;
    write(path, rows);
    new LineageLog(path).close();
    using reader = openLineage(path);
    assertEquals(
      reader.jobs().map((row) => `${row.jobId}: ${row.outcome}`),
      ["gone: crashed", "alive: undefined", "unknown: undefined"],
    );
  });
});
