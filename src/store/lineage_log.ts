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
  LineageGap,
  LineageStart,
} from "../base/lineage.ts";
import { unreachable } from "../base/errors.ts";
import type {
  DurableAnswer,
  DurableAsk,
  DurableRules,
} from "../base/durable.ts";
import { type Bound, BulkStatement } from "./bulk_statement.ts";
import { type DatabaseKind, openDatabase } from "./database.ts";
import {
  type Lane,
  minuteOf,
  openBatch,
  type Owner,
  type PlainRow,
} from "./lineage_batch.ts";
import { DurableLog } from "./durable_log.ts";
import { durableSchema } from "./durable_schema.ts";
import { beginJob, settleJobs } from "./lineage_jobs.ts";
import { LineagePruner, type PruneBounds } from "./lineage_pruner.ts";
import {
  lineageSchema,
  lineageSchema2,
  lineageSchema3,
  lineageSchema5,
} from "./lineage_schema.ts";
import {
  type ResultRow,
  ResultTable,
  type SplitBatch,
} from "./result_table.ts";

/** What makes a SQLite file a lineage file. */
export const lineageKind: DatabaseKind = {
  label: "lineage file",
  applicationId: 0x6d616e74, // "mant"
  migrations: [
    lineageSchema,
    lineageSchema2,
    lineageSchema3,
    durableSchema,
    lineageSchema5,
  ],
};

const pageBytes = 4096;
/** Lanes and owners that are remembered; past it, they are looked up anew. */
const knownMax = 10_000;

