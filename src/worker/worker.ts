/**
 * A worker process: joins its session and runs tasks until it is told to
 * leave, or its node is gone.
 *
 * @module
 */
import { monotonicMs } from "../base/clock.ts";
import { isThere } from "../base/files.ts";
import { limits } from "../base/limits.ts";
import { setCurrentSession } from "../owner/current.ts";
import {
  type JoinArguments,
  joinSession,
  type Session,
} from "../owner/session.ts";
import { dieWithParent } from "../store/segment.ts";
import { socketPath } from "../wire/unix_sockets.ts";
import { showUserLines } from "./error_stacks.ts";
import { Executor } from "./executor.ts";
import { type SandboxingArguments, starterFor } from "./sandbox_starter.ts";
import { Sandboxes } from "./sandboxes.ts";
import { listenForUncaught } from "./uncaught.ts";

/** How often a worker looks whether its node takes connections. */
const nodePollMs = 3;

/** Runs a worker; the argument is what its node started it with. */
export async function runWorker(
  argument: string,
  sandboxEntry: URL,
): Promise<void> {
  dieWithParent();
  // The terminal's Ctrl-C is the driver's to handle.
  Deno.addSignalListener("SIGINT", () => {});
  let executor: Executor | undefined;
  const joining = JSON.parse(argument) as SandboxingArguments;
  const starter = starterFor(joining, sandboxEntry);
  await nodeListens(joining);
  const session: Session = joinSession({
    ...joining,
    role: "worker",
  }, (owner) => {
    const sandboxes = starter && new Sandboxes(owner, starter);
    const own = executor = new Executor(owner, sandboxes);
    return {
      requests: {
        "worker.leave": async () => ({
          isNeeded: own.openCount > 0 || await owner.isNeeded(),
        }),
      },
      notices: { ...own.notices(), leave: () => leave(session) },
      frame: (kind, body, peer) => {
        own.onFrame(kind, body, peer);
      },
      ended: (peer) => own.onPeerEnded(peer),
    };
  });
  setCurrentSession(session);
  showUserLines();
  listenForUncaught((error) => executor!.onUncaught(error));
  await session.node.closed;
  Deno.exit(0);
}

/** Workers are started before their node, and may be ready first. */
async function nodeListens(
  { folder, nodeProcessId }: JoinArguments,
): Promise<void> {
  const path = socketPath(folder, nodeProcessId);
  const deadlineMs = monotonicMs() + limits.startDeadlineMs;
  while (monotonicMs() < deadlineMs) {
    try {
      await Deno.lstat(path);
      return;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    // Without it nobody ever will: joining says so.
    if (!isThere(folder)) return;
    await new Promise((resolve) => setTimeout(resolve, nodePollMs));
  }
}

/** What it still has to tell its node is told first. */
async function leave(session: Session): Promise<void> {
  session.owner.lineage.flush();
  await session.flush();
  Deno.exit(0);
}
