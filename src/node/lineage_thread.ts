/**
 * Entry of the lineage thread: opens the file it is started with, then writes
 * what it is sent until told to close.
 *
 * Only `lineage_port.ts` starts it; what is done with orders is in
 * `lineage_writer.ts`.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../base/errors.ts";
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
}

const port = parentPort;
assert(port !== null, "Lineage thread started as a program");

function report(report: LineageReport): void {
  port!.postMessage(report);
}

function open({ path, ...options }: LineageThreadData): void {
  let sink: LineageLog;
  try {
    sink = new LineageLog(path, options);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return report({ kind: "refused", reason });
  }
  const writer = new LineageWriter({ sink, path, report, later: setImmediate });
  port!.on("message", (order: LineageOrder) => writer.take(order));
  report({ kind: "opened" });
}

open(workerData as LineageThreadData);
