/**
 * `cluster` and `cluster join`: a node of a cluster in the foreground.
 *
 * @module
 */
import { resolve } from "node:path";
import { deadline } from "@std/async";
import { MantaError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import { localResources, storeBytes } from "../client/init_options.ts";
import { checkAddress, tokenFor } from "../client/join_options.ts";
import {
  type NodeProcess,
  type NodeProcessOptions,
  startNode,
} from "../node_process.ts";
import { StateFolder } from "../store/state_folder.ts";
import { writePrivate, writeToken } from "../store/tokens.ts";
import {
  type FlagKinds,
  type Given,
  readAmounts,
  readFlags,
  readLabels,
  UsageError,
} from "./flags.ts";
import { note } from "./show.ts";

/** What both commands take. */
const clusterFlags: FlagKinds = {
  texts: [
    "host",
    "port",
    "dir",
    "num-cpus",
    "num-gpus",
    "resources",
    "labels",
    "object-store-memory",
    "token-file",
    "tls-cert",
    "tls-key",
    "tls-ca",
    "dashboard-port",
    "ready-file",
  ],
  booleans: ["insecure", "no-dashboard"],
};

const defaultPort = 6379;
const loopback = /^(127\.\d+\.\d+\.\d+|localhost|::1|\[::1\])$/;

/** Runs a node until it is told to end: the head of a cluster of its own, or one that joins. */
export async function runCluster(
  verb: "head" | "join",
  args: string[],
): Promise<number> {
  const given = readFlags(args, clusterFlags);
  const headAddress = verb === "join" ? headOf(given) : undefined;
  const [word] = given.words;
  if (verb === "head" && word !== undefined) {
    throw new UsageError(`no such command "cluster ${word}"`);
  }
  const ended = interrupted();
  const state = StateFolder.open(
    given.text("dir") ?? defaultFolder(headAddress, given),
  );
  try {
    const options = settingsOf(headAddress, given, state);
    // What runs here is started with this process's variables.
    for (const name of ["MANTA_TOKEN", "MANTA_TOKEN_FILE", "MANTA_ADDRESS"]) {
      Deno.env.delete(name);
    }
    for (;;) {
      const process = await startNode(options);
      tell(process, { headAddress, given, token: options.token });
      const reason = await Promise.race([
        ended.then((reason) => ({ reason, isFenced: false })),
        process.stopped.then((reason) => ({ reason, isFenced: false })),
        process.fenced.then((reason) => ({ reason, isFenced: true })),
      ]);
      await leave(process, reason.reason);
      if (!reason.isFenced) return 0;
      log.warn(`starting anew: this node was given up by its cluster`);
    }
  } finally {
    state.close();
  }
}

function headOf({ words: [address, ...others] }: Given): string {
  if (address === undefined || others.length > 0) {
    throw new UsageError("join which cluster? cluster join HOST:PORT");
  }
  try {
    checkAddress(address);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  return address;
}

/** The same command finds the same folder again. */
function defaultFolder(headAddress: string | undefined, given: Given): string {
  const state = Deno.env.get("XDG_STATE_HOME") ??
    `${Deno.env.get("HOME") ?? "."}/.local/state`;
  const port = given.text("port");
  const name = headAddress === undefined
    ? `cluster-${port ?? defaultPort}`
    : `node-${headAddress.replace(/[^\w.-]/g, "_")}-${port ?? Deno.pid}`;
  return `${state}/manta/${name}`;
}

function settingsOf(
  headAddress: string | undefined,
  given: Given,
  state: StateFolder,
): NodeProcessOptions {
  const hostname = given.text("host") ?? "127.0.0.1";
  const token = tokenOf(headAddress, given, state);
  const tls = tlsOf(given);
  const isOpen = !loopback.test(hostname) && tls === undefined;
  if (isOpen && !given.has("insecure")) {
    throw new UsageError(
      `--host ${hostname} would be reached from other machines without TLS: give --tls-cert and --tls-key, or say --insecure`,
    );
  }
  const numCpus = given.amount("num-cpus");
  const numGpus = given.amount("num-gpus");
  const objectStoreMemory = given.whole("object-store-memory", 1 << 20);
  const dashboardPort = given.port("dashboard-port") ?? 0;
  if (headAddress !== undefined && given.text("dashboard-port") !== undefined) {
    note("--dashboard-port is the head's: a node that joins has no dashboard");
  }
  const options = {
    resources: readAmounts(given.text("resources")),
    ...(numCpus === undefined ? {} : { numCpus }),
    ...(numGpus === undefined ? {} : { numGpus }),
    ...(objectStoreMemory === undefined ? {} : { objectStoreMemory }),
  };
  const port = given.port("port") ??
    (headAddress === undefined ? defaultPort : 0);
  return {
    state,
    secretFiles: ["token-file", "tls-key"].flatMap((name) => {
      const path = given.text(name);
      return path === undefined ? [] : [resolve(path)];
    }),
    headAddress,
    hostname,
    port,
    token,
    tls,
    resources: localResources(options),
    labels: readLabels(given.text("labels")),
    capacityBytes: storeBytes(options),
    memoryLimitBytes: undefined,
    dashboardPort: given.has("no-dashboard") ? undefined : dashboardPort,
  };
}

function tokenOf(
  headAddress: string | undefined,
  given: Given,
  state: StateFolder,
): string | undefined {
  const path = given.text("token-file");
  if (path !== undefined) {
    const token = readFile("token-file", path).trim();
    if (token.length < limits.tokenLengthMin) {
      throw new UsageError(
        `--token-file ${path} holds ${token.length} characters: a token has ${limits.tokenLengthMin} or more`,
      );
    }
    return token;
  }
  return headAddress === undefined
    ? state.token()
    : tokenFor(headAddress, undefined);
}

function tlsOf(given: Given): NodeProcessOptions["tls"] {
  const [cert, key, ca] = ["tls-cert", "tls-key", "tls-ca"].map((name) => {
    const path = given.text(name);
    return path && readFile(name, path);
  });
  if (!cert && !key && !ca) return undefined;
  if (!cert || !key) {
    throw new UsageError("--tls-cert and --tls-key go together");
  }
  return { cert, key, ...(ca ? { ca } : {}) };
}

function readFile(name: string, path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw new UsageError(
      `--${name} ${path} can't be read: ${(error as Error).message}`,
    );
  }
}

function tell(
  { address, node, members, dashboardUrl }: NodeProcess,
  { headAddress, given, token }: {
    headAddress: string | undefined;
    given: Given;
    token: string | undefined;
  },
): void {
  const tokenFile = members !== undefined && token !== undefined
    ? writeToken(address, token)
    : undefined;
  const { nodeId, tag } = node.describe();
  log.debug(`node ${nodeId} started as ${tag}`);
  if (headAddress !== undefined) {
    console.log(`node ${nodeId} at ${address}, joined to ${headAddress}`);
  } else {
    console.log(`cluster at ${address}
  add a node:     deno run -A cli.ts cluster join ${address}
  run a program:  MANTA_ADDRESS=${address} deno run -A program.ts
  its token:      ${tokenFile ?? "none"}
  its dashboard:  ${dashboardUrl ?? "none"}
Ctrl-C ends it.`);
  }
  const readyFile = given.text("ready-file");
  if (readyFile === undefined) return;
  const ready = { address, tokenFile, dashboardUrl, pid: Deno.pid, nodeId };
  writePrivate(readyFile, JSON.stringify(ready));
}

async function leave(process: NodeProcess, reason: string): Promise<void> {
  const closing = process.close(reason);
  try {
    await deadline(closing, limits.nodeLeaveMs);
  } catch (cause) {
    throw new MantaError("Cannot end this node in order: it took too long", {
      cause,
    });
  }
}

/** Resolves at the first signal; the second one ends the process at once. */
function interrupted(): Promise<string> {
  return new Promise((resolve) => {
    let isAsked = false;
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      Deno.addSignalListener(signal, () => {
        if (isAsked) Deno.exit(130);
        isAsked = true;
        console.error("ending; once more ends it at once");
        resolve("its node was stopped");
      });
    }
  });
}
