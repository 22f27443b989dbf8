/**
 * A port of this machine, opened for connections, plain or encrypted.
 *
 * @module
 */
import { MantaError } from "../base/errors.ts";

/** Where, and how. */
export interface ListenPlace {
  hostname: string;
  /** 0 picks one. */
  port: number;
  /** PEM texts: connections are encrypted. */
  tls?: { cert: string; key: string } | undefined;
}

/** A connection that was taken. */
export type NetConn = Deno.TcpConn | Deno.TlsConn;

/** Takes connections. */
export type NetListener = Deno.Listener<NetConn, Deno.NetAddr>;

/**
 * Opens a port.
 *
 * @throws {MantaError} Where that can't be: `cannot` is how its message begins,
 *   `taken` what it says of a port that another process has.
 */
export function listenAt(
  { hostname, port, tls }: ListenPlace,
  { cannot, taken }: { cannot: string; taken: string },
): NetListener {
  try {
    return (tls === undefined
      ? Deno.listen({ hostname, port })
      : Deno.listenTls({ hostname, port, ...tls })) as NetListener;
  } catch (cause) {
    const why = cause instanceof Deno.errors.AddrInUse
      ? taken
      : (cause as Error).message;
    throw new MantaError(`${cannot} ${hostname}:${port}: ${why}`, { cause });
  }
}
