/**
 * What a program leaves in its lineage file when it ends in success: nothing
 * that a later run would go on from.
 *
 * Called at the last moment, when nobody waits any more: so it blocks.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { isThere } from "../base/files.ts";
import { limits } from "../base/limits.ts";
import { forgetCallsIn } from "./durable_log.ts";
import { settleJob } from "./lineage_jobs.ts";
import { forgetResultsOf } from "./result_table.ts";

/** A run of a program. */
export interface Run {
  readonly jobId: string;
  /** Its main module. */
  readonly script: string;
  /** Its own threads may still write to the file, until the process has ended. */
  readonly isInUse: boolean;
}

/** Files that are locked until the process has ended. */
const held: DatabaseSync[] = [];

/**
 * A run has ended in success: forgets its results, and what its calls to
 * durable actors came to. A file that is gone needs nothing.
 */
export function forgetRun(path: string, run: Run): void {
  if (!isThere(path)) return;
  const database = new DatabaseSync(path, { timeout: limits.databaseBusyMs });
  try {
    database.exec("BEGIN IMMEDIATE");
    // Committed before the lock is held for good: what came between goes too.
    while (forgetAll(database, run)) database.exec("COMMIT; BEGIN IMMEDIATE");
    if (!run.isInUse) database.exec("COMMIT");
  } catch (error) {
    database.close();
    throw error;
  }
  if (run.isInUse) held.push(database);
  else database.close();
}

/** False if there was nothing left to forget. */
function forgetAll(database: DatabaseSync, { jobId, script }: Run): boolean {
  // First: calls of a run that goes on are not forgotten.
  const done = [
    settleJob(database, jobId, "finished"),
    forgetCallsIn(database, script),
    forgetResultsOf(database, jobId),
  ];
  return done.includes(true);
}
