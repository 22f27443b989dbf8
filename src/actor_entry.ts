/**
 * Entry module of an actor's isolate.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { delay } from "@std/async";
import { limits } from "./base/limits.ts";
import { setActorExit } from "./client/context.ts";
import { ownHandle } from "./client/values.ts";
import type {
  IsolateData,
  IsolateEnding,
  IsolateWord,
} from "./worker/actor_host.ts";
import { type ActorInstance, OwnInstance } from "./worker/actor_instance.ts";
import { setCurrentSession } from "./owner/current.ts";
import { joinSession } from "./owner/session.ts";
import { ActorRunner } from "./worker/actor_runner.ts";
import { RunningCalls } from "./worker/running_calls.ts";
import { showUserLines } from "./worker/error_stacks.ts";
import { watchHeap } from "./worker/heap_watch.ts";
import { listenForUncaught } from "./worker/uncaught.ts";

const { joining, spec, incarnation, runningCalls } = workerData as IsolateData;
const { folder, nodeProcessId, job } = joining;
const life = { spec, incarnation };
// Others start without what that takes.
const sandboxed = joining.sandbox &&
  await import("./worker/sandboxed_instance.ts");
let runner: ActorRunner | undefined;
let instance: ActorInstance | undefined;
const session = joinSession({
  folder,
  nodeProcessId,
  job,
  role: "actor",
  actorId: spec.actorId,
}, (owner) => {
  const made = instance = sandboxed === undefined
    ? new OwnInstance(owner, life)
    : new sandboxed.SandboxedInstance(owner, {
      life,
      joining,
      entry: new URL("./sandbox_entry.ts", import.meta.url),
    }, {
      exiting: () => runner!.exiting(),
      lost: (reason) => void lost(reason),
    });
  const own = runner = new ActorRunner(owner, {
    life,
    running: new RunningCalls(runningCalls),
    instance: made,
  });
  return {
    notices: own.notices(),
    ended: (peer) => own.onPeerEnded(peer),
    headBack: () => own.tellAgain(),
    frame: (kind, body, peer) => {
      own.onFrame(kind, body, peer);
    },
  };
});
setCurrentSession(session);
setActorExit(() => {
  throw runner!.exiting();
});
showUserLines();
listenForUncaught((error) => runner!.onUncaught(error));
parentPort!.on("message", async ({ kind }: IsolateWord) => {
  if (kind === "leave") return runner!.leave(true);
  await instance!.end();
  Deno.exit(0);
});
parentPort!.unref();
if (spec.resources["memory"] !== undefined) {
  watchHeap(() => {
    tellHost({ kind: "out_of_memory" });
    Deno.exit(1);
  });
}
await runner!.construct(ownHandle(spec));
await Promise.race([runner!.left, session.node.closed]);
await instance!.end();
await session.close();
// The isolate ends with its last handle; a stray timer must not keep it.
Deno.exit(0);

/** The actor's sandbox has ended: what was answered before is told, and no more. */
async function lost(reason: string): Promise<void> {
  tellHost({ kind: "lost", reason });
  await Promise.race([session.flush(), delay(limits.stopGraceMs)]);
  Deno.exit(0);
}

/** Why the isolate ends. */
function tellHost(word: IsolateEnding): void {
  parentPort!.postMessage(word);
}
