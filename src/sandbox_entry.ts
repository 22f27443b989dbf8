/**
 * Entry module of a sandboxed process. Loads what the code in it may import
 * of this library: what is loaded can be imported where no file may be read.
 *
 * @module
 */
import "../mod.ts";
import { setActorExit } from "./client/context.ts";
import { runSandboxed } from "./worker/sandboxed_process.ts";

runSandboxed({ isLocked: Deno.args[0] === "locked", setActorExit });
