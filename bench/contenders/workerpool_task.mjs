/**
 * The worker of workerpool, and the task that it runs.
 *
 * @module
 */
import { createRequire } from "node:module";

const folder = new URL("../.peers/workerpool/", import.meta.url);
const { worker } = createRequire(folder)("workerpool");

worker({ smallValue: () => "ok" });
