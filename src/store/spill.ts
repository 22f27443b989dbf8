/**
 * Segments on disk: one file each, in a folder of the session's own.
 *
 * Copied in pieces and in other threads, so that this one is never held up,
 * and with a checksum, which is kept in memory: the files are of no use to a
 * later run. Past the system's cache, which would only take the memory again.
 * What is spilled and when is decided in `state/segment_flow.ts`.
 *
 * @module
 */
import { builtin } from "../base/builtin.ts";
import { limits } from "../base/limits.ts";
import {
  closeFile,
  copyAside,
  openDiskFile,
  SystemCallError,
} from "./aside.ts";
import { alignedBytes } from "./ffi.ts";

/** A segment on disk. */
export interface SpillFile {
  readonly path: string;
  readonly byteLength: number;
  readonly checksum: number;
}

/** A segment could not be copied to disk; `message` is the second half of a sentence. */
export class SpillError extends Error {
  /** The class's name. */
  override readonly name = "SpillError";
}

/** A segment's bytes on disk are gone or damaged; `message` is the second half of a sentence. */
export class SpillLostError extends Error {
  /** The class's name. */
  override readonly name = "SpillLostError";
}

/** What lets a later try succeed, with the bytes still there. */
const passingCodes = new Set(["EMFILE", "ENFILE", "ENOMEM"]);

/** The folder of spilled segments; made when the first one comes. */
export class SpillFolder {
  readonly #path: string;
  #isMade = false;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Copies a segment to a file of its own.
   *
   * @throws {SpillError} if the disk takes it not, or `signal` is aborted; no
   * file is left then.
   */
  async write(
    name: string,
    { fd, byteLength }: { fd: number; byteLength: number },
    signal: AbortSignal,
  ): Promise<SpillFile> {
    const path = `${this.#path}/${name}`;
    try {
      await this.#make();
      const checksum = await writeWhole(path, { fd, byteLength, signal });
      return { path, byteLength, checksum };
    } catch (cause) {
      await this.remove(path);
      throw new SpillError(this.#fault(cause), { cause });
    }
  }

  /** Removes a file; one that is gone is as good. */
  async remove(path: string): Promise<void> {
    try {
      await Deno.remove(path);
    } catch (error) {
      // It was never made, or went with the session's folder. The rest that
      // may be said of it is said by whoever cannot spill for it.
      if (error instanceof Deno.errors.NotFound) return;
    }
  }

  async #make(): Promise<void> {
    if (this.#isMade) return;
    await Deno.mkdir(this.#path, { recursive: true, mode: 0o700 });
    this.#isMade = true;
  }

  #fault(cause: unknown): string {
    const code = codeOf(cause);
    return code === "ENOSPC" || code === "EDQUOT"
      ? `the disk of the spill folder "${this.#path}" is full`
      : `the spill folder "${this.#path}" can't be written: ${
        cause instanceof Error ? cause.message : cause
      }`;
  }
}

/**
 * Copies a file back into a segment.
 *
 * @throws {SpillLostError} if its bytes are not what they were.
 */
export async function readSpillFile(
  file: SpillFile,
  fd: number,
  signal: AbortSignal,
): Promise<void> {
  const from = opened(file.path);
  try {
    await readThrough(file, from, async (bytes, offset) => {
      signal.throwIfAborted();
      await copyAside(fd, { call: "pwrite", bytes, offset });
    });
  } finally {
    closeFile(from);
  }
}

/**
 * A reader's copy of the first `byteLength` bytes, where the store has no room
 * to bring a segment back.
 *
 * @throws {SpillLostError} if its bytes are not what they were.
 */
export async function copySpillFile(
  file: SpillFile,
  byteLength: number,
): Promise<ArrayBuffer> {
  const copy = new Uint8Array(byteLength);
  const from = opened(file.path);
  try {
    await readThrough(file, from, (bytes, offset) => {
      const wanted = bytes.subarray(0, Math.max(0, byteLength - offset));
      copy.set(wanted, Math.min(offset, byteLength));
      return Promise.resolve();
    });
  } finally {
    closeFile(from);
  }
  return copy.buffer;
}

async function writeWhole(
  path: string,
  { fd, byteLength, signal }: {
    fd: number;
    byteLength: number;
    signal: AbortSignal;
  },
): Promise<number> {
  const to = openDiskFile(path, true);
  const buffer = takeBuffer();
  try {
    let checksum = 0;
    for (let offset = 0; offset < byteLength; offset += buffer.length) {
      signal.throwIfAborted();
      const bytes = buffer.subarray(0, byteLength - offset);
      await copyAside(fd, { call: "pread", bytes, offset });
      checksum = crc32(bytes, checksum);
      await copyAside(to, { call: "pwrite", bytes, offset });
    }
    return checksum;
  } finally {
    closeFile(to);
    buffers.push(buffer);
  }
}

async function readThrough(
  { path, byteLength, checksum }: SpillFile,
  fd: number,
  use: (bytes: Uint8Array<ArrayBuffer>, offset: number) => Promise<void>,
): Promise<void> {
  const buffer = takeBuffer();
  try {
    let sum = 0;
    for (let offset = 0; offset < byteLength; offset += buffer.length) {
      const bytes = buffer.subarray(0, byteLength - offset);
      const part = { call: "pread", bytes, offset } as const;
      const count = await copyAside(fd, part).catch((cause) => {
        throw lostOf(path, cause);
      });
      if (count < bytes.length) {
        throw new SpillLostError(
          `its spill file "${path}" has ${
            offset + count
          } of ${byteLength} bytes`,
        );
      }
      sum = crc32(bytes, sum);
      await use(bytes, offset);
    }
    if (sum !== checksum) {
      throw new SpillLostError(
        `the checksum of its spill file "${path}" does not match: the file was changed, or its disk is bad`,
      );
    }
  } finally {
    buffers.push(buffer);
  }
}

function opened(path: string): number {
  try {
    return openDiskFile(path, false);
  } catch (cause) {
    throw passingCodes.has(codeOf(cause) ?? "") ? cause : lostOf(path, cause);
  }
}

function lostOf(path: string, cause: unknown): SpillLostError {
  const why = codeOf(cause) === "ENOENT"
    ? "is gone"
    : `can't be read: ${cause instanceof Error ? cause.message : cause}`;
  return new SpillLostError(`its spill file "${path}" ${why}`, { cause });
}

/** Not in use; as many as copyings went on at once. */
const buffers: Uint8Array<ArrayBuffer>[] = [];

function takeBuffer(): Uint8Array<ArrayBuffer> {
  return buffers.pop() ?? alignedBytes(limits.spillChunkBytes);
}

let zlib: typeof import("node:zlib") | undefined;

/** Goes on with a checksum; 40 GB/s. */
function crc32(bytes: Uint8Array, sum: number): number {
  // Not a static import: few processes ever need it.
  zlib ??= builtin("node:zlib");
  return zlib.crc32(bytes, sum);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof SystemCallError
    ? error.code
    : (error as { code?: string } | undefined)?.code;
}
