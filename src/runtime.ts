/**
 * `init`, `shutdown`, and the runtime as a program sees it.
 *
 * @module
 */
import { MantaError } from "./base/errors.ts";
import {
  type DisplayData,
  displayLine,
  displaySymbol,
  escaped,
} from "./base/notebook.ts";
import { text } from "./client/check.ts";
import { checkInitOptions, type InitOptions } from "./client/init_options.ts";
import {
  dashboardUrl,
  endingLocal,
  endLocal,
  localRuntime,
  nodeRows,
  startLocal,
} from "./cluster.ts";
import { currentSession } from "./owner/current.ts";
import type { Session } from "./owner/session.ts";
import { type Timeline, timelineOf } from "./store/timeline.ts";

/** One node of a {@linkcode Runtime}. */
export interface NodeInfo {
  /** Its id. */
  nodeId: string;
  /** Where it takes connections; "local" in a local run. */
  address: string;
  /** Whether it is reachable. */
  alive: boolean;
  /** All it has, by resource name. */
  resources: Record<string, number>;
  /** What of it is free. */
  available: Record<string, number>;
  /** Its labels. */
  labels: Record<string, string>;
  /** Its process. */
  pid: number;
}

/** A running runtime. Disposed, it is shut down. */
export interface Runtime extends AsyncDisposable {
  /** Where its head takes connections; "local" for one of this program's own. */
  readonly address: string;
  /**
   * Where a page shows what runs, with the token that opens it: this program's
   * own where `init` was asked for one, or that of the cluster it joined, as
   * the head's machine knows it. Undefined where there is none.
   */
  readonly dashboardUrl?: string;
  /** Its nodes. */
  nodes(): Promise<NodeInfo[]>;
  /** All resources there are, by name: `CPU`, `GPU`, `memory` (bytes) and custom ones. */
  clusterResources(): Promise<Record<string, number>>;
  /** The resources that are free now, by name. */
  availableResources(): Promise<Record<string, number>>;
  /**
   * What this program's tasks did when, as a trace for Perfetto or
   * `chrome://tracing`; written to a file where a path is given. Has what is in
   * the lineage file: with a named one each task.
   */
  timeline(path?: string): Promise<Timeline>;
}

/**
 * Starts a local runtime. Optional: the first `.remote()` or `put` starts one
 * with defaults.
 *
 * @param options How it is to be.
 * @returns The runtime, once it is up, and its dashboard, if it is to have one.
 * @throws {MantaError} Where a runtime is up already, unless `ignoreReinit`,
 *   or where it can't be started.
 * @throws {TypeError} Where an option is unknown or of a wrong type.
 * @throws {RangeError} Where an option is out of its bounds.
 *
 * @example
 * ```ts
 * import { init } from "@manta/manta";
 * await using runtime = await init({ numCpus: 2, resources: { disk: 1 } });
 * const { CPU, disk } = await runtime.clusterResources();
 * console.log(CPU, disk); // 2 1
 * ```
 */
export async function init(options: InitOptions = {}): Promise<Runtime> {
  checkInitOptions(options);
  for (;;) {
    if (isInitialized()) {
      if (options.ignoreReinit === true) break;
      throw new MantaError(
        "Cannot init: a runtime is up already; call shutdown() first, or pass ignoreReinit: true",
      );
    }
    const ending = endingLocal();
    if (ending === undefined) return await start(options);
    await ending; // Meanwhile another init() may have started one.
  }
  const local = localRuntime(); // None in a worker.
  await local?.ready;
  const url = local === undefined ? undefined : await dashboardUrl(local);
  return runtimeOf(currentSession()!, url);
}

async function start(options: InitOptions): Promise<Runtime> {
  const local = startLocal(options);
  const { session, ready } = local;
  try {
    // Asked at once: what is owed keeps the program alive while the node starts.
    const [url] = await Promise.all([
      dashboardUrl(local),
      ready,
      session.owner.askHead("node.rows", {}),
    ]);
    return runtimeOf(session, url);
  } catch (error) {
    await endLocal();
    throw error;
  }
}

