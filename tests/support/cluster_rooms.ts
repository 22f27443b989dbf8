/**
 * What rooms that schedule over nodes are told, for tests of one of them: a
 * node, and what a lease must have.
 *
 * @module
 */
import type { NodeId, NodeTag } from "../../src/base/ids.ts";
import type { NodeView } from "../../src/base/nodes.ts";
import type { LeaseNeeds } from "../../src/base/spec.ts";

/** A node of one free CPU, unless told otherwise. */
export function nodeView(
  tag: NodeTag,
  more: Partial<NodeView> = {},
): NodeView {
  return {
    tag,
    nodeId: `id-${tag}` as NodeId,
    address: "",
    isDriver: false,
    isHead: false,
    pid: 1,
    resources: { CPU: 1 },
    available: { CPU: 1 },
    labels: {},
    isDraining: false,
    leaseCount: 0,
    waitingCount: 0,
    ...more,
  };
}

/** Needs of one CPU for tasks of the driver that may run again, unless told otherwise. */
export function leaseNeeds(more: Partial<LeaseNeeds> = {}): LeaseNeeds {
  return {
    classKey: "one",
    resources: { CPU: 1 },
    depth: 0,
    isShort: false,
    isRetryable: true,
    isAlone: false,
    isTimed: false,
    ...more,
  };
}
