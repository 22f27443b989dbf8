/**
 * Starts the lineage thread.
 *
 * Deno takes half a second to start a thread from inside another: so a local
 * run starts it from the program's own thread and hands the line to the node's.
 *
 * @module
 */
import { type MessagePort, Worker } from "node:worker_threads";
import type { LineageLogOptions } from "../store/lineage_log.ts";
import type { LineageThreadData } from "./lineage_thread.ts";

/**
 * Starts the thread that writes one file; it keeps no program alive.
 *
 * `line` is its end of the line; a `LineagePort` has the other. Whether the
 * file can be used is told there, and when it closes, the thread leaves.
 */
export function startLineage(
  path: string,
  line: MessagePort,
  options: LineageLogOptions = {},
): Worker {
  const workerData: LineageThreadData = { path, line, ...options };
  const thread = new Worker(new URL("./lineage_thread.ts", import.meta.url), {
    workerData,
    transferList: [line],
  });
  thread.unref();
  return thread;
}
