/**
 * An actor host: a process whose isolates are actors. Its main thread starts
 * and ends them and answers for those that compute.
 *
 * @module
 */
import { Worker } from "node:worker_threads";
import type { ActorId } from "../base/ids.ts";
import type { ActorSpec } from "../base/spec.ts";
import { joinSession, type Session } from "../owner/session.ts";
import { dieWithParent } from "../store/segment.ts";
import type { Incarnation } from "./durable_actor.ts";
import { RunningCalls, runningCallsMemory } from "./running_calls.ts";
import type { SandboxingArguments } from "./sandbox_starter.ts";

/** What an actor's isolate is started with. */
export interface IsolateData extends Incarnation {
  readonly joining: SandboxingArguments;
  /** Where it writes what it runs. */
  readonly runningCalls: SharedArrayBuffer;
}

/** What an isolate tells its host, as its last word: why the actor is over. */
export type IsolateEnding =
  | { readonly kind: "out_of_memory" }
  | { readonly kind: "lost"; readonly reason: string };

/** What a host tells an isolate. */
export interface IsolateWord {
  /** With its own clean-up first, or at once. */
  readonly kind: "leave" | "end";
}

/** Runs a host; the argument is what its node started it with. */
export async function runActorHost(
  argument: string,
  isolateEntry: URL,
): Promise<void> {
  const joining = JSON.parse(argument) as SandboxingArguments;
  dieWithParent();
  // The terminal's Ctrl-C is the driver's to handle.
  Deno.addSignalListener("SIGINT", () => {});
  const isolates = new Map<ActorId, Worker>();
  const running = new Map<ActorId, RunningCalls>();
  const session: Session = joinSession({
    ...joining,
    role: "host",
  }, ({ node }) => ({
    requests: {
      "host.start": ({ actorId, incarnation, spec }) => {
        const memory = runningCallsMemory(concurrencyOf(spec));
        running.set(actorId, new RunningCalls(memory));
        const data: IsolateData = {
          joining,
          incarnation,
          spec,
          runningCalls: memory,
        };
        const isolate = startIsolate(isolateEntry, data, (reason) => {
          isolates.delete(actorId);
          running.delete(actorId);
          node.notify("isolate.ended", { actorId, incarnation, reason });
        });
        isolates.set(actorId, isolate);
        return {};
      },
      "host.runs": ({ actorId, callerId, ordinal }) => ({
        isRunning: running.get(actorId)?.has(callerId, ordinal) ?? false,
      }),
    },
    notices: {
      "actor.stop": ({ actorId, isGraceful }) => {
        // Not terminate(): it reports the end of an isolate that computes on.
        const word: IsolateWord = { kind: isGraceful ? "leave" : "end" };
        isolates.get(actorId)?.postMessage(word);
      },
      leave: () => Deno.exit(0),
    },
  }));
  await session.node.closed;
  Deno.exit(0);
}

/** Calls that may run in an actor at the same time. */
function concurrencyOf({ maxConcurrency, groups = {} }: ActorSpec): number {
  return Object.values(groups)
    .reduce((sum, { max }) => sum + max, maxConcurrency);
}

function startIsolate(
  entry: URL,
  data: IsolateData,
  ended: (reason: string) => void,
): Worker {
  const memoryBytes = data.spec.resources["memory"];
  const isolate = new Worker(entry, {
    workerData: data,
    ...(memoryBytes === undefined ? {} : {
      resourceLimits: {
        maxOldGenerationSizeMb: Math.max(
          16,
          Math.ceil(memoryBytes / (1 << 20)),
        ),
      },
    }),
  });
  let reason = "its isolate ended";
  isolate.on("message", (word: IsolateEnding) => {
    reason = word.kind === "lost" ? word.reason : outOfMemory(memoryBytes);
  });
  isolate.on("error", (error: unknown) => {
    reason = failureOf(error, memoryBytes);
  });
  isolate.on("exit", (code: number) => {
    ended(code === 0 ? reason : `${reason}, exit code ${code}`);
  });
  return isolate;
}

function failureOf(error: unknown, memoryBytes: number | undefined): string {
  if ((error as { code?: string }).code === "ERR_WORKER_OUT_OF_MEMORY") {
    return outOfMemory(memoryBytes);
  }
  return `its isolate failed: ${
    error instanceof Error ? error.message : Deno.inspect(error)
  }`;
}

function outOfMemory(memoryBytes: number | undefined): string {
  return `it ran out of memory: its heap passed its memory of ${memoryBytes} bytes`;
}
