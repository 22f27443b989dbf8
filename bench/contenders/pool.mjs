/**
 * The side of npm's pools of threads, run by Node: `pool.mjs NAME`.
 *
 * With `--in-flight N` a worker of piscina has that many tasks at once, and
 * there is one worker a core; else each pool is as its defaults make it.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { serve } from "./serve.mjs";

const [name, ...flags] = process.argv.slice(2);
const inFlight = Number(flags[flags.indexOf("--in-flight") + 1]);
const task = new URL("./pool_task.mjs", import.meta.url);
const folder = new URL(`../.peers/${name}/`, import.meta.url);
const require = createRequire(folder);

/** What differs between them: how one starts, runs the task, and ends. */
const pools = {
  piscina() {
    const { Piscina } = require("piscina");
    const threads = availableParallelism();
    const tuned = {
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: inFlight,
    };
    const pool = new Piscina({
      filename: task.href,
      ...(inFlight > 0 ? tuned : {}),
    });
    return { run: () => pool.run(undefined), end: () => pool.destroy() };
  },
  async tinypool() {
    const main = pathToFileURL(require.resolve("tinypool"));
    const { default: Tinypool } = await import(main.href);
    const pool = new Tinypool({ filename: task.href });
    return { run: () => pool.run(undefined), end: () => pool.destroy() };
  },
  workerpool() {
    const workerpool = require("workerpool");
    const script = new URL("./workerpool_task.mjs", import.meta.url);
    const pool = workerpool.pool(fileURLToPath(script), {
      workerType: "thread",
    });
    return { run: () => pool.exec("smallValue"), end: () => pool.terminate() };
  },
};

/** @type {{ run: () => Promise<unknown>, end: () => unknown }} */
let pool;

async function startPool() {
  pool = await pools[name]();
}

/** @param {number} n */
function batch(n) {
  return Promise.all(Array.from({ length: n }, () => pool.run()));
}

await serve({
  async start() {
    await startPool();
    const path = new URL(`node_modules/${name}/package.json`, folder);
    const { version } = JSON.parse(readFileSync(path, "utf8"));
    const setting = inFlight > 0 ? `, ${inFlight} in flight` : "";
    return `${name} ${version}${setting} (Node ${process.versions.node})`;
  },
  async firstResult() {
    await startPool();
    await pool.run();
  },
  rows: {
    "single client tasks and get batch": () => ({ run: () => batch(1000) }),
    "single client tasks sync": () => ({ run: () => pool.run() }),
    "single client tasks async": () => ({
      run: () => batch(1000),
      count: 1000,
    }),
  },
  end: () => pool.end(),
});
