/**
 * Takes lineage orders as they come and carries them out together: all that
 * has come in since the last write is one transaction, and who awaits an
 * answer has it after the commit.
 *
 * Runs on the lineage thread. While another program locks the file, orders
 * wait. A write that fails otherwise loses its rows, and the file says so
 * itself as soon as it can be written again; tasks never notice.
 *
 * @module
 */
import { wallMs } from "../base/clock.ts";
import type { DurableAnswer, DurableAsk } from "../base/durable.ts";
import { unreachable } from "../base/errors.ts";
import type {
  LineageBatch,
  LineageGap,
  LineageStart,
} from "../base/lineage.ts";
import { failureOf, type WriteFailure } from "../store/database.ts";
import { type KeptBytes, writeBytes } from "../wire/kept_results.ts";

/** What the thread is told. */
export type LineageOrder =
  | { kind: "rows"; batch: BatchMessage }
  | { kind: "gap"; rowCount: number; reason: string }
  | { kind: "flush"; flushId: number }
  /** A program begins, or goes on where it was killed. */
  | { kind: "begin"; askId: number; start: LineageStart }
  /** Results are to be in the file before anybody sees them. */
  | { kind: "keep"; askId: number; results: ArrayBuffer }
  | { kind: "find"; askId: number; keys: string[] }
  /** For a durable actor; answered after the commit. */
  | { kind: "durable"; askId: number; ask: DurableAsk }
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
  | { kind: "gaveUp"; message: string }
  | { kind: "recovered"; lostCount: number; reason: string }
  | { kind: "flushed"; flushId: number; lostCount: number }
  | { kind: "answered"; askId: number; answer: LineageAnswer }
  | { kind: "durable"; askId: number; answer: DurableAnswer }
  | { kind: "broken"; reason: string };

/** What a question comes to. */
export type LineageAnswer =
  | { kind: "done" }
  | { kind: "failed"; reason: string }
  | { kind: "found"; results: ArrayBuffer };

/** Where rows go: a `LineageLog`. */
export interface LineageSink {
  begin(start: LineageStart): void;
  find(keys: readonly string[]): KeptBytes[];
  /** All of it, or nothing; gives the answers to the asks. */
  write(
    batches: readonly LineageBatch[],
    gap: LineageGap | undefined,
    kept: {
      readonly results: readonly Uint8Array[];
      readonly asks: readonly DurableAsk[];
    },
  ): readonly DurableAnswer[];
  close(): void;
}

/** What a {@linkcode LineageWriter} works with. */
export interface LineageWriterOptions {
  sink: LineageSink;
  path: string;
  report(report: LineageReport): void;
  /** Calls back after all orders that are there already were taken. */
  later(callback: () => void): void;
  /** Calls back when a locked file is worth another try. */
  afterPause(callback: () => void): void;
}

/** What waits for the next transaction. */
interface Waiting {
  batches: LineageBatch[];
  /** Rows in them. */
  rowCount: number;
  /** Flushes to be answered after the commit. */
  flushIds: number[];
  /** Batches of them. */
  results: Uint8Array[];
  /** Who waits for results to be in the file. */
  keepIds: number[];
  /** What durable actors ask: it waits as long as the file can't be written. */
  asks: { askId: number; ask: DurableAsk }[];
}

/** Writes what it is told to, and reports. */
export class LineageWriter {
  readonly #options: LineageWriterOptions;
  #waiting: Waiting = nothing();
  #isScheduled = false;
  /** Rows lost since the last write that went well, and why. */
  #lostCount = 0;
  #lossReason = "";
  /** Rows lost in all. */
  #lostTotal = 0;
  /** How the last write failed; undefined if it went well. */
  #failure: WriteFailure | undefined;
  #isClosed = false;

  constructor(options: LineageWriterOptions) {
    this.#options = options;
  }

  /** Whether nothing waits and the last write went well. */
  get isIdle(): boolean {
    return !this.#isScheduled && this.#failure === undefined;
  }

