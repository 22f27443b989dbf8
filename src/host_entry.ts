/**
 * Entry module of an actor host's process.
 *
 * @module
 */
import { runActorHost } from "./worker/actor_host.ts";

await runActorHost(Deno.args[0]!, new URL("./actor_entry.ts", import.meta.url));
