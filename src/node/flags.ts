/**
 * The flags a worker is started with: the driver's own, so that it sees the
 * same configuration, lock file, import map, unstable features and
 * permissions, and holds no right that the driver lacks.
 *
 * Deno has no API for them; whoever asks gives the command line, as far as it
 * can be had. Where it can't, a worker gets only what is granted without limit.
 *
 * @module
 */
import { dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Granted } from "../base/environment.ts";
import { permissionFields, type PermissionName } from "../base/spec.ts";

const kept =
  /^--(allow|deny|ignore|unstable|no-prompt|no-npm|no-remote|no-lock|no-config|lock|frozen|config|import-map|node-modules-dir|vendor|conditions|cert|cached-only|v8-flags|seed|min-dep-age|node-modules-linker|location|permission-set|unsafely-ignore-certificate-errors)(=|-|$)/;
/** Flags whose value may be the next argument, or stands behind `=`; of others only the latter. */
const takesValue = new Set(
  ("--config -c --import-map --lock --cert --conditions --location --seed " +
    "--preload --import --require --ext --log-level -L --min-dep-age " +
    "--node-modules-linker --inspect-publish-uid --cpu-prof-dir " +
    "--cpu-prof-name --cpu-prof-interval " +
    // Of subcommands other than `run`.
    "--filter --coverage-threshold --reporter --junit-path --retry " +
    "--repeats --shard --related --port --host --eval --eval-file " +
    "--conn --name -n --display -d --cwd -f --jobs -j").split(" "),
);
/** Flags whose value is a file, or several. */
const takesFiles =
  /^--(config|import-map|lock|cert|(allow|deny|ignore)-(read|write|ffi))$/;
const subcommands = new Set(
  "run test eval bench repl jupyter serve task compile x".split(" "),
);

const permissionNames = Object.keys(permissionFields) as PermissionName[];
const shortNames: Record<string, PermissionName | "all"> = {
  A: "all",
  R: "read",
  W: "write",
  N: "net",
  E: "env",
  S: "sys",
  I: "import",
};

/** What the flags are made from. */
export interface DriverCommand {
  /** The process's arguments, its own name first; empty where they can't be had. */
  argv: string[];
  /** Its main module's URL. */
  mainModule: string;
  /** The folder it was started in. */
  cwd: string;
  granted: Granted;
  exists(path: string): boolean;
}

/** The flags for `deno run` of a worker. */
export function workerFlags(driver: DriverCommand): string[] {
  const own = ownFlags(driver.argv).map((flag) => longFlag(flag, driver.cwd));
  const flags = [
    ...own.filter((flag) => !isPermission(flag)),
    ...permissionFlags(driver, own.filter(isPermission)),
  ];
  if (!flags.includes("--no-prompt")) flags.push("--no-prompt");
  const hasConfig = flags.some((flag) => /^--(no-)?config\b/.test(flag));
  return hasConfig ? flags : [...flags, configFlag(driver)];
}

/**
 * The flags between a subcommand and its script that concern a worker too, a
 * flag and its value in one.
 */
export function ownFlags(argv: string[]): string[] {
  const flags: string[] = [];
  for (let at = 1; at < argv.length; at++) {
    const arg = argv[at]!;
    if (arg === "--") break;
    if (!arg.startsWith("-") || arg === "-") {
      if (at <= 2 && subcommands.has(arg)) continue;
      break;
    }
    for (const flag of separated(arg)) {
      const next = argv[at + 1];
      const hasNext = takesValue.has(flag) && next !== undefined &&
        // The one whose value may be left out.
        !(flag === "--lock" && next.startsWith("-"));
      const whole = hasNext ? `${flag}=${next}` : flag;
      if (hasNext) at++;
      if (kept.test(whole) || /^-[ARWNESIcP](=|$)/.test(whole)) {
        flags.push(whole);
      }
    }
  }
  return flags;
}

