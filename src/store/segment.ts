/**
 * Shared memory between the processes of one machine: segments, which hold
 * one large object each, and pages for atomics.
 *
 * A segment is a memfd, so it has no name and nothing can leak it: it is gone
 * when the last descriptor and mapping are. All here is synchronous and knows
 * no messages; who may read, recycle or drop a segment is decided in
 * `state/segments.ts`.
 *
 * @module
 */
import { builtin } from "../base/builtin.ts";
import { assert } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { emptyAndClose } from "./aside.ts";
import {
  closeFile,
  copyBytes,
  createMemoryFile,
  mapFile,
  mapFileForAtomics,
  openMemoryFile,
  reserve,
  unmapEarly,
} from "./ffi.ts";

export {
  closeLibc,
  dieWithParent,
  isMemoryFileGone,
  isSharedMemoryAvailable,
  SystemCallError,
} from "./ffi.ts";

/** Below this, writing recycled room by a call is as fast as mapping it. */
const mapBytesMin = 1 << 20;

/**
 * Mappings that a process should keep at once: a quarter of what Linux allows
 * it by default. Beyond all of it V8 aborts.
 */
export const mappingsMax = 16_000;

/** The room that an object of `byteLength` bytes takes: whole 64 KiB pages, at least one. */
export function segmentBytesOf(byteLength: number): number {
  const pageBytes = limits.segmentPageBytes;
  return Math.max(1, Math.ceil(byteLength / pageBytes)) * pageBytes;
}

/**
 * A writer's own segment.
 *
 * Write an object's pieces with {@linkcode Segment.write}, then call
 * {@linkcode Segment.finish}. Writing from the start again recycles it: only
 * when nobody reads it any more, for readers would see the new bytes.
 */
export class Segment {
  /** Its descriptor in this process. */
  readonly fd: number;
  /** Bytes it can hold: a multiple of 64 KiB. */
  readonly capacityBytes: number;
  /** The end of what may not be zero. */
  #dirtyEnd = 0;
  #mapped: Uint8Array<ArrayBuffer> | undefined;
  /** Somebody has the mapping and may write through it at any time. */
  #isExposed = false;
  #isClosed = false;

  private constructor(fd: number, capacityBytes: number) {
    this.fd = fd;
    this.capacityBytes = capacityBytes;
  }

  /**
   * Creates a segment for `byteLength` bytes.
   *
   * @throws {SystemCallError} whose `isFull` tells that memory (ENOMEM, ENOSPC)
   * or descriptors (EMFILE, ENFILE) were lacking; so do the methods that write.
   */
  static create(byteLength: number): Segment {
    const capacityBytes = segmentBytesOf(byteLength);
    return new Segment(createMemoryFile(capacityBytes), capacityBytes);
  }

  /** Where other processes of this user find it, while this process keeps it open. */
  get path(): string {
    return `/proc/${Deno.pid}/fd/${this.fd}`;
  }

  /** All its bytes, mapped: what is written here readers see at once. */
  get bytes(): Uint8Array<ArrayBuffer> {
    this.#isExposed = true;
    this.#dirtyEnd = this.capacityBytes;
    return this.#map();
  }

