/**
 * The node of a driver that joined a cluster, in a thread of its program: gives
 * no resources, keeps the program's objects and lineage, and reaches the rest.
 *
 * @module
 */
import type { MessagePort } from "node:worker_threads";
import { ClusterNode } from "./cluster_node.ts";
import { MantaError } from "./base/errors.ts";
import type { NodeTag, ProcessId } from "./base/ids.ts";
import { nodeTagOf } from "./base/ids.ts";
import type { ResourceAmounts } from "./base/spec.ts";
import type { ChildCommand, Children } from "./node/children.ts";
import { JobPart } from "./node/job_part.ts";
import { lineageNotices, lineageRequests } from "./node/lineage_desk.ts";
import { aboutOf, openLineage } from "./local_node.ts";
import { ProgramFiles } from "./node/program_code.ts";
import type { LineSink, RecentLines } from "./node/recent_lines.ts";
import { sweepFolders } from "./store/folder.ts";
import type { LinkIdentity } from "./wire/link.ts";
import { dialLink, type TlsClient } from "./wire/link_dial.ts";
import type { JobInfo, LogLine } from "./wire/facts.ts";
import type { LocalNodeEvents } from "./local_node.ts";

/** How a driver reaches its cluster. */
export interface JoinOptions {
  address: string;
  token?: string;
  tls?: TlsClient;
}

/** What a driver's node is made of. */
export interface JoinedNodeOptions {
  join: JoinOptions;
  folder: string;
  nodeProcessId: ProcessId;
  job: JobInfo;
  labels: Record<string, string>;
  capacityBytes: number;
  lineagePath: string;
  lineageLine: MessagePort;
  children: Children;
  command: ChildCommand;
  printer: LineSink;
  /** Prints a line of another node's process. */
  print(line: LogLine, nodeId: string): void;
  /** What processes of this machine printed lately. */
  recent: RecentLines;
}

/** Runs until it is asked to end, and all of it is gone. */
export async function runJoinedNode(
  options: JoinedNodeOptions,
  events: LocalNodeEvents,
): Promise<void> {
  const { folder, job, nodeProcessId, join, printer, command } = options;
  const tag = nodeTagOf(nodeProcessId);
  const lineage = openLineage(options);
  lineage.catch(events.failed);
  const resources: ResourceAmounts = {};
  const { session: _, ...description } = command;
  const files = new ProgramFiles({
    ...job,
    ...command,
    isImported: async (url) => {
      for (const { role, peer } of node.machine.processes.ofJob(job.jobId)) {
        if (role !== "driver") continue;
        return (await peer.request("code.imported", { url })).isImported;
      }
      return false;
    },
  });
  const node: ClusterNode = new ClusterNode({
    folder,
    nodeId: job.nodeId,
    tag,
    address: "",
    isDriver: true,
    resources,
    labels: options.labels,
    capacityBytes: options.capacityBytes,
    memoryLimitBytes: undefined,
    workerCount: 0,
    about: { ...aboutOf("driver", options), clusterAddress: join.address },
    recent: options.recent,
    dial: (address) =>
      dialLink({
        address: address ?? join.address,
        ...(join.token === undefined ? {} : { token: join.token }),
        ...(join.tls === undefined ? {} : { tls: join.tls }),
        self: identityOf({ node: () => node, tag, role: "driver" }),
      }).catch((cause) => {
        if (cause instanceof MantaError) throw cause;
        throw new MantaError(
          `Cannot reach the cluster at ${address ?? join.address}: ${
            (cause as Error).message
          }; see whether it runs there, by \`cli.ts cluster status --address ${join.address}\``,
          { cause },
        );
      }),
    code: {
      prepare: () => Promise.reject(new Error("a driver's node runs nothing")),
      bring: () => Promise.reject(new Error("a driver's node has all files")),
      released: () => {},
    },
    printed: (lines, from) => {
      for (const line of lines) options.print(line, from);
    },
    fenced: (reason) => events.failed(new Error(reason)),
    requests: {
      ...lineageRequests(lineage),
      "job.describe": async ({ wanted }) => ({
        job,
        ...description,
        code: await files.describe(wanted),
      }),
      "job.files": ({ hashes }) => ({ contents: files.contents(hashes) }),
    },
    notices: {
      ...lineageNotices(lineage),
      "progress": (word) => node.machine.toDriver(word),
    },
  });
  node.own(
    new JobPart({
      machine: node.machine,
      job,
      children: options.children,
      printer,
      memoryLimitBytes: undefined,
      workerCount: 0,
      prestartCount: 0,
    }, {
      actorEnded: () => {},
      resourcesGiven: () => {},
      garbage: () => {},
      waits: () => {},
    }),
  );
  node.listen();
  await node.member.join(false);
  if (job.isLineageNamed) lineage.then(events.ready, () => {});
  else events.ready();
  const swept = sweepFolders(folder);
  await events.endAsked;
  await node.close("its program ends");
  await swept;
  await lineage.then(
    (port) => job.isLineageNamed ? port.close() : port.abandon(),
    () => {}, // It was reported.
  );
}

/** What a node says of itself when a link is made. */
export function identityOf(
  { node, tag, role }: {
    node: () => ClusterNode;
    tag: NodeTag;
    role: LinkIdentity["role"];
  },
): LinkIdentity {
  const { nodeId, address } = node().describe();
  return {
    clusterId: node().member.clusterId,
    nodeId,
    tag,
    role,
    pid: Deno.pid,
    address,
  };
}
