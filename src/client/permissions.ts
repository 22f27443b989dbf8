/**
 * `runtimeEnv.permissions`: Deno's own object of permissions, checked, with
 * whole paths, as a spec carries it.
 *
 * @module
 */
import { granted } from "../base/environment.ts";
import { isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  permissionFields,
  type PermissionName,
  type SandboxPermissions,
} from "../base/spec.ts";
import { assertHeld, sysKinds } from "../node/sandbox_flags.ts";
import { checkOptions, show } from "./check.ts";

/** Throws for what are no permissions. */
export function permissions(value: unknown, name: string): void {
  if (value === "none") return;
  if (typeof value !== "object") {
    throw new TypeError(
      `Cannot use ${name} ${
        show(value)
      }: expected "none" or an object like { read: ["/data"], net: false }`,
    );
  }
  const checks = Object.fromEntries(
    Object.keys(permissionFields).map((name) => [name, permission]),
  );
  checkOptions(value, { checks, what: name });
  const { sys, net } = value as Deno.PermissionOptionsObject;
  if (Array.isArray(sys)) {
    for (const kind of sys) known(kind, sysKinds, `${name} "sys"`);
  }
  if (!Array.isArray(net)) return;
  for (const host of net.map(String)) {
    if (/^[^\s]+$/.test(host) && !host.includes("://")) continue;
    throw new TypeError(
      `Cannot use ${name} "net" ${
        show(host)
      }: expected a host, as "example.com" or "127.0.0.1:80"`,
    );
  }
}

function known(kind: string, kinds: readonly string[], name: string): void {
  if (kinds.includes(kind)) return;
  throw new TypeError(
    `Cannot use ${name} ${show(kind)}: known are ${kinds.join(", ")}`,
  );
}

/** The same in a spec; throws for what the program does not have itself. */
export function permissionsOf(
  given: "none" | Deno.PermissionOptionsObject,
): SandboxPermissions {
  const asked: SandboxPermissions = {};
  if (given === "none") return asked;
  for (const name of Object.keys(permissionFields) as PermissionName[]) {
    const wanted = given[name];
    if (wanted === undefined || wanted === false) continue;
    asked[name] = wanted === true
      ? "all"
      : wanted === "inherit"
      ? "inherit"
      : wanted.map((one) => valueOf(name, one)).sort();
  }
  assertHeld(asked, granted);
  return asked;
}

function permission(value: unknown, name: string): void {
  if (typeof value === "boolean" || value === "inherit") return;
  const isList = Array.isArray(value) &&
    value.every((one) =>
      one instanceof URL || (typeof one === "string" && /^[^\0]+$/.test(one))
    );
  if (isList) return;
  throw new TypeError(
    `Cannot use ${name} ${
      show(value)
    }: expected true, false, "inherit" or a list of strings that are not empty`,
  );
}

function valueOf(name: PermissionName, value: string | URL): string {
  const isPath = name === "read" || name === "write" || name === "ffi";
  const text = value instanceof URL ? value.href : value;
  if (/^file:/.test(text) && (isPath || name === "run")) {
    return fileURLToPath(text);
  }
  return isPath && !isAbsolute(text) ? join(Deno.cwd(), text) : text;
}
