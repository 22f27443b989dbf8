/**
 * piscina's side of the bench, run by Node: threads fed by `postMessage`.
 *
 * With `--in-flight N` a worker has that many tasks at once, and there is one
 * worker a core; without it the pool is as its defaults make it.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import process from "node:process";
import { serve } from "./serve.mjs";

const require = createRequire(new URL("../.peers/node/", import.meta.url));
const { Piscina } = require("piscina");
const filename = new URL("./piscina_task.mjs", import.meta.url).href;
const inFlight = Number(process.argv[process.argv.indexOf("--in-flight") + 1]);

/** @type {any} */
let pool;

function startPool() {
  const threads = availableParallelism();
  const tuned = {
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: inFlight,
  };
  pool = new Piscina({ filename, ...(inFlight > 0 ? tuned : {}) });
}

/** @param {number} n */
function batch(n) {
  return Promise.all(Array.from({ length: n }, () => pool.run(undefined)));
}

await serve({
  start() {
    startPool();
    const path = new URL(
      "../.peers/node/node_modules/piscina/package.json",
      import.meta.url,
    );
    const { version } = JSON.parse(readFileSync(path, "utf8"));
    const setting = inFlight > 0 ? `, ${inFlight} in flight` : "";
    return `piscina ${version}${setting} (Node ${process.versions.node})`;
  },
  async firstResult() {
    startPool();
    await pool.run(undefined);
  },
  rows: {
    "single client tasks and get batch": () => ({ run: () => batch(1000) }),
    "single client tasks sync": () => ({ run: () => pool.run(undefined) }),
    "single client tasks async": () => ({
      run: () => batch(1000),
      count: 1000,
    }),
  },
  end: () => pool.destroy(),
});
