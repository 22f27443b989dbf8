/**
 * Actors that this process makes: their code and arguments stored, the head
 * asked, and what they need kept as long as they may start again.
 *
 * Calls to them are in `actor_calls.ts`; names, lives and restarts are the
 * head's.
 *
 * @module
 */
import { type ActorId, makerOf } from "../base/ids.ts";
import type { ActorSpec } from "../base/spec.ts";
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
  // deno-lint-ignore ban-types -- a class
  readonly target: Function;
  readonly args: unknown[];
  readonly spec: NewActor;
}

/** Makes actors for one process. */
export class ActorBirths {
  readonly #owner: OwnerPort;
  readonly #creating = new Map<ActorId, Promise<void>>();
  readonly #kept = new Map<ActorId, unknown>();

  constructor(owner: OwnerPort) {
    this.#owner = owner;
  }

  /** Arguments are stored at once; resolves once the head knows the actor. */
  create({ target, args, spec }: Birth): Promise<void> {
    const stored = this.#owner.intake.storeArgs(args);
    const creating = this.#create({ target, stored, spec })
      .finally(() => this.#creating.delete(spec.actorId));
    this.#creating.set(spec.actorId, creating);
    return creating;
  }

  /** Resolves once an actor of this process's making is known to the head. */
  async created(actorId: ActorId): Promise<void> {
    await this.#creating.get(actorId)?.catch(() => {}); // Its calls are told.
  }

  /** No handle is left: once its creation is through, the actor may go. */
  async release(actorId: ActorId): Promise<void> {
    await this.created(actorId);
    this.#owner.node.notify("actor.release", { actorId });
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
    { target, stored: { held, ready, dependencies }, spec }:
      & Pick<Birth, "target" | "spec">
      & { stored: StoredArgs },
  ): Promise<void> {
    const { values } = this.#owner;
    const [code] = await Promise.all([
      values.code.refOf(target),
      ready,
      ...dependencies.map(({ ref }) => this.#owner.objects.settled(ref)),
    ]);
    const passed = dependencyValues(dependencies);
    const needed = [held.stored, ...passed.map(({ value }) => value)];
    const answer = await this.#owner.ask("actor.create", {
      spec: {
        ...spec,
        code,
        bundles: values.bundlesOf(code, needed),
        args: held.stored,
        dependencies: passed,
      },
    });
    if (answer.kind === "refused") throw refusal(spec, answer);
    if (answer.kind === "created") {
      // The head keeps the spec for restarts: what it refers to stays.
      this.#kept.set(spec.actorId, [target, held, ...dependencies]);
    } else if (!answer.isDetached) {
      // This handle keeps the actor that is there, as its maker's own does.
      this.#kept.set(spec.actorId, this.life(answer.actorId));
    }
  }
}
