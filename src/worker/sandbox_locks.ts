/**
 * What Deno's flags leave open in a process that may read and write one
 * folder: `node:wasi` makes symbolic links there, which Deno itself refuses,
 * and a link leads to any file of the user.
 *
 * The only guard of a sandbox that lies inside it: what the flags forbid is in
 * `node/sandbox_flags.ts`. It is put up before the task's code runs.
 *
 * @module
 */
import { WASI } from "node:wasi";
import { Worker as Thread } from "node:worker_threads";

/** From now on neither this realm nor any other of the process makes links. */
export function lockLinks(): void {
  // The functions are private to each instance, and these alone give them out.
  for (const name of ["wasiImport", "getImportObject"]) {
    Object.defineProperty(WASI.prototype, name, { get: refusing("node:wasi") });
  }
  Object.freeze(WASI.prototype);
  // In a realm of its own a worker would have them all.
  for (const start of [Worker, Thread]) {
    Object.setPrototypeOf(start, refusing("a Worker"));
    Object.freeze(start);
  }
}

function refusing(what: string): () => never {
  return function () {
    throw new Deno.errors.NotCapable(
      `Cannot use ${what} in a sandbox that may read and write: symbolic links could be made with it; grant one of the two`,
    );
  };
}
