/**
 * What calls to durable actors are called: the same in every run of their
 * caller, so that a call that was committed is known again.
 *
 * The caller is one attempt of a task, one call of an actor, or the driver,
 * which in a named lineage file goes by its main module.
 *
 * @module
 */
import { CallCounter } from "../state/durable.ts";
import type { Role } from "../wire/facts.ts";
import type { ActorInfo } from "./callee.ts";
import { currentContext, type TaskContext } from "./context.ts";
import type { OwnerPort } from "./owner_port.ts";

/** Names the calls of one process. */
export class CallIds {
  readonly #owner: Pick<OwnerPort, "self" | "job">;
  readonly #role: Role;
  /** Of code that belongs to no task. */
  readonly #own = new CallCounter();
  readonly #counters = new WeakMap<TaskContext, CallCounter>();

  constructor(owner: Pick<OwnerPort, "self" | "job">, role: Role) {
    this.#owner = owner;
    this.#role = role;
  }

  /** The id of the running code's next call to an actor. */
  next({ actorId, namespace, name }: ActorInfo): string {
    const actorKey = name === undefined
      ? actorId
      : JSON.stringify([namespace, name]);
    const context = currentContext();
    if (context === undefined) return this.#own.next(this.#ownKey(), actorKey);
    let counter = this.#counters.get(context);
    if (counter === undefined) {
      this.#counters.set(context, counter = new CallCounter());
    }
    return counter.next(context.key ?? context.taskId, actorKey);
  }

  #ownKey(): string {
    if (this.#role !== "driver") return this.#owner.self;
    const { isLineageNamed, mainModule, jobId } = this.#owner.job;
    return isLineageNamed ? mainModule : jobId;
  }
}
