/**
 * Results of finished tasks in the lineage file, for a program that is killed
 * and started again. They go when it ends in success.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { MantaError } from "../base/errors.ts";
import type { LineageStart } from "../base/lineage.ts";
import { log } from "../base/log.ts";
import { resultsHolder } from "./lineage_jobs.ts";

/** One result: the key of its task, and its values as they travel. */
export interface ResultRow {
  readonly key: string;
  readonly bytes: Uint8Array;
}

/** Takes the bytes of a batch apart; how they are put together is not known here. */
export type SplitBatch = (bytes: Uint8Array) => ResultRow[];

const findProgram = "SELECT program FROM programs WHERE script = ?";
const forget = `DELETE FROM results WHERE program =
  (SELECT program FROM programs WHERE script = ?)`;
const claim = `INSERT INTO programs (script, job_id) VALUES (?, ?)
  ON CONFLICT (script) DO UPDATE SET job_id = excluded.job_id`;

/** A run of a program has ended in success: removes its results; false if there are none. */
export function forgetResultsOf(
  database: DatabaseSync,
  jobId: string,
): boolean {
  const { changes } = database.prepare(
    `DELETE FROM results WHERE program IN
      (SELECT program FROM programs WHERE job_id = ?)`,
  ).run(jobId);
  return changes > 0;
}

/** Keeps the results of one program. */
export class ResultTable {
  readonly #database: DatabaseSync;
  readonly #split: SplitBatch;
  readonly #insert: StatementSync;
  readonly #select: StatementSync;
  /** In which batch a result of an earlier run lies: a row and an index for each would cost more. */
  readonly #places = new Map<string, number>();
  /** Nothing where this run keeps none. */
  #program: number | undefined;

  constructor(database: DatabaseSync, split: SplitBatch) {
    this.#database = database;
    this.#split = split;
    this.#insert = database.prepare(
      "INSERT INTO results (program, bytes) VALUES (?, ?)",
    );
    this.#select = database.prepare(
      "SELECT bytes FROM results WHERE batch = ?",
    );
  }

  /**
   * The program begins: results of an earlier run of it are kept, or not. They
   * are one run's at a time: one that would go on from them beside a living
   * run is refused, and another one keeps none. Throws too where there is a run
   * to go on from, but of another program only.
   */
  begin({ jobId, script, isResuming }: LineageStart): void {
    const holder = resultsHolder(this.#database, script);
    if (isResuming) {
      this.#assertFree(script, holder);
      this.#assertOwn(script);
    } else if (holder !== undefined) {
      return log.warn(
        `results of this run are not kept in lineage file "${this.#path}": ` +
          `process ${holder} runs the same program, whose results are there`,
      );
    } else this.#database.prepare(forget).run(script);
    this.#database.prepare(claim).run(script, jobId);
    const { program } = this.#database.prepare(findProgram).get(script)!;
    this.#program = Number(program);
    const rows = this.#database.prepare(
      "SELECT batch, bytes FROM results WHERE program = ? ORDER BY batch",
    );
    for (const { batch, bytes } of rows.iterate(this.#program)) {
      for (const { key } of this.#split(bytes as Uint8Array)) {
        this.#places.set(key, Number(batch));
      }
    }
  }

  /** Keeps a batch of results, where they are this run's. */
  keep(bytes: Uint8Array): void {
    if (this.#program === undefined) return;
    this.#insert.run(this.#program, bytes);
  }

  /** Those results of earlier runs that are there. */
  find(keys: readonly string[]): ResultRow[] {
    const wanted = new Map<number, Set<string>>();
    for (const key of keys) {
      const batch = this.#places.get(key);
      if (batch === undefined) continue;
      const among = wanted.get(batch);
      if (among === undefined) wanted.set(batch, new Set([key]));
      else among.add(key);
    }
    return [...wanted].flatMap(([batch, among]) => {
      const row = this.#select.get(batch);
      if (row === undefined) return [];
      return this.#split(row.bytes as Uint8Array)
        .filter(({ key }) => among.has(key));
    });
  }

  get #path(): string {
    return this.#database.location() ?? ":memory:";
  }

  #assertFree(script: string, holder: number | undefined): void {
    if (holder === undefined) return;
    throw new MantaError(
      `Cannot resume ${script} from lineage file "${this.#path}": it runs already, as process ${holder}, and goes on from the same results. ` +
        "Wait for its end, or name another file",
    );
  }

  #assertOwn(script: string): void {
    const others = this.#database.prepare(
      "SELECT DISTINCT script FROM jobs WHERE script <> ? LIMIT 1",
    ).get(script);
    const own = this.#database.prepare(
      "SELECT 1 FROM jobs WHERE script = ? LIMIT 1",
    ).get(script);
    if (others === undefined || own !== undefined) return;
    throw new MantaError(
      `Cannot resume ${script} from lineage file "${this.#path}": it is of another program, ${others.script}. ` +
        "Name this program's own file, or start without resume",
    );
  }
}
