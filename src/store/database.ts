/**
 * Opening one of our SQLite files: checked before it is touched, made if it is
 * not there, refused with a reason if it is anything else.
 *
 * Never overwrites. What the tables are is their rooms' business, not this
 * one's (`lineage_log.ts`).
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { MantaError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";

/** What a file must be, and how one is made. */
export interface DatabaseKind {
  /** What people call such a file, like "lineage file". */
  label: string;
  /** SQLite's application id: tells our files from others'. */
  applicationId: number;
  /**
   * SQL by version: the first makes version 1, each further one takes a file
   * from the version before to its own.
   */
  migrations: readonly string[];
  /** SQLite's `synchronous`; default NORMAL: commits survive a killed process, not always a power cut. */
  synchronous?: "NORMAL" | "FULL";
}

const walBytesMax = 64 * 1024 * 1024;
const headerBytes = 100;
const magic = "SQLite format 3\0";

/** Opens the file for writing, and makes it if it is not there. */
export function openDatabase(
  path: string,
  kind: DatabaseKind,
  { busyMs = limits.databaseBusyMs }: { busyMs?: number } = {},
): DatabaseSync {
  const isNew = checkHeader(path, kind);
  const database = connect(path, kind, { isReadOnly: false, busyMs });
  try {
    if (!isNew) checkPages(database, path, kind);
    migrate(database, kind);
    // Only now: this writes to the file, and the checks above must not.
    database.exec(`PRAGMA journal_mode = WAL;
      PRAGMA synchronous = ${kind.synchronous ?? "NORMAL"};
      PRAGMA journal_size_limit = ${walBytesMax};`);
    return database;
  } catch (error) {
    database.close();
    if (error instanceof MantaError) throw error;
    throw refusal(path, kind, explain(error), error);
  }
}

/** Opens the file for reading; one that is not there is refused. */
export function openForReading(
  path: string,
  kind: DatabaseKind,
): DatabaseSync {
  if (checkHeader(path, kind)) {
    throw refusal(path, kind, "there is no such file, or it is empty");
  }
  const busyMs = limits.databaseBusyMs;
  return connect(path, kind, { isReadOnly: true, busyMs });
}

/** What a failed write means for those that follow. */
export type WriteFailure = "full" | "broken" | "locked" | "other";

/**
 * Tells a full disk from a file that another program locks, and from one that
 * can't be used any more. Deno's errors carry no SQLite code, so it goes by
 * SQLite's own fixed messages.
 */
export function failureOf(error: unknown): WriteFailure {
  const message = messageOf(error);
  if (/disk is full|No space left/i.test(message)) return "full";
  if (/malformed|not a database/.test(message)) return "broken";
  if (/database (table )?is locked/.test(message)) return "locked";
  return "other";
}

/** Whether the file is still to be made. Reads the header, and touches nothing. */
function checkHeader(path: string, kind: DatabaseKind): boolean {
  let bytes: Uint8Array;
  try {
    if (Deno.statSync(path).isDirectory) {
      throw refusal(path, kind, "it is a folder: name a file in it");
    }
    bytes = readStart(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    if (error instanceof MantaError) throw error;
    throw refusal(path, kind, explain(error), error);
  }
  if (bytes.length === 0) return true;
  const view = new DataView(bytes.buffer);
  const isSqlite = bytes.length === headerBytes &&
    new TextDecoder().decode(bytes.subarray(0, magic.length)) === magic;
  if (!isSqlite) {
    throw refusal(path, kind, "it is no SQLite database: name another file");
  }
  if (view.getUint32(68) !== kind.applicationId) {
    const reason = "it is another program's database: name another file";
    throw refusal(path, kind, reason);
  }
  if (view.getUint32(60) > kind.migrations.length) {
    const reason = "a newer version of manta wrote it: use that version, " +
      "or name another file";
    throw refusal(path, kind, reason);
  }
  return false;
}

function readStart(path: string): Uint8Array<ArrayBuffer> {
  using file = Deno.openSync(path, { read: true });
  const bytes = new Uint8Array(headerBytes);
  return bytes.subarray(0, file.readSync(bytes) ?? 0);
}

function connect(
  path: string,
  kind: DatabaseKind,
  options: { isReadOnly: boolean; busyMs: number },
): DatabaseSync {
  try {
    return new DatabaseSync(path, {
      readOnly: options.isReadOnly,
      timeout: options.busyMs,
      enableForeignKeyConstraints: false,
    });
  } catch (error) {
    throw refusal(path, kind, explain(error), error);
  }
}

function checkPages(
  database: DatabaseSync,
  path: string,
  kind: DatabaseKind,
): void {
  let found: string;
  let cause: unknown;
  try {
    const row = database.prepare("PRAGMA quick_check(1)").get();
    found = String(row?.quick_check);
  } catch (error) {
    if (failureOf(error) !== "broken") throw error;
    [found, cause] = [messageOf(error), error];
  }
  if (found === "ok") return;
  const reason = `it is damaged (${found}): move it away, or restore a copy`;
  throw refusal(path, kind, reason, cause);
}

function migrate(database: DatabaseSync, kind: DatabaseKind): void {
  const { migrations, applicationId } = kind;
  if (versionOf(database) === migrations.length) return;
  // Immediate: two programs that make the same file come one after the other.
  database.exec("BEGIN IMMEDIATE");
  for (const sql of migrations.slice(versionOf(database))) database.exec(sql);
  database.exec(`PRAGMA application_id = ${applicationId};
    PRAGMA user_version = ${migrations.length};
    COMMIT;`);
}

function versionOf(database: DatabaseSync): number {
  return Number(database.prepare("PRAGMA user_version").get()?.user_version);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function explain(error: unknown): string {
  const message = messageOf(error);
  if (/--allow-(read|write)/.test(message)) return message;
  if (failureOf(error) === "full") return "the disk is full: make room";
  if (failureOf(error) === "locked") {
    return "another program locks it: wait until that is done, or name another file";
  }
  const isUnwritable = error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.NotADirectory ||
    /unable to open|readonly|not authorized/i.test(message);
  if (!isUnwritable) return message;
  return `it can't be written (${message}): ` +
    "name a file in a folder that exists and may be written";
}

function refusal(
  path: string,
  kind: DatabaseKind,
  reason: string,
  cause?: unknown,
): MantaError {
  return new MantaError(`Cannot use ${kind.label} "${path}": ${reason}`, {
    cause,
  });
}
