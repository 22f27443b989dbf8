/**
 * The session's folder: sockets and files of one run, for this user only.
 *
 * Those of one user stand in one folder, so that what may see none of them is
 * kept from all by one word. It is there as long as any of them is.
 *
 * Also sweeps folders of sessions whose driver and reaper were both killed.
 *
 * @module
 */
import { variable } from "../base/environment.ts";
import { MantaError } from "../base/errors.ts";
import { type NodeTag, randomHex } from "../base/ids.ts";
import { log } from "../base/log.ts";

/** A unix socket's path has 108 bytes; a process id and its ending take 22. */
const folderBytesMax = 80;
/** A folder without sockets that is younger may be one whose sockets are still to come. */
const staleAfterMs = 5000;
const namePattern = /^manta-(\d+)-[0-9a-f]{8}$/;
const nodeSocketPattern = /^([0-9a-f]{8})0{8}\.sock$/;

/** A path for a fresh folder, short enough for sockets; nothing is made yet. */
export function folderPath(): string {
  return `${sessionsRoot()}/manta-${Deno.pid}-${randomHex(4)}`;
}

/** Makes the folder, mode 0700, and the one that it stands in. */
export function makeFolder(folder: string): void {
  try {
    makeIn(sessionsOf(folder), folder);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new MantaError(
      `Cannot make folder "${folder}" for sockets: ${why}. Set TMPDIR to a folder that this user may write`,
      { cause },
    );
  }
}

/** The folder that a session's stands in, with all others of its user. */
export function sessionsOf(folder: string): string {
  return folder.slice(0, folder.lastIndexOf("/"));
}

function makeIn(sessions: string, folder: string): void {
  for (let triesLeft = 5;; triesLeft--) {
    try {
      makeUnlessThere(sessions);
      assertOurs(sessions);
      Deno.mkdirSync(folder, { mode: 0o700 });
      return assertOurs(folder);
    } catch (error) {
      // The last of the others has ended just now, and taken it along.
      const isAgain = error instanceof Deno.errors.NotFound && triesLeft > 0;
      if (!isAgain) throw error;
    }
  }
}

function makeUnlessThere(folder: string): void {
  try {
    Deno.mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

/** Removes a session's folder and all in it; tells why, if it can't. */
export function removeFolder(folder: string): void {
  removeAll(folder);
  leaveSessions(folder);
}

/** Removes what sessions stand in, unless there are others. */
function leaveSessions(folder: string): void {
  try {
    Deno.removeSync(sessionsOf(folder));
  } catch (error) {
    log.debug(`${sessionsOf(folder)} stays: ${error}`);
  }
}

/** Removes a file, or a folder and all in it; tells why, if it can't. */
export function removeAll(path: string): void {
  const error = tryToRemove(path);
  if (error !== undefined) log.error(`cannot remove ${path}: ${error}`);
}

/** Removes a folder in which others may still write: what they leave is the reaper's. */
export function removeFolderInUse(folder: string): void {
  const error = tryToRemove(folder);
  if (error !== undefined) log.debug(`${folder} is still in use: ${error}`);
  leaveSessions(folder);
}

function tryToRemove(path: string): unknown {
  try {
    Deno.removeSync(path, { recursive: true });
    return undefined;
  } catch (error) {
    const isNone = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    return isNone ? undefined : error;
  }
}

/**
 * Removes folders beside this one that no process uses any more. One is used
 * if its driver lives, or if any of its sockets still answers: the driver may
 * be in another container that shares the folder.
 */
export async function sweepFolders(own: string): Promise<void> {
  const root = sessionsOf(own);
  try {
    for await (const { name, isDirectory } of Deno.readDir(root)) {
      const pid = Number(namePattern.exec(name)?.[1] ?? 0);
      if (!isDirectory || pid === 0 || await isAlive(pid)) continue;
      const folder = `${root}/${name}`;
      if (await isAbandoned(folder)) {
        await Deno.remove(folder, { recursive: true });
      }
    }
  } catch (error) {
    // Another sweep was quicker, or the folder is another user's: no harm.
    log.debug(`folders in ${root} were not all swept: ${error}`);
  }
}

/** Folders of sessions beside which this program's own would be, living or not. */
export function sessionFolders(): string[] {
  const root = sessionsRoot();
  try {
    return [...Deno.readDirSync(root)].filter(({ name, isDirectory }) =>
      isDirectory && namePattern.test(name)
    ).map(({ name }) => `${root}/${name}`);
  } catch (error) {
    log.debug(`folders in ${root} can't be listed: ${error}`);
    return [];
  }
}

/** The node of a session, by its socket; undefined where there is none, or it is another user's. */
export function nodeTagIn(folder: string): NodeTag | undefined {
  try {
    for (const { name } of Deno.readDirSync(folder)) {
      const tag = nodeSocketPattern.exec(name)?.[1];
      if (tag !== undefined) return tag as NodeTag;
    }
  } catch (error) {
    log.debug(`${folder} can't be entered: ${error}`);
  }
  return undefined;
}

async function isAlive(pid: number): Promise<boolean> {
  const { kill } = (await import("node:process")).default;
  try {
    kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code !== "ESRCH";
  }
}

async function isAbandoned(folder: string): Promise<boolean> {
  let socketCount = 0;
  for await (const { name } of Deno.readDir(folder)) {
    if (!name.endsWith(".sock")) continue;
    socketCount++;
    if (await answers(`${folder}/${name}`)) return false;
  }
  if (socketCount > 0) return true;
  const { mtime } = await Deno.lstat(folder);
  return Date.now() - (mtime?.getTime() ?? 0) > staleAfterMs;
}

async function answers(path: string): Promise<boolean> {
  try {
    using _conn = await Deno.connect({ transport: "unix", path });
    return true;
  } catch {
    // Refused, or gone meanwhile: nobody is there.
    return false;
  }
}

/** Where folders stand: TMPDIR, or what is short where that is too long. */
export function folderRoot(): string {
  const root = (variable("TMPDIR") || "/tmp").replace(/(?<=.)\/+$/, "");
  const path = `${sessionsIn(root)}/manta-${Deno.pid}-00000000`;
  const byteLength = new TextEncoder().encode(path).length;
  return byteLength <= folderBytesMax ? root : "/tmp";
}

function sessionsRoot(): string {
  return sessionsIn(folderRoot());
}

function sessionsIn(root: string): string {
  return `${root}/manta-${Deno.uid() ?? "user"}`;
}

function assertOurs(folder: string): void {
  const { isDirectory, isSymlink, mode, uid } = Deno.lstatSync(folder);
  const isOpen = ((mode ?? 0) & 0o077) !== 0 || uid !== Deno.uid();
  if (!isDirectory || isSymlink || isOpen) {
    throw new MantaError(`folder "${folder}" is not this user's alone`);
  }
}
