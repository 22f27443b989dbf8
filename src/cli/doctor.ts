/**
 * `doctor`: what this machine and these permissions give, and what each thing
 * that is missing costs.
 *
 * @module
 */
import { limits } from "../base/limits.ts";
import { localResources, storeBytes } from "../client/init_options.ts";
import { folderRoot } from "../store/folder.ts";
import { isSharedMemoryAvailable } from "../store/segment.ts";
import { bytesText } from "../inspect/words.ts";
import { readFlags } from "./flags.ts";
import { show } from "./show.ts";
import { outputStyle, table } from "./table.ts";

/** One thing that was looked at. */
export interface Finding {
  /** What. */
  name: string;
  /** Whether all is well. */
  ok: boolean;
  /** What there is, or what its lack costs and how to mend it. */
  note: string;
}

/** Needed, in the order in which a program would miss them. */
const needed = {
  read: "sessions can't be made, nor a program's modules read",
  write: "sessions can't be made",
  net: "processes can't reach each other by unix sockets",
  run: "no worker can be started",
  env: "MANTA_ADDRESS and TMPDIR are not seen",
  sys: "what functions close over can't be read",
} as const;

const clusterPort = 6379;
const filesWanted = 4096;
const mappingsWanted = 65_530;
const storeWantedBytes = 64 << 20;
/** Of Deno, the oldest that was tried. */
const versionLeast = [2, 9] as const;

/** Runs `doctor`: exit status 1 where something is missing. */
export function doctor(args: string[]): number {
  const given = readFlags(args, { wordsMax: 0 });
  const findings = examine();
  show(given, findings, () =>
    table(
      findings.map(({ name, ok, note }) => ({
        what: name,
        state: ok ? "ok" : "missing",
        note,
      })),
      { ...outputStyle(), widthMax: Infinity },
    ));
  return findings.every(({ ok }) => ok) ? 0 : 1;
}

/** Looks at permissions, shared memory and the system. */
export function examine(): Finding[] {
  return [
    ...permissions(),
    sharedMemory(),
    cpus(),
    memory(),
    openFiles(),
    mappings(),
    folder(),
    shell(),
    port(),
    version(),
  ].filter((finding) => finding !== undefined);
}

function permissions(): Finding[] {
  const findings = Object.entries(needed).map(([name, cost]) => {
    const ok = isGranted(name as keyof typeof needed);
    const note = ok
      ? "granted"
      : `not granted: ${cost}; run with --allow-${name}`;
    return { name: `--allow-${name}`, ok, note };
  });
  const ffi = isGranted("ffi");
  const note = ffi
    ? "granted"
    : "not granted: large values are copied through sockets, and tasks are pushed one at a time; run with --allow-ffi";
  return [...findings, { name: "--allow-ffi", ok: ffi, note }];
}

function sharedMemory(): Finding {
  const ok = isGranted("ffi") && isSharedMemoryAvailable();
  return {
    name: "shared memory",
    ok,
    note: ok
      ? "large arrays are shared, not copied"
      : "not available here: large values are copied through sockets",
  };
}

function cpus(): Finding {
  const count = navigator.hardwareConcurrency;
  return {
    name: "CPUs",
    ok: true,
    note: `${count}: as many workers are started, ${limits.workersMax} at most`,
  };
}

function memory(): Finding | undefined {
  if (!isGranted("read")) return undefined;
  const total = localResources({})["memory"]!;
  const store = storeBytes({});
  const ok = store >= storeWantedBytes;
  return {
    name: "memory",
    ok,
    note: ok
      ? `${bytesText(total)}, of which ${
        bytesText(store)
      } for large objects; more goes to disk`
      : `${bytesText(total)}: only ${
        bytesText(store)
      } for large objects, so that they go to disk early; give the container more`,
  };
}

function openFiles(): Finding | undefined {
  const text = readSystem("/proc/self/limits");
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(text ?? "")?.[1];
  if (soft === undefined) return undefined;
  const ok = soft === "unlimited" || Number(soft) >= filesWanted;
  return {
    name: "open files",
    ok,
    note: ok
      ? `${soft} a process`
      : `${soft} a process: with many workers or large objects a node runs out of them; raise it by \`ulimit -n ${filesWanted}\``,
  };
}

function mappings(): Finding | undefined {
  const count = Number(readSystem("/proc/sys/vm/max_map_count") ?? NaN);
  if (Number.isNaN(count)) return undefined;
  const ok = count >= mappingsWanted;
  return {
    name: "mappings",
    ok,
    note: ok
      ? `${count} a process`
      : `${count} a process: reading some ten thousand large arrays at once ends a process; set vm.max_map_count to ${mappingsWanted}`,
  };
}

function folder(): Finding | undefined {
  if (!isGranted("write") || !isGranted("read")) return undefined;
  const root = folderRoot();
  try {
    Deno.removeSync(Deno.makeTempDirSync({ dir: root, prefix: "manta-try-" }));
  } catch (error) {
    return {
      name: "folder",
      ok: false,
      note:
        `${root} can't be written: no runtime can start; set TMPDIR to one that can (${
          (error as Error).message
        })`,
    };
  }
  const wanted = isGranted("env") ? Deno.env.get("TMPDIR") : undefined;
  const isOther = wanted !== undefined && wanted.replace(/\/+$/, "") !== root;
  return {
    name: "folder",
    ok: true,
    note: isOther
      ? `sessions are in ${root}: TMPDIR is too long for the paths of sockets`
      : `sessions are in ${root}`,
  };
}

function shell(): Finding | undefined {
  if (!isGranted("run")) return undefined;
  const ok = isThere("/bin/sh");
  return {
    name: "/bin/sh",
    ok,
    note: ok
      ? "clears up after killed programs, and watches submitted ones"
      : "not there: a killed program may leave its folder and processes that compute, and nothing can be submitted",
  };
}

/** Whether `cluster` can listen where it does by default. */
function port(): Finding | undefined {
  if (!isGranted("net")) return undefined;
  const name = `port ${clusterPort}`;
  try {
    Deno.listen({ hostname: "127.0.0.1", port: clusterPort }).close();
    return { name, ok: true, note: "free: `cluster` can listen there" };
  } catch (error) {
    return {
      name,
      ok: error instanceof Deno.errors.AddrInUse,
      note: error instanceof Deno.errors.AddrInUse
        ? "in use: by a cluster, or \`cluster\` needs --port N"
        : `can't be listened at: ${
          (error as Error).message
        }; \`cluster\` needs --port N`,
    };
  }
}

function version(): Finding {
  const [major = 0, minor = 0] = Deno.version.deno.split(".").map(Number);
  const [majorLeast, minorLeast] = versionLeast;
  const ok = major > majorLeast || major === majorLeast && minor >= minorLeast;
  const is =
    `Deno ${Deno.version.deno}, V8 ${Deno.version.v8}, ${Deno.build.target}`;
  return {
    name: "version",
    ok,
    note: ok
      ? is
      : `${is}: older than ${
        versionLeast.join(".")
      }, which is the oldest that was tried; run \`deno upgrade\``,
  };
}

function isGranted(name: keyof typeof needed | "ffi"): boolean {
  return Deno.permissions.querySync({ name }).state === "granted";
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    // Not there, or not to be seen: it can't be started either.
    return false;
  }
}

function readSystem(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    // Another system, or not for this program to read: nothing is said of it.
    return undefined;
  }
}
