/**
 * Tokens of clusters in this user's configuration folder: one file for each
 * address, that only the user may read.
 *
 * @module
 */
import { variable } from "../base/environment.ts";
import { log } from "../base/log.ts";

/** The file for a cluster's token. Undefined where this user has no such folder. */
export function tokenPath(address: string): string | undefined {
  const folder = tokenFolder();
  if (folder === undefined) return undefined;
  return `${folder}/${address.replace(/[^\w.-]/g, "_")}`;
}

/** The folder of all of them. */
export function tokenFolder(): string | undefined {
  const folder = configFolder();
  return folder === undefined ? undefined : `${folder}/tokens`;
}

/** Writes a token for programs of this user. */
export function writeToken(address: string, token: string): string | undefined {
  const path = tokenPath(address);
  if (path === undefined) return undefined;
  writePrivate(path, token);
  return path;
}

/** The token that was written for that address, if there is one. */
export function readToken(address: string): string | undefined {
  const path = tokenPath(address);
  if (path === undefined) return undefined;
  try {
    return Deno.readTextFileSync(path).trim();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      log.warn(`the token file ${path} can't be read: ${error}`);
    }
    return undefined;
  }
}

/** Writes a file that only this user may read, whole or not at all. */
export function writePrivate(path: string, text: string): void {
  const folder = path.slice(0, path.lastIndexOf("/"));
  Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const unready = `${path}.${Deno.pid}`;
  Deno.writeTextFileSync(unready, `${text}\n`, { mode: 0o600 });
  Deno.renameSync(unready, path);
}

function configFolder(): string | undefined {
  const own = variable("XDG_CONFIG_HOME");
  if (own) return `${own}/manta`;
  const home = variable("HOME");
  return home ? `${home}/.config/manta` : undefined;
}
