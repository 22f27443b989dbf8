/**
 * System calls that take a while, in threads of their own: files on disk, and
 * memory that is given back. The caller's thread goes on.
 *
 * Such a call can't say why it failed, for `errno` is its thread's; so a
 * failed one is tried again here, for one page.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { closeFile, cString, lastError, libc, SystemCallError } from "./ffi.ts";

const flags = {
  O_WRONLY: 1,
  O_CREAT: 0o100,
  O_EXCL: 0o200,
  O_CLOEXEC: 0o2000000,
  O_DIRECT: Deno.build.arch === "aarch64" ? 0o200000 : 0o40000,
  FALLOC_FL_KEEP_SIZE: 1,
  FALLOC_FL_PUNCH_HOLE: 2,
} as const;

/**
 * Opens a file for whole pages, past the system's cache where that can be: the
 * cache would take the very memory that is to be freed, and writing through it
 * is slower once it is full. A new file must not exist yet.
 */
export function openDiskFile(path: string, isNew: boolean): number {
  const mode = flags.O_CLOEXEC |
    (isNew ? flags.O_WRONLY | flags.O_CREAT | flags.O_EXCL : 0);
  const name = cString(path);
  const direct = libc().open(name, mode | flags.O_DIRECT, 0o600);
  if (direct >= 0) return direct;
  const error = lastError(`open ${path}`, "open");
  if (error.code !== "EINVAL") throw error;
  // The file system knows only its cache. It may have made the file already.
  const fd = libc().open(name, mode & ~flags.O_EXCL, 0o600);
  if (fd < 0) throw lastError(`open ${path}`, "open");
  return fd;
}

/** Copies whole pages into a file or out of it; returns how many bytes, fewer only at its end. */
export async function copyAside(
  fd: number,
  { call, bytes, offset }: {
    call: "pread" | "pwrite";
    bytes: Uint8Array<ArrayBuffer>;
    offset: number;
  },
): Promise<number> {
  const pageBytes = limits.segmentPageBytes;
  const c = libc();
  let done = 0;
  while (done < bytes.length) {
    const rest = bytes.subarray(done);
    const at = BigInt(offset + done);
    let count = await c[`${call}Aside`](fd, rest, BigInt(rest.length), at);
    if (count < 0n) {
      count = c[call](fd, rest, BigInt(Math.min(pageBytes, rest.length)), at);
    }
    if (count < 0n) throw lastError(`copy ${bytes.length} bytes`, call);
    if (count === 0n) break;
    done += Number(count);
  }
  return done;
}

/**
 * Gives so much of a memory file's memory back now, whoever else holds a
 * descriptor of it, and closes this one. Nobody may read it any more.
 */
export async function emptyAndClose(
  fd: number,
  byteLength: number,
): Promise<void> {
  const c = libc();
  const mode = flags.FALLOC_FL_PUNCH_HOLE | flags.FALLOC_FL_KEEP_SIZE;
  // Where it fails the memory goes a little later, with its last descriptor.
  if (byteLength > 0) {
    await c.fallocateAside(fd, mode, 0n, BigInt(byteLength));
  }
  const result = await c.closeAside(fd);
  assert(result === 0, "Descriptor closed twice");
}

export { closeFile, SystemCallError };
