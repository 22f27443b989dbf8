/**
 * Takes lineage orders as they come and writes them in batches: all that has
 * come in since the last write is one transaction.
 *
 * Runs on the lineage thread. A write that fails loses its rows, and the file
 * says so itself as soon as it can be written again; tasks never notice.
 *
 * @module
 */
import { wallMs } from "../base/clock.ts";
import { unreachable } from "../base/errors.ts";
import type { LineageBatch } from "../base/lineage.ts";
import { failureOf } from "../store/database.ts";

/** What the thread is told. */
export type LineageOrder =
  | { kind: "rows"; batch: BatchMessage }
  | { kind: "gap"; rowCount: number; reason: string }
  | { kind: "flush"; flushId: number }
  | { kind: "close" }
  /** The file is about to be removed. */
  | { kind: "abandon" };

/**
 * A batch between threads. Its bytes travel as an ArrayBuffer, transferred:
 * `node:worker_threads` in Deno takes 80 ns a byte to receive a typed array.
 */
export type BatchMessage = Omit<LineageBatch, "numbers"> & {
  numbers: ArrayBuffer;
};

/** What the thread reports. */
export type LineageReport =
  | { kind: "opened" }
  | { kind: "refused"; reason: string }
  | { kind: "settled"; rowCount: number }
  | { kind: "failing"; message: string }
  | { kind: "recovered"; lostCount: number; reason: string }
  | { kind: "flushed"; flushId: number; lostCount: number }
  | { kind: "broken"; reason: string };

/** Where rows go: a `LineageLog`. */
export interface LineageSink {
  write(batches: readonly LineageBatch[]): void;
  writeGap(rowCount: number, options: { atMs: number; reason: string }): void;
  close(): void;
}

/** What a {@linkcode LineageWriter} works with. */
export interface LineageWriterOptions {
  sink: LineageSink;
  path: string;
  report(report: LineageReport): void;
  /** Calls back after all orders that are there already were taken. */
  later(callback: () => void): void;
}

/** Writes what it is told to, and reports. */
export class LineageWriter {
  readonly #options: LineageWriterOptions;
  #waiting: LineageBatch[] = [];
  #isScheduled = false;
  /** Rows lost since the last write that went well, and why. */
  #lostCount = 0;
  #lossReason = "";
  /** Rows lost in all. */
  #lostTotal = 0;
  /** The file is beyond use: nothing is tried any more. */
  #isBroken = false;
  #isClosed = false;

  constructor(options: LineageWriterOptions) {
    this.#options = options;
  }

  /** Carries out one order. */
  take(order: LineageOrder): void {
    switch (order.kind) {
      case "rows":
        this.#waiting.push({
          ...order.batch,
          numbers: new Uint8Array(order.batch.numbers),
        });
        return this.#schedule();
      case "gap":
        this.#lose(order.rowCount, order.reason);
        return this.#schedule();
      case "flush":
        this.#drain();
        return this.#options.report({
          kind: "flushed",
          flushId: order.flushId,
          lostCount: this.#lostTotal,
        });
      case "close":
        this.#drain();
        return this.#close();
      case "abandon":
        this.#waiting = [];
        return this.#close();
      default:
        unreachable(order);
    }
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#options.sink.close();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#options.later(() => this.#drain());
  }

  #drain(): void {
    this.#isScheduled = false;
    if (this.#isClosed) return;
    const batches = this.#waiting;
    this.#waiting = [];
    const rowCount = batches.reduce((sum, batch) => sum + batch.rowCount, 0);
    if (this.#isBroken) this.#lose(rowCount, this.#lossReason);
    else if (batches.length > 0 || this.#lostCount > 0) {
      this.#write(batches, rowCount);
    }
    if (rowCount > 0) this.#options.report({ kind: "settled", rowCount });
  }

  #write(batches: LineageBatch[], rowCount: number): void {
    const { sink, path, report } = this.#options;
    let unwrittenCount = rowCount;
    try {
      if (batches.length > 0) sink.write(batches);
      unwrittenCount = 0;
      if (this.#lostCount === 0) return;
      const reason = this.#lossReason;
      sink.writeGap(this.#lostCount, { atMs: wallMs(), reason });
      report({ kind: "recovered", lostCount: this.#lostCount, reason });
      this.#lostCount = 0;
    } catch (error) {
      const isFirst = this.#lostCount === 0;
      const reason = error instanceof Error ? error.message : String(error);
      const failure = failureOf(error);
      this.#isBroken = failure === "broken";
      this.#lose(unwrittenCount, reason);
      if (isFirst || this.#isBroken) {
        report({ kind: "failing", message: explain(path, failure, reason) });
      }
    }
  }

  #lose(rowCount: number, reason: string): void {
    this.#lostCount += rowCount;
    this.#lostTotal += rowCount;
    this.#lossReason = reason;
  }
}

function explain(
  path: string,
  failure: ReturnType<typeof failureOf>,
  reason: string,
): string {
  const consequence = "Tasks go on, but those of this time are missing from " +
    "listings, and can't be resumed or made again from it";
  const remedy = failure === "full"
    ? "Make room on its disk: writing goes on as soon as there is some"
    : failure === "broken"
    ? "It stays as it is; move it away, and start again with another one"
    : "Writing is tried again with the next rows";
  return `Cannot write lineage file "${path}": ${reason}. ${consequence}. ${remedy}`;
}
