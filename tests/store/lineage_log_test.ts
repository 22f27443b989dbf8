import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import type {
  ActorId,
  ObjectId,
  ProcessId,
  TaskId,
} from "../../src/base/ids.ts";
import type {
  ActorRow,
  DependencyRow,
  JobRow,
  ObjectRow,
} from "../../src/base/lineage.ts";
import { failureOf, openDatabase } from "../../src/store/database.ts";
import { openBatch } from "../../src/store/lineage_batch.ts";
import { lineageKind, LineageLog } from "../../src/store/lineage_log.ts";
import {
  type LineageReader,
  openLineage,
} from "../../src/store/lineage_reader.ts";
import { lineageSchema } from "../../src/store/lineage_schema.ts";
import {
  type AnyRow,
  batchOf,
  countRow,
  jobId,
  nodeId,
  taskRow,
} from "../support/lineage.ts";

function withFile(use: (path: string) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    use(`${folder}/lineage.db`);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Writes each list as a batch of its own, then reads. */
function withWritten(
  lists: AnyRow[][],
  use: (reader: LineageReader) => void,
): void {
  withFile((path) => {
    using log = new LineageLog(path);
    log.write(lists.map(batchOf));
    using reader = openLineage(path);
    use(reader);
  });
}

const ownerId = "0123456789abcdef" as ProcessId;
const job: JobRow = {
  kind: "job",
  jobId,
  script: "file:///a b/main.ts",
  driverPid: 99,
  startedAtMs: 5.5,
};

Deno.test("LineageLog gives task rows back as they were, in whole statements and rest", () => {
  const rows = Array.from({ length: 133 }, (_, n) => taskRow(n));
  withWritten([rows], (reader) => {
    assertEquals(reader.tasks(), rows.toReversed());
    assertEquals(reader.tasks({ limit: 2 }), [rows[132], rows[131]]);
  });
});

Deno.test("LineageLog keeps errors, missing fields and odd texts", () => {
  const failed = taskRow(1, {
    state: "failed",
    errorName: "TypeError",
    errorMessage: 'no "such" thing\n\u{1f984}',
    args: '("a\'b", žluť)',
  });
  const { startedAtMs: _, finishedAtMs: __, args: ___, ...early } = taskRow(2);
  const waiting = { ...early, state: "waiting" as const };
  delete waiting.nodeId;
  delete waiting.workerPid;
  withWritten([[failed, waiting]], (reader) => {
    assertEquals(reader.tasks({ state: "failed" }), [failed]);
    assertEquals(reader.tasks({ state: "waiting" }), [waiting]);
  });
});

Deno.test("LineageLog replaces an attempt by its later row, and keeps every attempt", () => {
  const crashed = taskRow(1, { state: "crashed", workerPid: 1 });
  const again = taskRow(1, { attempt: 2, state: "running", workerPid: 2 });
  const done = { ...again, state: "finished" as const };
  withWritten([[crashed, again], [done]], (reader) => {
    assertEquals(reader.attempts(done.taskId), [crashed, done]);
    assertEquals(reader.tasks(), [done]);
  });
});

Deno.test("LineageLog adds counts up by function and minute", () => {
  const other = countRow({ name: "other", failedCount: 1 });
  const later = countRow({ atMs: countRow().atMs + 60_000 });
  withWritten(
    [[countRow(), countRow(), other], [countRow(), later]],
    (reader) => {
      const counts = reader.counts().map((row) => [
        row.name,
        row.count,
        row.failedCount,
        row.runMs,
        row.atMs % 60_000,
      ]);
      assertEquals(counts, [
        ["other", 1, 1, 0.25, 0],
        ["tiny", 3, 0, 0.75, 0],
        ["tiny", 1, 0, 0.25, 0],
      ]);
    },
  );
});

Deno.test("LineageLog keeps jobs, objects, dependencies and actors", () => {
  const taskId = taskRow(1).taskId as TaskId;
  const object: ObjectRow = {
    kind: "object",
    objectId: `${taskId}0000` as ObjectId,
    jobId,
    ownerId,
    origin: "task",
    sizeBytes: 8_000_000,
    createdAtMs: 7,
  };
  const dependency: DependencyRow = {
    kind: "dependency",
    taskId,
    objectId: object.objectId,
    position: 0,
  };
  const actor: ActorRow = {
    kind: "actor",
    actorId: taskId as string as ActorId,
    jobId,
    ownerId,
    className: "Counter",
    namespace: "default",
    state: "alive",
    incarnation: 0,
    nodeId,
    workerPid: 3,
    createdAtMs: 8,
  };
  const dead: ActorRow = {
    ...actor,
    state: "dead",
    endedAtMs: 9,
    reason: "killed",
  };
  const end: JobRow = { ...job, finishedAtMs: 10, outcome: "finished" };
  const first: AnyRow[] = [job, object, dependency, actor];
  withWritten([first, [end, { ...object, freedAtMs: 9 }, dead]], (reader) => {
    assertEquals(reader.jobs(), [end]);
    assertEquals(reader.objects(), [{ ...object, freedAtMs: 9 }]);
    assertEquals(reader.dependencies(taskId), [dependency]);
    assertEquals(reader.actors(), [dead]);
  });
});

Deno.test("LineageLog opens its file again, and goes on with the same lanes", () => {
  withFile((path) => {
    for (const ordinal of [1, 2]) {
      using log = new LineageLog(path);
      log.write([batchOf([taskRow(ordinal)])]);
    }
    const database = new DatabaseSync(path);
    const lanes = database.prepare("SELECT count(*) AS n FROM lanes").get();
    database.close();
    assertEquals(lanes?.n, 1);
  });
});

Deno.test("LineageLog writes all of a transaction or nothing, and goes on after a full disk", () => {
  withFile((path) => {
    using log = new LineageLog(path, { fileBytesMax: 40 * 4096 });
    log.write([batchOf([taskRow(0)])]);
    const many = Array.from(
      { length: 5000 },
      (_, n) => taskRow(n + 1, { name: "many" }),
    );
    const error = assertThrows(() => log.write([batchOf(many)]));
    assertEquals(failureOf(error), "full");
    log.write([batchOf([taskRow(9999, { name: "many" })])]);
    log.write([], { atMs: 1, rowCount: 5000, reason: "full" });
    using reader = openLineage(path);
    assertEquals(reader.tasks().map((row) => row.name), ["many", "square"]);
    assertEquals(reader.gaps(), [{ atMs: 1, rowCount: 5000, reason: "full" }]);
  });
});

Deno.test("A file of version 1 becomes one of version 2 with all that it holds", () => {
  withFile((path) => {
    const migrations = [lineageSchema];
    const old = openDatabase(path, { ...lineageKind, migrations });
    old.exec(`
      INSERT INTO jobs VALUES ('j', 'main.ts', 1, 2, 3, 'finished');
      INSERT INTO lanes VALUES (1, 'j', 'square', NULL, NULL);
      INSERT INTO attempts VALUES
        ('0123456789abcdef000000000001', 0, 1, 'finished', 4, 5, 6, NULL);`);
    old.close();
    new LineageLog(path).close();
    using reader = openLineage(path);
    assertEquals(reader.jobs().map(({ outcome }) => outcome), ["finished"]);
    assertEquals(reader.tasks().map((row) => row.name), ["square"]);
    const database = new DatabaseSync(path, { readOnly: true });
    const owners = database.prepare("SELECT owner_id, job_id FROM owners");
    const rows = owners.all().map((row) => Object.values(row));
    database.close();
    assertEquals(rows, [["0123456789abcdef", "j"]]);
  });
});

Deno.test("LineageLog keeps when an attempt was seen to begin, where its end can't say", () => {
  const { finishedAtMs: _, ...running } = taskRow(1, { state: "running" });
  const { startedAtMs: __, ...crashed } = taskRow(1, { state: "crashed" });
  withWritten([[running], [crashed]], (reader) => {
    assertEquals(reader.tasks(), [taskRow(1, { state: "crashed" })]);
  });
});

Deno.test("The lineage file explains its columns by itself", () => {
  withFile((path) => {
    new LineageLog(path).close();
    const database = new DatabaseSync(path, { readOnly: true });
    const tables = database.prepare(
      "SELECT name, sql FROM sqlite_schema WHERE sql LIKE 'CREATE TABLE%'",
    ).all();
    database.close();
    assertEquals(tables.length, 15);
    for (const { sql } of tables) assertStringIncludes(String(sql), "-- ");
  });
});

Deno.test("A batch survives the wire at any offset, and a cut one is a bug", () => {
  const { args: _, ...noArgs } = taskRow(2);
  const rows = [taskRow(1), noArgs];
  const batch = batchOf(rows);
  const shifted = new Uint8Array(batch.numbers.length + 3);
  shifted.set(batch.numbers, 3);
  const open = openBatch({ ...batch, numbers: shifted.subarray(3) });
  assertEquals(open.attempts.map((each) => each.args), ["(3)", null]);
  assertThrows(
    () => openBatch({ ...batch, numbers: batch.numbers.subarray(8) }),
    Error,
    "is cut",
  );
});
