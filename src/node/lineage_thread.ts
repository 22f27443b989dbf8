/**
 * Entry of the lineage thread: opens the file it is started with, then writes
 * what it is sent until told to close, or until nobody is left to tell it.
 *
 * Only `lineage_start.ts` starts it; what is done with orders is in
 * `lineage_writer.ts`.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import { type MessagePort, workerData } from "node:worker_threads";
import { afterMs, wallMs } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import * as rules from "../state/durable.ts";
import { LineageLog, type LineageLogOptions } from "../store/lineage_log.ts";
import { readBytes } from "../wire/kept_results.ts";
import {
  type LineageOrder,
  type LineageReport,
  LineageWriter,
} from "./lineage_writer.ts";

/** What the thread is started with. */
export interface LineageThreadData extends LineageLogOptions {
  /** The file. */
  path: string;
  /** Where orders come from, and reports go. */
  line: MessagePort;
}

function run({ path, line, ...options }: LineageThreadData): void {
  const report = (report: LineageReport) => line.postMessage(report);
  // What goes wrong here must not look like an answer that never comes.
  const guarded = (kind: "refused" | "broken", act: () => void) => {
    try {
      act();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      report({ kind, reason });
      line.close();
    }
  };
  guarded("refused", () => {
    const sink = new LineageLog(path, {
      ...options,
      splitResults: readBytes,
      rules,
    });
    const drain = (callback: () => void) => () => guarded("broken", callback);
    const writer = new LineageWriter({
      sink,
      path,
      report,
      later: (callback) => void setImmediate(drain(callback)),
      afterPause: (callback) =>
        void afterMs(limits.lineageRetryMs, drain(callback)),
    });
    let isClosed = false;
    const take = (order: LineageOrder) => {
      guarded("broken", () => writer.take(order));
      if (order.kind !== "close" && order.kind !== "abandon") return;
      isClosed = true;
      // With the line the last that keeps this thread goes.
      line.close();
    };
    line.on("message", take);
    report({ kind: "opened" });
    tidy(() => isClosed ? "closed" : writer.isIdle && sink.prune(wallMs()));
  });
}

/** Removes what is too old or too much, step by step, whenever the writer has nothing to do. */
function tidy(step: () => boolean | "closed"): void {
  let hasMore: boolean | "closed" = false;
  try {
    hasMore = step();
  } catch (error) {
    // Locked or full: the writer says so, and this has time.
    log.debug(`lineage was not pruned: ${error}`);
  }
  if (hasMore === "closed") return;
  const pauseMs = hasMore ? limits.lineagePrunePauseMs : limits.lineagePruneMs;
  afterMs(pauseMs, () => tidy(step));
}

run(workerData as LineageThreadData);
