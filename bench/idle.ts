/**
 * What a runtime with nothing to do takes: memory, and times that it wakes.
 *
 *     deno run -A bench/idle.ts [--seconds N]
 *
 * Two workers, no tasks. Memory is what all its processes take, pages that
 * they share counted once (PSS). A wake-up is a voluntary switch of a thread,
 * as Linux counts them; the few of this script's own timer are among them.
 *
 * @module
 */
import { delay } from "@std/async";
import { parseArgs } from "@std/cli";
import { init } from "../mod.ts";

const { seconds } = parseArgs(Deno.args, {
  string: ["seconds"],
  default: { seconds: "10" },
});
const settleMs = 3000;

/** This process and all that descend from it. */
function processes(): number[] {
  const pids = [Deno.pid];
  for (const pid of pids) {
    for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
      const path = `/proc/${pid}/task/${name}/children`;
      const children = Deno.readTextFileSync(path).split(" ").filter(Boolean);
      pids.push(...children.map(Number));
    }
  }
  return pids;
}

function figureIn(path: string, name: string): number {
  const line = new RegExp(`^${name}:\\s+(\\d+)`, "m");
  return Number(line.exec(Deno.readTextFileSync(path))![1]);
}

/** How often each thread of a process has slept, by its id. */
function sleepsOf(pid: number): Map<string, number> {
  const threads = [...Deno.readDirSync(`/proc/${pid}/task`)];
  return new Map(threads.map(({ name }) => {
    const path = `/proc/${pid}/task/${name}/status`;
    return [name, figureIn(path, "voluntary_ctxt_switches")];
  }));
}

/** Wake-ups since then, of the threads that were there and still are. */
function wakesSince(pid: number, before: Map<string, number>): number {
  return sleepsOf(pid).entries().reduce(
    (sum, [name, count]) => sum + count - (before.get(name) ?? count),
    0,
  );
}

function nameOf(pid: number): string {
  if (pid === Deno.pid) return "driver, with its node's threads";
  const command = Deno.readTextFileSync(`/proc/${pid}/cmdline`);
  return command.includes("worker_entry") ? "worker" : "cleaner";
}

await using _runtime = await init({ numCpus: 2 });
await delay(settleMs);
const pids = processes();
const before = pids.map(sleepsOf);
await delay(1000 * Number(seconds));
const rows = pids.map((pid, at) => ({
  process: nameOf(pid),
  "MB (PSS)": Math.round(figureIn(`/proc/${pid}/smaps_rollup`, "Pss") / 1024),
  "wake-ups a second": wakesSince(pid, before[at]!) / Number(seconds),
}));
console.table(rows);
const sum = rows.reduce((total, row) => total + row["MB (PSS)"], 0);
console.log(`${sum} MB in all`);
