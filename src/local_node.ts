/**
 * The roles of node and head in one, as a local run has them: put together,
 * run until the program ends, taken apart.
 *
 * Decides nothing. Its children are started already by `node_entry.ts`, which
 * loads this module while they load theirs.
 *
 * @module
 */
import { resolve } from "node:path";
import type { MessagePort } from "node:worker_threads";
import { nodeTagOf, type ProcessId } from "./base/ids.ts";
import type { ResourceAmounts } from "./base/spec.ts";
import { ActorRows } from "./head/actor_rows.ts";
import { Groups } from "./head/groups.ts";
import { Head } from "./head/head.ts";
import { Bundles } from "./node/bundles.ts";
import type { Children } from "./node/children.ts";
import { DurableStates } from "./node/durable_states.ts";
import { LineagePort } from "./node/lineage_port.ts";
import type { LineSink } from "./node/recent_lines.ts";
import { JobPart } from "./node/job_part.ts";
import { lineageNotices, lineageRequests } from "./node/lineage_desk.ts";
import { Machine } from "./node/machine.ts";
import type { RecentLines } from "./node/recent_lines.ts";
import { sweepFolders } from "./store/folder.ts";
import type { NodeAbout } from "./wire/command_messages.ts";
import type { JobInfo } from "./wire/facts.ts";
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
  printer: LineSink;
  /** What its processes printed lately. */
  recent: RecentLines;
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
  const { folder, job, nodeProcessId } = options;
  const lineage = openLineage(options);
  // At once: what comes next may fail, too, where the program has left.
  lineage.catch(events.failed);
  const tag = nodeTagOf(nodeProcessId);
  const machine = new Machine({
    ...options,
    nodeId: job.nodeId,
    tag,
    address: "local",
    about: aboutOf("local", options),
  });
  const part = new JobPart({ ...options, machine }, {
    actorEnded: (actorId, how) => head.actorEnded(actorId, how),
    resourcesGiven: () => groups.changed(),
    garbage: () => {},
    waits: () => {},
  });
  const { hosts } = part;
  const actorRows = new ActorRows({
    nodeIdOf: () => job.nodeId,
    send: (batch) => lineage.then((port) => port.send(batch), () => {}),
  });
  const durable = new DurableStates({
    lineage,
    identity: (...which) => head.durableIdentity(...which),
  });
  const head: Head = new Head({
    start: (spec, incarnation) => hosts.start(spec, incarnation),
    stop: (actorId, how) => hosts.stop(actorId, how),
    runs: (call) => hosts.runs(call),
    refusal: (spec) => machine.refusal(spec.strategy) ?? hosts.refusal(spec),
    durable,
  }, actorRows);
  const bundles = new Bundles(machine.pool, () => {
    part.resourcesGiven();
    queueMicrotask(() => groups.changed());
  });
  const groups: Groups = new Groups({
    nodes: () => [{ tag, ...machine.pool.own() }],
    reserve: (_, bundle) => Promise.resolve(bundles.reserve(bundle)),
    release: (_, bundle) => bundles.release(bundle),
    removed: (groupId) => {
      part.node.groupRemoved(groupId);
      head.groupRemoved(groupId);
    },
    isAlone: true,
  });
  let dashboard: { url?: string } = {};
  const handlers: PeerHandlers = {
    requests: {
      ...machine.objects.requests(),
      ...part.requests(),
      ...lineageRequests(lineage),
      ...head.requests(),
      ...groups.requests(),
      ...durable.requests(),
      ...machine.facts.requests(),
      "node.rows": () => ({ nodes: [machine.row()] }),
      "cluster.tags": () => ({ tags: [tag] }),
      "dashboard.url": () => dashboard,
    },
    notices: {
      ...machine.objects.notices(),
      ...part.notices(),
      ...lineageNotices(lineage),
      "progress": (word) => machine.toDriver(word),
      "dashboard.serves": ({ url }) => void (dashboard = { url }),
      ...head.notices(),
      "node.register": (registration, peer) => {
        machine.joined(registration, peer);
        part.joined({ ...registration, peer });
      },
    },
    ended: (peer) => {
      const ended = machine.ended(peer);
      if (ended === undefined) return;
      part.processEnded(ended.processId);
      head.processEnded(ended.processId, peer);
      groups.ownerEnded(ended.processId);
    },
  };
  const network = new Network(
    folder,
    { processId: nodeProcessId, pid: Deno.pid, role: "node" },
    handlers,
  );
  network.listen();
  part.node.start();
  // The file opens while workers start. One that the program named must be
  // known to be good before `init` is through.
  if (job.isLineageNamed) lineage.then(events.ready, () => {});
  else events.ready();
  const swept = sweepFolders(folder);

  await events.endAsked;
  actorRows.close();
  const closed = machine.objects.close();
  await part.close(network, "the program ends");
  await network.close();
  await closed;
  await swept;
  await lineage.then(
    (port) => job.isLineageNamed ? port.close() : port.abandon(),
    () => {}, // It was reported.
  );
}

/** A file that the program named is told who begins: it may hold results to go on from. */
export async function openLineage(
  { lineageLine, lineagePath, job }: Pick<
    LocalNodeOptions,
    "lineageLine" | "lineagePath" | "job"
  >,
): Promise<LineagePort> {
  const port = await LineagePort.over(lineageLine, lineagePath);
  const { jobId, mainModule: script, isResuming } = job;
  if (job.isLineageNamed) await port.begin({ jobId, script, isResuming });
  return port;
}

/** What a program's node says of itself. */
export function aboutOf(
  kind: "local" | "driver",
  { job, lineagePath }: Pick<LocalNodeOptions, "job" | "lineagePath">,
): NodeAbout {
  return {
    kind,
    script: job.mainModule,
    jobId: job.jobId,
    lineagePath: resolve(lineagePath),
  };
}
