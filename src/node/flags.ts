/**
 * The flags a worker is started with: the driver's own, so that it sees the
 * same configuration, lock file, import map, unstable features and
 * permissions, and holds no right that the driver lacks.
 *
 * Deno has no API for them. Linux shows the command line in `/proc`; elsewhere
 * the configuration is looked for where Deno would.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const kept =
  /^--(allow|deny|ignore|unstable|no-prompt|no-npm|no-remote|no-lock|no-config|lock|frozen|config|import-map|node-modules-dir|vendor|conditions|cert|cached-only|v8-flags|seed|location|permission-set|unsafely-ignore-certificate-errors)/;
const takesValue = new Set([
  "--config",
  "-c",
  "--import-map",
  "--lock",
  "--cert",
  "--conditions",
]);
const permissionNames = [
  "read",
  "write",
  "net",
  "env",
  "sys",
  "run",
  "ffi",
  "import",
] as const;

/** What the flags are made from. */
export interface DriverCommand {
  /** The process's arguments, its own name first; empty where they can't be had. */
  argv: string[];
  /** Its main module's URL. */
  mainModule: string;
  cwd: string;
  /** Whether a permission is granted without limits. */
  isGranted(name: typeof permissionNames[number]): boolean;
  exists(path: string): boolean;
}

/** The flags for `deno run` of a worker. */
export function workerFlags(driver: DriverCommand): string[] {
  const own = ownFlags(driver.argv);
  const rest = own.filter((flag) => !isPermission(flag));
  const flags = [
    ...rest,
    ...permissionFlags(driver, own.filter(isPermission)),
  ];
  if (!flags.includes("--no-prompt")) flags.push("--no-prompt");
  const hasConfig = flags.some((flag) => /^--(no-)?config|^-c/.test(flag));
  return hasConfig ? flags : [...flags, configFlag(driver)];
}

/** The flags between a subcommand and its script that concern a worker too. */
export function ownFlags(argv: string[]): string[] {
  const flags: string[] = [];
  for (let at = 1; at < argv.length; at++) {
    const arg = argv[at]!;
    if (arg === "--") break;
    if (!arg.startsWith("-")) {
      if (isSubcommand(arg) && at <= 2) continue;
      break;
    }
    const short = /^-([ARWNESP]+)(=.*)?$/.exec(arg);
    if (kept.test(arg) || short !== null || arg.startsWith("-c")) {
      flags.push(arg);
    }
    if (takesValue.has(arg) && argv[at + 1] !== undefined) {
      const value = argv[++at]!;
      if (arg === "-c" || kept.test(arg)) flags.push(value);
    } else if (arg === "--ext" || arg === "--filter") at++;
  }
  return flags;
}

function isSubcommand(arg: string): boolean {
  return [
    "run",
    "test",
    "eval",
    "bench",
    "repl",
    "jupyter",
    "serve",
    "task",
    "compile",
  ].includes(arg);
}

function isPermission(flag: string): boolean {
  return /^(--(allow|deny|ignore|permission-set)|-[ARWNESP])/.test(flag);
}

/** A whole permission is asked of the runtime; one with limits is passed on as it was written. */
function permissionFlags(driver: DriverCommand, own: string[]): string[] {
  const whole = permissionNames.filter((name) => driver.isGranted(name));
  const denied = own.filter((flag) =>
    flag.startsWith("--deny") || flag.startsWith("--ignore")
  );
  if (whole.length === permissionNames.length && denied.length === 0) {
    return ["-A"];
  }
  const limited = own.filter((flag) =>
    !denied.includes(flag) && !/^-A|^--allow-all/.test(flag) &&
    !whole.some((name) => flag.startsWith(`--allow-${name}`))
  );
  return [...whole.map((name) => `--allow-${name}`), ...limited, ...denied];
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
