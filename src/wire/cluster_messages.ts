/**
 * The control messages of a cluster: between nodes, their head, and a command
 * line. Those of one machine are in `messages.ts`.
 *
 * @module
 */
import type { Contents } from "../base/program_code.ts";
import type {
  ActorId,
  JobId,
  LeaseId,
  NodeTag,
  ProcessId,
  SegmentId,
} from "../base/ids.ts";
import type { NodeView } from "../base/nodes.ts";
import type { ActorSpec, LeaseNeeds } from "../base/spec.ts";
import type {
  ActorPlace,
  Bundle,
  CallKey,
  ClusterStatus,
  JobDescription,
  LeaseAnswer,
  LogLine,
} from "./facts.ts";

/** Requests by kind. */
export interface ClusterRequests {
  // From node to head.
  /** Answered again after a head came back. */
  "node.join": {
    ask: {
      view: NodeView;
      /** Those that run there, or are about to. */
      actors: ActorPlace[];
      /** What placement groups have reserved there. */
      bundles: Bundle[];
      /** The tags of all nodes that it knows, from a head before this one. */
      known: NodeTag[];
    };
    answer:
      | { kind: "joined"; clusterId: string; nodes: NodeView[] }
      /** It was declared dead: what it runs is to end, and it joins as a new one. */
      | { kind: "fenced"; reason: string };
  };
  // To a head, from any process.
  /** Answered once the group is placed, or will never be. */
  "group.create": {
    ask: {
      groupId: string;
      bundles: Record<string, number>[];
      strategy: "PACK" | "SPREAD" | "STRICT_PACK" | "STRICT_SPREAD";
    };
    answer: { refusal?: string };
  };
  "group.remove": { ask: { groupId: string }; answer: Record<never, never> };
  // From head to node.
  "bundle.reserve": { ask: Bundle; answer: { isReserved: boolean } };
  // From a command line.
  "cluster.status": { ask: Record<never, never>; answer: ClusterStatus };
  /** All nodes are to end, the head last. */
  "cluster.stop": { ask: Record<never, never>; answer: Record<never, never> };
  /** Answered when nothing runs there any more, and the node leaves. */
  "node.drain": {
    ask: { nodeId: string };
    answer: { failure?: string };
  };
  // From node to node.
  "lease.ask": {
    ask: {
      leaseId: LeaseId;
      ownerId: ProcessId;
      jobId: JobId;
      home: ProcessId;
      needs: LeaseNeeds;
    };
    answer: LeaseAnswer;
  };
  /** Answered once that process has ended. */
  "process.end": {
    ask: { processId: ProcessId };
    answer: Record<never, never>;
  };
  /** Where a segment can be copied from: the first one is to be tried first. */
  "segment.locate": {
    ask: { segmentId: SegmentId; by: NodeTag; except: NodeTag[] };
    answer: { from?: NodeTag };
  };
  /** Asked of the head, for a job whose driver is gone. */
  "job.kept": {
    ask: { jobId: JobId };
    answer: { description?: JobDescription };
  };
  /** Files of the program, by their hashes: of its home, or where that is gone of the head. */
  "job.files": {
    ask: { jobId: JobId; hashes: string[] };
    answer: { contents: Contents };
  };
  /** `wanted` is a module that is to be among the files, if it is the program's. */
  "job.describe": {
    ask: { jobId: JobId; wanted?: string };
    answer: JobDescription;
  };
  /** From a process to its node: a module of its program is to be here too. */
  "job.bring": {
    ask: { jobId: JobId; home: ProcessId; url: string };
    answer: Record<never, never>;
  };
  // From head to node.
  /** Refused where the program can't be set up there: another node may. */
  "actor.place": {
    ask: { spec: ActorSpec; incarnation: number };
    answer: { refusal?: string };
  };
  "actor.runs": { ask: CallKey; answer: { isRunning: boolean } };
}

/** Notices by kind. */
export interface ClusterNotices {
  // From node to head.
  "node.load": {
    tag: NodeTag;
    available: Record<string, number>;
    /** Placement groups change what there is. */
    resources: Record<string, number>;
    waitingCount: number;
    leaseCount: number;
    /** Requests that no node can do. */
    infeasible: Record<string, number>[];
  };
  "actor.ended": ActorPlace & { reason: string };
  /** A node that takes no connections is to make one to this node. */
  "link.ask": { from: NodeTag; to: NodeTag };
  // From head to node.
  "nodes.changed": { nodes: NodeView[] };
  "nodes.gone": { tags: NodeTag[]; reason: string };
  "node.stop": { reason: string };
  "bundle.release": Bundle;
  "groups.removed": { groupIds: string[] };
  /** Whichever incarnation runs there, if none is said. */
  "actor.halt": {
    actorId: ActorId;
    incarnation?: number;
    isGraceful: boolean;
    reason: string;
  };
  "link.wanted": { to: NodeTag };
  // From node to node.
  /** A copying is over. */
  "segment.copied": { segmentId: SegmentId; by: NodeTag; isWhole: boolean };
  "log.lines": { lines: LogLine[] };
}
