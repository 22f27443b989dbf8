/**
 * A node of a cluster as a process of its own: its folders, its port, its
 * links; joined to a head, or the head itself.
 *
 * Put together here, run until it is told to end. What it prints, and how it is
 * told, is the command line's.
 *
 * @module
 */
import { leadCluster } from "./cluster_head.ts";
import { ClusterNode } from "./cluster_node.ts";
import { newNodeTag, type NodeTag } from "./base/ids.ts";
import { log } from "./base/log.ts";
import type { ResourceAmounts } from "./base/spec.ts";
import {
  type DashboardThread,
  startDashboard,
} from "./dashboard/dashboard_start.ts";
import { Directory } from "./head/directory.ts";
import { SubmittedJobs } from "./head/submitted_jobs.ts";
import { identityOf } from "./joined_node.ts";
import type { Members } from "./head/members.ts";
import { LineagePort } from "./node/lineage_port.ts";
import { ShippedFiles } from "./node/shipped_code.ts";
import { Reaper } from "./node/reaper.ts";
import { RecentLines } from "./node/recent_lines.ts";
import {
  folderPath,
  makeFolder,
  removeFolder,
  sweepFolders,
} from "./store/folder.ts";
import { sendAtOnce } from "./store/no_delay.ts";
import type { StateFolder } from "./store/state_folder.ts";
import { dialLink, type TlsClient } from "./wire/link_dial.ts";
import { LinkListener, type TlsServer } from "./wire/link_listener.ts";

/** How a node's process runs. */
export interface NodeProcessOptions {
  state: StateFolder;
  /** Files that its token and its key were read from. */
  secretFiles: string[];
  /** Where the head is; none: this is it. */
  headAddress: string | undefined;
  hostname: string;
  port: number;
  token: string | undefined;
  tls: (TlsServer & TlsClient) | undefined;
  resources: ResourceAmounts;
  labels: Record<string, string>;
  capacityBytes: number;
  memoryLimitBytes: number | undefined;
  /** The port of the head's dashboard, 0 for the one of before, or any; none: it has no dashboard. */
  dashboardPort: number | undefined;
}

/** A node that runs. */
export interface NodeProcess {
  readonly address: string;
  readonly node: ClusterNode;
  /** Of the head only. */
  readonly members: Members | undefined;
  /** Of a head that has a dashboard, with its token. */
  readonly dashboardUrl: string | undefined;
  /** Resolves when it must end although nobody told it: it was declared dead. */
  readonly fenced: Promise<string>;
  /** Resolves when somebody in the cluster tells it to leave. */
  readonly stopped: Promise<string>;
  close(reason: string): Promise<void>;
}

/** Starts a node; resolves once it has joined, however long that takes. */
export async function startNode(
  options: NodeProcessOptions,
): Promise<NodeProcess> {
  const { state, headAddress, hostname, port, token, tls } = options;
  const folder = folderPath();
  const reaper = new Reaper(folder);
  makeFolder(folder);
  const tag = newNodeTag();
  const fenced = Promise.withResolvers<string>();
  const stopped = Promise.withResolvers<string>();
  const role = headAddress === undefined ? "head" : "node";
  const { clusterId } = state.memory;
  const identity = () => ({
    ...identityOf({ node: () => node, tag, role }),
    clusterId: headAddress === undefined ? clusterId : node.member.clusterId,
  });
  const secret = {
    ...(token === undefined ? {} : { token }),
    ...(tls === undefined ? {} : { tls }),
  };
  const listener = new LinkListener({
    hostname,
    port: port === 0 ? state.memory.port : port,
    ...secret,
    clusterId: () => identity().clusterId,
    self: identity,
    refusal: ({ tag }) => node.far.reasonOf(tag as NodeTag),
    onLink: (link) => node.linked(link),
  });
  if (tls !== undefined) sendAtOnce(Number(/\d+$/.exec(listener.address)![0]));
  state.listening(listener.address);
  const dashboard = headAddress === undefined
    ? dashboardOf(options, { folder, tag, address: listener.address })
    : undefined;
  const node: ClusterNode = new ClusterNode({
    folder,
    secrets: [state.path, ...options.secretFiles],
    nodeId: state.memory.nodeId,
    tag,
    address: listener.address,
    isDriver: false,
    resources: options.resources,
    labels: options.labels,
    capacityBytes: options.capacityBytes,
    memoryLimitBytes: options.memoryLimitBytes,
    workerCount: Math.max(1, Math.floor(options.resources["CPU"] ?? 0)),
    about: headAddress === undefined
      ? { kind: "head", lineagePath: `${state.path}/lineage.db` }
      : { kind: "node", clusterAddress: headAddress },
    recent: new RecentLines(),
    dial: (address) =>
      dialLink({
        address: address ?? headAddress ?? listener.address,
        ...secret,
        self: identity(),
      }),
    code: new ShippedFiles(folder),
    printed: (lines) => log.debug(`${lines.length} lines came for nobody`),
    fenced: fenced.resolve,
    stopped: stopped.resolve,
  });
  node.listen();
  let members: Members | undefined;
  let directory: Directory | undefined;
  let submitted: SubmittedJobs | undefined;
  let lineage: Promise<LineagePort> | undefined;
  let dashboardUrl: string | undefined;
  if (headAddress === undefined) {
    lineage = LineagePort.open(`${state.path}/lineage.db`);
    await lineage;
    directory = new Directory(`${state.path}/head.db`);
    submitted = new SubmittedJobs({
      folder: `${state.path}/jobs`,
      address: listener.address,
      token,
    });
    members = leadCluster({
      clusterId,
      node,
      lineage,
      directory,
      submitted,
      dashboardUrl: () => dashboardUrl,
      stopped: stopped.resolve,
    });
    dashboardUrl = await dashboard?.serving;
    if (dashboardUrl !== undefined) {
      state.serving(Number(new URL(dashboardUrl).port));
    }
  } else await node.member.join(true);
  sweepFolders(folder);
  return {
    address: listener.address,
    node,
    members,
    dashboardUrl,
    fenced: fenced.promise,
    stopped: stopped.promise,
    close: async (reason) => {
      await dashboard?.close();
      await submitted?.close();
      await listener.close();
      await node.close(reason);
      members?.close();
      directory?.[Symbol.dispose]();
      if (lineage !== undefined) await (await lineage).close();
      await reaper.end();
      removeFolder(folder);
    },
  };
}

/**
 * The head's dashboard: beside its node's port where that is reached from other
 * machines by TLS, and on loopback else.
 */
function dashboardOf(
  { dashboardPort, hostname, tls, state }: NodeProcessOptions,
  { folder, tag, address }: { folder: string; tag: NodeTag; address: string },
): DashboardThread | undefined {
  if (dashboardPort === undefined) return undefined;
  const isLoopback = /^(127\.|localhost$|\[?::1\]?$)/.test(hostname);
  const isOpen = !isLoopback && tls !== undefined;
  return startDashboard({
    session: { folder, tag, about: { kind: "head", clusterAddress: address } },
    hostname: isOpen ? hostname : "127.0.0.1",
    ports: dashboardPort === 0
      ? [state.memory.dashboardPort ?? 0, 0]
      : [dashboardPort],
    tls: isOpen ? { cert: tls.cert, key: tls.key } : undefined,
    token: state.dashboardToken(),
  });
}
