/**
 * Nodes of a cluster as data.
 *
 * @module
 */
import type { NodeId, NodeTag } from "./ids.ts";
import type { ResourceAmounts } from "./spec.ts";

/** A node as others see it. */
export interface NodeView {
  tag: NodeTag;
  nodeId: NodeId;
  /** Where it takes connections; empty where it takes none. */
  address: string;
  /** A program's own: it runs nothing. */
  isDriver: boolean;
  isHead: boolean;
  pid: number;
  resources: ResourceAmounts;
  available: ResourceAmounts;
  labels: Record<string, string>;
  /** Nothing new is to run there. */
  isDraining: boolean;
  /** Leases that are held there. */
  leaseCount: number;
  /** Lease requests that wait there. */
  waitingCount: number;
}
