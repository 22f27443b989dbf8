/**
 * Actors that this process makes: their code and arguments stored, the head
 * asked, and what they need kept as long as they may start again.
 *
 * Calls to them are in `actor_calls.ts`; names, lives and restarts are the
 * head's.
 *
 * @module
 */
import { restoreState, saveState } from "../base/durable_symbols.ts";
import { ActorDiedError, SerializationError } from "../base/errors.ts";
import { type ActorId, makerOf } from "../base/ids.ts";
import { log } from "../base/log.ts";
import { privateFieldOf } from "../code/private_fields.ts";
import type { ActorSpec } from "../base/spec.ts";
import { kindOf } from "../wire/values.ts";
import type { ActorHandleFields } from "../wire/messages.ts";
import { refusal } from "./actor_deaths.ts";
import { dependencyValues } from "./lease_link.ts";
import { ObjectRef } from "./object_ref.ts";
import type { OwnerPort, StoredArgs } from "./owner_port.ts";

/** What is asked of the head for a new actor, but for what must be stored first. */
export type NewActor = Omit<
  ActorSpec,
  "code" | "bundles" | "args" | "dependencies"
>;

/** An actor to be made. */
export interface Birth {
  readonly spec: NewActor;
  readonly from: Origin;
}

/** What it is made of: a class and its arguments, or what the lineage file kept of a durable one. */
export type Origin =
  // deno-lint-ignore ban-types -- a class
  | { readonly target: Function; readonly args: unknown[] }
  | { readonly kept: ActorSpec };

/** One on its way. */
interface Pending {
  readonly spec: NewActor;
  /** Settles when it is through. */
  created: Promise<ActorHandleFields | undefined>;
  /** Ends it, while nobody else knows of it. */
  readonly end: PromiseWithResolvers<never>;
  /** The head is asked: from now on the actor is its to end. */
  isAsked: boolean;
}

/** Makes actors for one process. */
export class ActorBirths {
  readonly #owner: OwnerPort;
  readonly #pending = new Map<ActorId, Pending>();
  readonly #kept = new Map<ActorId, unknown>();

  constructor(owner: OwnerPort) {
    this.#owner = owner;
  }

  /**
   * Arguments are stored at once; resolves once the head knows the actor, with
   * the one that was there before, if there was one.
   */
  create(
    { from, spec }: Birth,
  ): Promise<ActorHandleFields | undefined> {
    const stored = "kept" in from
      ? undefined
      : this.#owner.intake.storeArgs(from.args);
    const end = Promise.withResolvers<never>();
    end.promise.catch(() => {}); // It is for whoever creates, while it does.
    const pending: Pending = {
      spec,
      end,
      isAsked: false,
      created: Promise.resolve(undefined),
    };
    this.#pending.set(spec.actorId, pending);
    // What a program began is not dropped because it has nothing else to do.
    this.#owner.owe();
    const begun = "kept" in from
      ? this.#begin(pending, from.kept, [])
      : this.#create(pending, { target: from.target, stored: stored! });
    pending.created = begun.finally(() => {
      this.#pending.delete(spec.actorId);
      this.#owner.settle();
    });
    return pending.created;
  }

  /** Resolves once an actor of this process's making is known to the head. */
  async created(actorId: ActorId): Promise<void> {
    await this.#pending.get(actorId)?.created.catch(() => {}); // Its calls are told.
  }

  /** One of that name that is on its way. */
  named(namespace: string, name: string): NewActor | undefined {
    for (const { spec } of this.#pending.values()) {
      if (spec.name === name && spec.namespace === namespace) return spec;
    }
    return undefined;
  }

  /** Somebody kills an actor; false if it does not wait for code or arguments here. */
  kill(actorId: ActorId, { noRestart }: { noRestart: boolean }): boolean {
    const pending = this.#pending.get(actorId);
    if (pending === undefined || pending.isAsked) return false;
    // What has not begun is begun anew by going on.
    const goesOn = !noRestart && pending.spec.maxRestarts !== 0;
    if (!goesOn) this.#end(pending, "it was killed by kill()");
    return true;
  }

