/**
 * `cluster` and `cluster join`: a node of a cluster in the foreground.
 *
 * @module
 */
import { localResources, storeBytes } from "../client/init_options.ts";
import { type NodeProcess, startNode } from "../node_process.ts";
import { StateFolder } from "../store/state_folder.ts";
import { writePrivate, writeToken } from "../store/tokens.ts";

/** The options of both commands, as they were given. */
export interface ClusterFlags {
  host: string;
  port: number;
  dir: string;
  numCpus: number | undefined;
  numGpus: number | undefined;
  resources: Record<string, number>;
  labels: Record<string, string>;
  objectStoreMemory: number | undefined;
  token: string | undefined;
  readyFile: string | undefined;
}

/** Runs a node until it is told to end. */
export async function runCluster(
  headAddress: string | undefined,
  flags: ClusterFlags,
): Promise<number> {
  const state = StateFolder.open(flags.dir);
  const given = {
    resources: flags.resources,
    ...(flags.numCpus === undefined ? {} : { numCpus: flags.numCpus }),
    ...(flags.numGpus === undefined ? {} : { numGpus: flags.numGpus }),
    ...(flags.objectStoreMemory === undefined
      ? {}
      : { objectStoreMemory: flags.objectStoreMemory }),
  };
  const token = flags.token ??
    (headAddress === undefined ? state.token() : undefined);
  const process = await startNode({
    state,
    headAddress,
    hostname: flags.host,
    port: flags.port,
    token,
    tls: undefined,
    resources: localResources(given),
    labels: flags.labels,
    capacityBytes: storeBytes(given),
    memoryLimitBytes: undefined,
  });
  const { address } = process;
  const tokenFile = headAddress === undefined && token !== undefined
    ? writeToken(address, token)
    : undefined;
  tell(process, { headAddress, tokenFile });
  if (flags.readyFile !== undefined) {
    writePrivate(
      flags.readyFile,
      JSON.stringify({
        address,
        tokenFile,
        pid: Deno.pid,
        nodeId: state.memory.nodeId,
      }),
    );
  }
  const reason = await Promise.race([process.fenced, interrupted()]);
  await process.close(reason);
  return 0;
}

function tell(
  { address }: NodeProcess,
  { headAddress, tokenFile }: {
    headAddress: string | undefined;
    tokenFile: string | undefined;
  },
): void {
  if (headAddress !== undefined) {
    console.log(`node at ${address}, joined to ${headAddress}`);
    return;
  }
  console.log(`cluster at ${address}
  join it:     deno run -A cli.ts cluster join ${address}
  use it:      MANTA_ADDRESS=${address} deno run -A program.ts
  its token:   ${tokenFile ?? "none"}
Ctrl-C ends it.`);
}

/** Resolves at the first signal; the second one ends the process at once. */
function interrupted(): Promise<string> {
  return new Promise((resolve) => {
    let isAsked = false;
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      Deno.addSignalListener(signal, () => {
        if (isAsked) Deno.exit(130);
        isAsked = true;
        resolve("its node was stopped");
      });
    }
  });
}
