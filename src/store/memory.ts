/**
 * How much memory there is, and who uses it, as Linux tells in `/proc` and in
 * the files of control groups. Elsewhere nothing is told.
 *
 * @module
 */
import { limits } from "../base/limits.ts";
import { closeFile, cString, isSharedMemoryAvailable, libc } from "./ffi.ts";

/** Use of one bound. */
export interface MemoryUse {
  readonly name: string;
  readonly usedBytes: number;
  readonly limitBytes: number;
}

/** A control group that bounds memory, and its files. */
interface Group {
  readonly limitBytes: number;
  readonly current: string;
  readonly stat: string;
  /** What in `stat` can be given up at once. */
  readonly cacheKey: string;
}

/** Reads what the machine and the control groups of this process use. */
export class MachineMemory {
  readonly #groups: Group[];

  private constructor(groups: Group[]) {
    this.#groups = groups;
  }

  /** Undefined where nothing can be read. */
  static open(): MachineMemory | undefined {
    const totalBytes = machineUse()?.limitBytes;
    if (totalBytes === undefined) return undefined;
    const groups = groupsOf(readSystemFile("/proc/self/cgroup") ?? "")
      .filter((group) => group.limitBytes < totalBytes);
    return new MachineMemory(groups);
  }

  /** Use against each bound; the last of a bound is kept free. */
  uses(): MemoryUse[] {
    const uses = this.#groups.map(groupUse);
    uses.push(machineUse());
    return uses.filter((use) => use !== undefined).map((use) => ({
      ...use,
      limitBytes: Math.floor(use.limitBytes * limits.memoryShareMax),
    }));
  }
}

/**
 * What a process holds for itself: memory that is neither a file's nor shared,
 * so that segments count for nobody. 0 if it is gone.
 */
export function privateBytesOf(pid: number): number {
  const status = readSystemFile(`/proc/${pid}/status`) ?? "";
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

function machineUse(): MemoryUse | undefined {
  const text = readSystemFile("/proc/meminfo") ?? "";
  const bytesOf = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1]) * 1024;
  const limitBytes = bytesOf("MemTotal");
  const usedBytes = limitBytes - bytesOf("MemAvailable");
  if (Number.isNaN(usedBytes)) return undefined;
  return { name: "this machine's memory", usedBytes, limitBytes };
}

function groupUse(group: Group): MemoryUse | undefined {
  const current = readSystemFile(group.current);
  const stat = readSystemFile(group.stat);
  if (current === undefined || stat === undefined) return undefined;
  const cache = new RegExp(`^${group.cacheKey} (\\d+)`, "m").exec(stat)?.[1];
  return {
    name: "the memory of this control group",
    usedBytes: Number(current) - Number(cache ?? 0),
    limitBytes: group.limitBytes,
  };
}

/** The groups a process is in, of both versions, and those around them. */
function groupsOf(cgroup: string): Group[] {
  const groups: Group[] = [];
  for (const line of cgroup.trim().split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path === undefined) continue;
    const isV2 = controllers === "";
    if (!isV2 && !controllers!.split(",").includes("memory")) continue;
    const root = isV2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    // In a container the path is the host's, and only the root is there.
    for (let at = path; at !== ""; at = at.slice(0, at.lastIndexOf("/"))) {
      groups.push(...groupAt(root + (at === "/" ? "" : at), isV2));
    }
    groups.push(...groupAt(root, isV2));
  }
  return groups;
}

function groupAt(folder: string, isV2: boolean): Group[] {
  const [limit, current, cacheKey] = isV2
    ? ["memory.max", "memory.current", "inactive_file"]
    : [
      "memory.limit_in_bytes",
      "memory.usage_in_bytes",
      "total_inactive_file",
    ];
  const limitBytes = Number(readSystemFile(`${folder}/${limit}`) ?? NaN);
  if (!(limitBytes > 0)) return []; // Not there, or "max".
  return [{
    limitBytes,
    current: `${folder}/${current}`,
    stat: `${folder}/memory.stat`,
    cacheKey,
  }];
}

/**
 * The text of a file of the system's; undefined if it is not there, or not to
 * be read. Deno's own calls want all permissions for these.
 */
export function readSystemFile(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    const isRefused = error instanceof Deno.errors.NotCapable;
    return isRefused ? readByLibc(path) : undefined;
  }
}

function readByLibc(path: string): string | undefined {
  if (!isSharedMemoryAvailable()) return undefined;
  const fd = libc().open(cString(path), 0o2000000, 0);
  if (fd < 0) return undefined;
  try {
    const bytes = new Uint8Array(1 << 14);
    const count = Number(libc().pread(fd, bytes, BigInt(bytes.length), 0n));
    return count < 0
      ? undefined
      : new TextDecoder().decode(bytes.subarray(0, count));
  } finally {
    closeFile(fd);
  }
}
