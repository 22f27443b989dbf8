/**
 * A command's way to ask a running cluster: it joins as a program that runs
 * nothing, asks, and leaves.
 *
 * @module
 */
import { type NodeId, randomHex } from "../base/ids.ts";
import { newNodeTag, nodeProcessIdOf } from "../base/ids.ts";
import { MantaError } from "../base/errors.ts";
import { tokenFor } from "../client/join_options.ts";
import { dialLink } from "../wire/link_dial.ts";
import type { SocketConn } from "../wire/socket.ts";
import { headId } from "../wire/network.ts";
import { Peer } from "../wire/peer.ts";
import { SocketTransport } from "../wire/socket.ts";

/** Asks the head of a cluster, over a link of its own. */
export async function askHead<T>(
  { address, token, ca }: {
    address: string;
    token?: string | undefined;
    ca?: string | undefined;
  },
  ask: (head: Peer) => Promise<T>,
): Promise<T> {
  const tag = newNodeTag();
  const known = tokenFor(address, token);
  const link = await dialLink({
    address,
    ...(known === undefined ? {} : { token: known }),
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
      `Cannot reach a cluster at ${address}: ${(cause as Error).message}`,
      { cause },
    );
  });
  const self = { processId: nodeProcessIdOf(tag), pid: Deno.pid };
  const conn: SocketConn = link.open(headId);
  const peer = new Peer(
    new SocketTransport(conn),
    { ...self, role: "driver" },
    {
      requests: {},
      notices: {},
    },
  );
  try {
    return await ask(peer);
  } finally {
    peer.close();
    await link.close("its command is done");
  }
}
