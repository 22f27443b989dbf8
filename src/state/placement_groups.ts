/**
 * Where the bundles of placement groups go.
 *
 * A group is reserved whole or not at all. Its bundles become resources of
 * their nodes, under names of the group's own; what runs in a bundle asks for
 * those. Pure: told of nodes, answers which bundle goes where.
 *
 * 1. PACK fills as few nodes as it can, SPREAD takes as many; both make do.
 * 2. STRICT_PACK wants one node for all, STRICT_SPREAD one for each.
 * 3. Large bundles are placed first, so that small ones fill what is left.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import type { NodeTag } from "../base/ids.ts";
import type { ResourceAmounts } from "../base/spec.ts";

/** How the bundles of a group lie. */
export type GroupStrategy = "PACK" | "SPREAD" | "STRICT_PACK" | "STRICT_SPREAD";

/** What is known of a node that may take bundles. */
export interface GroupNode {
  tag: NodeTag;
  resources: ResourceAmounts;
  available: ResourceAmounts;
}

/** What a group asks for. */
export interface GroupSpec {
  bundles: readonly ResourceAmounts[];
  strategy: GroupStrategy;
}

/** The node of each bundle, in order; undefined where they can't be placed now. */
export function placeBundles(
  { bundles, strategy }: GroupSpec,
  nodes: readonly GroupNode[],
): NodeTag[] | undefined {
  return place({ bundles, strategy }, nodes, "available");
}

/** Why a group could never be placed on these nodes, whatever becomes free. */
export function impossible(
  spec: GroupSpec,
  nodes: readonly GroupNode[],
): string | undefined {
  if (place(spec, nodes, "resources") !== undefined) return undefined;
  const { bundles, strategy } = spec;
  if (strategy === "STRICT_SPREAD" && bundles.length > nodes.length) {
    return `STRICT_SPREAD wants ${bundles.length} nodes, and there are ${nodes.length}`;
  }
  return `its bundles ${JSON.stringify(bundles)} do not fit by ${strategy}`;
}

/** The names under which a bundle's resources are asked for: its own, and the group's. */
export function bundleResources(
  groupId: string,
  index: number,
  amounts: ResourceAmounts,
): ResourceAmounts {
  const named: ResourceAmounts = {
    [`bundle@${groupId}`]: 1000,
    [`bundle@${groupId}:${index}`]: 1000,
  };
  for (const [name, amount] of Object.entries(amounts)) {
    named[`${name}@${groupId}`] = amount;
    named[`${name}@${groupId}:${index}`] = amount;
  }
  return named;
}

/** What something asks for that runs in a group, in one of its bundles or in any. */
export function inGroup(
  groupId: string,
  index: number | undefined,
  amounts: ResourceAmounts,
): ResourceAmounts {
  const asked: ResourceAmounts = {};
  const places = index === undefined
    ? [groupId]
    : [groupId, `${groupId}:${index}`];
  for (const place of places) {
    // Also what asks for nothing is to run where the group is.
    asked[`bundle@${place}`] = 0.001;
    for (const [name, amount] of Object.entries(amounts)) {
      asked[`${name}@${place}`] = amount;
    }
  }
  return asked;
}

/** The amounts that were asked for in a group, by the resources' own names. */
export function plainAmounts(asked: ResourceAmounts): ResourceAmounts {
  const plain: ResourceAmounts = {};
  for (const [name, amount] of Object.entries(asked)) {
    const [base, place] = name.split("@") as [string, string?];
    const isMark = base === "bundle" && place !== undefined;
    if (!isMark && !place?.includes(":")) plain[base] = amount;
  }
  return plain;
}

/** What something asks for, in words. */
export function askedText(asked: ResourceAmounts): string {
  const groupId = groupOf(asked);
  const where = groupId === undefined ? "" : ` in placement group ${groupId}`;
  return JSON.stringify(plainAmounts(asked)) + where;
}

/** The group that something runs in which asks for these, if it is in one. */
export function groupOf(asked: ResourceAmounts): string | undefined {
  for (const name of Object.keys(asked)) {
    const groupId = /^bundle@([^:]+)$/.exec(name)?.[1];
    if (groupId !== undefined) return groupId;
  }
  return undefined;
}

function place(
  { bundles, strategy }: GroupSpec,
  nodes: readonly GroupNode[],
  by: "available" | "resources",
): NodeTag[] | undefined {
  const free = nodes.map((node) => ({ tag: node.tag, left: { ...node[by] } }));
  const placed: NodeTag[] = new Array(bundles.length);
  const used = new Map<NodeTag, number>();
  const order = [...bundles.keys()].sort((a, b) =>
    sizeOf(bundles[b]!) - sizeOf(bundles[a]!)
  );
  if (strategy === "STRICT_PACK") {
    const whole = sum(bundles);
    const one = free.find(({ left }) => covers(left, whole));
    return one && placed.fill(one.tag);
  }
  for (const at of order) {
    const bundle = bundles[at]!;
    const fitting = free.filter(({ tag, left }) =>
      covers(left, bundle) && !(strategy === "STRICT_SPREAD" && used.has(tag))
    );
    const countOf = ({ tag }: { tag: NodeTag }) => used.get(tag) ?? 0;
    fitting.sort((a, b) =>
      strategy === "PACK" ? countOf(b) - countOf(a) : countOf(a) - countOf(b)
    );
    const [best] = fitting;
    if (best === undefined) return undefined;
    for (const [name, amount] of Object.entries(bundle)) {
      best.left[name] = (best.left[name] ?? 0) - amount;
    }
    used.set(best.tag, countOf(best) + 1);
    placed[at] = best.tag;
  }
  assert(!placed.includes(undefined as never), "A bundle has no node");
  return placed;
}

function covers(has: ResourceAmounts, needed: ResourceAmounts): boolean {
  return Object.entries(needed).every(([name, amount]) =>
    (has[name] ?? 0) >= amount
  );
}

function sum(bundles: readonly ResourceAmounts[]): ResourceAmounts {
  const total: ResourceAmounts = {};
  for (const bundle of bundles) {
    for (const [name, amount] of Object.entries(bundle)) {
      total[name] = (total[name] ?? 0) + amount;
    }
  }
  return total;
}

function sizeOf(bundle: ResourceAmounts): number {
  return Object.values(bundle).reduce((a, b) => a + b, 0);
}
