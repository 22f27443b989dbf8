/**
 * How a process joins a session: its socket, its node, its owner.
 *
 * The same for drivers, workers and actors; what else a process does with
 * frames and messages is given as `extra`.
 *
 * @module
 */
import { variable } from "../base/environment.ts";
import { isThere } from "../base/files.ts";
import {
  type ActorId,
  newProcessId,
  nodeTagOf,
  type ProcessId,
} from "../base/ids.ts";
import { useShipped } from "../code/shipped.ts";
import { limits } from "../base/limits.ts";
import {
  closeLibc,
  createSharedPage,
  isSharedMemoryAvailable,
  openSharedPage,
} from "../store/segment.ts";
import { ClaimPage, ClaimSlots } from "../wire/claims.ts";
import type { JobInfo, Role } from "../wire/facts.ts";
import { headId, Network } from "../wire/network.ts";
import type { RingMemories } from "../wire/ring_transport.ts";
import { type Peer, PeerEndedError, type PeerHandlers } from "../wire/peer.ts";
import { StandingPeer } from "../wire/standing_peer.ts";
import { dialSocket, socketPath } from "../wire/unix_sockets.ts";
import { Census } from "./census.ts";
import { Owner } from "./owner.ts";

/** What a process needs to find its session, and what it is there. */
export interface SessionOptions {
  /** Holds everybody's sockets. */
  folder: string;
  nodeProcessId: ProcessId;
  role: Role;
  job: JobInfo;
  /** When the node takes connections; at once, if it is not said. */
  nodeReady?: Promise<void>;
  /** The number it was started with, if it is a subprocess. */
  childNo?: number;
  actorId?: ActorId;
  /** Called when this process begins and ceases to be owed anything. */
  onOwedChanged?(isOwed: boolean): void;
}

/** What a subprocess is told to join by. */
export type JoinArguments = Pick<
  SessionOptions,
  "folder" | "nodeProcessId" | "job" | "childNo"
>;

/** What a process does beside owning. */
export interface ExtraRole extends Partial<PeerHandlers> {
  /** The head is a new one, or was away. */
  headBack?(): void;
  /** A frame that is not for the owner. */
  frame?(kind: number, body: Uint8Array, peer: Peer): void;
}

/** A process in its session. */
export interface Session {
  readonly owner: Owner;
  readonly network: Network;
  readonly node: Peer;
  /** Resolves when all that was said to the runtime is handed to the system. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Joins; usable at once, though its node may still be starting. `extra` makes
 * the rest of the process, before the first frame comes.
 */
export function joinSession(
  options: SessionOptions,
  extra: (owner: Owner) => ExtraRole = () => ({}),
): Session {
  const { handlers, network } = openNetwork(options);
  const { folder, nodeProcessId, job, nodeReady } = options;
  const path = socketPath(folder, nodeProcessId);
  const connect = () => dialSocket(path);
  const node = network.peerOver(
    nodeProcessId,
    nodeReady === undefined ? connect() : nodeReady.then(connect, notThere),
  );
  useShipped(job.code, async (url) => {
    const { jobId, home } = job;
    await node.request("job.bring", { jobId, home, url });
  });
  register(node, network, options);
  return assemble({ handlers, network, node, job }, { options, extra });
}

/** Why the node did not start is told by whoever started it. */
function notThere(cause: unknown): never {
  throw new PeerEndedError("Cannot reach the node: it did not start", {
    cause,
  });
}

function openNetwork(
  { folder, nodeProcessId, role, job }: SessionOptions,
): { handlers: PeerHandlers; network: Network } {
  const handlers: PeerHandlers = { requests: {}, notices: {} };
  const self = {
    processId: newProcessId(nodeTagOf(nodeProcessId)),
    pid: Deno.pid,
    role,
    nodeId: job.nodeId,
  };
  if (!isThere(folder)) {
    throw new PeerEndedError(
      `Cannot join: the session's folder "${folder}" is gone`,
    );
  }
  const network = new Network(folder, self, handlers, {
    memories: ringMemories(),
  });
  network.listen();
  return { handlers, network };
}

/** Undefined where there is no shared memory, or none is wanted. */
function ringMemories(): RingMemories | undefined {
  if (!isSharedMemoryAvailable() || isWithoutRings()) return undefined;
  return { create: createSharedPage, open: openSharedPage };
}

/** `MANTA_TRANSPORT=sockets`: to compare. */
function isWithoutRings(): boolean {
  const name = "MANTA_TRANSPORT";
  const value = variable(name);
  if (value === undefined || value === "" || value === "rings") return false;
  if (value === "sockets") return true;
  throw new TypeError(
    `Cannot use ${name}="${value}": expected rings or sockets`,
  );
}

function register(
  node: Peer,
  network: Network,
  { role, job, childNo, actorId }: SessionOptions,
): void {
  node.notify("node.register", {
    role,
    jobId: job.jobId,
    home: job.home,
    processId: network.self.processId,
    pid: Deno.pid,
    ...(childNo === undefined ? {} : { childNo }),
    ...(actorId === undefined ? {} : { actorId }),
  });
}

function assemble(
  { handlers, network, node, job }: {
    handlers: PeerHandlers;
    network: Network;
    node: Peer;
    job: JobInfo;
  },
  { options, extra }: {
    options: SessionOptions;
    extra: (owner: Owner) => ExtraRole;
  },
): Session {
  const page = isSharedMemoryAvailable()
    ? createSharedPage(limits.claimSlots * 4)
    : undefined;
  const head = job.isClustered
    ? new StandingPeer(network, headId, {
      connected: (isAgain) => {
        if (!isAgain) return;
        own.headBack?.();
        owner.actors.watchAgain();
      },
    })
    : undefined;
  const home = job.home === options.nodeProcessId
    ? undefined
    : new StandingPeer(network, job.home);
  const owner: Owner = new Owner({
    network,
    node,
    head: head ?? node,
    home: home ?? node,
    job,
    claims: page === undefined ? undefined : {
      path: page.path,
      page: new ClaimPage(page.buffer),
      slots: new ClaimSlots(limits.claimSlots),
    },
    onOwedChanged: options.onOwedChanged ?? (() => {}),
  });
  const own = extra(owner);
  Object.assign(
    handlers.requests,
    owner.requests(),
    new Census(owner).requests(),
    own.requests,
  );
  Object.assign(handlers.notices, owner.notices(), own.notices);
  handlers.frame = (kind, body, peer) => {
    if (!owner.onFrame(kind, body, peer)) own.frame?.(kind, body, peer);
  };
  handlers.ended = (peer) => {
    owner.onPeerEnded(peer);
    own.ended?.(peer);
  };
  const flush = async () => {
    if (!node.isEnded) await node.flush();
    await head?.flush();
    await home?.flush();
  };
  return {
    owner,
    network,
    node,
    flush,
    close: async () => {
      await owner.close();
      await flush();
      head?.close();
      home?.close();
      page?.close();
      await network.close();
      closeLibc();
    },
  };
}
