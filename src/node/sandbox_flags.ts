/**
 * The flags of a sandboxed process: what was asked for, no more than this
 * process has itself, and never the session's own folder.
 *
 * What else of the program's flags a worker gets is in `flags.ts`.
 *
 * @module
 */
import type { Granted } from "../base/environment.ts";
import { relative, resolve } from "node:path";
import { RuntimeEnvSetupError } from "../base/errors.ts";
import {
  permissionFields,
  type PermissionName,
  type SandboxPermissions,
} from "../base/spec.ts";
import { isPermission } from "./flags.ts";

/** What sandboxed processes are started with. */
export interface SandboxSetting {
  permissions: SandboxPermissions;
  /** The flags of the worker that starts them. */
  flags: string[];
  /** Variables of their own, which they may read. */
  variables: Record<string, string>;
}

/** The kinds of `sys` that Deno can grant one by one. */
export const sysKinds: readonly string[] =
  "cpus getPriority getegid gid homedir hostname loadavg networkInterfaces osRelease osUptime setPriority statfs systemMemoryInfo uid userInfo username"
    .split(" ");

/** Throws, naming it, for what this process does not have itself. */
export function assertHeld(
  permissions: SandboxPermissions,
  granted: Granted,
): void {
  for (const [name, wanted] of entriesOf(permissions)) {
    if (wanted === "inherit") continue;
    if (wanted === "all") {
      if (granted({ name }) === "no") throw lacking(name);
      continue;
    }
    for (const value of wanted) {
      if (!isGranted(name, value, granted)) throw lacking(name, value);
    }
  }
}

/** The flags for `deno run` of a sandboxed process with that entry module. */
export function sandboxFlags(
  { permissions, flags, variables }: SandboxSetting,
  { granted, entry, hidden, memoryBytes }: {
    granted: Granted;
    entry: string;
    /** Folders that it must not see whatever it may read. */
    hidden: string[];
    /** What its heap may grow to. */
    memoryBytes?: number;
  },
): string[] {
  assertHeld(permissions, granted);
  const own = flags.filter((flag) =>
    flag !== "-A" && !isPermission(flag) &&
    !/^--(no-lock|lock|frozen|cached-only|no-prompt)(=|$)/.test(flag)
  );
  const denied = flags.filter((flag) => /^--(deny|ignore)-(?!cert)/.test(flag));
  const withVariables = {
    ...permissions,
    ...readable(permissions.env, Object.keys(variables)),
  };
  const isLocked = mayLink(permissions);
  const grants = entriesOf(withVariables).flatMap(([name, wanted]) =>
    grant(name, wanted, { flags, granted, isLocked })
  );
  const unseen = hidden.length === 0 ? [] : [
    ...("read" in permissions ? [`--deny-read=${listed(hidden)}`] : []),
    ...("write" in permissions
      ? [`--deny-write=${listed([...hidden, ...above(hidden, grants)])}`]
      : []),
  ];
  return [
    ...memoryBytes === undefined ? own : bounded(own, memoryBytes),
    // What a task imports must not change the program's lock file.
    "--no-lock",
    "--cached-only",
    // Kept in a file that the task's process would hold open.
    "--no-code-cache",
    "--no-prompt",
    ...grants,
    ...denied,
    ...unseen,
    ...("import" in permissions ? [] : [noImports(entry)]),
  ];
}

/** With a bound on the heap: V8's flags are one of Deno's, which can be there once. */
function bounded(flags: string[], memoryBytes: number): string[] {
  const prefix = "--v8-flags=";
  const isV8 = (flag: string) => flag.startsWith(prefix);
  const given = flags.filter(isV8).map((flag) => flag.slice(prefix.length));
  const mebibytes = Math.max(16, Math.ceil(memoryBytes / (1 << 20)));
  const all = [...given, `--max-old-space-size=${mebibytes}`];
  return [
    ...flags.filter((flag) => !isV8(flag)),
    `${prefix}${all.join(",")}`,
  ];
}

/** Folders in what it may write that hold what is hidden: moved, that would be seen by another name. */
function above(hidden: string[], grants: string[]): string[] {
  const prefix = "--allow-write=";
  const written = grants.filter((flag) => flag.startsWith(prefix))
    .flatMap((flag) => flag.slice(prefix.length).split(/(?<!,),(?!,)/))
    .map((value) => resolve(value.replaceAll(",,", ",")))
    .filter((folder) => folder !== "/");
  return written.flatMap((granted) =>
    hidden.flatMap((folder) => {
      const [first, ...rest] = relative(granted, folder).split("/");
      const isInside = first !== ".." && rest.length > 0;
      return isInside ? [`${granted}/${first}`] : [];
    })
  );
}

/** Whether it could make symbolic links, which lead out of any folder, if that were not locked. */
export function mayLink({ read, write }: SandboxPermissions): boolean {
  return read !== undefined && write !== undefined;
}

function grant(
  name: PermissionName,
  wanted: "all" | "inherit" | string[],
  { flags, granted, isLocked }: {
    flags: string[];
    granted: Granted;
    isLocked: boolean;
  },
): string[] {
  if (Array.isArray(wanted)) {
    return wanted.length === 0 ? [] : [`--allow-${name}=${listed(wanted)}`];
  }
  // `flags` hold what is taken out of it. Writing that is scoped makes no
  // symbolic links: through one, what is hidden could be reached.
  if (granted({ name }) !== "no") {
    if (name === "write") return ["--allow-write=/"];
    // An inspector sees what is locked; it takes all of `sys`.
    if (name === "sys" && isLocked) {
      return [`--allow-sys=${listed([...sysKinds])}`];
    }
    return [`--allow-${name}`];
  }
  return flags.filter((flag) => flag.startsWith(`--allow-${name}=`));
}

/** Its own variables are the task's to read, beside those of the program's it may. */
function readable(
  wanted: SandboxPermissions["env"],
  own: string[],
): SandboxPermissions {
  if (own.length === 0 || wanted === "all" || wanted === "inherit") return {};
  return { env: [...wanted ?? [], ...own] };
}

/** Deno would let it import from its usual hosts; the entry's own must stay. */
function noImports(entry: string): string {
  const { protocol, host, port } = new URL(entry);
  if (!/^https?:$/.test(protocol)) return "--deny-import";
  const usual = protocol === "https:" ? "443" : "80";
  return `--allow-import=${port === "" ? `${host}:${usual}` : host}`;
}

/** Values of a flag: a comma in one is doubled. */
function listed(values: string[]): string {
  return values.map((value) => value.replaceAll(",", ",,")).join(",");
}

function isGranted(
  name: PermissionName,
  value: string,
  granted: Granted,
): boolean {
  const descriptor = { name, [permissionFields[name]]: value };
  try {
    return granted(descriptor as Deno.PermissionDescriptor) !== "no";
  } catch (cause) {
    const { message } = cause as Error;
    throw new RuntimeEnvSetupError(
      `Cannot give a sandbox "${name}" of "${value}": ${message}`,
      { cause },
    );
  }
}

function lacking(name: PermissionName, value?: string): RuntimeEnvSetupError {
  const what = value === undefined ? "" : ` of "${value}"`;
  const flag = value === undefined ? "" : `=${listed([value])}`;
  return new RuntimeEnvSetupError(
    `Cannot give a sandbox "${name}"${what}: the program itself does not have it; run it with --allow-${name}${flag}, or ask for less`,
  );
}

function entriesOf(
  permissions: SandboxPermissions,
): [PermissionName, "all" | "inherit" | string[]][] {
  const entries = Object.entries(permissions);
  return entries as [PermissionName, "all" | "inherit" | string[]][];
}
