/**
 * Rows for one table, inserted many to a statement, which halves their cost. A
 * row of the same key replaces the one before, but for columns that are kept.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";

/** What SQLite binds. */
export type Bound = string | number | null;

/** Rows a statement: more are no faster, fewer are slower. */
const rowsEach = 50;

/** Inserts rows into one table. */
export class BulkInsert {
  readonly #many: StatementSync;
  readonly #one: StatementSync;
  readonly #columnCount: number;
  #bound: Bound[] = [];

  constructor(
    database: DatabaseSync,
    { table, columnCount, onConflict = "" }: {
      table: string;
      columnCount: number;
      /** What becomes of a row of the same key, in SQL; it is replaced unless told otherwise. */
      onConflict?: string;
    },
  ) {
    const values = `(${Array(columnCount).fill("?").join(", ")})`;
    const replace = onConflict === "" ? "OR REPLACE " : "";
    const insert = (lists: string) =>
      database.prepare(
        `INSERT ${replace}INTO ${table} VALUES ${lists} ${onConflict}`,
      );
    this.#one = insert(values);
    this.#many = insert(Array(rowsEach).fill(values).join(", "));
    this.#columnCount = columnCount;
  }

  /** Adds a row; it is in the table after {@linkcode flush} at the latest. */
  add(row: Bound[]): void {
    for (const value of row) this.#bound.push(value);
    if (this.#bound.length < rowsEach * this.#columnCount) return;
    this.#many.run(...this.#bound);
    this.#bound.length = 0;
  }

  /** Inserts what is left. */
  flush(): void {
    for (let at = 0; at < this.#bound.length; at += this.#columnCount) {
      this.#one.run(...this.#bound.slice(at, at + this.#columnCount));
    }
    this.#bound.length = 0;
  }

  /** Forgets what is left. */
  clear(): void {
    this.#bound = [];
  }
}
