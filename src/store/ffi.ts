/**
 * The few system calls that Deno has no API for, through its FFI: anonymous
 * files, mappings, and the end of a process with its parent.
 *
 * Nothing is loaded before first use. Policy (what is mapped when, and for
 * whom) is not here: see `segment.ts` and `state/segments.ts`.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import { limits } from "../base/limits.ts";

const symbols = {
  memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
  ftruncate: { parameters: ["i32", "i64"], result: "i32" },
  fallocate: { parameters: ["i32", "i32", "i64", "i64"], result: "i32" },
  fcntl: { parameters: ["i32", "i32", "i64"], result: "i32" },
  lseek: { parameters: ["i32", "i64", "i32"], result: "i64" },
  pwrite: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" },
  pread: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" },
  open: { parameters: ["buffer", "i32", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  // The same in threads of their own, for what takes a while.
  pwriteAside: {
    name: "pwrite",
    parameters: ["i32", "buffer", "usize", "i64"],
    result: "isize",
    nonblocking: true,
  },
  preadAside: {
    name: "pread",
    parameters: ["i32", "buffer", "usize", "i64"],
    result: "isize",
    nonblocking: true,
  },
  fallocateAside: {
    name: "fallocate",
    parameters: ["i32", "i32", "i64", "i64"],
    result: "i32",
    nonblocking: true,
  },
  closeAside: {
    name: "close",
    parameters: ["i32"],
    result: "i32",
    nonblocking: true,
  },
  mmap: {
    parameters: ["pointer", "usize", "i32", "i32", "i32", "i64"],
    result: "isize",
  },
  setsockopt: {
    parameters: ["i32", "i32", "i32", "buffer", "u32"],
    result: "i32",
  },
  prctl: { parameters: ["i32", "u64", "u64", "u64", "u64"], result: "i32" },
  __errno_location: { parameters: [], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The C library's functions, as they are. */
export type Libc = Deno.DynamicLibrary<typeof symbols>["symbols"];

// The numbers are the same on x86-64 and arm64.
const flags = {
  MFD_CLOEXEC: 1,
  MFD_ALLOW_SEALING: 2,
  F_ADD_SEALS: 1033,
  F_GET_SEALS: 1034,
  F_SEAL_SEAL: 1,
  F_SEAL_SHRINK: 2,
  F_SEAL_GROW: 4,
  O_RDONLY: 0,
  O_RDWR: 2,
  O_NOCTTY: 0o400,
  O_CLOEXEC: 0o2000000,
  SEEK_END: 2,
  PROT_READ_WRITE: 3,
  MAP_SHARED: 1,
  MAP_PRIVATE: 2,
  MAP_FIXED: 0x10,
  MAP_ANONYMOUS: 0x20,
  MAP_NORESERVE: 0x4000,
  MAP_POPULATE: 0x8000,
  PR_SET_PDEATHSIG: 1,
  SIGKILL: 9,
} as const;

/** What the numbers of a failed call mean, as far as we meet them. */
const errnoTable: Readonly<Record<number, readonly [string, string]>> = {
  1: ["EPERM", "the system does not permit it"],
  2: ["ENOENT", "it does not exist: its process has ended or closed it"],
  5: ["EIO", "the disk gave an error"],
  12: ["ENOMEM", "there is no memory, or no room for mappings, left"],
  13: ["EACCES", "it belongs to another user"],
  22: ["EINVAL", "it is of the wrong kind"],
  23: ["ENFILE", "the machine has too many open files"],
  24: ["EMFILE", "this process has too many open files"],
  28: ["ENOSPC", "there is no room left"],
  122: ["EDQUOT", "this user's share of the disk is used up"],
};

/** A system call failed; `code` is its name for why, like `"EMFILE"`. */
export class SystemCallError extends Error {
  /** The class's name. */
  override readonly name = "SystemCallError";
  /** Why it failed: `"ENOMEM"`, `"ENOSPC"`, `"EMFILE"`, `"ENOENT"`, … */
  readonly code: string;

  /** Builds the error of `call`, which was tried `to` do something. */
  constructor(to: string, readonly call: string, errno: number) {
    const [code, reason] = errnoTable[errno] ??
      [`errno ${errno}`, "the system refused"];
    super(`Cannot ${to}: ${call} failed with ${code}, ${reason}`);
    this.code = code;
  }

  /** Whether room was lacking: memory, or descriptors. Giving some back may help. */
  get isFull(): boolean {
    return ["ENOMEM", "ENOSPC", "EMFILE", "ENFILE"].includes(this.code);
  }
}

let loaded: Deno.DynamicLibrary<typeof symbols> | undefined;
let isAvailable: boolean | undefined;

/** The C library; opened by the first call. */
export function libc(): Libc {
  loaded ??= Deno.dlopen("libc.so.6", symbols);
  return loaded.symbols;
}

/** Lets go of the C library; mappings stay, and the next call opens it again. */
export function closeLibc(): void {
  loaded?.close();
  loaded = undefined;
}

