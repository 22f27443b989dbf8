/**
 * Names a process for good, and tells later whether it is gone.
 *
 * A pid alone is somebody else's one day. On Linux a process is told by its
 * machine, boot, pid namespace and start; elsewhere, or where that may not be
 * read, there is no mark, and nobody can say.
 *
 * @module
 */

/** Which process: its pid, and where and when that is its. */
interface Mark {
  machine: string;
  boot: string;
  namespace: string;
  pid: number;
  startTicks: string;
}

/** The mark of this process; undefined where there is none. */
export function ownMark(): string | undefined {
  return markOf(Deno.pid);
}

/** The mark of a process of this machine; undefined where there is none. */
export function markOf(pid: number): string | undefined {
  const place = readPlace();
  const startTicks = place && startTicksOf(pid);
  if (place === undefined || startTicks === undefined) return undefined;
  const mark: Mark = { ...place, pid, startTicks };
  return JSON.stringify(mark);
}

/** Whether a process is of this machine, this boot and this container; false where that can't be told. */
export function isNear(mark: string): boolean {
  const place = readPlace();
  if (place === undefined) return false;
  const { machine, boot, namespace } = JSON.parse(mark) as Mark;
  return machine === place.machine && boot === place.boot &&
    namespace === place.namespace;
}

/** Whether a process has ended; undefined if that can't be told from here. */
export function isGone(mark: string): boolean | undefined {
  const place = readPlace();
  if (place === undefined) return undefined;
  const { machine, boot, namespace, pid, startTicks } = JSON.parse(
    mark,
  ) as Mark;
  if (machine !== place.machine) return undefined;
  if (boot !== place.boot) return true;
  // Another container's processes are not to be seen from here.
  if (namespace !== place.namespace) return undefined;
  try {
    return startTicksOf(pid) !== startTicks;
  } catch {
    // It is there, and not this program's to look at.
    return undefined;
  }
}

function readPlace():
  | Pick<Mark, "machine" | "boot" | "namespace">
  | undefined {
  try {
    return {
      machine: Deno.readTextFileSync("/etc/machine-id").trim(),
      boot: Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim(),
      namespace: Deno.readLinkSync("/proc/self/ns/pid"),
    };
  } catch {
    // Another system, or not this program's to read: nothing is known.
    return undefined;
  }
}

/** When a process started, in ticks since boot; undefined if it is not there. */
function startTicksOf(pid: number): string | undefined {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    // The name may hold anything, parentheses and spaces too.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state] = fields;
    return state === "Z" || state === "X" ? undefined : fields[19];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