/** `-RW` is `-R -W`, and `-Linfo` is `-L=info`. */
function separated(arg: string): string[] {
  if (arg.startsWith("--")) return [arg];
  const flags: string[] = [];
  for (let at = 1; at < arg.length; at++) {
    const flag = `-${arg[at]}`;
    const rest = arg.slice(at + 1);
    const hasValue = rest.startsWith("=") ||
      (takesValue.has(flag) && rest !== "");
    flags.push(hasValue ? `${flag}=${rest.replace(/^=/, "")}` : flag);
    if (hasValue) break;
  }
  return flags;
}

/** The flag by its long name; files in it by their whole paths. */
function longFlag(flag: string, cwd: string): string {
  const [, name, value] = /^([^=]+)(?:=([^]*))?$/.exec(flag)!;
  const short = /^-([ARWNESI])$/.exec(name!)?.[1];
  const long = short !== undefined
    ? `--allow-${shortNames[short]}`
    : name === "-c"
    ? "--config"
    : name === "-P"
    ? "--permission-set"
    : name!;
  if (value === undefined) return long;
  if (!takesFiles.test(long)) return `${long}=${value}`;
  const files = value.split(",").map((file) =>
    isAbsolute(file) || /^\w+:/.test(file) ? file : join(cwd, file)
  );
  return `${long}=${files.join(",")}`;
}

/** Whether a flag by its long name grants or takes away. */
export function isPermission(flag: string): boolean {
  return /^--(allow-(?!scripts)|deny-|ignore-(?!cert)|permission-set)/.test(
    flag,
  );
}

/**
 * What is granted at this moment: the driver may have given up some of what
 * its command line says, or have been given more by its configuration.
 */
function permissionFlags(driver: DriverCommand, own: string[]): string[] {
  const whole = permissionNames.filter((name) =>
    driver.granted({ name }) === "whole"
  );
  if (whole.length === permissionNames.length) return ["-A"];
  const denied = own.filter((flag) => /^--(deny|ignore)-/.test(flag));
  const limits = permissionNames
    .filter((name) => !whole.includes(name))
    .flatMap((name) => limitedFlag(name, { driver, own, denied }));
  return [...whole.map((name) => `--allow-${name}`), ...limits, ...denied];
}

/** What of a permission that has limits a worker may have. */
function limitedFlag(
  name: PermissionName,
  { driver, own, denied }: {
    driver: DriverCommand;
    own: string[];
    denied: string[];
  },
): string[] {
  const hasExceptions = denied.some((flag) =>
    flag.startsWith(`--deny-${name}=`) || flag.startsWith(`--ignore-${name}=`)
  );
  // Exceptions that can't be seen can't be passed on: then it is not granted.
  if (driver.granted({ name }) === "partly") {
    return hasExceptions ? [`--allow-${name}`] : [];
  }
  const values = own
    .filter((flag) => flag.startsWith(`--allow-${name}=`))
    .flatMap((flag) => flag.slice(flag.indexOf("=") + 1).split(","))
    .filter((value) => isValueGranted(name, value, driver));
  return values.length === 0 ? [] : [`--allow-${name}=${values.join(",")}`];
}

function isValueGranted(
  name: PermissionName,
  value: string,
  driver: DriverCommand,
): boolean {
  const descriptor = { name, [permissionFields[name]]: value };
  try {
    return driver.granted(descriptor as Deno.PermissionDescriptor) !== "no";
  } catch {
    // A value that can be granted but not asked for, like a range of addresses.
    return false;
  }
}

/** Where Deno would have found a configuration for the main module. */
function configFlag(driver: DriverCommand): string {
  let folder = driver.mainModule.startsWith("file:")
    ? dirname(fileURLToPath(driver.mainModule))
    : driver.cwd;
  for (;;) {
    for (const name of ["deno.json", "deno.jsonc"]) {
      const path = join(folder, name);
      if (driver.exists(path)) return `--config=${path}`;
    }
    const parent = dirname(folder);
    if (parent === folder) return "--no-config";
    folder = parent;
  }
}
