/**
 * A node's end of the lineage thread: hands rows over without ever waiting,
 * and knows when they are in the file.
 *
 * The queue is bounded: rows that come while too many wait are counted, said
 * once, and noted in the file as missing. Writing is in `lineage_writer.ts`;
 * who starts the thread is in `lineage_start.ts`.
 *
 * @module
 */
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { afterMs, type Timer } from "../base/clock.ts";
import { assert, MantaError, unreachable } from "../base/errors.ts";
import type { DurableAnswer, DurableAsk } from "../base/durable.ts";
import type { LineageBatch, LineageStart } from "../base/lineage.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import type { LineageLogOptions } from "../store/lineage_log.ts";
import { LineageNews } from "./lineage_news.ts";
import { startLineage } from "./lineage_start.ts";
import type {
  LineageAnswer,
  LineageOrder,
  LineageReport,
} from "./lineage_writer.ts";

/** How a {@linkcode LineagePort} works. */
export interface LineagePortOptions {
  /** Rows that may wait for the file. */
  rowsMax?: number;
}

/** How many rows found no place in the file so far. */
export interface LineageFlush {
  lostCount: number;
}

/** Hands lineage rows to the thread that writes them. */
export class LineagePort implements AsyncDisposable {
  readonly #path: string;
  readonly #rowsMax: number;
  readonly #line: MessagePort;
  readonly #news: LineageNews;
  readonly #opened = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  readonly #flushes = new Map<number, PromiseWithResolvers<LineageFlush>>();
  readonly #asked = new Map<number, PromiseWithResolvers<LineageAnswer>>();
  #nextFlushId = 1;
  #nextAskId = 1;
  readonly #durableAsks = new Map<
    number,
    PromiseWithResolvers<DurableAnswer>
  >();
  #nextDurableAskId = 1;
  #waitingCount = 0;
  #droppedCount = 0;
  #isDropSaid = false;
  #isClosing = false;
  #hasEnded = false;
  #endTimer: Timer | undefined;