  /** Carries out one order. */
  take(order: LineageOrder): void {
    if (this.#isClosed) return;
    switch (order.kind) {
      case "rows": {
        const { batch } = order;
        const numbers = new Uint8Array(batch.numbers);
        this.#waiting.batches.push({ ...batch, numbers });
        this.#waiting.rowCount += batch.rowCount;
        return this.#schedule();
      }
      case "gap":
        this.#lose(order.rowCount, order.reason);
        return this.#schedule();
      case "flush":
        this.#waiting.flushIds.push(order.flushId);
        return this.#schedule();
      case "begin":
        return this.#begin(order);
      case "keep":
        this.#waiting.results.push(new Uint8Array(order.results));
        this.#waiting.keepIds.push(order.askId);
        return this.#schedule();
      case "find":
        return this.#find(order);
      case "durable":
        this.#waiting.asks.push(order);
        return this.#schedule();
      case "close":
        this.#drain();
        this.#giveUp();
        return this.#close();
      case "abandon":
        return this.#close();
      default:
        unreachable(order);
    }
  }

  #begin(
    { askId, start }: Extract<LineageOrder, { kind: "begin" }>,
  ): void {
    this.#answer(askId, () => {
      this.#options.sink.begin(start);
      return { kind: "done" };
    });
  }

  #find({ askId, keys }: Extract<LineageOrder, { kind: "find" }>): void {
    this.#answer(askId, () => {
      const found = this.#options.sink.find(keys);
      return { kind: "found", results: writeBytes(found).buffer };
    });
  }

  #answer(askId: number, act: () => LineageAnswer): void {
    let answer: LineageAnswer;
    try {
      answer = act();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      answer = { kind: "failed", reason };
    }
    this.#options.report({ kind: "answered", askId, answer });
  }

  #close(): void {
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
    const { batches, results, asks } = this.#waiting;
    const hasWork = batches.length + results.length + asks.length +
        this.#lostCount > 0;
    // A broken file is left as it is.
    if (this.#failure === "broken") {
      this.#lose(this.#waiting.rowCount, this.#lossReason);
      this.#refuse(this.#lossReason);
    } else if (hasWork && !this.#write()) return;
    this.#settle();
  }

  /** Whether all that waits is done with: written, or lost. */
  #write(): boolean {
    const { sink, report } = this.#options;
    const lostCount = this.#lostCount;
    const reason = this.#lossReason;
    const gap = lostCount === 0
      ? undefined
      : { atMs: wallMs(), rowCount: lostCount, reason };
    const { batches, results, asks } = this.#waiting;
    let answers: readonly DurableAnswer[];
    try {
      const kept = { results, asks: asks.map(({ ask }) => ask) };
      answers = sink.write(batches, gap, kept);
    } catch (error) {
      return this.#failed(error);
    }
    this.#waiting.asks = [];
    asks.forEach(({ askId }, at) =>
      report({ kind: "durable", askId, answer: answers[at]! })
    );
    const hadFailed = this.#failure !== undefined || lostCount > 0;
    this.#failure = undefined;
    this.#lostCount = 0;
    if (hadFailed) report({ kind: "recovered", lostCount, reason });
    return true;
  }

  /** Whether what was to be written is lost; if not, it is tried again. */
  #failed(error: unknown): boolean {
    const { path, report } = this.#options;
    const reason = error instanceof Error ? error.message : String(error);
    const failure = failureOf(error);
    if (failure !== this.#failure) {
      report({ kind: "failing", message: explain(path, failure, reason) });
    }
    this.#failure = failure;
    if (failure === "locked") {
      // Tasks go on: their results are written too late to be counted on.
      this.#answerKeeps({ kind: "failed", reason });
      this.#isScheduled = true;
      this.#options.afterPause(() => this.#drain());
      return false;
    }
    this.#lose(this.#waiting.rowCount, reason);
    if (failure === "broken") this.#refuse(reason);
    else if (this.#waiting.asks.length > 0) {
      this.#isScheduled = true;
      this.#options.afterPause(() => this.#drain());
    }
    return true;
  }

  /** What durable actors ask will never be there. */
  #refuse(why: string): void {
    const reason = `the lineage file can't be written: ${why}`;
    for (const { askId } of this.#waiting.asks.splice(0)) {
      const answer: DurableAnswer = { kind: "refused", reason };
      this.#options.report({ kind: "durable", askId, answer });
    }
  }

  /** What is not in the file now never will be, and the file can't say it. */
  #giveUp(): void {
    const { path, report } = this.#options;
    if (this.#failure === "locked") {
      this.#lose(this.#waiting.rowCount, "another program locks it");
      this.#settle();
    }
    if (this.#lostCount === 0) return;
    report({
      kind: "gaveUp",
      message: `Cannot finish lineage file "${path}": ${this.#lossReason}. ` +
        `${this.#lostCount} rows of this program are missing there`,
    });
  }

  /** Nothing waits any more: whoever counts on that is told. */
  #settle(): void {
    const { report } = this.#options;
    const { rowCount, flushIds, keepIds, asks } = this.#waiting;
    this.#waiting = { ...nothing(), asks };
    if (rowCount > 0) report({ kind: "settled", rowCount });
    const lostCount = this.#lostTotal;
    for (const flushId of flushIds) {
      report({ kind: "flushed", flushId, lostCount });
    }
    const answer: LineageAnswer = this.#failure === undefined
      ? { kind: "done" }
      : { kind: "failed", reason: this.#lossReason };
    this.#answerKeeps(answer, keepIds);
  }

  #answerKeeps(answer: LineageAnswer, askIds = this.#waiting.keepIds): void {
    for (const askId of askIds.splice(0)) {
      this.#options.report({ kind: "answered", askId, answer });
    }
  }

  #lose(rowCount: number, reason: string): void {
    this.#lostCount += rowCount;
    this.#lostTotal += rowCount;
    this.#lossReason = reason;
  }
}

function nothing(): Waiting {
  return {
    batches: [],
    rowCount: 0,
    flushIds: [],
    results: [],
    keepIds: [],
    asks: [],
  };
}

function explain(
  path: string,
  failure: WriteFailure,
  reason: string,
): string {
  const failed = `Cannot write lineage file "${path}": ${reason}`;
  if (failure === "locked") {
    return `${failed} by another program. Rows wait for it; when there are ` +
      "too many, further ones are counted there, but missing";
  }
  const consequence = "Tasks go on, but those of this time are missing from " +
    "listings, and can't be resumed or made again from it";
  const remedy = failure === "full"
    ? "Make room on its disk: writing goes on as soon as there is some"
    : failure === "broken"
    ? "It stays as it is; move it away, and start again with another one"
    : "Writing is tried again with the next rows";
  return `${failed}. ${consequence}. ${remedy}`;
}
