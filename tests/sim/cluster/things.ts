/**
 * What the machines of a simulated cluster pass around, and the rooms that
 * decide, which a test may plant faults in.
 *
 * @module
 */
import type { LeaseId, NodeTag, ProcessId } from "../../../src/base/ids.ts";
import { ClusterView } from "../../../src/state/cluster_view.ts";
import { LeaseRoutes } from "../../../src/state/lease_routes.ts";
import { LeaseTable } from "../../../src/state/leases.ts";
import type { Pipeline, RunStats } from "../../../src/state/pipelines.ts";
import { ResourcePool } from "../../../src/state/resources.ts";
import { afterWorkerEnded } from "../../../src/state/retries.ts";

/** One task, as its owner knows it. */
export interface Task {
  readonly no: number;
  readonly stats: RunStats;
  readonly priority: number;
  readonly runMs: number;
  readonly maxRetries: number;
  attempt: number;
  pipeline: Pipeline<Task> | undefined;
  /** How many of its workers were lost. */
  lostCount: number;
  outcome: "finished" | "failed" | undefined;
}

/** Where a granted lease is. */
export interface Grant {
  readonly leaseId: LeaseId;
  readonly tag: NodeTag;
  readonly workerId: ProcessId;
}

/** What a lease request comes to. */
export type LeaseAnswer =
  | { kind: "granted"; grant: Grant }
  | { kind: "unschedulable" }
  | { kind: "failed"; reason: string };

/** The decisions. */
export interface ClusterRooms {
  view(self: NodeTag, random: () => number): ClusterView;
  routes(view: ClusterView): LeaseRoutes;
  leases(cpus: number): LeaseTable;
  afterWorkerEnded: typeof afterWorkerEnded;
}

/** Bounds of the lease tables. */
export const leaseLimits = { waitingMax: 24, workersMax: 6, workersKept: 2 };

/** Those of the product. */
export const clusterRooms: ClusterRooms = {
  view: (self, random) => new ClusterView(self, random),
  routes: (view) => new LeaseRoutes(view),
  leases: (CPU) => new LeaseTable(new ResourcePool({ CPU }), leaseLimits),
  afterWorkerEnded,
};
