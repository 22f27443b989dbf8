/**
 * What this process may do, and the variables it has: asked of Deno, never
 * prompted for.
 *
 * @module
 */

/** What is granted of a permission, or of one value of it. */
export type Granted = (
  descriptor: Deno.PermissionDescriptor,
) => "whole" | "partly" | "no";

/** What is granted to this process. */
export const granted: Granted = (descriptor) => {
  const { state, partial } = Deno.permissions.querySync(descriptor);
  return state !== "granted" ? "no" : partial ? "partly" : "whole";
};

/** An environment variable; undefined also where this process may not read it. */
export function variable(name: string): string | undefined {
  return granted({ name: "env", variable: name }) === "no"
    ? undefined
    : Deno.env.get(name);
}

/** Where Deno keeps what it downloads, as its own variables say; undefined where they may not be read. */
export function denoFolder(): string | undefined {
  const named = variable("DENO_DIR");
  if (named) return named;
  const home = variable("HOME");
  if (Deno.build.os === "darwin") return home && `${home}/Library/Caches/deno`;
  const cache = variable("XDG_CACHE_HOME") || (home && `${home}/.cache`);
  return cache && `${cache}/deno`;
}
