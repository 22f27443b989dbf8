/**
 * `runtimeEnv`: what the process of a task or an actor is started with.
 *
 * @module
 */
import { isAbsolute } from "node:path";
import { RuntimeEnvSetupError } from "../base/errors.ts";
import type { WorkerEnv } from "../base/spec.ts";
import { checkOptions, entriesOf, show, text } from "./check.ts";
import { permissions, permissionsOf } from "./permissions.ts";

/** How the process is started that a task or an actor runs in. */
export interface RuntimeEnv {
  /** Environment variables, beside the program's own. */
  env?: Record<string, string>;
  /** The folder that it works in. Default: the program's. */
  workingDir?: string;
  /**
   * Runs each task, or the actor, in a process of its own that may no more
   * than this: of each permission nothing, unless it is named. `"none"` is
   * nothing at all, a list is these, `true` all, `"inherit"` what the program
   * itself has. What the program does not have is a
   * {@linkcode RuntimeEnvSetupError} at the call.
   * With both `read` and `write` it has no workers and no `node:wasi`, which
   * could make links to other files.
   *
   * ```ts ignore
   * const count = remote((path: string) => Deno.readTextFileSync(path).length, {
   *   runtimeEnv: { permissions: { read: ["/data"] } },
   * });
   * ```
   */
  permissions?: "none" | Deno.PermissionOptionsObject;
}

/** Throws for what is no environment. */
export function runtimeEnv(value: unknown, name: string): void {
  checkOptions(value, {
    checks: { env: variables, workingDir: text, permissions },
    what: name,
  });
}

/** The part of a spec that says so; nothing where nothing is asked. */
export function envOf(
  { runtimeEnv }: { runtimeEnv?: RuntimeEnv },
): { env?: WorkerEnv } {
  const { env = {}, workingDir, permissions } = runtimeEnv ?? {};
  const names = Object.keys(env).sort();
  const isPlain = names.length === 0 && workingDir === undefined;
  if (isPlain && permissions === undefined) return {};
  return {
    env: {
      variables: Object.fromEntries(names.map((name) => [name, env[name]!])),
      ...(workingDir === undefined ? {} : { workingDir: folder(workingDir) }),
      ...(permissions === undefined
        ? {}
        : { permissions: permissionsOf(permissions) }),
    },
  };
}

function folder(path: string): string {
  const whole = isAbsolute(path) ? path : `${Deno.cwd()}/${path}`;
  try {
    if (Deno.statSync(whole).isDirectory) return whole;
  } catch (cause) {
    throw new RuntimeEnvSetupError(
      `Cannot work in "${path}": ${(cause as Error).message}`,
      { cause },
    );
  }
  throw new RuntimeEnvSetupError(`Cannot work in "${path}": it is no folder`);
}

function variables(value: unknown, name: string): void {
  const expected = "texts by name";
  for (const [key, given] of entriesOf(value, { name, expected })) {
    if (!/^[^=\0]+$/.test(key)) {
      throw new TypeError(
        `Cannot use ${name} "${key}": expected the name of a variable`,
      );
    }
    if (typeof given === "string" && !given.includes("\0")) continue;
    throw new TypeError(
      `Cannot use ${name}.${key} ${show(given)}: expected a text without "\\0"`,
    );
  }
}
