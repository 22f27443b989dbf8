/**
 * What this process can give to a sandboxed one: what is granted here, the
 * variables it has, and where Deno keeps what it downloads.
 *
 * @module
 */
import { granted, variable } from "../base/environment.ts";
import { resolve } from "node:path";
import { RuntimeEnvSetupError } from "../base/errors.ts";
import { isThere } from "../base/files.ts";
import type { SandboxPermissions } from "../base/spec.ts";
import { tokenFolder } from "../store/tokens.ts";

/** Variables that no sandboxed process has, whatever it may read. */
const secretVariables = ["MANTA_TOKEN", "MANTA_TOKEN_FILE"];

/** What none may see: these, and what holds tokens of clusters; by each of their names. */
export function hiddenPlaces(places: string[]): string[] {
  const tokens = [tokenFolder(), variable("MANTA_TOKEN_FILE")]
    .filter((place) => place !== undefined && place !== "") as string[];
  return [
    ...new Set(
      [...places, ...tokens].flatMap((place) =>
        isThere(place) ? [resolve(place), Deno.realPathSync(place)] : place
      ),
    ),
  ];
}

/** All variables that a process with these permissions and flags is to have. */
export function variablesFor(
  permissions: SandboxPermissions,
  flags: string[],
): Record<string, string> {
  const { env, run } = permissions;
  const isWhole = (env === "all" || env === "inherit") &&
    granted({ name: "env" }) === "whole";
  // Commands are looked for there.
  const names = run === undefined ? ["NO_COLOR"] : ["NO_COLOR", "PATH"];
  if (isWhole) names.push(...Object.keys(Deno.env.toObject()));
  else names.push(...namesIn(flags));
  const found: Record<string, string> = {};
  for (const name of names) {
    if (secretVariables.includes(name)) continue;
    const value = variable(name);
    if (value !== undefined) found[name] = value;
  }
  return found;
}

/** Where Deno keeps modules, packages and texts that it made of them. */
export async function denoDownloads(): Promise<
  [modules: string, packages: string, texts: string]
> {
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--no-config"],
    stdin: "null",
    stderr: "inherit",
  }).output();
  if (!success) {
    throw new RuntimeEnvSetupError(
      "Cannot start a sandbox: deno info does not say where modules are kept; what it wrote is in the log",
    );
  }
  const { modulesCache, npmCache, typescriptCache } = JSON.parse(
    new TextDecoder().decode(stdout),
  );
  return [modulesCache, npmCache, typescriptCache];
}

function namesIn(flags: string[]): string[] {
  const prefix = "--allow-env=";
  return flags.filter((flag) => flag.startsWith(prefix))
    .flatMap((flag) => flag.slice(prefix.length).split(","));
}
