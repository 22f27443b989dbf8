/**
 * A worker process: joins its session and runs tasks until it is told to
 * leave, or its node is gone.
 *
 * @module
 */
import { log } from "../base/log.ts";
import { setCurrentSession } from "../owner/current.ts";
import { type JoinArguments, joinSession } from "../owner/session.ts";
import { dieWithParent } from "../store/segment.ts";
import { Executor } from "./executor.ts";

/** Runs a worker; the argument is what its node started it with. */
export async function runWorker(argument: string): Promise<void> {
  dieWithParent();
  // The terminal's Ctrl-C is the driver's to handle.
  Deno.addSignalListener("SIGINT", () => {});
  let executor: Executor | undefined;
  const session = joinSession({
    ...JSON.parse(argument) as JoinArguments,
    role: "worker",
  }, (owner) => {
    const own = executor = new Executor(owner);
    return {
      notices: { ...own.notices(), leave },
      frame: (kind, body, peer) => {
        own.onFrame(kind, body, peer);
      },
      ended: (peer) => own.onPeerEnded(peer),
    };
  });
  setCurrentSession(session);
  listenForUncaught((error) => executor!.onUncaught(error));
  await session.node.closed;
  leave();
}

function leave(): never {
  Deno.exit(0);
}

/** Errors that no promise chain of a task caught: told to `handle`, else to stderr. */
export function listenForUncaught(handle: (error: unknown) => boolean): void {
  const heard = (error: unknown) => {
    if (handle(error)) return;
    const text = error instanceof Error ? error.stack : Deno.inspect(error);
    log.error(`uncaught outside any task: ${text}`);
  };
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    heard(event.error);
  });
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    heard(event.reason);
  });
}
