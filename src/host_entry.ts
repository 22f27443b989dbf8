/**
 * Entry module of an actor host's process.
 *
 * @module
 */
import { runActorHost } from "./worker/actor_host.ts";

await runActorHost(Deno.args, new URL("./actor_entry.ts", import.meta.url));