/** The error of the call that just failed: read it before any other call. */
export function lastError(to: string, call: keyof Libc): SystemCallError {
  const location = libc().__errno_location();
  assert(location !== null, "The C library keeps no errno");
  const errno = new Deno.UnsafePointerView(location).getInt32();
  return new SystemCallError(to, call, errno);
}

/** A path as the C library takes it. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text + "\0");
}

/**
 * Whether this process can share memory with others: on Linux, where FFI is
 * granted, and where descriptors open through `/proc`. Never prompts.
 */
export function isSharedMemoryAvailable(): boolean {
  isAvailable ??= Deno.build.os === "linux" &&
    ["x86_64", "aarch64"].includes(Deno.build.arch) &&
    Deno.permissions.querySync({ name: "ffi" }).state === "granted" &&
    canShare();
  return isAvailable;
}

/** Tries it: another C library, a seccomp filter or a closed `/proc` may refuse. */
function canShare(): boolean {
  try {
    const fd = createMemoryFile(limits.segmentPageBytes);
    try {
      closeFile(
        openMemoryFile(`/proc/${Deno.pid}/fd/${fd}`, { byteLength: 1 }),
      );
    } finally {
      closeFile(fd);
    }
    return true;
  } catch {
    // Whatever the reason, the answer is no, and values go by socket instead.
    return false;
  }
}

/**
 * Creates an anonymous file of exactly `byteLength` zero bytes. Its size is
 * sealed: a view over a mapping longer than its file would die of SIGBUS.
 */
export function createMemoryFile(byteLength: number): number {
  const to = `create a shared segment of ${byteLength} bytes`;
  const c = libc();
  const fd = c.memfd_create(
    cString("manta"),
    flags.MFD_CLOEXEC | flags.MFD_ALLOW_SEALING,
  );
  if (fd < 0) throw lastError(to, "memfd_create");
  if (c.ftruncate(fd, BigInt(byteLength)) < 0) {
    throw closing(fd, lastError(to, "ftruncate"));
  }
  const seals = flags.F_SEAL_SHRINK | flags.F_SEAL_GROW | flags.F_SEAL_SEAL;
  if (c.fcntl(fd, flags.F_ADD_SEALS, BigInt(seals)) < 0) {
    throw closing(fd, lastError(to, "fcntl"));
  }
  return fd;
}

/** How {@linkcode openMemoryFile} opens. */
export interface OpenOptions {
  /** Bytes the file must at least have. */
  byteLength: number;
  /** For reading and writing, instead of for reading. */
  isWritable?: boolean;
}

/**
 * Opens another process's anonymous file by its `/proc/<pid>/fd/<n>`, and
 * checks that it is one, with its size sealed, and long enough.
 */
export function openMemoryFile(path: string, options: OpenOptions): number {
  const to = `open the shared segment ${path}`;
  // The path came in a message: it must not open a device or a user's file.
  if (!/^\/proc\/\d+\/fd\/\d+$/.test(path)) {
    throw new TypeError(`Cannot ${to}: expected /proc/<pid>/fd/<n>`);
  }
  const c = libc();
  const mode = options.isWritable ? flags.O_RDWR : flags.O_RDONLY;
  const fd = c.open(cString(path), mode | flags.O_CLOEXEC | flags.O_NOCTTY, 0);
  if (fd < 0) throw lastError(to, "open");
  const seals = c.fcntl(fd, flags.F_GET_SEALS, 0n);
  if (seals < 0) throw closing(fd, lastError(to, "fcntl"));
  const sizeBytes = Number(c.lseek(fd, 0n, flags.SEEK_END));
  const isSealed = (seals & flags.F_SEAL_SHRINK) !== 0;
  if (!isSealed || sizeBytes < options.byteLength) {
    const reason = isSealed
      ? `it has ${sizeBytes} bytes, expected at least ${options.byteLength}`
      : "its size is not sealed";
    throw closing(fd, new RangeError(`Cannot ${to}: ${reason}`));
  }
  return fd;
}

/** Whether {@linkcode openMemoryFile} failed because what was there is there no more. */
export function isMemoryFileGone(error: unknown): boolean {
  if (error instanceof RangeError) return true;
  if (!(error instanceof SystemCallError)) return false;
  // No memory file is under that number any more, or none at all.
  return error.call === "fcntl" || ["ENOENT", "ESRCH"].includes(error.code);
}

/** Closes a descriptor; its mappings and other descriptors stay. */
export function closeFile(fd: number): void {
  if (libc().close(fd) < 0) throw lastError(`close descriptor ${fd}`, "close");
}

function closing<E extends Error>(fd: number, error: E): E {
  libc().close(fd);
  return error;
}

/** Takes the memory for a file's first `byteLength` bytes now: later a lack of it would be a SIGBUS. */
export function reserve(fd: number, byteLength: number): void {
  if (libc().fallocate(fd, 0, 0n, BigInt(byteLength)) < 0) {
    const to = `reserve ${byteLength} bytes of shared memory`;
    throw lastError(to, "fallocate");
  }
}

