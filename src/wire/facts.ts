/**
 * What messages tell of: nodes, jobs, calls, leases, as data.
 *
 * @module
 */
import type { ActorId, JobId, NodeId, ProcessId } from "../base/ids.ts";
import type {
  Contents,
  ProgramCode,
  ShippedCode,
} from "../base/program_code.ts";
import type { WorkerEnv } from "../base/spec.ts";

/** What a process is. */
export type Role =
  | "driver"
  | "worker"
  | "host"
  | "actor"
  | "node"
  /** A command line: it asks, and owns nothing. */
  | "command";

/** A node as `runtime.nodes()` shows it. */
export interface NodeRow {
  nodeId: NodeId;
  address: string;
  alive: boolean;
  resources: Record<string, number>;
  available: Record<string, number>;
  labels: Record<string, string>;
  pid: number;
}

/** One call to an actor. */
export interface CallKey {
  actorId: ActorId;
  callerId: ProcessId;
  ordinal: number;
}

/** What every process of a program knows. */
export interface JobInfo {
  nodeId: NodeId;
  jobId: JobId;
  /** The driver's main module, which runs nowhere else. */
  mainModule: string;
  /** Where actors' names count. */
  namespace: string;
  /** The driver's node: keeps the program's lineage, and hands out its code. */
  home: ProcessId;
  /** The head is not the node. */
  isClustered: boolean;
  /** What the object store of the process's machine may take. */
  storeBytes: number;
  /** The lineage file is one that the program named: each task is a row there. */
  isLineageNamed: boolean;
  /** Results of an earlier run of the program count. */
  isResuming: boolean;
  /** Where the program's files lie on this machine, if not at their own paths. */
  code?: ShippedCode;
}

/** An incarnation of an actor that runs on a node. */
export interface ActorPlace {
  actorId: ActorId;
  incarnation: number;
}

/** No node will ever grant it: none has what it asks for, or those that have can't set the program up. */
export interface LeaseRefusal {
  kind: "unschedulable" | "setup_failed";
  reason: string;
}

/** What becomes of a lease request. */
export type LeaseAnswer =
  | {
    kind: "granted";
    processId: ProcessId;
    pid: number;
  }
  | LeaseRefusal
  | { kind: "withdrawn" }
  | { kind: "failed"; reason: string };

/** What a node needs to run a job's processes. */
export interface JobDescription {
  job: JobInfo;
  /** For `deno run` of its subprocesses. */
  flags: string[];
  entries: { worker: string; host: string };
  /** What they are started with, beside what the node has. */
  env?: WorkerEnv;
  /** The program's files, for machines that have none of them. */
  code?: ProgramCode;
}

/** A job as the head keeps it for when its driver is gone. */
export interface KeptJob extends JobDescription {
  contents: Contents;
}

/** A cluster as `cluster status` shows it. */
export interface ClusterStatus {
  clusterId: string;
  nodes: (NodeRow & { isDraining: boolean })[];
  driverCount: number;
  actorCount: number;
  /** What no node can do, as things are. */
  waiting: { needs: Record<string, number>; count: number }[];
}

/** How far a progress bar is. */
export interface Bar {
  barId: string;
  label: string;
  count: number;
  total?: number;
  isDone: boolean;
  elapsedMs: number;
}

/** The same, on its way to the driver of its job. */
export interface BarWord extends Bar {
  jobId: JobId;
}

/** A bundle of a placement group. */
export interface Bundle {
  groupId: string;
  index: number;
  amounts: Record<string, number>;
}

/** A line that a process printed. */
export interface LogLine {
  pid: number;
  name: string;
  line: string;
  stream: "stdout" | "stderr";
}
