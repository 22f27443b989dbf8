/**
 * Starts a local runtime and ends it: the folder, the node's thread, the
 * driver's own part. Joining a cluster will stand here too.
 *
 * @module
 */
import { resolve } from "node:path";
import { MessageChannel, Worker } from "node:worker_threads";
import { deadline } from "@std/async";
import { afterMs, type Timer } from "./base/clock.ts";
import {
  AuthenticationError,
  MantaError,
  NodeDiedError,
  ProtocolError,
} from "./base/errors.ts";
import {
  type JobId,
  newNodeTag,
  type NodeId,
  nodeProcessIdOf,
  nodeTagOf,
  randomHex,
} from "./base/ids.ts";
import { limits } from "./base/limits.ts";
import { checkLogLevel, log } from "./base/log.ts";
import { isNotebook } from "./base/notebook.ts";
import type { ResourceAmounts } from "./base/spec.ts";
import { endAllWaits } from "./client/long_waits.ts";
import { setStarter } from "./client/session.ts";
import {
  dashboardPort,
  type InitOptions,
  localResources,
  memoryLimitBytes,
  storeBytes,
} from "./client/init_options.ts";
import type { NodeThreadData, NodeThreadReport } from "./node_entry.ts";
import { joinOptions } from "./client/join_options.ts";
import { envOf } from "./client/runtime_env.ts";
import {
  type DashboardThread,
  startDashboard,
} from "./dashboard/dashboard_start.ts";
import { startLineage } from "./node/lineage_start.ts";
import { commandLine } from "./node/command_line.ts";
import { assertMayServe, assertPermitted } from "./node/permissions.ts";
import { Reaper } from "./node/reaper.ts";
import { currentSession, setCurrentSession } from "./owner/current.ts";
import { joinSession, type Session } from "./owner/session.ts";
import {
  folderPath,
  folderRoot,
  makeFolder,
  removeFolder,
  removeFolderInUse,
} from "./store/folder.ts";
import { forgetRun } from "./store/program_end.ts";
import type { NodeRow } from "./wire/facts.ts";

/** A local runtime of this program. */
interface Local {
  /** Of the cluster, or "local". */
  readonly address: string;
  readonly session: Session;
  /** The node's thread. */
  readonly thread: Worker;
  /** Resolves when the lineage file is written and its thread gone: soon after the node's. */
  readonly lineageLeft: Promise<void>;
  readonly folder: string;
  readonly lineagePath: string;
  readonly reaper: Reaper;
  readonly ready: Promise<void>;
  /** Resolves with whether it ended in order. */
  readonly ended: Promise<boolean>;
  readonly hold: Timer;
  /** Of a runtime of its own that was asked for one. */
  readonly dashboard: DashboardThread | undefined;
}

let local: Local | undefined;
/** Lineage files that forget, when the program ends, the run that used them last. */
const forgetting = new Map<string, JobId>();
let ending: Promise<void> | undefined;

/**
 * Starts a local runtime, or this program's part of a cluster: usable at once,
 * though its node is still starting.
 */
