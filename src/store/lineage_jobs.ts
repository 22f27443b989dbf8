/**
 * What became of programs that could not say it themselves: looked up when
 * their lineage file is opened again.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
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
  const job = database.prepare(
    "UPDATE jobs SET outcome = 'crashed' WHERE job_id = ? AND outcome IS NULL",
  );
  const actors = database.prepare(
    `UPDATE actors SET state = 'dead', reason = 'its program is gone'
      WHERE job_id = ? AND state <> 'dead'`,
  );
  try {
    database.exec("BEGIN IMMEDIATE");
    for (const jobId of crashed) {
      job.run(jobId);
      actors.run(jobId);
    }
    database.exec("COMMIT");
  } catch (error) {
    log.debug(`jobs that crashed were not marked: ${error}`);
    if (database.isTransaction) database.exec("ROLLBACK");
  }
}

/** Jobs that certainly run: their driver is alive. */
export function livingJobs(database: DatabaseSync): Set<string> {
  return jobsThat(database, false);
}

/** The pid of another living run of a program that uses the file, if there is one. */
export function otherRunOf(
  database: DatabaseSync,
  script: string,
): number | undefined {
  const own = ownMark();
  const rows = database.prepare(`${unsettled} AND script = ?`).all(script);
  for (const { driver_mark: mark } of rows) {
    if (mark === own || isGone(String(mark)) !== false) continue;
    return (JSON.parse(String(mark)) as { pid: number }).pid;
  }
  return undefined;
}

function jobsThat(database: DatabaseSync, areGone: boolean): Set<string> {
  const rows = database.prepare(unsettled).all();
  const found = rows.filter(({ driver_mark: mark }) =>
    isGone(String(mark)) === areGone
  );
  return new Set(found.map(({ job_id: jobId }) => String(jobId)));
}
