/**
 * The contenders' end of the line protocol, and their stopwatch: the same for
 * all that are written in JavaScript, on Deno and on Node.
 *
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { setImmediate } from "node:timers/promises";

/** From the end of stdin to the end of the process, however stuck it is. */
const exitMsMax = 10_000;

/**
 * One row, set up.
 *
 * @typedef {object} Row
 * @property {() => unknown} run One run; what it returns is awaited.
 * @property {number} [count] How much one run counts for in a rate (1).
 * @property {boolean} [isDuration] The figure is seconds a run, not runs a second.
 * @property {() => Promise<number>} [figure] Gives the figure of a round by itself, instead.
 * @property {() => unknown} [end] Gives back what the set-up took.
 */

/**
 * What a contender must be able to do.
 *
 * @typedef {object} Contender
 * @property {() => string | Promise<string>} start Starts it; returns its name and version.
 * @property {() => Promise<unknown>} [firstResult] From nothing to the first result.
 * @property {Record<string, (scale: number) => Row | Promise<Row>>} rows Sets up a row; scale is under 1 for smaller batches.
 * @property {() => unknown} end Ends it.
 */

/**
 * Runs what stdin asks for, until it ends.
 *
 * @param {Contender} contender
 */
export async function serve(contender) {
  if (process.argv.includes("--first-result")) {
    const startMs = performance.now();
    await contender.firstResult?.();
    tell({ kind: "figure", value: performance.now() - startMs });
    return await contender.end();
  }
  tell({ kind: "ready", version: await contender.start() });
  const lines = createInterface({ input: process.stdin });
  // A row that hangs would hear of a killed bench never: leave regardless.
  lines.on("close", () => {
    setTimeout(() => process.exit(1), exitMsMax).unref();
  });
  /** @type {Row | undefined} */
  let row;
  let runsPerMs = 0;
  for await (const line of lines) {
    const request = JSON.parse(line);
    try {
      if (request.kind === "setup") {
        const setup = contender.rows[request.row];
        if (setup === undefined) throw new Error(`No row "${request.row}"`);
        row = await setup(request.scale);
        runsPerMs = request.warmupMs > 0 && row.figure === undefined
          ? await measure(row, { ms: request.warmupMs, step: 1 })
          : 0;
        tell({ kind: "done" });
      } else if (row === undefined) {
        throw new Error(`Cannot do "${request.kind}": no row is set up`);
      } else if (request.kind === "round" && row.figure !== undefined) {
        tell({ kind: "figure", value: await row.figure() });
      } else if (request.kind === "round") {
        // As Ray does: ten looks at the clock a round.
        const step = Math.max(1, Math.round(runsPerMs * request.roundMs / 10));
        runsPerMs = await measure(row, { ms: request.roundMs, step });
        const perSecond = 1000 * runsPerMs;
        const { count = 1, isDuration } = row;
        const value = isDuration ? 1 / perSecond : count * perSecond;
        tell({ kind: "figure", value });
      } else {
        await row.end?.();
        row = undefined;
        tell({ kind: "done" });
      }
    } catch (error) {
      console.error(error);
      tell({ kind: "failed", message: String(error) });
    }
  }
  await row?.end?.();
  await contender.end();
}

/**
 * Runs a row for at least so long; returns runs a millisecond.
 *
 * @param {Row} row
 * @param {{ ms: number, step: number }} options
 */
async function measure({ run }, { ms, step }) {
  const startMs = performance.now();
  let runs = 0;
  let elapsedMs = 0;
  do {
    for (let i = 0; i < step; i++) {
      const result = run();
      if (result !== undefined) await result;
    }
    runs += step;
    // Runs that settle at once would otherwise starve finalizers and timers.
    await setImmediate();
    elapsedMs = performance.now() - startMs;
  } while (elapsedMs < ms);
  return runs / elapsedMs;
}

/** @param {object} reply */
function tell(reply) {
  process.stdout.write(`@bench ${JSON.stringify(reply)}\n`);
}
