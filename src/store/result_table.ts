/**
 * Results of finished tasks in the lineage file, for a program that is killed
 * and started again. They go when it ends in success.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { MantaError } from "../base/errors.ts";

/** A result as it lies in the file. */
export interface ResultRow {
  readonly key: string;
  readonly bytes: Uint8Array;
}

/**
 * Removes a program's results from a file that nobody has open any more: the
 * program has ended in success. A file that is gone needs nothing.
 */
export function forgetResults(path: string, script: string): void {
  if (!existsSync(path)) return;
  const database = new DatabaseSync(path, { timeout: 1000 });
  try {
    database.prepare("DELETE FROM results WHERE script = ?").run(script);
  } finally {
    database.close();
  }
}

/** Keeps the results of one program. */
export class ResultTable {
  readonly #database: DatabaseSync;
  #script = "";

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /**
   * The program begins: results of an earlier run of it are kept, or not.
   * Throws where there is a run to go on from, but of another program only.
   */
  begin(script: string, isResuming: boolean): void {
    this.#script = script;
    if (!isResuming) {
      this.#database.prepare("DELETE FROM results WHERE script = ?")
        .run(script);
      return;
    }
    const others = this.#database.prepare(
      "SELECT DISTINCT script FROM jobs WHERE script <> ? LIMIT 1",
    ).get(script);
    const own = this.#database.prepare(
      "SELECT 1 FROM jobs WHERE script = ? LIMIT 1",
    ).get(script);
    if (others === undefined || own !== undefined) return;
    throw new MantaError(
      `Cannot resume ${script} from this lineage file: it is of another program, ${others.script}. ` +
        "Name this program's own file, or start without resume",
    );
  }

  /** Keeps results; one that is there already is replaced. */
  keep(results: readonly ResultRow[]): void {
    const insert = this.#database.prepare(
      "INSERT OR REPLACE INTO results VALUES (?, ?, ?)",
    );
    for (const { key, bytes } of results) insert.run(this.#script, key, bytes);
  }

  /** Those of the results that are there. */
  find(keys: readonly string[]): ResultRow[] {
    const select = this.#database.prepare(
      "SELECT bytes FROM results WHERE script = ? AND key = ?",
    );
    return keys.flatMap((key) => {
      const row = select.get(this.#script, key);
      return row === undefined ? [] : [{ key, bytes: row.bytes as Uint8Array }];
    });
  }
}
