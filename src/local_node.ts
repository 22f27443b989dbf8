/**
 * The roles of node and head in one, as a local run has them: put together,
 * run until the program ends, taken apart.
 *
 * Decides nothing. Its children are started already by `node_entry.ts`, which
 * loads this module while they load theirs.
 *
 * @module
 */
import type { MessagePort } from "node:worker_threads";
import type { ProcessId } from "./base/ids.ts";
import { limits } from "./base/limits.ts";
import type { ResourceAmounts } from "./base/spec.ts";
import { ActorRows } from "./head/actor_rows.ts";
import { Head } from "./head/head.ts";
import { ActorHosts } from "./node/actor_hosts.ts";
import type { Children } from "./node/children.ts";
import { DurableStates } from "./node/durable_states.ts";
import { LineagePort } from "./node/lineage_port.ts";
import type { LogPrinter } from "./node/log_printer.ts";
import { Node } from "./node/node.ts";
import { sweepFolders } from "./store/folder.ts";
import type { JobInfo } from "./wire/messages.ts";
import { Network } from "./wire/network.ts";
import type { PeerHandlers } from "./wire/peer.ts";

/** What a local node is made of. */
export interface LocalNodeOptions {
  folder: string;
  nodeProcessId: ProcessId;
  job: JobInfo;
  resources: ResourceAmounts;
  labels: Record<string, string>;
  capacityBytes: number;
  memoryLimitBytes: number | undefined;
  workerCount: number;
  prestartCount: number;
  lineagePath: string;
  /** To the thread that writes that file. */
  lineageLine: MessagePort;
  children: Children;
  printer: LogPrinter;
}

/** When a local node begins and ends. */
export interface LocalNodeEvents {
  /** Called when it takes connections. */
  ready(): void;
  /** Called when what it needs is gone: it can't go on. */
  failed(error: Error): void;
  /** Resolves when it is to end. */
  endAsked: Promise<void>;
}

/** Runs until it is asked to end, and all of it is gone. */
export async function runLocalNode(
  options: LocalNodeOptions,
  events: LocalNodeEvents,
): Promise<void> {
  const { folder, job, nodeProcessId, children } = options;
  const lineage = openLineage(options);

  const hosts: ActorHosts = new ActorHosts(
    { children, printer: options.printer, pool: () => node.pool },
    {
      actorEnded: (actorId, how) => head.actorEnded(actorId, how),
      resourcesGiven: () => node.resourcesGiven(),
    },
  );
  const actorRows = new ActorRows({
    jobId: job.jobId,
    nodeId: job.nodeId,
    send: (batch) => lineage.then((port) => port.send(batch), () => {}),
  });
  const durable = new DurableStates({
    lineage,
    identity: (actorId, incarnation) => {
      const spec = head.present(actorId, incarnation);
      if (spec?.isDurable !== true) return undefined;
      const { className, namespace, name } = spec;
      const { jobId } = job;
      const identity = { actorId, jobId, className, namespace };
      return name === undefined ? identity : { ...identity, name };
    },
  });
  const head: Head = new Head({
    start: (spec, incarnation) => hosts.start(spec, incarnation),
    stop: (actorId, how) => hosts.stop(actorId, how),
    runs: (call) => hosts.runs(call),
    refusal: (spec) => hosts.refusal(spec),
    pidOf: (processId) => hosts.pidOf(processId),
    durable,
  }, actorRows);
  const node: Node = new Node({
    ...options,
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
    requests: {
      ...node.requests(),
      ...head.requests(),
      ...durable.requests(),
    },
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
  lineage.catch(events.failed);
  // The file opens while workers start. One that the program named must be
  // known to be good before `init` is through.
  if (job.isLineageNamed) lineage.then(events.ready, () => {});
  else events.ready();
  const swept = sweepFolders(folder);

  await events.endAsked;
  actorRows.close();
  const closed = node.close();
  hosts.close();
  await endChildren(children, network);
  await network.close();
  await closed;
  await swept;
  await lineage.then(
    (port) => job.isLineageNamed ? port.close() : port.abandon(),
    () => {}, // It was reported.
  );
}

/** A file that the program named is told who begins: it may hold results to go on from. */
async function openLineage(
  { lineageLine, lineagePath, job }: LocalNodeOptions,
): Promise<LineagePort> {
  const port = await LineagePort.over(lineageLine, lineagePath);
  const { jobId, mainModule: script, isResuming } = job;
  if (job.isLineageNamed) await port.begin({ jobId, script, isResuming });
  return port;
}

/** Asks all to leave, and ends those that don't. */
async function endChildren(
  children: Children,
  network: Network,
): Promise<void> {
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
}
