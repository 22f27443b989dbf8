/**
 * Reading a lineage file back as the rows that were written, while a program
 * writes it or long after.
 *
 * For listings and tests; it never writes, and sees what was committed.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import type {
  ActorRow,
  CountRow,
  DependencyRow,
  JobRow,
  LineageGap,
  ObjectRow,
  TaskRow,
} from "../base/lineage.ts";
import type { TaskState } from "../base/lineage.ts";
import { openForReading } from "./database.ts";
import { lineageKind } from "./lineage_log.ts";

/** Which tasks to list. */
export interface TaskQuery {
  jobId?: string;
  state?: TaskState;
  name?: string;
  /** At most so many, the newest submitted first; default 10,000. */
  limit?: number;
}

/** A job whose rows were removed to bound the file. */
export interface Pruned {
  jobId: string;
  script: string;
  startedAtMs: number;
  prunedAtMs: number;
  reason: "age" | "size";
}

/** What became of the tasks of one function. */
export interface FunctionSums {
  name: string;
  finished: number;
  failed: number;
  cancelled: number;
  crashed: number;
  /** Times of the finished ones together. */
  runMs: number;
}

/** A lineage file, open for reading. */
export interface LineageReader extends Disposable {
  /** Each task by its last attempt. */
  tasks(query?: TaskQuery): TaskRow[];
  /** How many of those are over. */
  overCount(query: Pick<TaskQuery, "jobId" | "state">): number;
  /** All attempts of one task, the first one first. */
  attempts(taskId: string): TaskRow[];
  /** Short tasks that got no row each, by function and minute. */
  counts(): CountRow[];
  /** Tasks that are over, by function, of one job or of all. */
  functions(jobId?: string): FunctionSums[];
  /** The programs that ran, the first one first. */
  jobs(): JobRow[];
  /** The objects. */
  objects(): ObjectRow[];
  /** One of them. */
  object(objectId: string): ObjectRow | undefined;
  /** What a task takes. */
  dependencies(taskId: string): DependencyRow[];
  /** The actors. */
  actors(): ActorRow[];
  /** What is missing. */
  gaps(): LineageGap[];
  /** What was removed on purpose. */
  pruned(): Pruned[];
}

/** Opens a lineage file for reading. */
export function openLineage(path: string): LineageReader {
  return new Reader(openForReading(path, lineageKind));
}

const limitDefault = 10_000;

const attemptsWithAll = `SELECT a.task_id, a.attempt, l.job_id, l.name, a.state,
    l.node_id, l.worker_pid, a.submitted_at_ms, a.started_at_ms,
    a.finished_at_ms, a.args, e.error_name, e.error_message
  FROM attempts a JOIN lanes l USING (lane)
  LEFT JOIN errors e USING (task_id, attempt)
  WHERE a.task_id = ? ORDER BY a.attempt`;

type Bound = string | number | null;

class Reader implements LineageReader {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  tasks(query: TaskQuery = {}): TaskRow[] {
    const { jobId, state, name, limit = limitDefault } = query;
    const sql = `SELECT task_id, attempt, job_id, name, state, node_id,
        worker_pid, submitted_at_ms, started_at_ms, finished_at_ms, args,
        error_name, error_message
      FROM tasks WHERE (?1 IS NULL OR job_id = ?1)
        AND (?2 IS NULL OR state = ?2) AND (?3 IS NULL OR name = ?3)
      ORDER BY submitted_at_ms DESC, task_id DESC LIMIT ?4`;
    const filter = [jobId ?? null, state ?? null, name ?? null, limit];
    return this.#rows("task", sql, filter);
  }

  overCount({ jobId, state }: Pick<TaskQuery, "jobId" | "state">): number {
    const sql = `SELECT count(*) AS count FROM tasks
      WHERE (?1 IS NULL OR job_id = ?1) AND (?2 IS NULL OR state = ?2)
        AND state NOT IN ('waiting', 'running')`;
    const row = this.#database.prepare(sql).get(jobId ?? null, state ?? null);
    return Number(row!.count);
  }

