/**
 * Starts the thread of a dashboard, and ends it.
 *
 * @module
 */
import { Worker } from "node:worker_threads";
import { deadline } from "@std/async";
import { MantaError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import type {
  DashboardReport,
  DashboardThreadData,
} from "./dashboard_thread.ts";

/** A dashboard in a thread of its own. */
export interface DashboardThread {
  /** Resolves with its URL, token and all; rejects where it can't be served. */
  readonly serving: Promise<string>;
  /** Ends it; resolves when its port is free. */
  close(): Promise<void>;
}

/** Starts a dashboard. It keeps the program alive until it serves, and no longer. */
export function startDashboard(data: DashboardThreadData): DashboardThread {
  const thread = new Worker(
    new URL("./dashboard_thread.ts", import.meta.url),
    { workerData: data },
  );
  const serving = Promise.withResolvers<string>();
  const ended = Promise.withResolvers<void>();
  const failed = (message: string) => serving.reject(new MantaError(message));
  serving.promise.catch(() => {}); // Whoever awaits it is told.
  thread.on("message", (report: DashboardReport) => {
    thread.unref();
    if (report.kind === "serving") serving.resolve(report.url);
    else if (report.kind === "ended") ended.resolve();
    else failed(report.message);
  });
  thread.on("error", (error: unknown) => {
    thread.unref();
    const message = error instanceof Error ? error.message : String(error);
    log.error(`the dashboard ended: ${message}`);
    failed(`Cannot serve a dashboard: ${message}`);
  });
  thread.on("exit", () => {
    ended.resolve();
    failed("Cannot serve a dashboard: its thread ended");
  });
  return {
    serving: serving.promise,
    close: async () => {
      thread.postMessage({ kind: "end" });
      try {
        await deadline(ended.promise, limits.dashboardLeaveMs);
      } catch (error) {
        log.debug(`the dashboard's thread is ended: ${error}`);
      }
      await thread.terminate();
    },
  };
}
