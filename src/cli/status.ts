/**
 * `cluster status`, `stop` and `drain`: a cluster seen and told from outside.
 *
 * @module
 */
import type { ClusterStatus } from "../wire/facts.ts";
import { table } from "./list.ts";

/** A cluster in a few lines. */
export function statusText(status: ClusterStatus, widthMax: number): string {
  const nodes = status.nodes.map((node) => ({
    node: node.nodeId,
    address: node.address,
    state: !node.alive ? "gone" : node.isDraining ? "draining" : "alive",
    cpus: `${free(node, "CPU")}/${node.resources["CPU"] ?? 0} free`,
    others: Object.keys(node.resources)
      .filter((name) => name !== "CPU" && name !== "memory")
      .map((name) => `${name} ${free(node, name)}/${node.resources[name]}`)
      .join(", ") || "-",
    pid: node.pid,
  }));
  const lines = [
    table(nodes, widthMax),
    "",
    `${status.driverCount} programs, ${status.actorCount} actors`,
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