/**
 * Ends this program's part: local workers exit, sockets close, temporary files
 * and shared memory are gone. What is unfinished fails. Can be called again.
 *
 * @example
 * ```ts
 * import { get, isInitialized, put, shutdown } from "@manta/manta";
 * console.log(await get(put(1))); // 1
 * await shutdown();
 * console.log(isInitialized()); // false
 * ```
 */
export async function shutdown(): Promise<void> {
  await endLocal();
}

/**
 * Whether a runtime is up.
 *
 * @example
 * ```ts
 * import { init, isInitialized } from "@manta/manta";
 * console.log(isInitialized()); // false
 * await using _runtime = await init({ numCpus: 1 });
 * console.log(isInitialized()); // true
 * ```
 */
export function isInitialized(): boolean {
  const session = currentSession();
  return session !== undefined && !session.owner.isEnding;
}

function runtimeOf(
  session: Session,
  dashboardUrl: string | undefined,
): Runtime {
  const nodes = async () => {
    if (currentSession() === session && isInitialized()) {
      const { owner } = session;
      try {
        return await nodeRows(session);
      } catch (error) {
        throw owner.failure ?? error;
      }
    }
    throw new MantaError("Cannot ask this runtime: it was shut down");
  };
  const sum = async (of: "resources" | "available") => {
    const total: Record<string, number> = {};
    for (const node of await nodes()) {
      if (!node.alive) continue;
      for (const [name, amount] of Object.entries(node[of])) {
        if (name.includes("@")) continue; // Of a placement group.
        total[name] = (total[name] ?? 0) + amount;
      }
    }
    return total;
  };
  const address = localRuntime()?.address ?? "local";
  const runtime: Runtime = {
    address,
    ...(dashboardUrl === undefined ? {} : { dashboardUrl }),
    nodes,
    clusterResources: () => sum("resources"),
    availableResources: () => sum("available"),
    timeline: async (path) => {
      if (path !== undefined) text(path, "timeline path");
      await nodes(); // Throws for a runtime that is gone.
      const { owner } = session;
      owner.lineage.flush();
      owner.owe(); // The program lives until it is answered.
      try {
        await owner.home.request("lineage.flush", {});
      } finally {
        owner.settle();
      }
      const { lineagePath } = localRuntime()!;
      const timeline = timelineOf(lineagePath, owner.job.jobId);
      if (path !== undefined) {
        await Deno.writeTextFile(path, JSON.stringify(timeline));
      }
      return timeline;
    },
    [Symbol.asyncDispose]: async () => {
      if (currentSession() === session) await shutdown();
    },
  };
  const display = async () => {
    const isUp = currentSession() === session && isInitialized();
    return isUp
      ? displayNodes(address, await nodes())
      : displayLine("Runtime", `${address}, shut down`);
  };
  return Object.defineProperty(runtime, displaySymbol, { value: display });
}

/** A runtime as a notebook shows it: its nodes, and what of each is free. */
function displayNodes(address: string, nodes: NodeInfo[]): DisplayData {
  const amountsOf = ({ resources, available }: NodeInfo) =>
    Object.entries(resources).map(([name, amount]) => {
      const [free, all] = [available[name] ?? 0, amount]
        .map((count) => name === "memory" ? inGiB(count) : `${count}`);
      return `${name} ${free} of ${all} free`;
    }).join(", ");
  const lines = nodes.map((node) =>
    `${node.nodeId.slice(0, 8)} ${node.alive ? amountsOf(node) : "gone"}`
  );
  const title = displayLine("Runtime", address);
  const items = lines.map((line) => `<li>${escaped(line)}</li>`).join("");
  return {
    "text/plain": [title["text/plain"], ...lines].join("\n  node "),
    "text/html": `${title["text/html"]}<ul>${items}</ul>`,
  };
}

function inGiB(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