  private constructor(
    line: MessagePort,
    path: string,
    options: LineagePortOptions,
  ) {
    this.#path = path;
    this.#rowsMax = options.rowsMax ?? limits.lineageRowsMax;
    this.#line = line;
    this.#news = new LineageNews(path);
    line.on("message", (report: LineageReport) => this.#hear(report));
    line.on("close", () => this.#end(undefined));
  }

  /** Starts the thread from this one. Rejects if the file can't be used, with what to do. */
  static async open(
    path: string,
    options: LineagePortOptions & LineageLogOptions = {},
  ): Promise<LineagePort> {
    const { rowsMax, ...rest } = options;
    const { port1, port2 } = new MessageChannel();
    const port = new LineagePort(
      port1,
      path,
      rowsMax === undefined ? {} : { rowsMax },
    );
    const thread = startLineage(path, port2, rest);
    thread.on("error", (error: unknown) => port.#end(error));
    return await port.#whenOpened();
  }

  /** Talks to a thread that was started elsewhere. Rejects as {@linkcode open} does. */
  static over(
    line: MessagePort,
    path: string,
    options: LineagePortOptions = {},
  ): Promise<LineagePort> {
    return new LineagePort(line, path, options).#whenOpened();
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
    this.#line.ref();
    this.#order({ kind: "flush", flushId });
    try {
      return await answer.promise;
    } finally {
      if (this.#flushes.size === 0) this.#line.unref();
    }
  }

  /** A program begins, or goes on where it was killed. Rejects where the file is of another, or of another run. */
  async begin(start: LineageStart): Promise<void> {
    await this.#ask((askId) => ({ kind: "begin", askId, start }));
  }

  /** Resolves once results are in the file; rejects where they can't be. */
  async keep(results: Uint8Array): Promise<void> {
    const buffer = results.slice().buffer;
    await this.#ask(
      (askId) => ({ kind: "keep", askId, results: buffer }),
      [buffer],
    );
  }

  /** The results that are kept of these tasks. */
  async find(keys: string[]): Promise<Uint8Array> {
    const answer = await this.#ask((askId) => ({ kind: "find", askId, keys }));
    assert(answer.kind === "found", "A question was answered by another's");
    return new Uint8Array(answer.results);
  }

  /** Asks for a durable actor; resolves after the commit, with bytes that were given transferred. */
  askDurable(
    ask: DurableAsk,
    transferred: ArrayBuffer[] = [],
  ): Promise<DurableAnswer> {
    if (this.#hasEnded) return Promise.reject(this.#endedError(undefined));
    const askId = this.#nextDurableAskId++;
    const answer = Promise.withResolvers<DurableAnswer>();
    this.#durableAsks.set(askId, answer);
    this.#order({ kind: "durable", askId, ask }, transferred);
    return answer.promise;
  }

  /** Writes what waits, closes the file and ends the thread. */
  async close(): Promise<void> {
    clearTimeout(this.#endTimer);
    if (!this.#isClosing && !this.#hasEnded) {
      this.#reportDropped();
      this.#leave({ kind: "close" });
    }
    await this.#ended.promise;
  }

  /** Closes a file that is about to be removed: what waits is not written any more. */
  async abandon(): Promise<void> {
    clearTimeout(this.#endTimer);
    if (!this.#isClosing && !this.#hasEnded) this.#leave({ kind: "abandon" });
    await this.#ended.promise;
  }

  /** Closes the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #whenOpened(): Promise<LineagePort> {
    try {
      await this.#opened.promise;
    } catch (error) {
      await this.#ended.promise; // Its line is gone before anybody is told.
      throw error;
    }
    // Nobody waits for it now: a program that is done may end.
    this.#line.unref();
    return this;
  }

  #leave(order: LineageOrder): void {
    this.#isClosing = true;
    this.#line.ref();
    this.#order(order);
  }

  #order(order: LineageOrder, transferred: ArrayBuffer[] = []): void {
    this.#line.postMessage(order, transferred);
  }

  async #ask(
    orderOf: (askId: number) => LineageOrder,
    transferred: ArrayBuffer[] = [],
  ): Promise<LineageAnswer> {
    if (this.#hasEnded || this.#isClosing) throw this.#endedError(undefined);
    const askId = this.#nextAskId++;
    const asked = Promise.withResolvers<LineageAnswer>();
    this.#asked.set(askId, asked);
    this.#order(orderOf(askId), transferred);
    const answer = await asked.promise;
    if (answer.kind === "failed") throw new MantaError(answer.reason);
    return answer;
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
        this.#isClosing = true;
        this.#opened.reject(new MantaError(report.reason));
        return this.#line.close();
      case "settled":
        this.#waitingCount -= report.rowCount;
        return assert(this.#waitingCount >= 0, "Lineage rows settled twice");
      case "failing":
        return this.#news.failing(report.message);
      case "gaveUp":
        return log.error(report.message);
      case "recovered":
        return this.#news.recovered(report.lostCount, report.reason);
      case "flushed": {
        const { flushId, lostCount } = report;
        this.#flushes.get(flushId)?.resolve({ lostCount });
        this.#flushes.delete(flushId);
        return;
      }
      case "answered":
        this.#asked.get(report.askId)?.resolve(report.answer);
        this.#asked.delete(report.askId);
        return;
      case "durable":
        this.#durableAsks.get(report.askId)?.resolve(report.answer);
        this.#durableAsks.delete(report.askId);
        return;
      case "broken":
        return this.#end(report.reason);
      default:
        unreachable(report);
    }
  }

  #end(cause: unknown): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#news.close();
    const error = this.#endedError(cause);
    // One that goes without a word may only be the first of a process that ends.
    if (!this.#isClosing && cause === undefined) {
      this.#endTimer = afterMs(
        limits.lineageEndSayMs,
        () => log.error(error.message),
      );
    } else if (!this.#isClosing) log.error(error.message);
    this.#opened.reject(error);
    for (const flush of this.#flushes.values()) flush.reject(error);
    this.#flushes.clear();
    for (const asked of this.#asked.values()) {
      asked.promise.catch(() => {}); // Whoever asked awaits it too.
      asked.reject(error);
    }
    this.#asked.clear();
    for (const ask of this.#durableAsks.values()) ask.reject(error);
    this.#durableAsks.clear();
    this.#ended.resolve();
  }

  #endedError(cause: unknown): MantaError {
    const why = cause === undefined
      ? ""
      : `: ${cause instanceof Error ? cause.message : cause}`;
    return new MantaError(
      `Cannot write lineage file "${this.#path}": its thread has ended${why}`,
      { cause },
    );
  }
}
