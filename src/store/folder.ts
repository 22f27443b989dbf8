/**
 * The session's folder: sockets and files of one run, for this user only.
 *
 * @module
 */
import { MantaError } from "../base/errors.ts";
import { randomHex } from "../base/ids.ts";
import { log } from "../base/log.ts";

/** A unix socket's path has 108 bytes; a process id and its ending take 22. */
const folderBytesMax = 80;

/** Makes a fresh folder, mode 0700, where paths of sockets are short enough. */
export function makeFolder(): string {
  sweep(temporaryRoot());
  const name = `manta-${Deno.pid}-${randomHex(4)}`;
  const roots = [temporaryRoot(), "/tmp"].filter((root) =>
    new TextEncoder().encode(`${root}/${name}`).length <= folderBytesMax
  );
  let failure: unknown;
  for (const root of new Set(roots)) {
    const folder = `${root}/${name}`;
    try {
      Deno.mkdirSync(folder, { mode: 0o700 });
      assertOurs(folder);
      return folder;
    } catch (error) {
      failure = error;
    }
  }
  throw new MantaError(
    `Cannot make a folder for sockets in ${[...new Set(roots)].join(" or ")}: ${
      failure instanceof Error ? failure.message : failure
    }. Set TMPDIR to a folder that this user may write${
      permissionAdvice(failure)
    }`,
    { cause: failure },
  );
}

/** Removes a session's folder and all in it. */
export function removeFolder(folder: string): void {
  try {
    Deno.removeSync(folder, { recursive: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    log.error(`cannot remove ${folder}: ${error}`);
  }
}

/** Removes folders of programs that died with all who could have cleared up after them. */
function sweep(root: string): void {
  try {
    // Only Linux shows here which processes live, and only to some programs.
    if (!isAlive("self")) return;
    for (const { name } of Deno.readDirSync(root)) {
      const pid = /^manta-(\d+)-[0-9a-f]{8}$/.exec(name)?.[1];
      if (pid !== undefined && !isAlive(pid)) {
        removeFolder(`${root}/${name}`);
      }
    }
  } catch (error) {
    // What is left of others is no reason not to start.
    log.debug(`cannot sweep ${root}: ${error}`);
  }
}

function isAlive(pid: string): boolean {
  try {
    return Deno.statSync(`/proc/${pid}`).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function temporaryRoot(): string {
  const granted = Deno.permissions.querySync({
    name: "env",
    variable: "TMPDIR",
  });
  const root = granted.state === "granted" ? Deno.env.get("TMPDIR") : undefined;
  return root === undefined || root === "" ? "/tmp" : root.replace(/\/+$/, "");
}

function assertOurs(folder: string): void {
  const { isDirectory, isSymlink, mode } = Deno.lstatSync(folder);
  if (!isDirectory || isSymlink || ((mode ?? 0) & 0o077) !== 0) {
    throw new MantaError(`folder "${folder}" is not this user's alone`);
  }
}

function permissionAdvice(error: unknown): string {
  return error instanceof Deno.errors.NotCapable
    ? ", and grant --allow-read and --allow-write"
    : "";
}
