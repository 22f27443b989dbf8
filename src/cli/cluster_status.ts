/**
 * `cluster status`, `stop` and `drain`: a cluster seen and told from outside.
 *
 * @module
 */
import { MantaError } from "../base/errors.ts";
import { counted } from "../base/text.ts";
import { within } from "../inspect/reach.ts";
import type { ClusterStatus } from "../wire/facts.ts";
import { readFlags, UsageError } from "./flags.ts";
import { show } from "./show.ts";
import { outputStyle, table, type TableStyle } from "./table.ts";
import { clusterPlaces, reachHead } from "./where.ts";

const flags = { texts: clusterPlaces, wordsMax: 0 };

/** Runs `cluster status`. */
export async function clusterStatus(args: string[]): Promise<number> {
  const given = readFlags(args, flags);
  await using reach = await reachHead(given);
  const status = await within(reach.head.request("cluster.status", {}));
  show(given, status, () => statusText(status, outputStyle()));
  return 0;
}

/** Runs `cluster stop`. */
export async function clusterStop(args: string[]): Promise<number> {
  await using reach = await reachHead(readFlags(args, flags));
  await within(reach.head.request("cluster.stop", {}));
  return 0;
}

/** Runs `cluster drain`. */
export async function clusterDrain(args: string[]): Promise<number> {
  const given = readFlags(args, { ...flags, wordsMax: 1 });
  const [nodeId] = given.words;
  if (nodeId === undefined) {
    throw new UsageError("drain which node? cluster drain NODE");
  }
  await using reach = await reachHead(given);
  const { failure } = await reach.head.request("node.drain", { nodeId });
  if (failure !== undefined) throw new MantaError(`Cannot drain: ${failure}`);
  return 0;
}

function statusText(status: ClusterStatus, style: TableStyle): string {
  const nodes = status.nodes.map((node) => ({
    node: node.nodeId,
    address: node.address,
    state: !node.alive ? "gone" : node.isDraining ? "draining" : "alive",
    cpus: `${free(node, "CPU")}/${node.resources["CPU"] ?? 0} free`,
    others: Object.keys(node.resources)
      .filter((name) => name !== "CPU" && name !== "memory")
      .map((name) => `${name} ${free(node, name)}/${node.resources[name]}`)
      .join(", "),
    pid: node.pid,
  }));
  const lines = [
    table(nodes, style),
    "",
    `${counted(status.driverCount, "program")}, ${
      counted(status.actorCount, "actor")
    }`,
  ];
  for (const { needs, count } of status.waiting) {
    const what = Object.entries(needs).map(([name, n]) => `${n} ${name}`);
    lines.push(
      `waits for a node that has ${what.join(" and ") || "room"}: ${count}`,
    );
  }
  return lines.join("\n");
}

function free(
  node: ClusterStatus["nodes"][number],
  name: string,
): number {
  return Math.round((node.available[name] ?? 0) * 100) / 100;
}
