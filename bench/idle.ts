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
import { memoryOf, processesOfGroup } from "./contenders/memory.mjs";

const { seconds } = parseArgs(Deno.args, {
  string: ["seconds"],
  default: { seconds: "10" },
});
const settleMs = 3000;

/** How often each thread of a process has slept, by its id. */
function sleepsOf(pid: number): Map<string, number> {
  const threads = [...Deno.readDirSync(`/proc/${pid}/task`)];
  return new Map(threads.map(({ name }) => {
    const status = Deno.readTextFileSync(`/proc/${pid}/task/${name}/status`);
    const count = /^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)![1];
    return [name, Number(count)];
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
const pids = processesOfGroup();
const before = pids.map(sleepsOf);
await delay(1000 * Number(seconds));
const rows = pids.map((pid, at) => ({
  process: nameOf(pid),
  "MB (PSS)": Math.round(memoryOf(pid) / (1 << 20)),
  "wake-ups a second": wakesSince(pid, before[at]!) / Number(seconds),
}));
console.table(rows);
const sum = rows.reduce((total, row) => total + row["MB (PSS)"], 0);
console.log(`${sum} MB in all`);
