/**
 * Segments on disk: one file each, in a folder of the session's own.
 *
 * Copied in pieces, so that the thread is never held up for long, and with a
 * checksum, which is kept in memory: the files are of no use to a later run.
 * What is spilled and when is decided in `state/segment_flow.ts`.
 *
 * @module
 */
import { limits } from "../base/limits.ts";
import { copyPart } from "./segment.ts";

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
      using file = await Deno.open(path, {
        write: true,
        createNew: true,
        mode: 0o600,
      });
      const buffer = new Uint8Array(chunkBytes(byteLength));
      let checksum = 0;
      for (let offset = 0; offset < byteLength; offset += buffer.length) {
        signal.throwIfAborted();
        const bytes = buffer.subarray(0, byteLength - offset);
        copyPart(fd, { call: "pread", bytes, offset });
        checksum = crc32(bytes, checksum);
        await writeAll(file, bytes);
      }
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
export function readSpillFile(
  file: SpillFile,
  fd: number,
  signal: AbortSignal,
): Promise<void> {
  const buffer = new Uint8Array(chunkBytes(file.byteLength));
  return readThrough(file, {
    chunkAt: (_, length) => buffer.subarray(0, length),
    read: (bytes, offset) => {
      signal.throwIfAborted();
      copyPart(fd, { call: "pwrite", bytes, offset });
    },
  });
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
  const buffer = new ArrayBuffer(file.byteLength);
  await readThrough(file, {
    chunkAt: (offset, length) => new Uint8Array(buffer, offset, length),
    read: () => {},
  });
  return byteLength === buffer.byteLength
    ? buffer
    : buffer.slice(0, byteLength);
}

async function readThrough(
  { path, byteLength, checksum }: SpillFile,
  { chunkAt, read }: {
    chunkAt(offset: number, length: number): Uint8Array<ArrayBuffer>;
    read(bytes: Uint8Array<ArrayBuffer>, offset: number): void;
  },
): Promise<void> {
  using file = await opened(path);
  let sum = 0;
  for (let offset = 0; offset < byteLength;) {
    const chunk = chunkAt(
      offset,
      Math.min(chunkBytes(byteLength), byteLength - offset),
    );
    const count = await file.read(chunk).catch((cause) => {
      throw lostOf(path, cause);
    });
    if (count === null) {
      throw new SpillLostError(
        `its spill file "${path}" has ${offset} of ${byteLength} bytes`,
      );
    }
    const bytes = chunk.subarray(0, count);
    sum = crc32(bytes, sum);
    read(bytes, offset);
    offset += count;
  }
  if (sum !== checksum) {
    throw new SpillLostError(
      `the checksum of its spill file "${path}" does not match: the file was changed, or its disk is bad`,
    );
  }
}

async function opened(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path);
  } catch (cause) {
    throw passingCodes.has(codeOf(cause) ?? "") ? cause : lostOf(path, cause);
  }
}

function lostOf(path: string, cause: unknown): SpillLostError {
  const why = cause instanceof Deno.errors.NotFound
    ? "is gone"
    : `can't be read: ${cause instanceof Error ? cause.message : cause}`;
  return new SpillLostError(`its spill file "${path}" ${why}`, { cause });
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += await file.write(bytes.subarray(done));
  }
}

let zlib: typeof import("node:zlib") | undefined;

/** Goes on with a checksum; 40 GB/s. */
function crc32(bytes: Uint8Array, sum: number): number {
  // Not a static import: few processes ever need it.
  zlib ??= globalThis.process.getBuiltinModule("node:zlib");
  return zlib.crc32(bytes, sum);
}

function chunkBytes(byteLength: number): number {
  return Math.min(limits.spillChunkBytes, byteLength);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error
    ? (error as Error & { code?: string }).code
    : undefined;
}