  /** Copies `source` to `offset`: fresh room by a call, recycled room by a mapping that stays warm. */
  write(source: Uint8Array, offset = 0): void {
    const end = offset + source.byteLength;
    assert(!this.#isClosed, "Segment written after it was closed");
    assert(offset >= 0 && end <= this.capacityBytes, "Segment overrun");
    if (source.byteLength === 0) return;
    const isRecycled = offset < this.#dirtyEnd;
    const pays = isRecycled && this.capacityBytes >= mapBytesMin;
    if (this.#mapped !== undefined || pays || isShared(source)) {
      this.#map().set(source, offset);
    } else {
      const bytes = source as Uint8Array<ArrayBuffer>;
      copyBytes(this.fd, { call: "pwrite", bytes, offset });
    }
    this.#dirtyEnd = Math.max(this.#dirtyEnd, end);
  }

  /** Copies what was written at `offset` into all of `into`. */
  read(into: Uint8Array<ArrayBuffer>, offset: number): void {
    assert(!this.#isClosed, "Segment read after it was closed");
    copyBytes(this.fd, { call: "pread", bytes: into, offset });
  }

  /** The object is written and has `byteLength` bytes: what an earlier one left behind it is zeroed. */
  finish(byteLength: number): void {
    const isTailDirty = byteLength < this.#dirtyEnd;
    if (isTailDirty) this.#zero(byteLength, this.#dirtyEnd);
    if (!this.#isExposed) this.#dirtyEnd = byteLength;
  }

  /** Closes the descriptor and drops the mapping. Mappings of others, and adopted descriptors, stay. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeFile(this.fd);
    if (this.#mapped !== undefined) unmapEarly(this.#mapped.buffer);
    this.#mapped = undefined;
  }

  #zero(start: number, end: number): void {
    if (this.#mapped === undefined && end - start < mapBytesMin) {
      const bytes = new Uint8Array(end - start);
      copyBytes(this.fd, { call: "pwrite", bytes, offset: start });
    } else {
      this.#map().fill(0, start, end);
    }
  }

  #map(): Uint8Array<ArrayBuffer> {
    assert(!this.#isClosed, "Segment used after it was closed");
    if (this.#mapped !== undefined) return this.#mapped;
    const byteLength = this.capacityBytes;
    reserve(this.fd, byteLength);
    const options = { byteLength, isShared: true, isPopulated: true };
    this.#mapped = new Uint8Array(mapFile(this.fd, options));
    return this.#mapped;
  }
}

function isShared(source: Uint8Array): boolean {
  return source.buffer instanceof SharedArrayBuffer;
}

/** The node's side: opens a writer's segment, so that it outlives its writer, and returns the descriptor. */
export function openDescriptor(path: string, byteLength: number): number {
  return openMemoryFile(path, { byteLength, isWritable: true });
}

/** Gives up a descriptor of {@linkcode openDescriptor}; readers' mappings stay. */
export function closeDescriptor(fd: number): void {
  closeFile(fd);
}

/**
 * Gives up a descriptor in a thread of its own; with `byteLength` also the
 * memory behind it, which nobody may read any more.
 */
export function discardDescriptor(
  fd: number,
  byteLength = 0,
): Promise<void> {
  return emptyAndClose(fd, byteLength);
}

/** The node's side: fresh memory of its own for a segment that comes back. */
export function createDescriptor(byteLength: number): number {
  return createMemoryFile(byteLength);
}

/** Where other processes of this user find a descriptor of this process. */
export function pathOfDescriptor(fd: number): string {
  return `/proc/${Deno.pid}/fd/${fd}`;
}

/**
 * A reader's own view of a whole segment: nothing is copied, a write stays
 * the reader's, and V8 unmaps it when the buffer is collected.
 *
 * The buffer's length is `byteLength` rounded up to 64 KiB. It can't be
 * transferred. The segment must stay open until this returns, and must not be
 * recycled while the buffer lives.
 */
export function mapPrivate(path: string, byteLength: number): ArrayBuffer {
  if (byteLength === 0) return new ArrayBuffer(0);
  const roundedBytes = segmentBytesOf(byteLength);
  const fd = openMemoryFile(path, { byteLength: roundedBytes });
  try {
    return mapFile(fd, { byteLength: roundedBytes });
  } finally {
    closeFile(fd);
  }
}

/**
 * A reader's copy: an ordinary buffer of exactly `byteLength` bytes, where a
 * mapping does not pay, or too many live (see {@linkcode mappingsMax}). The
 * segment is free to go when this returns.
 */
export function readCopy(path: string, byteLength: number): ArrayBuffer {
  const buffer = new ArrayBuffer(byteLength);
  const fd = openMemoryFile(path, { byteLength });
  try {
    const bytes = new Uint8Array(buffer);
    copyBytes(fd, { call: "pread", bytes, offset: 0 });
    return buffer;
  } finally {
    closeFile(fd);
  }
}

/** Reads another process's segment piece by piece; it must not be recycled before `close`. */
export class SegmentReader {
  readonly #fd: number;

  /** Opens at least `byteLength` bytes. */
  constructor(path: string, byteLength: number) {
    this.#fd = openMemoryFile(path, { byteLength });
  }

  /** Copies what lies at `offset` into all of `into`. */
  read(into: Uint8Array<ArrayBuffer>, offset: number): void {
    copyBytes(this.#fd, { call: "pread", bytes: into, offset });
  }

  /** Lets it go. */
  close(): void {
    closeFile(this.#fd);
  }
}

/** Memory that two processes share, for claims and rings: one creates it, the other opens it. */
export interface SharedPage {
  /** Its descriptor in this process. */
  readonly fd: number;
  /** Where the other process opens it, until `close`. */
  readonly path: string;
  /** Zeros at first; its length is rounded up to 64 KiB. */
  readonly buffer: SharedArrayBuffer;
  /** Closes the descriptor; the memory stays on both sides while its buffers live. Idempotent. */
  close(): void;
}

/** Creates a {@linkcode SharedPage} of at least `byteLength` bytes. */
export function createSharedPage(byteLength: number): SharedPage {
  const roundedBytes = segmentBytesOf(byteLength);
  const fd = createMemoryFile(roundedBytes);
  let isClosed = false;
  const close = () => {
    if (!isClosed) closeFile(fd);
    isClosed = true;
  };
  try {
    reserve(fd, roundedBytes);
    const buffer = mapFileForAtomics(fd, roundedBytes);
    return { fd, path: pathOfDescriptor(fd), buffer, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** Opens another process's {@linkcode SharedPage}. */
export function openSharedPage(
  path: string,
  byteLength: number,
): SharedArrayBuffer {
  const roundedBytes = segmentBytesOf(byteLength);
  const options = { byteLength: roundedBytes, isWritable: true };
  const fd = openMemoryFile(path, options);
  try {
    return mapFileForAtomics(fd, roundedBytes);
  } finally {
    closeFile(fd);
  }
}

let gc: (() => void) | undefined;

/** Collects garbage now, with the mappings nobody holds; takes 5 to 10 ms, the first time 30. */
export function collectGarbage(): void {
  // Not a static import: these two cost every process 20 ms at its start.
  gc ??= exposedGc(builtin("node:v8"));
  gc();
}

function exposedGc(v8: typeof import("node:v8")): () => void {
  v8.setFlagsFromString("--expose-gc");
  const vm = builtin("node:vm");
  return vm.runInNewContext("gc");
}
