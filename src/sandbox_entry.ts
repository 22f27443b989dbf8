/**
 * Entry module of a sandboxed process. Loads what the task's code may import
 * of this library: what is loaded can be imported where no file may be read.
 *
 * @module
 */
import "../mod.ts";
import { runSandboxed } from "./worker/sandboxed_process.ts";

runSandboxed(Deno.args[0] === "locked");
