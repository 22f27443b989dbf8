/**
 * What a contender and all its processes take of the machine's memory.
 *
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";

/** Bytes of this process and its descendants, what they share counted once (PSS). */
export function memoryOfGroup() {
  return processesOfGroup().reduce((sum, pid) => sum + memoryOf(pid), 0);
}

/** This process and its descendants. */
export function processesOfGroup() {
  const parents = new Map();
  for (const name of readdirSync("/proc")) {
    const stat = /^\d+$/.test(name) && textOf(`/proc/${name}/stat`);
    // What follows the name of the program, which may hold anything.
    if (stat) {
      parents.set(Number(name), Number(stat.split(") ").at(-1)?.split(" ")[1]));
    }
  }
  return [...parents.keys()].filter((pid) => isOwn(pid, parents));
}

/**
 * Bytes of one process, its share of what others have too; 0 where it has ended.
 *
 * @param {number} pid
 */
export function memoryOf(pid) {
  const pss = /^Pss:\s+(\d+) kB/m.exec(textOf(`/proc/${pid}/smaps_rollup`));
  return 1024 * Number(pss?.[1] ?? 0);
}

/**
 * @param {number} pid
 * @param {Map<number, number>} parents
 */
function isOwn(pid, parents) {
  for (let at = pid; at > 1; at = parents.get(at) ?? 0) {
    if (at === process.pid) return true;
  }
  return false;
}

/** A file's text; empty where its process has ended. */
function textOf(path) {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes(error.code)) return "";
    throw error;
  }
}
