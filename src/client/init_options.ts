/**
 * The options of `init`: their types, checks and defaults.
 *
 * @module
 */
import { variable } from "../base/environment.ts";
import type { ResourceAmounts } from "../base/spec.ts";
import {
  amount,
  amounts,
  type Check,
  checkOptions,
  flag,
  show,
  text,
  texts,
  whole,
} from "./check.ts";
import { type RuntimeEnv, runtimeEnv } from "./runtime_env.ts";

/** How a runtime is started. */
export interface InitOptions {
  /** CPUs to give to tasks; up to as many workers as the machine has are started in advance. Default: the machine's. */
  numCpus?: number;
  /**
   * The cluster to join, as `HOST:PORT`; "local" for a runtime of this
   * program's own. Default: `MANTA_ADDRESS`, else "local".
   */
  address?: string;
  /**
   * The cluster's token. Default: `MANTA_TOKEN`, the file that
   * `MANTA_TOKEN_FILE` names, or the one that `cluster` wrote on this machine.
   */
  token?: string;
  /** How the cluster is known where it speaks TLS: `ca` is PEM text of whoever signed its certificate. */
  tls?: { ca?: string };
  /** GPUs to give, counted slots. Default: 0. */
  numGpus?: number;
  /** Further resources to give, by name. */
  resources?: Record<string, number>;
  /** Labels of this node. */
  labels?: Record<string, string>;
  /** Bytes of shared memory for large objects; what does not fit goes to disk. Default: 30 % of the memory. */
  objectStoreMemory?: number;
  /** Where actors' names count. Default: "default". */
  namespace?: string;
  /** The SQLite file for tasks and their outcomes. Default: one that goes with the session. */
  lineage?: string;
  /**
   * Whether this program goes on where an earlier run of it was killed: tasks
   * that had finished, and whose result the lineage file holds, do not run
   * again, nor do calls to durable actors that were committed. Needs `lineage`. Default: false, and results of earlier runs are
   * forgotten.
   */
  resume?: boolean;
  /** What all processes of this program are started with; what a task or an actor names itself goes on top of it. Without `permissions`. */
  runtimeEnv?: Omit<RuntimeEnv, "permissions">;
  /** Whether what workers print appears here. Default: true. */
  logToDriver?: boolean;
  /**
   * Whether a page in the browser shows what runs: its URL is
   * `dashboardUrl` of the runtime. It is served on 127.0.0.1, at any port
   * that is free unless one is named (1 to 65535), and needs `--allow-net` for
   * it. A program that joins a cluster has that one's, whatever it says here.
   * Default: false.
   */
  dashboard?: boolean | { port?: number };
  /** Whether a runtime that is up already is used as it is. Default: false. */
  ignoreReinit?: boolean;
}

const checks: Record<string, Check> = {
  address: text,
  token: text,
  tls,
  numCpus: amount,
  numGpus: amount,
  resources: amounts,
  labels: texts,
  objectStoreMemory: whole(1 << 20),
  namespace: text,
  lineage: text,
  resume: flag,
  logToDriver: flag,
  ignoreReinit: flag,
  runtimeEnv,
  dashboard,
};

function tls(value: unknown, name: string): void {
  texts(value, name);
  checkOptions(value, { checks: { ca: text }, what: `${name} with` });
}

function dashboard(value: unknown, name: string): void {
  if (typeof value === "boolean") return;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(
      `Cannot use ${name} ${
        show(value)
      }: expected true, false or a port as { port: 8265 }`,
    );
  }
  checkOptions(value, {
    checks: { port: whole(0, 65_535) },
    what: `${name} with`,
  });
}

/** Throws for a bad option. */
export function checkInitOptions(options: unknown): void {
  checkOptions(options, { checks, what: "init option" });
  const { resume, lineage, runtimeEnv } = options as InitOptions;
  if (runtimeEnv !== undefined && "permissions" in runtimeEnv) {
    throw new TypeError(
      'Cannot use init option "runtimeEnv" with "permissions": they are for tasks that were made for it, as no runtime is in their reach; name them in the task\'s own options',
    );
  }
  if (resume && lineage === undefined) {
    throw new TypeError(
      'Cannot use init option "resume" without "lineage": name the file of the run before',
    );
  }
}

/** The port of the program's own dashboard, 0 for any; undefined where it has none. */
export function dashboardPort({ dashboard }: InitOptions): number | undefined {
  if (dashboard === undefined || dashboard === false) return undefined;
  return dashboard === true ? 0 : dashboard.port ?? 0;
}

/** What a local node has to give. */
export function localResources(options: InitOptions): ResourceAmounts {
  return {
    ...options.resources,
    CPU: options.numCpus ?? navigator.hardwareConcurrency,
    memory: memoryBytes(),
    ...(options.numGpus ? { GPU: options.numGpus } : {}),
  };
}

/** The object store's bound. */
export function storeBytes(options: InitOptions): number {
  return options.objectStoreMemory ?? Math.floor(memoryBytes() * 0.3);
}

/**
 * What this program may use of the memory before tasks are ended, by the
 * environment variable `MANTA_MEMORY_LIMIT_BYTES`; by default only the
 * machine, or its container, sets a limit.
 */
export function memoryLimitBytes(): number | undefined {
  const name = "MANTA_MEMORY_LIMIT_BYTES";
  const value = variable(name);
  if (value === undefined || value === "") return undefined;
  if (/^[1-9]\d{0,15}$/.test(value)) return Number(value);
  throw new TypeError(
    `Cannot use ${name}="${value}": expected a whole number of bytes`,
  );
}

/** The machine's memory, or what its container may use of it. */
function memoryBytes(): number {
  const groups = [
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
  ];
  const bounds = groups.map((path) => Number(readText(path)));
  const total = Number(
    /MemTotal:\s+(\d+) kB/.exec(readText("/proc/meminfo"))?.[1] ?? 4 << 20,
  ) * 1024;
  return Math.min(total, ...bounds.filter((bound) => bound > 0));
}

function readText(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    // Not on this system, or not for this program: another source tells.
    return "";
  }
}
