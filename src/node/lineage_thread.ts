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
import { LineageLog, type LineageLogOptions } from "../store/lineage_log.ts";
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
    const sink = new LineageLog(path, options);
    const writer = new LineageWriter({
      sink,
      path,
      report,
      later: (callback) => void setImmediate(() => guarded("broken", callback)),
    });
    const take = (order: LineageOrder) => {
      guarded("broken", () => writer.take(order));
      // With the line the last that keeps this thread goes.
      if (order.kind === "close" || order.kind === "abandon") line.close();
    };
    line.on("message", take);
    // Whoever had the other end is gone without a word.
    line.on("close", () => take({ kind: "close" }));
    report({ kind: "opened" });
  });
}

run(workerData as LineageThreadData);
