/**
 * The lineage file: its tables, and the writer that fills them in batches, one
 * transaction each.
 *
 * Calls block, so it belongs on a thread of its own
 * (`node/lineage_thread.ts`). Reading is in `lineage_reader.ts`; what a row
 * means, and why one is made, is in `base/lineage.ts`.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type {
  ActorRow,
  CountRow,
  DependencyRow,
  JobRow,
  LineageBatch,
  ObjectRow,
} from "../base/lineage.ts";
import { unreachable } from "../base/errors.ts";
import { type DatabaseKind, openDatabase } from "./database.ts";
import {
  type AttemptEntry,
  type ErrorEntry,
  type Lane,
  minuteOf,
  openBatch,
  type PlainRow,
} from "./lineage_batch.ts";
import { lineageSchema } from "./lineage_schema.ts";

/** What makes a SQLite file a lineage file. */
export const lineageKind: DatabaseKind = {
  label: "lineage file",
  applicationId: 0x6d616e74, // "mant"
  migrations: [lineageSchema],
};

/** What SQLite binds. */
type Bound = string | number | null;

const attemptColumns = 8;
/** Attempts a statement: more are no faster, fewer are slower. */
const attemptsEach = 50;
const pageBytes = 4096;
/** Lanes whose numbers are remembered; past it, they are looked up anew. */
const lanesKnownMax = 10_000;