  attempts(taskId: string): TaskRow[] {
    return this.#rows("task", attemptsWithAll, [taskId]);
  }

  counts(): CountRow[] {
    const sql = `SELECT job_id, name, minute_at_ms AS at_ms, count,
      failed_count, run_ms FROM task_counts ORDER BY job_id, name, at_ms`;
    return this.#rows("count", sql);
  }

  functions(jobId?: string): FunctionSums[] {
    const sql = `SELECT name, sum(finished) AS finished, sum(failed) AS failed,
        sum(cancelled) AS cancelled, sum(crashed) AS crashed,
        sum(run_ms) AS run_ms
      FROM (
        SELECT name, state = 'finished' AS finished, state = 'failed' AS failed,
          state = 'cancelled' AS cancelled, state = 'crashed' AS crashed,
          iif(state = 'finished', finished_at_ms - started_at_ms, 0) AS run_ms
        FROM tasks WHERE (?1 IS NULL OR job_id = ?1)
          AND state NOT IN ('waiting', 'running')
        UNION ALL
        SELECT name, count - failed_count, failed_count, 0, 0, run_ms
        FROM task_counts WHERE (?1 IS NULL OR job_id = ?1)
      ) GROUP BY name ORDER BY name`;
    return this.#database.prepare(sql).all(jobId ?? null).map((row) => ({
      name: String(row.name),
      finished: Number(row.finished),
      failed: Number(row.failed),
      cancelled: Number(row.cancelled),
      crashed: Number(row.crashed),
      runMs: Number(row.run_ms),
    }));
  }

  jobs(): JobRow[] {
    return this.#rows("job", "SELECT * FROM jobs ORDER BY started_at_ms");
  }

  objects(): ObjectRow[] {
    return this.#rows("object", "SELECT * FROM objects ORDER BY object_id");
  }

  object(objectId: string): ObjectRow | undefined {
    const sql = "SELECT * FROM objects WHERE object_id = ?";
    return this.#rows<ObjectRow>("object", sql, [objectId])[0];
  }

  dependencies(taskId: string): DependencyRow[] {
    const sql = "SELECT * FROM dependencies WHERE task_id = ? " +
      "ORDER BY position, object_id";
    return this.#rows("dependency", sql, [taskId]);
  }

  actors(): ActorRow[] {
    return this.#rows("actor", "SELECT * FROM actors ORDER BY created_at_ms");
  }

  gaps(): LineageGap[] {
    const rows = this.#database.prepare("SELECT * FROM gaps ORDER BY at_ms");
    return rows.all().map((row) => ({
      atMs: Number(row.at_ms),
      rowCount: Number(row.row_count),
      reason: String(row.reason),
    }));
  }

  pruned(): Pruned[] {
    const sql = "SELECT * FROM pruned ORDER BY pruned_at_ms, started_at_ms";
    return this.#database.prepare(sql).all().map((row) => ({
      jobId: String(row.job_id),
      script: String(row.script),
      startedAtMs: Number(row.started_at_ms),
      prunedAtMs: Number(row.pruned_at_ms),
      reason: row.reason === "age" ? "age" : "size",
    }));
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  /** Columns are the fields of the rows in another spelling: the one cast. */
  #rows<Row extends { kind: string }>(
    kind: Row["kind"],
    sql: string,
    bound: Bound[] = [],
  ): Row[] {
    const found = this.#database.prepare(sql).all(...bound);
    return found.map((columns) => {
      const row: Record<string, unknown> = { kind };
      for (const [column, value] of Object.entries(columns)) {
        if (value !== null) row[camelCase(column)] = value;
      }
      return row as unknown as Row;
    });
  }
}

function camelCase(column: string): string {
  return column.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}
