/**
 * The demo: the network of `parameter_server.ts` learns handwritten digits
 * twice, on one worker and on all. Halfway through the second run the demo
 * kills one of its own workers, and the report shows whether anything was lost.
 *
 * `deno task demo`
 *
 * @module
 */
import { get, init, type ObjectRef, wait } from "@manta/manta";
import {
  type Digits,
  type GradientReport,
  loadDigits,
  measureAccuracy,
  plan,
  train,
} from "./parameter_server.ts";

interface Run {
  workerCount: number;
  tookMs: number;
  weights: Float32Array;
  reports: GradientReport[];
  killedPids: number[];
}

/** Trains once on so many workers; `isKilling`: with a murder halfway. */
async function runOnce(
  digits: Digits,
  { workerCount, isKilling }: { workerCount: number; isKilling: boolean },
): Promise<Run> {
  await using _runtime = await init({ numCpus: workerCount });
  const bar = makeBar(
    workerCount === 1 ? "1 worker " : `${workerCount} workers`,
  );
  const killedPids: number[] = [];
  let pids = new Set<number>();
  let wasFelt = false;
  const startMs = performance.now();
  const { weights, reports } = await train(digits, async (step, pending) => {
    bar.draw(step + 1);
    // A kill between two tasks costs nothing and shows nothing: then again.
    if (isKilling && step >= plan.steps / 2 && !wasFelt) {
      const pid = await killBusyWorker(pending, pids);
      killedPids.push(pid);
      bar.say(`step ${step + 1}: SIGKILL to worker ${pid}`);
    }
    const done = await get(pending);
    pids = new Set(done.map(({ pid }) => pid));
    for (const killed of killedPids) pids.delete(killed);
    wasFelt ||= done.some(({ attempt }) => attempt > 1);
  });
  const tookMs = performance.now() - startMs;
  bar.end(tookMs);
  return { workerCount, tookMs, weights, reports, killedPids };
}

/** Kills a worker that computes: one that has reported nothing of this step yet. */
async function killBusyWorker(
  pending: ObjectRef<GradientReport>[],
  knownPids: Set<number>,
): Promise<number> {
  const [[first]] = await wait(pending, { numReturns: 1 });
  const { pid } = await get(first!);
  const victim = [...knownPids].find((known) => known !== pid) ?? pid;
  Deno.kill(victim, "SIGKILL");
  return victim;
}

/** A bar that redraws itself on a terminal, and is a line a quarter elsewhere. */
function makeBar(label: string) {
  const isTerminal = Deno.stdout.isTerminal();
  const write = (text: string) =>
    Deno.stdout.writeSync(new TextEncoder().encode(text));
  const cells = 32;
  let lastFilled = -1;
  return {
    draw(step: number): void {
      const filled = Math.floor(cells * step / plan.steps);
      if (filled === lastFilled) return;
      lastFilled = filled;
      const bar = "█".repeat(filled) + "░".repeat(cells - filled);
      const line = `  ${label}  ${bar}  step ${step} of ${plan.steps}`;
      if (isTerminal) write(`\r\x1b[K${line}`);
      else if (filled > 0 && filled % (cells / 4) === 0) write(`${line}\n`);
    },
    say(text: string): void {
      write(`${isTerminal ? "\r\x1b[K" : ""}  ${label}  ${text}\n`);
      lastFilled = -1;
    },
    end(tookMs: number): void {
      write(isTerminal ? `  ${seconds(tookMs)}\n` : "");
    },
  };
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function amount(n: number): string {
  return Math.round(n).toLocaleString("en");
}

console.log("manta learns to read handwritten digits.\n");
const { train: digits, test } = await loadDigits();
const alone = await runOnce(digits, { workerCount: 1, isKilling: false });
const together = await runOnce(digits, {
  workerCount: navigator.hardwareConcurrency,
  isKilling: true,
});

const accuracy = measureAccuracy(together.weights, test);
const isSame = alone.weights.every((w, at) => w === together.weights[at]);
const reports = [...alone.reports, ...together.reports];
const retryCount = reports.reduce((sum, { attempt }) => sum + attempt - 1, 0);
const putMB = (digits.images.byteLength + digits.labels.byteLength) / 1e6;
const movedMB = (reports.length + 2 * plan.steps) *
  together.weights.byteLength / 1e6;
const pidCount = new Set(together.reports.map(({ pid }) => pid)).size;

const lines = [
  [
    "accuracy",
    `${(100 * accuracy).toFixed(1)} % of ${
      amount(test.labels.length)
    } digits it did not train on`,
  ],
  ["one worker", seconds(alone.tookMs)],
  [
    `all ${together.workerCount}`,
    `${seconds(together.tookMs)}, ${
      (alone.tookMs / together.tookMs).toFixed(1)
    } times as fast, the kill included`,
  ],
  [
    "tasks",
    `${
      amount(reports.length)
    } gradients of ${plan.digitsPerTask} digits, in both runs together`,
  ],
  [
    "shared",
    `${putMB.toFixed(1)} MB of digits put once a run and read in place; ` +
    `a copy for each task would be ${amount(putMB * reports.length / 1e3)} GB`,
  ],
  ["", `${amount(movedMB)} MB of gradients and weights by shared memory`],
  [
    "killed",
    `worker ${together.killedPids.join(", worker ")}, by SIGKILL, halfway; ` +
    `${pidCount} processes worked in that run`,
  ],
  [
    "retries",
    `${retryCount} ${
      retryCount === 1 ? "task" : "tasks"
    } died with a worker and ran again elsewhere`,
  ],
  [
    "lost",
    isSame
      ? "nothing: both runs learned the same network, bit for bit"
      : "something: the two runs learned different networks",
  ],
];
console.log();
for (const [label, text] of lines) console.log(`  ${label!.padEnd(12)}${text}`);

if (!isSame || accuracy < 0.9) Deno.exit(1);
