/**
 * Entry module of an actor's isolate.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { setActorExit } from "./client/context.ts";
import { ownHandle } from "./client/values.ts";
import type { IsolateData, IsolateWord } from "./worker/actor_host.ts";
import { setCurrentSession } from "./owner/current.ts";
import { joinSession } from "./owner/session.ts";
import { ActorRunner } from "./worker/actor_runner.ts";
import { RunningCalls } from "./worker/running_calls.ts";
import { watchHeap } from "./worker/heap_watch.ts";
import { listenForUncaught } from "./worker/uncaught.ts";

const { joining, spec, incarnation, runningCalls } = workerData as IsolateData;
const { folder, nodeProcessId, job } = joining;
let runner: ActorRunner | undefined;
const session = joinSession({
  folder,
  nodeProcessId,
  job,
  role: "actor",
  actorId: spec.actorId,
}, (owner) => {
  const own = runner = new ActorRunner(
    owner,
    { spec, incarnation },
    new RunningCalls(runningCalls),
  );
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
setActorExit(() => runner!.exit());
listenForUncaught((error) => runner!.onUncaught(error));
parentPort!.on("message", ({ kind }: IsolateWord) => {
  if (kind === "end") Deno.exit(0);
  runner!.leave(true);
});
parentPort!.unref();
if (spec.resources["memory"] !== undefined) {
  watchHeap(() => {
    parentPort!.postMessage({ kind: "outOfMemory" });
    Deno.exit(1);
  });
}
await runner!.construct(ownHandle(spec));
await Promise.race([runner!.left, session.node.closed]);
await session.close();
// The isolate ends with its last handle; a stray timer must not keep it.
Deno.exit(0);