/** What {@linkcode copyBytes} copies. */
export interface CopyOptions {
  /** Into the file, or out of it. */
  call: "pwrite" | "pread";
  /** All of these, from or to. */
  bytes: Uint8Array<ArrayBuffer>;
  /** Where in the file. */
  offset: number;
}

/** Copies without a mapping: for fresh files twice as fast as through one. */
export function copyBytes(fd: number, options: CopyOptions): void {
  const { call, bytes, offset } = options;
  let done = 0;
  // One call copies at most 2 GiB.
  while (done < bytes.byteLength) {
    const rest = done === 0 ? bytes : bytes.subarray(done);
    const length = BigInt(rest.byteLength);
    const count = libc()[call](fd, rest, length, BigInt(offset + done));
    if (count <= 0n) {
      throw lastError(`copy ${bytes.byteLength} bytes of shared memory`, call);
    }
    done += Number(count);
  }
}

/** How {@linkcode mapFile} maps. */
export interface MapOptions {
  /** Length of the mapping: a multiple of 64 KiB, at most the file's. */
  byteLength: number;
  /** Writes reach the file, instead of staying this mapping's own. */
  isShared?: boolean;
  /** Maps all pages at once, instead of each when it is first touched. */
  isPopulated?: boolean;
}

/**
 * Maps a file over a `WebAssembly.Memory` of the same length: V8 owns the
 * range and unmaps it when the buffer is collected, and the buffer can't be
 * detached. (A mapping of our own behind an ArrayBuffer can be transferred to
 * a buffer that outlives it; then the process dies.)
 */
export function mapFile(fd: number, options: MapOptions): ArrayBuffer {
  const buffer = wasmMemory(options.byteLength).buffer as ArrayBuffer;
  mapOver(new Uint8Array(buffer), fd, options);
  return buffer;
}

/** The same as {@linkcode mapFile}, shared, as a SharedArrayBuffer: for atomics between processes. */
export function mapFileForAtomics(
  fd: number,
  byteLength: number,
): SharedArrayBuffer {
  const buffer = wasmMemory(byteLength, { shared: true })
    .buffer as unknown as SharedArrayBuffer;
  mapOver(new Uint8Array(buffer), fd, { byteLength, isShared: true });
  return buffer;
}

/** Gives a mapping's memory back now, where waiting for V8 would keep it: the range reads as zeros. */
export function unmapEarly(buffer: ArrayBuffer): void {
  const result = libc().mmap(
    Deno.UnsafePointer.of(new Uint8Array(buffer)),
    BigInt(buffer.byteLength),
    flags.PROT_READ_WRITE,
    flags.MAP_FIXED | flags.MAP_PRIVATE | flags.MAP_ANONYMOUS |
      flags.MAP_NORESERVE,
    -1,
    0n,
  );
  if (result === -1n) throw lastError("unmap a shared segment", "mmap");
}

/** A buffer whose pages are whole, as reading and writing past the system's cache wants them. */
export function alignedBytes(byteLength: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(wasmMemory(byteLength).buffer as ArrayBuffer);
}

function wasmMemory(
  byteLength: number,
  options: { shared?: boolean } = {},
): WebAssembly.Memory {
  const pageBytes = limits.segmentPageBytes;
  assert(byteLength > 0 && byteLength % pageBytes === 0, "No whole pages");
  const pageCount = byteLength / pageBytes;
  const size = { initial: pageCount, maximum: pageCount, ...options };
  if (pageCount <= 65_536) return new WebAssembly.Memory(size);
  // Above 4 GiB only a memory with 64-bit addresses will do; its descriptor
  // takes BigInts, and TypeScript does not know it yet.
  const wide = {
    ...options,
    initial: BigInt(pageCount),
    maximum: BigInt(pageCount),
    address: "i64",
  };
  return new WebAssembly.Memory(
    wide as unknown as WebAssembly.MemoryDescriptor,
  );
}

function mapOver(
  bytes: Uint8Array,
  fd: number,
  options: MapOptions,
): void {
  const result = libc().mmap(
    // A pointer of shared bytes is as good; the type only lacks them.
    Deno.UnsafePointer.of(bytes as Uint8Array<ArrayBuffer>),
    BigInt(options.byteLength),
    flags.PROT_READ_WRITE,
    flags.MAP_FIXED |
      (options.isShared ? flags.MAP_SHARED : flags.MAP_PRIVATE) |
      (options.isPopulated ? flags.MAP_POPULATE : 0),
    fd,
    0n,
  );
  if (result === -1n) {
    throw lastError(`map ${options.byteLength} bytes of shared memory`, "mmap");
  }
}

/**
 * Has the system kill this process when the thread that started it ends,
 * also while it spins. Call it on the main thread. Where shared memory is not
 * available it does nothing and returns false: use a watchdog there.
 */
export function dieWithParent(): boolean {
  if (!isSharedMemoryAvailable()) return false;
  const signal = BigInt(flags.SIGKILL);
  const result = libc().prctl(flags.PR_SET_PDEATHSIG, signal, 0n, 0n, 0n);
  if (result < 0) throw lastError("die with the parent process", "prctl");
  return true;
}
