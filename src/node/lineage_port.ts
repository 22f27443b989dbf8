/**
 * A node's end of the lineage thread: starts it, hands rows over without ever
 * waiting, and knows when they are in the file.
 *
 * The queue is bounded: rows that come while too many wait are counted, said
 * once, and noted in the file as missing. Writing is in `lineage_writer.ts`.
 *
 * @module
 */
import { Worker } from "node:worker_threads";
import { assert, MantaError, unreachable } from "../base/errors.ts";
import type { LineageBatch } from "../base/lineage.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import type { LineageThreadData } from "./lineage_thread.ts";
import type { LineageOrder, LineageReport } from "./lineage_writer.ts";

/** Options of {@linkcode LineagePort.open}. */
export interface LineagePortOptions {
  /** Rows that may wait for the file. */
  rowsMax?: number;
  /** The file grows no larger. */
  fileBytesMax?: number;
}

/** How many rows found no place in the file so far. */
export interface LineageFlush {
  lostCount: number;
}

/** Hands lineage rows to the thread that writes them. */
export class LineagePort implements AsyncDisposable {
  readonly #path: string;
  readonly #rowsMax: number;
  readonly #thread: Worker;
  readonly #opened = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  readonly #flushes = new Map<number, PromiseWithResolvers<LineageFlush>>();
  #nextFlushId = 1;
  #waitingCount = 0;
  #droppedCount = 0;
  #isDropSaid = false;
  #isClosing = false;
  #hasEnded = false;

  private constructor(path: string, options: LineagePortOptions) {
    const { rowsMax = limits.lineageRowsMax, ...rest } = options;
    this.#path = path;
    this.#rowsMax = rowsMax;
    const workerData: LineageThreadData = { path, ...rest };
    this.#thread = new Worker(new URL("./lineage_thread.ts", import.meta.url), {
      workerData,
    });
    this.#thread.on("message", (report: LineageReport) => this.#hear(report));
    this.#thread.on("error", (error: unknown) => this.#end(error));
    this.#thread.on("exit", () => this.#end(undefined));
  }

  /** Starts the thread. Rejects if the file can't be used, with what to do. */
  static async open(
    path: string,
    options: LineagePortOptions = {},
  ): Promise<LineagePort> {
    const port = new LineagePort(path, options);
    await port.#opened.promise;
    // Nobody waits for it now: a program that is done may end.
    port.#thread.unref();
    return port;
  }

  /** Rows that are on their way to the file. */
  get waitingCount(): number {
    return this.#waitingCount;
  }

  /** Hands rows over; never waits, never throws. */
  send(batch: LineageBatch): void {
    if (this.#isClosing || this.#hasEnded) return;
    if (this.#waitingCount + batch.rowCount > this.#rowsMax) {
      return this.#drop(batch.rowCount);
    }
    this.#reportDropped();
    this.#waitingCount += batch.rowCount;
    // A copy: these may be a part of a frame that others read.
    const numbers = batch.numbers.slice().buffer;
    this.#order({ kind: "rows", batch: { ...batch, numbers } }, [numbers]);
  }

  /** Resolves when all rows that were sent are committed, or lost. */
  async flush(): Promise<LineageFlush> {
    if (this.#hasEnded) throw this.#endedError(undefined);
    this.#reportDropped();
    const flushId = this.#nextFlushId++;
    const answer = Promise.withResolvers<LineageFlush>();
    this.#flushes.set(flushId, answer);
    this.#thread.ref();
    this.#order({ kind: "flush", flushId });
    try {
      return await answer.promise;
    } finally {
      if (this.#flushes.size === 0) this.#thread.unref();
    }
  }

  /** Writes what waits, closes the file and ends the thread. */
  async close(): Promise<void> {
    if (!this.#isClosing && !this.#hasEnded) {
      this.#reportDropped();
      this.#isClosing = true;
      this.#thread.ref();
      this.#order({ kind: "close" });
    }
    await this.#ended.promise;
  }

  /** Closes the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #order(order: LineageOrder, transferred: ArrayBuffer[] = []): void {
    this.#thread.postMessage(order, transferred);
  }

  #drop(rowCount: number): void {
    this.#droppedCount += rowCount;
    if (this.#isDropSaid) return;
    this.#isDropSaid = true;
    log.warn(
      `Cannot keep up with lineage file "${this.#path}": ${this.#waitingCount} rows wait; ` +
        `further ones are counted there, but missing`,
    );
  }

  #reportDropped(): void {
    if (this.#droppedCount === 0) return;
    const rowCount = this.#droppedCount;
    this.#droppedCount = 0;
    this.#order({ kind: "gap", rowCount, reason: "too many rows waited" });
  }

  #hear(report: LineageReport): void {
    switch (report.kind) {
      case "opened":
        return this.#opened.resolve();
      case "refused":
        this.#opened.reject(new MantaError(report.reason));
        return void this.#leave();
      case "settled":
        this.#waitingCount -= report.rowCount;
        return assert(this.#waitingCount >= 0, "Lineage rows settled twice");
      case "failing":
        return log.error(report.message);
      case "recovered":
        return log.warn(
          `Lineage file "${this.#path}" is written, but ${report.lostCount} rows are missing: ${report.reason}`,
        );
      case "flushed": {
        const { flushId, lostCount } = report;
        this.#flushes.get(flushId)?.resolve({ lostCount });
        this.#flushes.delete(flushId);
        return;
      }
      case "closed":
        return void this.#leave();
      default:
        unreachable(report);
    }
  }

  /** The thread can't leave by itself: Deno's `parentPort` has no `close`. */
  async #leave(): Promise<void> {
    await this.#thread.terminate();
    this.#end(undefined);
  }

  #end(cause: unknown): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const error = this.#endedError(cause);
    if (!this.#isClosing && cause !== undefined) log.error(error.message);
    this.#opened.reject(error);
    for (const flush of this.#flushes.values()) flush.reject(error);
    this.#flushes.clear();
    this.#ended.resolve();
  }

  #endedError(cause: unknown): MantaError {
    const why = cause instanceof Error ? `: ${cause.message}` : "";
    return new MantaError(
      `Cannot write lineage file "${this.#path}": its thread has ended${why}`,
      { cause },
    );
  }
}
