/**
 * Entry module of the thread that is a local run's node; started by
 * `cluster.ts`. Starts the workers first, for they take longest, and loads the
 * rest of the node while they load.
 *
 * @module
 */
import { granted } from "./base/environment.ts";
import { resolve } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { limits } from "./base/limits.ts";
import type { JoinOptions } from "./joined_node.ts";
import type { WorkerEnv } from "./base/spec.ts";
import type { LocalNodeOptions } from "./local_node.ts";
import { type ChildCommand, Children } from "./node/children.ts";
import { workerFlags } from "./node/flags.ts";
import { LogPrinter } from "./node/log_printer.ts";
import { KeptLog, RecentLines } from "./node/recent_lines.ts";
import type { LogLine } from "./wire/facts.ts";

/** What the thread is started with. */
export interface NodeThreadData extends
  Omit<
    LocalNodeOptions,
    "children" | "printer" | "recent" | "prestartCount"
  > {
  logToDriver: boolean;
  /** The driver is a notebook's kernel, and prints what workers print. */
  isNotebook: boolean;
  /** The driver's command line, for its flags. */
  argv: string[];
  /** Where the driver was started. */
  cwd: string;
  /** What all of the program's subprocesses are started with. */
  env: WorkerEnv | undefined;
  /** The cluster that it joins; none for a runtime of its own. */
  join: JoinOptions | undefined;
}

/** What the thread tells the driver. */
export type NodeThreadReport =
  | { kind: "ready" }
  | { kind: "printed"; text: string; stream: "stdout" | "stderr" }
  | { kind: "failed"; name: string; message: string }
  | { kind: "ended" };

async function run(given: NodeThreadData): Promise<void> {
  const data = {
    ...given,
    workerCount: Math.min(given.workerCount, limits.workersMax),
  };
  // More at once than there are cores would only be slower, each.
  const prestartCount = Math.min(
    data.workerCount,
    navigator.hardwareConcurrency,
  );
  // Heard from the start: the program may end before its node is up. And to
  // the last: a thread that leaves by itself is gone before its last word came.
  const endAsked = new Promise<void>((resolve) =>
    parentPort!.on("message", () => resolve())
  );
  // A notebook shows what its own console says, and no stream of the process.
  const printer = data.isNotebook
    ? new LogPrinter(
      data.logToDriver,
      (text, stream) => report({ kind: "printed", text, stream }),
    )
    : new LogPrinter(data.logToDriver);
  const recent = new RecentLines();
  const { jobId } = data.job;
  const kept = new KeptLog(recent, {
    jobId,
    next: (line) => printer.write(line),
  });
  const command = childCommand(data);
  const children = new Children(command, kept);
  children.prestart(prestartCount);
  const events = {
    ready: () => report({ kind: "ready" }),
    failed,
    endAsked,
  };
  const { join } = data;
  if (join === undefined) {
    const { runLocalNode } = await import("./local_node.ts");
    const options = { ...data, prestartCount, children, printer: kept, recent };
    await runLocalNode(options, events);
  } else {
    const { runJoinedNode } = await import("./joined_node.ts");
    const options = {
      ...{ ...data, join, command, children, printer: kept, recent },
      print: (line: LogLine, from: string) => printer.write(line, from),
    };
    await runJoinedNode(options, events);
  }
  report({ kind: "ended" });
}

function childCommand(
  { folder, nodeProcessId, job, argv, cwd, env, lineagePath }: NodeThreadData,
): ChildCommand {
  const flags = workerFlags({
    argv,
    mainModule: job.mainModule,
    cwd,
    granted,
    exists,
  });
  const entries = {
    worker: new URL("./worker_entry.ts", import.meta.url).href,
    host: new URL("./host_entry.ts", import.meta.url).href,
  };
  // What other tasks were given is in there.
  const secrets = ["", "-wal", "-shm"].map((end) =>
    `${resolve(cwd, lineagePath)}${end}`
  );
  const session = { folder, nodeProcessId, job, secrets };
  return { session, flags, entries, ...(env === undefined ? {} : { env }) };
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    // Not there, or not to be seen by this program: Deno itself may look further.
    return false;
  }
}

function report(report: NodeThreadReport): void {
  parentPort!.postMessage(report);
}

function failed(error: unknown): void {
  const { name, message } = error instanceof Error
    ? error
    : new Error(String(error));
  report({ kind: "failed", name, message });
}

run(workerData as NodeThreadData).catch(failed);
