/**
 * Removes old jobs from a lineage file, oldest first, by age and by size, a
 * few thousand rows at a time so that writing never waits long.
 *
 * Never removes a job that is written here or whose program lives. The file
 * itself does not shrink: its room is used again.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { limits } from "../base/limits.ts";
import { livingJobs } from "./lineage_jobs.ts";

/** How much is kept. */
export interface PruneBounds {
  /** Jobs that ended, or began, longer ago go. */
  ageMsMax?: number;
  /** While more of the file than this is in use, the oldest jobs go. */
  fileBytesMax?: number;
  /** Rows removed at once. */
  rowsEach?: number;
}

/** A job that is being removed. */
interface Victim {
  jobId: string;
  reason: "age" | "size";
}

/** Tables whose keys begin with their owner's id. */
const ownedTables = [
  ["attempts", "task_id"],
  ["errors", "task_id"],
  ["dependencies", "task_id"],
  ["objects", "object_id"],
] as const;

/** Removes what is too old or too much from one file. */
export class LineagePruner {
  readonly #database: DatabaseSync;
  readonly #bounds: Required<PruneBounds>;
  #victim: Victim | undefined;

  constructor(database: DatabaseSync, bounds: PruneBounds = {}) {
    this.#database = database;
    this.#bounds = {
      ageMsMax: limits.lineageAgeMsMax,
      fileBytesMax: limits.lineageFileBytesMax,
      rowsEach: limits.lineagePruneRows,
      ...bounds,
    };
  }

  /** One step, within a transaction of the caller's. False: nothing is left to remove. */
  step(nowMs: number, ownJobs: ReadonlySet<string>): boolean {
    this.#victim = this.#choose(nowMs, ownJobs);
    if (this.#victim === undefined) return false;
    const { jobId, reason } = this.#victim;
    this.#run(
      `INSERT OR IGNORE INTO pruned SELECT job_id, script, started_at_ms, ?, ?
        FROM jobs WHERE job_id = ?`,
      [nowMs, reason, jobId],
    );
    if (this.#removeOwned(jobId)) return true;
    for (const table of ["task_counts", "actors", "lanes", "owners", "jobs"]) {
      this.#run(`DELETE FROM ${table} WHERE job_id = ?`, [jobId]);
    }
    this.#run(
      `DELETE FROM pruned WHERE job_id IN (SELECT job_id FROM pruned
        ORDER BY pruned_at_ms DESC, started_at_ms DESC LIMIT -1 OFFSET ?)`,
      [limits.rememberedMax],
    );
    return true;
  }

  /** The oldest job, if it has to go: one that is half removed still is the oldest. */
  #choose(nowMs: number, ownJobs: ReadonlySet<string>): Victim | undefined {
    const kept = new Set([...ownJobs, ...livingJobs(this.#database)]);
    const oldest = this.#database.prepare(
      `SELECT job_id, coalesce(finished_at_ms, started_at_ms) AS ended_at_ms
        FROM jobs ORDER BY started_at_ms LIMIT ?`,
    ).all(kept.size + 1).find(({ job_id: jobId }) => !kept.has(String(jobId)));
    if (oldest === undefined) return undefined;
    const jobId = String(oldest.job_id);
    const ageMs = nowMs - Number(oldest.ended_at_ms);
    if (ageMs > this.#bounds.ageMsMax) return { jobId, reason: "age" };
    const isFull = this.#usedBytes() > this.#bounds.fileBytesMax;
    return isFull ? { jobId, reason: "size" } : undefined;
  }

  /** Removes rows of a job's owners; false if there were fewer than may go at once. */
  #removeOwned(jobId: string): boolean {
    let left = this.#bounds.rowsEach;
    const owners = this.#database.prepare(
      "SELECT owner_id FROM owners WHERE job_id = ?",
    ).all(jobId);
    for (const { owner_id: owner } of owners) {
      // A range of the primary key: everything that begins with the owner.
      const [start, end] = [String(owner), `${owner}g`];
      for (const [table, key] of ownedTables) {
        // Found first: with two upper bounds SQLite looks at every row.
        const row = this.#database.prepare(
          `SELECT ${key} AS id FROM ${table} WHERE ${key} >= ? AND ${key} < ?
            ORDER BY ${key} LIMIT 1 OFFSET ?`,
        ).get(start, end, left);
        left -= this.#run(
          `DELETE FROM ${table} WHERE ${key} >= ? AND ${key} < ?`,
          [start, row === undefined ? end : `${row.id}g`],
        );
        if (left <= 0) return true;
      }
    }
    return false;
  }

  #usedBytes(): number {
    const [pages, free, bytes] = ["page_count", "freelist_count", "page_size"]
      .map((name) => {
        const row = this.#database.prepare(`PRAGMA ${name}`).get();
        return Number(row?.[name]);
      });
    return (pages! - free!) * bytes!;
  }

  #run(sql: string, bound: (string | number)[]): number {
    return Number(this.#database.prepare(sql).run(...bound).changes);
  }
}