export function startLocal(options: InitOptions = {}): Local {
  const join = joinOptions(options);
  assertPermitted(folderRoot());
  const port = join === undefined ? dashboardPort(options) : undefined;
  if (port !== undefined) assertMayServe(port);
  checkLogLevel();
  const memoryLimit = memoryLimitBytes();
  const { env } = envOf(options);
  const folder = folderPath();
  // Before the folder: whenever the program is killed, somebody removes it.
  const reaper = new Reaper(folder);
  try {
    makeFolder(folder);
  } catch (error) {
    reaper.end();
    throw error;
  }
  const nodeProcessId = nodeProcessIdOf(newNodeTag());
  const job = {
    jobId: randomHex(4) as JobId,
    nodeId: randomHex(8) as NodeId,
    mainModule: Deno.mainModule,
    home: nodeProcessId,
    isClustered: join !== undefined,
    namespace: options.namespace ?? "default",
    storeBytes: storeBytes(options),
    isLineageNamed: options.lineage !== undefined,
    isResuming: options.resume ?? false,
  };
  const resources: ResourceAmounts = join === undefined
    ? localResources(options)
    : {};
  const lineagePath = options.lineage ?? `${folder}/lineage.db`;
  const line = new MessageChannel();
  const data: NodeThreadData = {
    folder,
    nodeProcessId,
    job,
    resources,
    labels: options.labels ?? {},
    capacityBytes: job.storeBytes,
    memoryLimitBytes: memoryLimit,
    workerCount: join === undefined
      ? Math.max(1, Math.floor(resources["CPU"] ?? 0))
      : 0,
    env,
    join,
    lineagePath,
    lineageLine: line.port1,
    logToDriver: options.logToDriver ?? true,
    isNotebook: isNotebook(),
    ...commandLine(),
  };
  const thread = new Worker(new URL("./node_entry.ts", import.meta.url), {
    workerData: data,
    transferList: [line.port1],
  });
  thread.unref();
  const isTemporary = !job.isLineageNamed;
  const lineageThread = startLineage(lineagePath, line.port2, {
    isTemporary,
    // A run that resumes asks what its calls came to in the one before.
    forgetsCallsOf: options.resume === true ? undefined : job.mainModule,
  });
  const lineageLeft = new Promise<void>((resolve) =>
    lineageThread.once("exit", () => resolve())
  );
  lineageThread.on("error", () => {}); // The node hears of it by the line's end.
  const { ready, failed, ended } = follow(thread);
  // The program lives exactly as long as it is owed something.
  const hold = afterMs(2 ** 31 - 1, () => {});
  const session = joinSession({
    folder,
    nodeProcessId,
    job,
    role: "driver",
    nodeReady: ready,
    onOwedChanged: (isOwed) => {
      if (isOwed) Deno.refTimer(hold);
      else Deno.unrefTimer(hold);
    },
  });
  const dashboard = port === undefined ? undefined : startDashboard({
    session: {
      folder,
      tag: nodeTagOf(nodeProcessId),
      about: { kind: "local" },
    },
    hostname: "127.0.0.1",
    ports: [port],
  });
  dashboard?.serving.then(
    (url) => session.owner.home.notify("dashboard.serves", { url }),
    () => {}, // Whoever called `init` is told.
  );
  local = {
    address: join?.address ?? "local",
    session,
    thread,
    lineageLeft,
    folder,
    lineagePath,
    reaper,
    ready,
    ended,
    hold,
    dashboard,
  };
  setCurrentSession(session);
  session.owner.lineage.jobStarted();
  failed.then((error) => session.owner.fail(error));
  ready.catch((error) => session.owner.fail(error));
  session.node.closed.then(() => {
    if (ending !== undefined) return;
    session.owner.fail(
      new NodeDiedError(
        "Cannot go on: the node of this program ended; shutdown() and init() start anew",
        {
          nodeId: job.nodeId,
        },
      ),
    );
  });
  if (job.isLineageNamed) {
    const path = resolve(lineagePath);
    ready.then(() => forgetOnSuccess(path, job.jobId), () => {});
  }
  globalThis.addEventListener("beforeunload", endBeforeUnload);
  globalThis.addEventListener("unload", removeLeftovers);
  return local;
}

/** Ends the local runtime, if there is one. */
export function endLocal(): Promise<void> {
  if (local === undefined) return ending ?? Promise.resolve();
  const runtime = local;
  local = undefined;
  const hold = setInterval(() => {}, 2 ** 30);
  ending = end(runtime).finally(() => {
    clearInterval(hold);
    ending = undefined;
  });
  return ending;
}

/** The end of a local runtime that is under way. */
export function endingLocal(): Promise<void> | undefined {
  return ending;
}

/** The local runtime, if there is one. */
export function localRuntime(): Local | undefined {
  return local;
}

