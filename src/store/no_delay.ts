/**
 * Has connections that a port takes send at once what is written to them,
 * where Deno has no way to say so: it has none for TLS.
 *
 * On Linux a connection takes this over from the socket that listens, so that
 * is told, found by its port in `/proc`. Elsewhere small words may wait for the
 * confirmation of earlier ones, up to 40 ms.
 *
 * @module
 */
import { log } from "../base/log.ts";
import { isSharedMemoryAvailable, lastError, libc } from "./ffi.ts";

const protocol = { IPPROTO_TCP: 6, TCP_NODELAY: 1 } as const;
/** How `/proc/net/tcp` calls a socket that listens. */
const listening = "0A";

/** From now on; false where that can't be done. */
export function sendAtOnce(port: number): boolean {
  if (!isSharedMemoryAvailable()) return false;
  try {
    const fds = listenersOn(port);
    for (const fd of fds) {
      const { IPPROTO_TCP, TCP_NODELAY } = protocol;
      const on = new Int32Array([1]);
      const code = libc().setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, on, 4);
      if (code < 0) throw lastError("send at once", "setsockopt");
    }
    return fds.length > 0;
  } catch (error) {
    log.debug(`small words on port ${port} may wait: ${error}`);
    return false;
  }
}

/** The descriptors of this process that listen on a port. */
function listenersOn(port: number): number[] {
  const inodes = new Set<string>();
  for (const family of ["tcp", "tcp6"]) {
    const table = Deno.readTextFileSync(`/proc/self/net/${family}`);
    for (const line of table.split("\n").slice(1)) {
      const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
      const isOurs = parseInt(local.split(":")[1] ?? "", 16) === port;
      if (isOurs && state === listening) inodes.add(`socket:[${inode}]`);
    }
  }
  return [...Deno.readDirSync("/proc/self/fd")]
    .map(({ name }) => Number(name))
    .filter((fd) => inodes.has(targetOf(fd)));
}

function targetOf(fd: number): string {
  try {
    return Deno.readLinkSync(`/proc/self/fd/${fd}`);
  } catch (error) {
    // It was that of the folder that was read.
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
