/**
 * Entry module of a worker process. Joins what workers need of the client, so
 * that handles and remote functions mean something to the tasks they run.
 *
 * @module
 */
import "./client/values.ts";
import { runWorker } from "./worker/worker.ts";

await runWorker(
  Deno.args[0]!,
  new URL("./sandbox_entry.ts", import.meta.url),
);