/** What the cluster's nodes are. */
export async function nodeRows(session: Session): Promise<NodeRow[]> {
  const { nodes } = await session.owner.askHead("node.rows", {});
  return nodes;
}

/** Where a page shows what runs: the program's own, or its cluster's; undefined where there is none. */
export async function dashboardUrl(
  { session, dashboard }: Local,
): Promise<string | undefined> {
  const { owner } = session;
  if (!owner.job.isClustered) return await dashboard?.serving;
  return (await owner.askHead("dashboard.url", {})).url;
}

setStarter(() => (local ?? startLocal()).session);

async function end(runtime: Local): Promise<void> {
  globalThis.removeEventListener("beforeunload", endBeforeUnload);
  const { session, thread, lineageLeft, folder, reaper } = runtime;
  const dashboardLeft = runtime.dashboard?.close();
  session.owner.lineage.jobEnded();
  await session.owner.close();
  const isUp = await runtime.ready.then(() => true, () => false);
  if (isUp) {
    await session.flush();
    thread.postMessage({ kind: "shutdown" });
  }
  const isOrderly = isUp && await runtime.ended;
  await session.close();
  if (currentSession() === session) setCurrentSession(undefined);
  await dashboardLeft;
  await thread.terminate();
  // A terminated thread may go on for a moment, and write where a folder is removed.
  await deadline(lineageLeft, limits.lineageLeaveMs).catch(() => {});
  clearTimeout(runtime.hold);
  endAllWaits();
  await (isOrderly ? reaper.end() : reaper.reap());
  removeFolder(folder);
  globalThis.removeEventListener("unload", removeLeftovers);
}

/**
 * A program that ends with status 0, by itself or by `Deno.exit`, has
 * succeeded: a later run has nothing to go on from. One that is killed, or
 * fails, is not heard of here.
 */
function forgetOnSuccess(lineagePath: string, jobId: JobId): void {
  const isAwaited = forgetting.has(lineagePath);
  forgetting.set(lineagePath, jobId);
  if (isAwaited) return;
  globalThis.addEventListener("unload", () => {
    if (Deno.exitCode !== 0) return;
    try {
      forgetRun(lineagePath, {
        jobId: forgetting.get(lineagePath)!,
        script: Deno.mainModule,
        isInUse: local !== undefined || ending !== undefined,
      });
    } catch (error) {
      log.warn(
        `results of this program stay in lineage file "${lineagePath}": ${error}`,
      );
    }
  }, { once: true });
}

/** Errors of joining that programs may want to tell apart. */
const joinErrors: Record<string, typeof MantaError> = {
  AuthenticationError,
  ProtocolError,
};

function follow(thread: Worker) {
  const ready = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<Error>();
  const ended = Promise.withResolvers<boolean>();
  ready.promise.catch(() => {}); // Whoever uses the runtime is told.
  thread.on("message", (report: NodeThreadReport) => {
    if (report.kind === "ready") ready.resolve();
    else if (report.kind === "ended") ended.resolve(true);
    else if (report.kind === "printed") {
      const { text, stream } = report;
      const say = stream === "stdout" ? console.log : console.error;
      say("%s", text.trimEnd());
    } else {
      const { name, message } = report;
      const error = new (joinErrors[name] ?? MantaError)(message);
      ready.reject(error);
      failed.resolve(error);
    }
  });
  thread.on("error", (error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    ready.reject(
      new MantaError(`Cannot start a runtime: ${message}`, { cause: error }),
    );
  });
  thread.on("exit", () => ended.resolve(false));
  return { ready: ready.promise, failed: failed.promise, ended: ended.promise };
}

/** A program that forgot `shutdown` is done: what its workers printed still comes. */
function endBeforeUnload(event: Event): void {
  if (local === undefined) return;
  event.preventDefault();
  endLocal();
}

/** The program ends at once (`Deno.exit`, an error): its children see the end of their pipes. */
function removeLeftovers(): void {
  if (local !== undefined) removeFolderInUse(local.folder);
}
