/**
 * The node of a local run: a thread of the driver with the roles of node and
 * head in it. Entry module; started by `cluster.ts`.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import type { ProcessId } from "./base/ids.ts";
import { limits } from "./base/limits.ts";
import type { ResourceAmounts } from "./base/spec.ts";
import { Head } from "./head/head.ts";
import { ActorHosts } from "./node/actor_hosts.ts";
import { Children } from "./node/children.ts";
import { commandLine } from "./node/command_line.ts";
import { workerFlags } from "./node/flags.ts";
import { LineagePort } from "./node/lineage_port.ts";
import { LogPrinter } from "./node/log_printer.ts";
import { Node } from "./node/node.ts";
import { Reaper } from "./node/reaper.ts";
import { openDatabase } from "./store/database.ts";
import { lineageKind } from "./store/lineage_log.ts";
import type { JobInfo } from "./wire/messages.ts";
import { Network } from "./wire/network.ts";
import type { PeerHandlers } from "./wire/peer.ts";

/** What the thread is started with. */
export interface NodeThreadData {
  folder: string;
  nodeProcessId: ProcessId;
  job: JobInfo;
  resources: ResourceAmounts;
  labels: Record<string, string>;
  capacityBytes: number;
  workerCount: number;
  lineagePath: string;
  /** Whether that file outlives the session. */
  isLineageKept: boolean;
  logToDriver: boolean;
  cwd: string;
}

/** What the thread tells the driver. */
export type NodeThreadReport =
  | { kind: "ready" }
  | { kind: "failed"; message: string }
  | { kind: "ended" };

async function run(data: NodeThreadData): Promise<void> {
  const { folder, job, nodeProcessId } = data;
  const argv = commandLine();
  if (data.isLineageKept) openDatabase(data.lineagePath, lineageKind).close();
  const printer = new LogPrinter(data.logToDriver);
  const reaper = new Reaper(folder);
  const children = new Children({
    session: { folder, nodeProcessId, job },
    flags: workerFlags({
      argv,
      mainModule: job.mainModule,
      cwd: data.cwd,
      exists: existsSync,
      isGranted: (name) => {
        const { state, partial } = Deno.permissions.querySync({ name });
        // What is denied of it is known from the command line only.
        return state === "granted" && (!partial || argv.length > 0);
      },
    }),
    entries: {
      worker: new URL("./worker_entry.ts", import.meta.url).href,
      host: new URL("./host_entry.ts", import.meta.url).href,
    },
  }, { printer, reaper });
  // Its thread takes long to start; a bad file was refused above.
  const lineage = LineagePort.open(data.lineagePath);

  const hosts: ActorHosts = new ActorHosts(
    { children, pool: () => node.pool },
    {
      actorEnded: (actorId, how) => head.actorEnded(actorId, how),
      resourcesGiven: () => node.resourcesGiven(),
    },
  );
  const head = new Head({
    start: (spec, incarnation) => hosts.start(spec, incarnation),
    stop: (actorId, how) => hosts.stop(actorId, how),
    refusal: (spec) => hosts.refusal(spec),
    pidOf: (processId) => hosts.pidOf(processId),
  });
  const node: Node = new Node({
    ...data,
    children,
    printer,
    lineage,
    events: {
      registered: (peer, ask) => {
        if (ask.role === "host" && ask.childNo !== undefined) {
          children.registered(ask.childNo, ask.processId);
          hosts.hostRegistered(ask.childNo, peer);
        }
        if (ask.role === "actor" && ask.actorId !== undefined) {
          hosts.actorRegistered(ask.actorId, ask.processId);
        }
      },
      processEnded: (processId, peer) => {
        hosts.actorProcessEnded(processId);
        head.processEnded(processId, peer);
      },
      resourcesGiven: () => hosts.resourcesGiven(),
    },
  });
  const handlers: PeerHandlers = {
    requests: { ...node.requests(), ...head.requests() },
    notices: {
      ...node.notices(),
      ...head.notices(),
      "isolate.ended": ({ actorId, incarnation, reason }) =>
        hosts.isolateEnded(actorId, incarnation, reason),
    },
    ended: (peer) => node.onPeerEnded(peer),
  };
  const network = new Network(
    folder,
    { processId: nodeProcessId, pid: Deno.pid, role: "node" },
    handlers,
  );
  network.listen();
  node.start();
  report({ kind: "ready" });
  lineage.catch((error) => report({ kind: "failed", message: error.message }));

  await shutdownAsked();
  node.close();
  hosts.close();
  for (const { processId } of children.all()) {
    if (processId === undefined) continue;
    network.peer(processId).then(
      (peer) => peer.notify("leave", { reason: "the program ends" }),
    ).catch(() => {}); // It left by itself.
  }
  await Promise.all(
    children.all().map(async (kept) => {
      const timer = setTimeout(
        () => kept.child.kill("it did not leave"),
        kept.processId === undefined ? 0 : limits.stopGraceMs,
      );
      await kept.child.fate;
      clearTimeout(timer);
    }),
  );
  await network.close();
  // A file that goes with the session need not be finished first.
  if (data.isLineageKept) {
    await lineage.then((port) => port.close(), () => {}); // It was reported.
  }
  await reaper.end();
  report({ kind: "ended" });
}

function report(report: NodeThreadReport): void {
  parentPort!.postMessage(report);
}

function shutdownAsked(): Promise<void> {
  return new Promise((resolve) => parentPort!.once("message", () => resolve()));
}

run(workerData as NodeThreadData).catch((error) => {
  const message = error instanceof Error ? error.message : String(error);
  report({ kind: "failed", message });
});