const upserts = {
  lane: `INSERT INTO lanes (job_id, name, node_id, worker_pid)
    VALUES (?, ?, ?, ?) RETURNING lane`,
  findLane: `SELECT lane FROM lanes WHERE job_id = ? AND name = ?
    AND node_id IS ? AND worker_pid IS ?`,
  error: `INSERT OR REPLACE INTO errors VALUES (?, ?, ?, ?)`,
  count: `INSERT INTO task_counts VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET count = count + excluded.count,
      failed_count = failed_count + excluded.failed_count,
      run_ms = run_ms + excluded.run_ms`,
  job: `INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET
      finished_at_ms = coalesce(excluded.finished_at_ms, finished_at_ms),
      outcome = coalesce(excluded.outcome, outcome)`,
  object: `INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?)`,
  dependency: `INSERT OR REPLACE INTO dependencies VALUES (?, ?, ?)`,
  actor:
    `INSERT OR REPLACE INTO actors VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  gap: `INSERT INTO gaps VALUES (?, ?, ?)`,
} as const;

/** Options of a {@linkcode LineageLog}. */
export interface LineageLogOptions {
  /** It goes with its program: nothing of it is to survive anything. */
  isTemporary?: boolean;
  /** The file grows no larger; past it, writing fails as on a full disk. Default: no bound but the disk's. */
  fileBytesMax?: number;
}

/** Writes batches of rows to one lineage file. */
export class LineageLog implements Disposable {
  readonly #database: DatabaseSync;
  readonly #attempts: StatementSync;
  readonly #attempt: StatementSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #laneNumbers = new Map<string, number>();
  readonly #bound: Bound[] = new Array(attemptsEach * attemptColumns).fill(0);

  /** Opens the file, and makes it if it is not there. */
  constructor(path: string, options: LineageLogOptions = {}) {
    this.#database = openDatabase(path, lineageKind);
    if (options.isTemporary) this.#database.exec("PRAGMA synchronous = OFF");
    if (options.fileBytesMax !== undefined) {
      const pageCount = Math.floor(options.fileBytesMax / pageBytes);
      this.#database.exec(`PRAGMA max_page_count = ${pageCount}`);
    }
    const values = `(${Array(attemptColumns).fill("?").join(", ")})`;
    const insert = "INSERT OR REPLACE INTO attempts VALUES ";
    this.#attempt = this.#database.prepare(insert + values);
    this.#attempts = this.#database.prepare(
      insert + Array(attemptsEach).fill(values).join(", "),
    );
  }

  /** Writes all rows of all batches in one transaction, or none. */
  write(batches: readonly LineageBatch[]): void {
    this.#transact(() => {
      for (const batch of batches) {
        const { attempts, lanes, errors, rows } = openBatch(batch);
        this.#writeAttempts(attempts, lanes.map((lane) => this.#number(lane)));
        for (const error of errors) this.#writeError(error);
        for (const row of rows) this.#writePlain(row);
      }
    });
  }

  /** Notes that `rowCount` rows are missing, and why. */
  writeGap(rowCount: number, options: { atMs: number; reason: string }): void {
    this.#run("gap", [options.atMs, rowCount, options.reason]);
  }

  /** Brings the log back into the file, and closes it. */
  close(): void {
    this.#database.close();
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.close();
  }

  #transact(work: () => void): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      work();
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#laneNumbers.clear();
      // SQLite has rolled back by itself where the disk was full.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  #writeAttempts(entries: AttemptEntry[], lanes: number[]): void {
    const whole = entries.length - entries.length % attemptsEach;
    const bound = this.#bound;
    for (let start = 0; start < whole; start += attemptsEach) {
      let at = 0;
      for (let index = start; index < start + attemptsEach; index++) {
        const entry = entries[index]!;
        bound[at++] = entry.taskId;
        bound[at++] = entry.attempt;
        bound[at++] = lanes[entry.lane]!;
        bound[at++] = entry.state;
        bound[at++] = entry.submittedAtMs;
        bound[at++] = entry.startedAtMs;
        bound[at++] = entry.finishedAtMs;
        bound[at++] = entry.args;
      }
      this.#attempts.run(...bound);
    }
    for (const entry of entries.slice(whole)) {
      const { taskId, attempt, lane, state, args } = entry;
      const { submittedAtMs, startedAtMs, finishedAtMs } = entry;
      const head = [taskId, attempt, lanes[lane]!, state];
      const times = [submittedAtMs, startedAtMs, finishedAtMs];
      this.#attempt.run(...head, ...times, args);
    }
  }

  /** The file's own number of a lane. */
  #number(lane: Lane): number {
    const key = JSON.stringify(lane);
    let known = this.#laneNumbers.get(key);
    if (known === undefined) {
      const row = this.#statement("findLane").get(...lane) ??
        this.#statement("lane").get(...lane);
      known = Number(row?.lane);
      if (this.#laneNumbers.size >= lanesKnownMax) this.#laneNumbers.clear();
      this.#laneNumbers.set(key, known);
    }
    return known;
  }

  #writeError({ taskId, attempt, name, message }: ErrorEntry): void {
    this.#run("error", [taskId, attempt, name, message]);
  }

  #writePlain(row: PlainRow): void {
    switch (row.kind) {
      case "count":
        return this.#run(row.kind, countValues(row));
      case "job":
        return this.#run(row.kind, jobValues(row));
      case "object":
        return this.#run(row.kind, objectValues(row));
      case "dependency":
        return this.#run(row.kind, dependencyValues(row));
      case "actor":
        return this.#run(row.kind, actorValues(row));
      default:
        unreachable(row);
    }
  }

  #run(name: keyof typeof upserts, values: Bound[]): void {
    this.#statement(name).run(...values);
  }

  #statement(name: keyof typeof upserts): StatementSync {
    let statement = this.#statements.get(name);
    if (statement === undefined) {
      statement = this.#database.prepare(upserts[name]);
      this.#statements.set(name, statement);
    }
    return statement;
  }
}

function countValues(row: CountRow): Bound[] {
  const key = [row.jobId, row.name, minuteOf(row.atMs)];
  return [...key, row.count, row.failedCount, row.runMs];
}

function jobValues(row: JobRow): Bound[] {
  const { finishedAtMs = null, outcome = null } = row;
  const start = [row.jobId, row.script, row.driverPid, row.startedAtMs];
  return [...start, finishedAtMs, outcome];
}

function objectValues(row: ObjectRow): Bound[] {
  const { objectId, jobId, ownerId, origin, freedAtMs = null } = row;
  const ids = [objectId, jobId, ownerId];
  return [...ids, origin, row.sizeBytes, row.createdAtMs, freedAtMs];
}

function dependencyValues(row: DependencyRow): Bound[] {
  return [row.taskId, row.position, row.objectId];
}

function actorValues(row: ActorRow): Bound[] {
  const { name = null, nodeId = null, workerPid = null } = row;
  const { endedAtMs = null, reason = null } = row;
  const ids = [row.actorId, row.jobId, row.ownerId, row.className];
  const place = [row.state, row.incarnation, nodeId, workerPid];
  const end = [row.createdAtMs, endedAtMs, reason];
  return [...ids, name, row.namespace, ...place, ...end];
}