/** A worker that crashed can't say when it began: what was seen before stays. */
const keepStart = `ON CONFLICT DO UPDATE SET lane = excluded.lane,
  state = excluded.state, finished_at_ms = excluded.finished_at_ms,
  started_at_ms = CASE excluded.state WHEN 'waiting' THEN NULL
    ELSE coalesce(excluded.started_at_ms, started_at_ms) END`;

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
  job: `INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET
      finished_at_ms = coalesce(excluded.finished_at_ms, finished_at_ms),
      outcome = coalesce(excluded.outcome, outcome)`,
  owner: `INSERT OR IGNORE INTO owners VALUES (?, ?)`,
  dependency: `INSERT OR REPLACE INTO dependencies VALUES (?, ?, ?)`,
  actor:
    `INSERT OR REPLACE INTO actors VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  gap: `INSERT INTO gaps VALUES (?, ?, ?)`,
} as const;

/** Options of a {@linkcode LineageLog}. */
export interface LineageLogOptions {
  /** It goes with its program: nothing of it is to survive anything. */
  isTemporary?: boolean;
  /** The main module of a program that begins anew: what its calls to durable actors came to in a run before is forgotten. */
  forgetsCallsOf?: string | undefined;
  /** The file grows no larger; past it, writing fails as on a full disk. Default: no bound but the disk's. */
  fileBytesMax?: number;
  /** Takes batches of results apart; without it none of an earlier run is found. */
  splitResults?: SplitBatch;
  /** How long a write waits for another program that locks the file. */
  busyMs?: number;
  /** How much is kept of jobs that are over. */
  prune?: PruneBounds;
}

/** Writes batches of rows to one lineage file. */
export class LineageLog implements Disposable {
  readonly #database: DatabaseSync;
  readonly #attempts: BulkStatement;
  readonly #objects: BulkStatement;
  readonly #freed: BulkStatement;
  readonly #pruner: LineagePruner | undefined;
  readonly #results: ResultTable;
  readonly #durable: DurableLog;
  readonly #isTemporary: boolean;
  /** Commits survive a power cut. */
  #isFull = false;
  readonly #statements = new Map<string, StatementSync>();
  readonly #laneNumbers = new Map<string, number>();
  readonly #owners = new Set<string>();
  /** Jobs that are written here: the running one, and whatever else is told. */
  readonly #ownJobs = new Set<string>();

  /** Opens the file, and makes it if it is not there. */
  constructor(
    path: string,
    options: LineageLogOptions & { rules?: DurableRules } = {},
  ) {
    const { isTemporary = false, fileBytesMax, busyMs } = options;
    this.#database = openDatabase(path, lineageKind, {
      ...(busyMs === undefined ? {} : { busyMs }),
    });
    this.#isTemporary = isTemporary;
    this.#durable = new DurableLog(this.#database, options.rules);
    if (isTemporary) this.#database.exec("PRAGMA synchronous = OFF");
    else this.#settle(options.forgetsCallsOf);
    if (fileBytesMax !== undefined) {
      const pageCount = Math.floor(fileBytesMax / pageBytes);
      this.#database.exec(`PRAGMA max_page_count = ${pageCount}`);
    }
    const bulk = (columnCount: number, sqlOf: (rows: string) => string) =>
      new BulkStatement(this.#database, columnCount, sqlOf);
    this.#attempts = bulk(
      8,
      (rows) => `INSERT INTO attempts VALUES ${rows} ${keepStart}`,
    );
    this.#objects = bulk(
      7,
      (rows) => `INSERT OR REPLACE INTO objects VALUES ${rows}`,
    );
    this.#freed = bulk(
      2,
      (rows) =>
        `UPDATE objects SET freed_at_ms = column2 FROM (VALUES ${rows})
          WHERE object_id = column1`,
    );
    const { splitResults = () => [] } = options;
    this.#results = new ResultTable(this.#database, splitResults);
    this.#pruner = isTemporary
      ? undefined
      : new LineagePruner(this.#database, options.prune);
  }

  /** A program begins: see {@linkcode ResultTable.begin}. */
  begin(start: LineageStart): void {
    this.#ownJobs.add(start.jobId);
    this.#transact(() => {
      this.#results.begin(start);
      beginJob(this.#database, start);
    });
  }

  /** Results that are kept of these tasks. */
  find(keys: readonly string[]): ResultRow[] {
    return this.#results.find(keys);
  }

  /** Writes all rows of all batches, and results, and what is missing, and carries out the asks, in one transaction, or nothing. */
  write(
    batches: readonly LineageBatch[],
    gap?: LineageGap,
    { results = [], asks = [] }: {
      results?: readonly Uint8Array[];
      asks?: readonly DurableAsk[];
    } = {},
  ): DurableAnswer[] {
    this.#secure(asks.length > 0);
    let answers: DurableAnswer[] = [];
    this.#transact(() => {
      for (const batch of batches) this.#writeBatch(batch);
      for (const bytes of results) this.#results.keep(bytes);
      if (gap !== undefined) {
        this.#run("gap", [gap.atMs, gap.rowCount, gap.reason]);
      }
      answers = asks.map((ask) => this.#durable.answer(ask));
    });
    return answers;
  }

  /** Removes some of what is too old or too much; false if there was nothing to remove. */
  prune(nowMs: number): boolean {
    let hasMore = false;
    if (this.#pruner === undefined) return hasMore;
    this.#transact(() => {
      hasMore = this.#pruner!.step(nowMs, this.#ownJobs);
    });
    return hasMore;
  }

  /** Brings the log back into the file, and closes it. */
  close(): void {
    this.#database.close();
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** What became of programs that are gone, and of what they left. */
  #settle(forgetsCallsOf: string | undefined): void {
    settleJobs(this.#database);
    this.#transact(() => {
      this.#durable.sweep();
      if (forgetsCallsOf !== undefined) {
        this.#durable.forgetCalls(forgetsCallsOf);
      }
    });
  }

  /** What durable actors commit survives a power cut too; other rows need not. */
  #secure(isFull: boolean): void {
    if (this.#isTemporary || this.#isFull === isFull) return;
    const mode = isFull ? "FULL" : "NORMAL";
    this.#database.exec(`PRAGMA synchronous = ${mode}`);
    this.#isFull = isFull;
  }

  #transact(work: () => void): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      work();
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#laneNumbers.clear();
      this.#owners.clear();
      this.#attempts.clear();
      this.#objects.clear();
      this.#freed.clear();
      // SQLite has rolled back by itself where the disk was full.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  #writeBatch(batch: LineageBatch): void {
    const { attempts, objects, freed, ...rest } = openBatch(batch);
    for (const owner of rest.owners) this.#writeOwner(owner);
    const lanes = rest.lanes.map((lane) => this.#number(lane));
    for (const entry of attempts) {
      this.#attempts.add([
        entry.taskId,
        entry.attempt,
        lanes[entry.lane]!,
        entry.state,
        entry.submittedAtMs,
        entry.startedAtMs,
        entry.finishedAtMs,
        entry.args,
      ]);
    }
    this.#attempts.flush();
    for (const entry of objects) {
      const { ownerId, jobId = null } = rest.owners[entry.owner]!;
      this.#objects.add([
        entry.objectId,
        jobId,
        ownerId,
        entry.origin,
        entry.sizeBytes,
        entry.createdAtMs,
        entry.freedAtMs,
      ]);
    }
    this.#objects.flush();
    for (const { objectId, atMs } of freed) this.#freed.add([objectId, atMs]);
    this.#freed.flush();
    for (const { taskId, attempt, name, message } of rest.errors) {
      this.#run("error", [taskId, attempt, name, message]);
    }
    for (const row of rest.rows) this.#writePlain(row);
  }

  #writeOwner({ ownerId, jobId }: Owner): void {
    if (jobId === undefined || this.#owners.has(ownerId)) return;
    this.#run("owner", [ownerId, jobId]);
    if (this.#owners.size >= knownMax) this.#owners.clear();
    this.#owners.add(ownerId);
  }

  /** The file's own number of a lane. */
  #number(lane: Lane): number {
    const key = JSON.stringify(lane);
    let known = this.#laneNumbers.get(key);
    if (known === undefined) {
      const row = this.#statement("findLane").get(...lane) ??
        this.#statement("lane").get(...lane);
      known = Number(row?.lane);
      if (this.#laneNumbers.size >= knownMax) this.#laneNumbers.clear();
      this.#laneNumbers.set(key, known);
    }
    return known;
  }

  #writePlain(row: PlainRow): void {
    switch (row.kind) {
      case "count":
        return this.#run(row.kind, countValues(row));
      case "job":
        this.#ownJobs.add(row.jobId);
        return this.#run(row.kind, jobValues(row));
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
  const { finishedAtMs = null, outcome = null, driverMark = null } = row;
  const start = [row.jobId, row.script, row.driverPid, row.startedAtMs];
  return [...start, finishedAtMs, outcome, driverMark];
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
