/**
 * How a command reaches what it asks: the head of a cluster over a link of its
 * own, or a program of this user on this machine by the sockets in its
 * session's folder; and from there any process.
 *
 * It joins as somebody who runs nothing, asks, and leaves.
 *
 * @module
 */
import { deadline } from "@std/async";
import {
  newNodeTag,
  type NodeId,
  nodeProcessIdOf,
  type NodeTag,
  nodeTagOf,
  type ProcessId,
  randomHex,
} from "../base/ids.ts";
import { MantaError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { tokenFor } from "../client/join_options.ts";
import type { NodeAbout } from "../wire/command_messages.ts";
import { dialLink } from "../wire/link_dial.ts";
import { dialRelay, headId } from "../wire/network.ts";
import { Peer } from "../wire/peer.ts";
import { type SocketConn, SocketTransport } from "../wire/socket.ts";
import { dialSocket, socketPath } from "../wire/unix_sockets.ts";

/** What a command talks to. */
export interface Reach extends AsyncDisposable {
  /** What it is, for messages. */
  readonly name: string;
  readonly isCluster: boolean;
  /** Who keeps the directory: of a program of its own, its node. */
  readonly head: Peer;
  /** A connection to a process, wherever it is. */
  peer(processId: ProcessId): Promise<Peer>;
}

/** Where a cluster is, and how it lets one in. */
export interface ClusterPlace {
  address: string;
  /** PEM text of whoever signed its certificate. */
  ca: string | undefined;
}

/** A session on this machine: of a program, or of a head. */
export interface SessionPlace {
  folder: string;
  /** Its node. */
  tag: NodeTag;
  about: NodeAbout;
}

/** Reaches a cluster. */
export async function reachCluster(
  { address, ca }: ClusterPlace,
): Promise<Reach> {
  const tag = newNodeTag();
  const token = tokenFor(address, undefined);
  const link = await dialLink({
    address,
    ...(token === undefined ? {} : { token }),
    ...(ca === undefined ? {} : { tls: { ca } }),
    self: {
      clusterId: "",
      nodeId: randomHex(8) as NodeId,
      tag,
      role: "client",
      pid: Deno.pid,
      address: "",
    },
  }).catch((cause) => {
    if (cause instanceof MantaError) throw cause;
    throw new MantaError(
      `Cannot reach a cluster at ${address}: ${
        (cause as Error).message
      }; start one by \`cluster\`, or name another by --address`,
      { cause },
    );
  });
  // Whoever only asks is asked nothing.
  link.onChannel = (_, channel) => channel.close();
  return reach({
    name: `the cluster at ${address}`,
    isCluster: true,
    tag,
    headId,
    dial: (processId) => Promise.resolve(link.open(processId)),
    close: () => link.close("its command is done"),
  });
}

/** Reaches a program of this machine, or the cluster whose head it is. */
export function reachSession({ folder, tag, about }: SessionPlace): Reach {
  const isCluster = about.kind === "head";
  return reach({
    name: isCluster
      ? `the cluster at ${about.clusterAddress}`
      : `the program of ${folder}`,
    isCluster,
    tag,
    headId: nodeProcessIdOf(tag),
    dial: (processId) =>
      nodeTagOf(processId) === tag
        ? dialSocket(socketPath(folder, processId))
        : dialRelay(folder, processId),
    close: () => Promise.resolve(),
  });
}

/** What a session's node says of itself, if it lives and answers. */
export async function aboutSession(
  folder: string,
  tag: NodeTag,
): Promise<NodeAbout> {
  const place = { folder, tag, about: { kind: "local" as const } };
  await using session = reachSession(place);
  return await within(session.head.request("node.about", {}));
}

/** An answer that is waited for only so long. */
export async function within<T>(answer: Promise<T>): Promise<T> {
  try {
    return await deadline(answer, limits.factsNodeWaitMs);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    throw new MantaError(
      `Cannot wait any longer: no answer within ${limits.factsNodeWaitMs} ms`,
    );
  }
}

function reach(
  { name, isCluster, tag, headId, dial, close }: {
    name: string;
    isCluster: boolean;
    /** Of this command's own. */
    tag: NodeTag;
    headId: ProcessId;
    dial(processId: ProcessId): Promise<SocketConn>;
    close(): Promise<void>;
  },
): Reach {
  const self = {
    processId: nodeProcessIdOf(tag).slice(0, 8) + randomHex(4) as ProcessId,
    pid: Deno.pid,
    role: "command" as const,
  };
  const peers = new Map<ProcessId, Promise<Peer>>();
  const connect = async (processId: ProcessId) => {
    const conn = await dial(processId);
    return new Peer(new SocketTransport(conn), self, {
      requests: {},
      notices: {},
    });
  };
  const head = new Peer(new SocketTransport(dial(headId)), self, {
    requests: {},
    notices: {},
  });
  return {
    name,
    isCluster,
    head,
    peer: (processId) => {
      let peer = peers.get(processId);
      if (peer === undefined) {
        peers.set(processId, peer = connect(processId));
        // Whoever asks is told; who asks later tries anew.
        const forget = () => void peers.delete(processId);
        peer.then((opened) => opened.closed).then(forget, forget);
      }
      return peer;
    },
    [Symbol.asyncDispose]: async () => {
      head.close();
      await head.closed;
      for (const peer of await Promise.allSettled(peers.values())) {
        if (peer.status === "rejected") continue;
        peer.value.close();
        await peer.value.closed;
      }
      await close();
    },
  };
}