  #end({ spec, end }: Pending, reason: string): void {
    const { actorId, className } = spec;
    end.reject(
      new ActorDiedError(`Cannot create actor ${className}: ${reason}`, {
        actorId,
        reason,
      }),
    );
  }

  /** The process makes no more: what still waits for code or arguments is not made. */
  close(): void {
    for (const pending of this.#pending.values()) {
      if (!pending.isAsked) this.#end(pending, "the runtime was shut down");
    }
  }

  /** No handle is left: once its creation is through, the actor may go. */
  async release(actorId: ActorId): Promise<void> {
    const pending = this.#pending.get(actorId);
    if (pending?.isAsked === false && !pending.spec.isDetached) {
      this.#end(pending, "no handle to it was left");
    }
    await this.created(actorId);
    // Asked, not told: what is told to a head that is killed is lost.
    this.#owner.head.request("actor.release", { actorId }).catch((error) =>
      log.debug(`the release of actor ${actorId} was not heard: ${error}`)
    );
    const kept = this.#kept.get(actorId);
    if (!(kept instanceof ObjectRef)) return;
    this.#kept.delete(actorId);
    kept[Symbol.dispose]();
  }

  /** An actor is dead for good. */
  forget(actorId: ActorId): void {
    this.#kept.delete(actorId);
  }

  /** A ref that keeps an actor alive, whoever made it. */
  life(actorId: ActorId): ObjectRef<unknown> {
    return this.#owner.references.borrow({ ...makerOf(actorId), index: 0 });
  }

  async #create(
    pending: Pending,
    { target, stored: { held, ready, dependencies } }: {
      // deno-lint-ignore ban-types -- a class
      target: Function;
      stored: StoredArgs;
    },
  ): Promise<ActorHandleFields | undefined> {
    const { values, references } = this.#owner;
    const { spec } = pending;
    const all = Promise.all([
      values.code.refOf(target),
      ready,
      ...(spec.isDurable ? [assertKeepable(target)] : []),
      ...dependencies.map(({ ref }) => this.#owner.objects.settled(ref)),
    ]);
    try {
      const [code] = await Promise.race([all, pending.end.promise]);
      const passed = dependencyValues(dependencies);
      const needed = [held.stored, ...passed.map(({ value }) => value)];
      return await this.#begin(pending, {
        ...spec,
        code,
        bundles: values.bundlesOf(code, needed),
        args: held.stored,
        dependencies: passed,
      }, [target, held, ...dependencies]);
    } catch (error) {
      for (const { ref } of dependencies) references.letGo(ref);
      throw error;
    }
  }

  /** Asks the head; `needs` is what the actor may be started again from. */
  async #begin(
    pending: Pending,
    whole: ActorSpec,
    needs: unknown[],
  ): Promise<ActorHandleFields | undefined> {
    const { spec } = pending;
    pending.isAsked = true;
    const asked = { ...whole, ...spec };
    const answer = await this.#owner.head.request("actor.create", {
      spec: asked,
    });
    if (answer.kind === "refused") throw refusal(spec, answer);
    if (answer.kind === "created") {
      // The head keeps the spec for restarts: what it refers to stays.
      this.#kept.set(spec.actorId, needs);
      return undefined;
    }
    const { handle } = answer;
    if (!handle.isDetached) {
      // This handle keeps the actor that is there, as its maker's own does.
      this.#kept.set(spec.actorId, this.life(handle.actorId));
    }
    return handle;
  }
}

/** Throws for a class whose state its runtime can't see. */
// deno-lint-ignore ban-types -- a class
async function assertKeepable(target: Function): Promise<void> {
  const { prototype, name } = target;
  const hasBoth = saveState in prototype && restoreState in prototype;
  if (hasBoth) return;
  const refuse = (why: string, path = name) => {
    throw new SerializationError(
      `Cannot make actor ${name} durable: ${why}. Give the class the methods ` +
        "[saveState]() and [restoreState](state)",
      { path },
    );
  };
  if (saveState in prototype || restoreState in prototype) {
    refuse("it has one of saveState and restoreState, and not the other");
  }
  const { base } = kindOf(prototype);
  if (base !== "object") {
    refuse(`it extends a built-in, whose content (${base}) is no field of its`);
  }
  const field = await privateFieldOf(target);
  if (field === undefined) return;
  refuse(
    `its field ${field} is private, so only its own class can keep it`,
    `${name}.${field}`,
  );
}
