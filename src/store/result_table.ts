/**
 * Results of finished tasks in the lineage file, for a program that is killed
 * and started again. They go when it ends in success.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { MantaError } from "../base/errors.ts";
import { otherRunOf } from "./lineage_jobs.ts";

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

/**
 * Removes a program's results from a file that nobody has open any more: the
 * program has ended in success. A file that is gone needs nothing.
 */
export function forgetResults(path: string, script: string): void {
  if (!existsSync(path)) return;
  const database = new DatabaseSync(path, { timeout: 1000 });
  try {
    database.prepare(forget).run(script);
  } finally {
    database.close();
  }
}

/** Keeps the results of one program. */
export class ResultTable {
  readonly #database: DatabaseSync;
  readonly #split: SplitBatch;
  readonly #insert: StatementSync;
  readonly #select: StatementSync;
  /** In which batch a result of an earlier run lies: a row and an index for each would cost more. */
  readonly #places = new Map<string, number>();
  #program = 0;

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
   * The program begins: results of an earlier run of it are kept, or not.
   * Throws where there is a run to go on from, but of another program only.
   */
  begin(script: string, isResuming: boolean): void {
    const other = otherRunOf(this.#database, script);
    if (isResuming && other !== undefined) {
      throw new MantaError(
        `Cannot resume ${script} from lineage file "${this.#database.location()}": it runs already, as process ${other}, and goes on from the same results. ` +
          "Wait for its end, or name another file",
      );
    }
    if (isResuming) this.#assertOwn(script);
    // One that runs beside this may have to go on from its results.
    else if (other === undefined) this.#database.prepare(forget).run(script);
    this.#database.prepare("INSERT OR IGNORE INTO programs (script) VALUES (?)")
      .run(script);
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

  /** Keeps a batch of results. */
  keep(bytes: Uint8Array): void {
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

  #assertOwn(script: string): void {
    const others = this.#database.prepare(
      "SELECT DISTINCT script FROM jobs WHERE script <> ? LIMIT 1",
    ).get(script);
    const own = this.#database.prepare(
      "SELECT 1 FROM jobs WHERE script = ? LIMIT 1",
    ).get(script);
    if (others === undefined || own !== undefined) return;
    throw new MantaError(
      `Cannot resume ${script} from lineage file "${this.#database.location()}": it is of another program, ${others.script}. ` +
        "Name this program's own file, or start without resume",
    );
  }
}
