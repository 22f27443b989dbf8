/**
 * Results of finished tasks in the lineage file, for a program that is killed
 * and started again. They go when it ends in success.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { MantaError } from "../base/errors.ts";
import { BulkInsert } from "./bulk_insert.ts";

/** A result as it lies in the file. */
export interface ResultRow {
  readonly key: string;
  readonly bytes: Uint8Array;
}

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
  readonly #insert: BulkInsert;
  readonly #select: StatementSync;
  /** Where results of earlier runs lie: an index would cost each new one more than this. */
  readonly #places = new Map<string, number>();
  #program = 0;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#insert = new BulkInsert(database, {
      table: "results",
      columnCount: 4,
    });
    this.#select = database.prepare(
      "SELECT bytes FROM results WHERE result = ?",
    );
  }

  /**
   * The program begins: results of an earlier run of it are kept, or not.
   * Throws where there is a run to go on from, but of another program only.
   */
  begin(script: string, isResuming: boolean): void {
    if (isResuming) this.#assertOwn(script);
    else this.#database.prepare(forget).run(script);
    this.#database.prepare("INSERT OR IGNORE INTO programs (script) VALUES (?)")
      .run(script);
    const { program } = this.#database.prepare(findProgram).get(script)!;
    this.#program = Number(program);
    const rows = this.#database.prepare(
      "SELECT result, key FROM results WHERE program = ? ORDER BY result",
    );
    for (const { result, key } of rows.iterate(this.#program)) {
      this.#places.set(String(key), Number(result));
    }
  }

  /** Keeps results. */
  keep(results: readonly ResultRow[]): void {
    for (const { key, bytes } of results) {
      this.#insert.add([null, this.#program, key, bytes]);
    }
    this.#insert.flush();
  }

  /** What was added is not in the file: its transaction failed. */
  clear(): void {
    this.#insert.clear();
  }

  /** Those results of earlier runs that are there. */
  find(keys: readonly string[]): ResultRow[] {
    return keys.flatMap((key) => {
      const place = this.#places.get(key);
      const row = place === undefined ? undefined : this.#select.get(place);
      if (row === undefined) return [];
      return [{ key, bytes: row.bytes as Uint8Array }];
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
      `Cannot resume ${script} from this lineage file: it is of another program, ${others.script}. ` +
        "Name this program's own file, or start without resume",
    );
  }
}
