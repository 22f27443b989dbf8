/**
 * Makes links to nodes that listen, and their further connections.
 *
 * @module
 */
import { ProtocolError } from "../base/errors.ts";
import { randomHex } from "../base/ids.ts";
import { greetAsDialler } from "./handshake.ts";
import {
  Link,
  type LinkIdentity,
  LinkRefusedError,
  type LinkTiming,
} from "./link.ts";
import type { LinkConn } from "./link_conn.ts";
import { closeUnlessClosed } from "./streams.ts";

/** How a node that speaks TLS is known. */
export interface TlsClient {
  /** PEM text of whoever signed its certificate. */
  ca?: string;
}

/** What making a link takes. */
export interface DialOptions {
  /** `HOST:PORT`. */
  address: string;
  tls?: TlsClient;
  token?: string;
  self: LinkIdentity;
  timing?: LinkTiming;
}

/** What a dialler says once both sides are known. */
export interface DialWord {
  identity: LinkIdentity;
  linkId: string;
  /** What it has of the link so far; undefined for a new one. */
  resume?: number;
}

/** What a listener answers. */
export type ListenWord =
  | { identity: LinkIdentity; hasSeq: number }
  | { refused: string };

/** Makes a link. Rejects where nobody is there, or the other side will not. */
export async function dialLink(options: DialOptions): Promise<Link> {
  const linkId = randomHex(16);
  const { conn, word } = await connect(options, linkId, undefined);
  const link = new Link({
    id: linkId,
    remote: word.identity,
    isDialled: true,
    timing: options.timing,
    redial: async (receivedSeq) => {
      const { conn, word } = await connect(options, linkId, receivedSeq);
      return { conn, hasSeq: word.hasSeq };
    },
  });
  link.connected(conn, 0);
  return link;
}

async function connect(
  options: DialOptions,
  linkId: string,
  resume: number | undefined,
): Promise<{
  conn: LinkConn;
  word: Extract<ListenWord, { identity: LinkIdentity }>;
}> {
  const { address, token, self } = options;
  const conn = await open(options);
  const told: DialWord = {
    identity: self,
    linkId,
    ...(resume === undefined ? {} : { resume }),
  };
  let word: ListenWord;
  try {
    word = await greetAsDialler(conn, {
      token,
      self: told,
      peerName: address,
    }) as ListenWord;
  } catch (error) {
    closeUnlessClosed(conn);
    throw error;
  }
  if (!("refused" in word)) return { conn, word };
  closeUnlessClosed(conn);
  if (resume !== undefined) throw new LinkRefusedError(word.refused);
  throw new ProtocolError(
    `Cannot join the cluster at ${address}: ${word.refused}`,
  );
}

async function open({ address, tls }: DialOptions): Promise<LinkConn> {
  const at = address.lastIndexOf(":");
  const hostname = address.slice(0, at).replace(/^\[|\]$/g, "");
  const port = Number(address.slice(at + 1));
  const plain = await Deno.connect({ hostname, port });
  // Before TLS: a connection has it still then, and has no way to get it later.
  plain.setNoDelay(true);
  if (tls !== undefined) {
    const { ca } = tls;
    const conn = await Deno.startTls(plain, {
      hostname,
      ...(ca === undefined ? {} : { caCerts: [ca] }),
    });
    try {
      await conn.handshake();
    } catch (cause) {
      conn.close();
      throw new ProtocolError(
        `Cannot join the cluster at ${address} by TLS: ${
          (cause as Error).message
        }`,
        { cause },
      );
    }
    conn.unref();
    return conn;
  }
  plain.unref();
  return plain;
}
