/**
 * Tasks and actors as data: what their owner keeps and others are told.
 *
 * @module
 */
import type { ActorId, JobId, NodeTag, ProcessId } from "./ids.ts";
import type { CodeBundle, CodeRef, StoredValue } from "./stored.ts";

/** Amounts by resource name: `CPU`, `GPU`, `memory` (bytes) and custom ones. */
export type ResourceAmounts = Record<string, number>;

/** Deno's permissions, and the field of a query that narrows each. */
export const permissionFields = {
  read: "path",
  write: "path",
  net: "host",
  env: "variable",
  sys: "kind",
  run: "command",
  ffi: "path",
  import: "host",
} as const;

/** One of Deno's permissions. */
export type PermissionName = keyof typeof permissionFields;

/** What a sandboxed process may: everything, what the program may, or these; nothing of those not named. */
export type SandboxPermissions = {
  [name in PermissionName]?: "all" | "inherit" | string[];
};

/** What a worker or an actor's host is started with. */
export interface WorkerEnv {
  /** Beside the program's own variables. */
  variables: Record<string, string>;
  workingDir?: string;
  /** Its tasks and actors run in processes of their own that may no more than that. */
  permissions?: SandboxPermissions;
}

/** Where a task or an actor is to run. */
export type SchedulingStrategy =
  | "DEFAULT"
  | "SPREAD"
  | { nodeId: string; soft?: boolean }
  | { labels: Record<string, string>; soft?: boolean };

/** What a lease must have, and what decides between those who wait. */
export interface LeaseNeeds {
  /** Tasks with the same key may ride the same lease. */
  classKey: string;
  resources: ResourceAmounts;
  strategy?: SchedulingStrategy;
  /** What their worker must be started with. */
  env?: WorkerEnv;
  /** The node where their large arguments lie, if they have some. */
  near?: NodeTag;
  /** How deep the tasks are nested: 0 for the driver's own. */
  depth: number;
  /** They may run again after their worker was ended. */
  isRetryable: boolean;
  /** They must not share a worker with others. */
  isAlone: boolean;
  /** Their owner watches their time, so that they must not compute in its process. */
  isTimed: boolean;
  /** All are known to be short: they may be guests of a waiting worker. */
  isShort: boolean;
}

/** An actor as the head keeps it, to start it again from. */
export interface ActorSpec {
  actorId: ActorId;
  /** The process whose handle keeps it alive. */
  ownerId: ProcessId;
  /** Whose program it is of, and the node that hands that out. */
  jobId: JobId;
  home: ProcessId;
  className: string;
  methods: Record<string, boolean>;
  code: CodeRef;
  /** All code that it and its arguments need. */
  bundles: CodeBundle[];
  args: StoredValue;
  /** Arguments that were refs, and their values. */
  dependencies: { position: number; value: StoredValue }[];
  name?: string;
  namespace: string;
  getIfExists: boolean;
  isDetached: boolean;
  /** Its state is kept in the lineage file. */
  isDurable: boolean;
  maxRestarts: number;
  maxTaskRetries: number;
  maxConcurrency: number;
  maxPendingCalls: number;
  /** Methods that run beside the others, so many of each group at the same time. */
  groups?: Record<string, { max: number; methods: string[] }>;
  /** It ends when nobody called it for so long. */
  ttlMs?: number;
  isolation: "isolate" | "process";
  resources: ResourceAmounts;
  strategy?: SchedulingStrategy;
  env?: WorkerEnv;
}

/** How a task is to run, checked and with its defaults filled in. */
export interface TaskSettings {
  readonly name: string;
  readonly resources: ResourceAmounts;
  /** How many refs `.remote()` gives. */
  readonly returnCount: number;
  readonly maxRetries: number;
  /** Whether an error of the task's own is worth another run. */
  readonly isRetryable: ((error: unknown) => boolean) | undefined;
  readonly timeoutMs: number | undefined;
  readonly schedulingTimeoutMs: number | undefined;
  readonly priority: number;
  readonly strategy?: SchedulingStrategy;
  readonly env?: WorkerEnv;
  /** After so many runs its worker is replaced. */
  readonly maxCalls?: number;
  readonly isStream: boolean;
  /** Items a generator may be ahead of its consumer; 0 for any number. */
  readonly backpressure: number;
}
