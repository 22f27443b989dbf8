/**
 * What a command line asks of a running program or cluster: answered by the
 * processes that know it, at the moment it is asked.
 *
 * Long lists travel as JSON text: a row costs whoever answers a hundredth of
 * what it does as MessagePack, and who asks reads it at leisure.
 *
 * @module
 */
import type { ActorId, JobId, NodeTag, ProcessId } from "../base/ids.ts";
import type { SubmittedJob } from "../base/jobs.ts";
import type { LogLine, NodeRow, Role } from "./facts.ts";

/** What a node is part of. */
export interface NodeAbout {
  /** `local`: a program's own runtime; `driver`: a program that joined a cluster. */
  kind: "local" | "driver" | "head" | "node";
  /** Names the machine, boot and process, where that can be told. */
  mark?: string;
  /** The program, if it is one. */
  script?: string;
  jobId?: JobId;
  /** The program's lineage file, or the head's. */
  lineagePath?: string;
  /** Where its cluster is. */
  clusterAddress?: string;
}

/** A process of a machine, and what it says of itself. */
export interface ProcessFacts {
  processId: ProcessId;
  pid: number;
  role: Role;
  jobId: JobId;
  actorId?: ActorId;
  /** Memory that is its own. */
  privateBytes: number;
  /** JSON of {@linkcode OwnerFacts}; missing where it did not answer in time: it computes. */
  owner?: string;
}

/** What a process owns. */
export interface OwnerFacts {
  /** Tasks and calls without an outcome, in all. */
  openCount: number;
  /** The first of them. */
  tasks: OpenTask[];
  /** All of them, by function. */
  functions: OpenFunction[];
  /** Objects that others hold or wait for. */
  objects: OwnedObject[];
  /** Of its shared memory, which object each segment is. */
  segments: [segmentId: string, objectId: string][];
}

/** A task or call without an outcome. */
export interface OpenTask {
  taskId: string;
  name: string;
  kind: "task" | "call";
  /** `sent` to a worker or actor that may not have started it. */
  state: "preparing" | "waiting" | "sent" | "running";
  /** From 1. */
  attempt: number;
  ageMs: number;
  workerPid?: number;
  workerId?: ProcessId;
  /** What it waits for or runs on, in words. */
  why: string;
}

/** Open tasks of one function. */
export interface OpenFunction {
  name: string;
  waiting: number;
  running: number;
}

/** An object, as its owner knows it. */
export interface OwnedObject {
  objectId: string;
  state: "pending" | "ready" | "failed" | "freed";
  origin: "task" | "put" | "call" | "item";
  bytes: number;
  segmentId?: string;
  /** Refs in the owner itself. */
  handleCount: number;
  /** Other processes that hold it. */
  holders: ProcessId[];
}

/** A segment of a machine's shared memory. */
export interface SegmentFacts {
  segmentId: string;
  /** It is a copy of one of another machine. */
  copyOf?: string;
  ownerId: ProcessId;
  bytes: number;
  state: "waiting" | "live" | "freed" | "recyclable" | "lost";
  isResident: boolean;
  isOnDisk: boolean;
  readers: ProcessId[];
}

/** One machine, as its node knows it. */
export interface NodeFacts {
  tag: NodeTag;
  about: NodeAbout;
  row: NodeRow;
  storeUsedBytes: number;
  storeCapacityBytes: number;
  processes: ProcessFacts[];
  /** JSON of {@linkcode SegmentFacts}, the largest first. */
  segments: string;
  segmentCount: number;
}

/** An actor, as the head knows it. */
export interface ActorFacts {
  actorId: ActorId;
  className: string;
  name?: string;
  namespace: string;
  state: "starting" | "alive" | "restarting" | "dead";
  /** Which incarnation, from 0. */
  incarnation: number;
  processId?: ProcessId;
  pid?: number;
  jobId: JobId;
  isDetached: boolean;
  isDurable: boolean;
  reason?: string;
}

/** A line that a process printed, kept for a while. */
export interface KeptLine extends LogLine {
  /** Numbers the lines of one machine. */
  seq: number;
  atMs: number;
  jobId: JobId;
}

/** Requests by kind. */
export interface CommandRequests {
  // To a node.
  "node.about": { ask: Record<never, never>; answer: NodeAbout };
  "node.facts": {
    ask: {
      /** Rows of each list of each process. */
      rowsMax: number;
      /** Only what the node knows itself. */
      isBrief: boolean;
    };
    answer: NodeFacts;
  };
  /** Answered when there are lines after that one, or after `waitMs`. */
  "log.read": {
    ask: { afterSeq: number; waitMs: number };
    answer: { lines: KeptLine[]; nextSeq: number };
  };
  // To an owner.
  "owner.facts": { ask: { rowsMax: number }; answer: { facts: string } };
  // To a head.
  /** All nodes, those of programs too. */
  "cluster.tags": { ask: Record<never, never>; answer: { tags: NodeTag[] } };
  /** Where its dashboard is, if it has one; with its token. */
  "dashboard.url": { ask: Record<never, never>; answer: { url?: string } };
  "actor.list": {
    ask: { rowsMax: number };
    /** JSON of {@linkcode ActorFacts}, those that live first. */
    answer: { actors: string; count: number };
  };
  "job.submit": {
    /** `id` is its asker's choice, so that a request heard twice is one job. */
    ask: { id: string; script: string; args: string[]; cwd: string };
    answer: { refusal?: string };
  };
  "job.list": { ask: Record<never, never>; answer: { jobs: SubmittedJob[] } };
  /** What it printed from a byte on; answered when there is some, or after `waitMs`. */
  "job.read": {
    ask: { id: string; from: number; waitMs: number };
    answer: { bytes: Uint8Array; isOver: boolean; isUnknown: boolean };
  };
  /** Answered once it has ended. */
  "job.stop": { ask: { id: string }; answer: { refusal?: string } };
}
