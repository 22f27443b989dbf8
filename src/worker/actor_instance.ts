/**
 * An actor's instance as its runner knows it, wherever it is: here, or in a
 * sandbox (`sandboxed_instance.ts`).
 *
 * @module
 */
import type { Owner } from "../owner/owner.ts";
import type { TaskFrame } from "../wire/task_frames.ts";
import { refuseValue } from "../wire/values.ts";
import type { Incarnation } from "./durable_actor.ts";
import { callMethod, dispose, type Instance } from "./instance.ts";
import type { Invoked } from "./invoked.ts";

/** One incarnation's instance. */
export interface ActorInstance {
  /** What is in this process of it. */
  readonly here: Instance | undefined;
  /** Makes it, or makes it anew; rejects with what its constructor throws. */
  make(): Promise<void>;
  /** What one call to it runs. */
  invoked(frame: TaskFrame): Pick<Invoked, "open" | "call" | "isOwnEnd">;
  /** Runs its class's own clean-up. */
  dispose(): unknown;
  /** It is needed no more; resolves once nothing of it is left. */
  end(): Promise<void>;
}

/** One that lives in this isolate. */
export class OwnInstance implements ActorInstance {
  readonly #owner: Owner;
  readonly #life: Incarnation;
  #instance: Instance | undefined;

  constructor(owner: Owner, life: Incarnation) {
    this.#owner = owner;
    this.#life = life;
  }

  get here(): Instance | undefined {
    return this.#instance;
  }

  async make(): Promise<void> {
    const { spec } = this.#life;
    const { node, values } = this.#owner;
    for (const bundle of spec.bundles) values.code.learn(bundle);
    const Class = await values.code.functionOf(spec.code, node) as new (
      ...args: unknown[]
    ) => Instance;
    const args = await values.open(values.hold(spec.args), node) as unknown[];
    for (const { position, value } of spec.dependencies) {
      args[position] = await values.open(values.hold(value), node);
    }
    const instance = this.#instance = new Class(...args);
    refuseValue(
      instance,
      `it is the actor ${spec.className} itself: pass its handle, runtimeContext().currentActor`,
    );
  }

  invoked({ method }: TaskFrame): Pick<Invoked, "call"> {
    const { className } = this.#life.spec;
    return {
      call: (args) => callMethod(this.#instance!, { className, method, args }),
    };
  }

  dispose(): unknown {
    return this.#instance && dispose(this.#instance);
  }

  end(): Promise<void> {
    return Promise.resolve();
  }
}
