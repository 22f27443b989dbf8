/**
 * What became of programs that could not say it themselves: looked up when
 * their lineage file is opened again.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { wallMs } from "../base/clock.ts";
import type { LineageStart } from "../base/lineage.ts";
import { log } from "../base/log.ts";
import { isGone, ownMark } from "./process_mark.ts";

const unsettled = `SELECT job_id, driver_mark FROM jobs
  WHERE outcome IS NULL AND driver_mark IS NOT NULL`;

/**
 * Jobs without an outcome whose driver is certainly gone have crashed, and
 * their actors are dead. Where the file can't be written now, that is left to
 * the next opening.
 */
export function settleJobs(database: DatabaseSync): void {
  const crashed = jobsThat(database, true);
  if (crashed.size === 0) return;
  try {
    database.exec("BEGIN IMMEDIATE");
    for (const jobId of crashed) settleJob(database, jobId, "crashed");
    database.exec("COMMIT");
  } catch (error) {
    log.debug(`jobs that crashed were not marked: ${error}`);
    if (database.isTransaction) database.exec("ROLLBACK");
  }
}

/** A job of this process has begun. At once, for another run of its program must see that. */
export function beginJob(
  database: DatabaseSync,
  { jobId, script }: LineageStart,
): void {
  database.prepare(
    `INSERT OR IGNORE INTO jobs
      (job_id, script, driver_pid, started_at_ms, driver_mark)
      VALUES (?, ?, ?, ?, ?)`,
  ).run(jobId, script, Deno.pid, wallMs(), ownMark() ?? null);
}

/** A job is over, and so are its actors; false if that was known. When one crashed nobody knows. */
export function settleJob(
  database: DatabaseSync,
  jobId: string,
  outcome: "finished" | "crashed",
): boolean {
  const finishedAtMs = outcome === "finished" ? wallMs() : null;
  const { changes } = database.prepare(
    `UPDATE jobs SET outcome = ?, finished_at_ms = ?
      WHERE job_id = ? AND outcome IS NULL`,
  ).run(outcome, finishedAtMs, jobId);
  database.prepare(
    `UPDATE actors SET state = 'dead', reason = 'its program is gone'
      WHERE job_id = ? AND state <> 'dead'`,
  ).run(jobId);
  return changes > 0;
}

/** The process of the run that has a program's results, if it certainly lives and is another. */
export function resultsHolder(
  database: DatabaseSync,
  script: string,
): number | undefined {
  const job = database.prepare(
    `SELECT driver_pid, driver_mark FROM jobs WHERE outcome IS NULL AND job_id =
      (SELECT job_id FROM programs WHERE script = ?)`,
  ).get(script);
  const mark = job?.driver_mark;
  if (typeof mark !== "string" || mark === ownMark()) return undefined;
  return isGone(mark) === false ? Number(job!.driver_pid) : undefined;
}

/** Jobs that certainly run: their driver is alive. */
export function livingJobs(database: DatabaseSync): Set<string> {
  return jobsThat(database, false);
}

function jobsThat(database: DatabaseSync, areGone: boolean): Set<string> {
  const rows = database.prepare(unsettled).all();
  const found = rows.filter(({ driver_mark: mark }) =>
    isGone(String(mark)) === areGone
  );
  return new Set(found.map(({ job_id: jobId }) => String(jobId)));
}
