/**
 * The driver's own command line, for the flags that its workers must share.
 *
 * Deno lets only a program with all permissions read `/proc`; one with fewer
 * has it read by a process that it may start anyway.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { log } from "../base/log.ts";

/** The arguments this process was started with, its name first; empty where they can't be had. */
export function commandLine(): string[] {
  const path = `/proc/${Deno.pid}/cmdline`;
  for (const read of [readDirectly, readByProcess]) {
    try {
      return read(path).split("\0").slice(0, -1);
    } catch (error) {
      // Not on this system, or not for this program: the flags are then only
      // those that the runtime can be asked for, which are fewer, never more.
      log.debug(`cannot read ${path}: ${error}`);
    }
  }
  return [];
}

function readDirectly(path: string): string {
  return readFileSync(path, "utf8");
}

function readByProcess(path: string): string {
  const { success, stdout, stderr } = new Deno.Command("/bin/cat", {
    args: [path],
    stdin: "null",
  }).outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}
