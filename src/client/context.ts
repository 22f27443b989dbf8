/**
 * What running code can know of where it runs.
 *
 * @module
 */
import { currentContext } from "../owner/context.ts";
import { plainAmounts } from "../state/placement_groups.ts";
import { placeHere } from "./session.ts";

/** Where code runs; given by {@linkcode runtimeContext}. */
export interface RuntimeContext {
  /** The program's run. */
  jobId: string;
  /** The node this process belongs to. */
  nodeId: string;
  /** This process or isolate. */
  workerId: string;
  /** The running task or call, inside one. */
  taskId?: string;
  /** The actor, inside one. */
  actorId?: string;
  /** Where actors' names count. */
  namespace: string;
  /** Which run of the task this is, from 1; 0 outside a task. */
  attempt: number;
  /** What the task holds, by resource name. */
  assignedResources: Record<string, number>;
  /** The actor's own handle, inside one. */
  currentActor?: unknown;
}

let exit: (() => never) | undefined;

/** Sets how this isolate's actor leaves. */
export function setActorExit(leave: () => never): void {
  exit = leave;
}

/**
 * Where the calling code runs: job, node, worker, task, actor.
 *
 * @example
 * ```ts
 * import { get, remote, runtimeContext } from "@manta/manta";
 * const held = remote(() => runtimeContext().assignedResources, { numCpus: 0.5 });
 * console.log(await get(held.remote())); // { CPU: 0.5 }
 * ```
 */
export function runtimeContext(): RuntimeContext {
  const { job, self } = placeHere();
  const context = currentContext();
  return {
    jobId: job.jobId,
    nodeId: job.nodeId,
    workerId: self,
    namespace: job.namespace,
    attempt: context?.attempt ?? 0,
    assignedResources: plainAmounts(context?.resources ?? {}),
    ...(context === undefined ? {} : { taskId: context.taskId }),
    ...(context?.actorId === undefined ? {} : { actorId: context.actorId }),
    ...(context?.currentActor === undefined
      ? {}
      : { currentActor: context.currentActor }),
  };
}

/**
 * Ends the actor that the calling method belongs to, after its clean-up; the
 * call itself rejects with `ActorDiedError`.
 *
 * @throws {TypeError} Outside an actor.
 *
 * @example
 * ```ts
 * import { exitActor, get, remote } from "@manta/manta";
 * class Worker {
 *   leave() {
 *     exitActor();
 *   }
 * }
 * const worker = remote(Worker).remote();
 * await get(worker.leave.remote()).catch((error) => {
 *   console.log(error.name); // ActorDiedError
 * });
 * ```
 */
export function exitActor(): never {
  if (exit === undefined) {
    throw new TypeError("Cannot exit an actor here: this code runs in none");
  }
  return exit();
}
