/**
 * Actor classes: what `remote(Class)` gives, and what it starts.
 *
 * @module
 */
import { MantaError } from "../base/errors.ts";
import { type ActorId, taskIdOf } from "../base/ids.ts";
import type { NewActor, Origin } from "../owner/actor_births.ts";
import type { ActorSpec } from "../base/spec.ts";
import { groupsOf } from "./groups.ts";
import { envOf } from "./runtime_env.ts";
import { groupOf, placeOf } from "./strategy.ts";
import { entryOfRef } from "../owner/object_ref.ts";
import type { Owner } from "../owner/owner.ts";
import { extendValues } from "../owner/extensions.ts";
import { checkOptions, flag, plainKey, show, text } from "./check.ts";
import {
  type ActorHandle,
  behind,
  fieldsOf,
  Handle,
  handleOf,
  proxyOf,
} from "./handle.ts";
import {
  type ActorOptions,
  type AnyClass,
  checkActorOptions,
  resourcesOf,
} from "./options.ts";
import { assertUsable } from "./placement_group.ts";
import { owner } from "./session.ts";
import type { RemoteArgs } from "./types.ts";

/** A class whose instances are actors; made by `remote`. */
export interface ActorClass<Class extends AnyClass> {
  /** The class's name. */
  readonly name: string;
  /** Starts an actor; every argument may also be a ref to its value. Returns at once. */
  remote(
    ...args: RemoteArgs<ConstructorParameters<Class>>
  ): ActorHandle<InstanceType<Class>>;
  /** The same class with other options. */
  options(overrides: ActorOptions): ActorClass<Class>;
}

/** The implementation behind {@linkcode ActorClass}. */
class RemoteActor {
  readonly #target: AnyClass;
  readonly #options: ActorOptions;

  constructor(target: AnyClass, options: ActorOptions) {
    this.#target = target;
    this.#options = options;
  }

  get name(): string {
    return this.#target.name || "anonymous";
  }

  remote(...args: unknown[]): unknown {
    const group = groupOf(this.#options);
    if (group !== undefined) assertUsable(group);
    return createActor(owner(), {
      target: this.#target,
      options: this.#options,
      args,
    });
  }

  options(overrides: ActorOptions): RemoteActor {
    checkActorOptions(overrides);
    const options = { ...this.#options, ...overrides };
    checkActorOptions(options);
    return new RemoteActor(this.#target, options);
  }

  /** What it is made of, to travel. */
  fields(): { target: AnyClass; options: ActorOptions } {
    return { target: this.#target, options: this.#options };
  }
}

/** Makes a class remote; its options are checked. */
export function makeActorClass<Class extends AnyClass>(
  target: Class,
  options: ActorOptions,
): ActorClass<Class> {
  const methods = methodsOf(target);
  if (Object.hasOwn(methods, "then")) {
    throw new TypeError(
      `Cannot make class "${target.name}" remote: it has a method "then", so awaiting its handle would call it. Rename that method`,
    );
  }
  for (const name of Object.keys(methods)) plainKey(name, "method");
  groupsOf(options, methods); // Throws for a method that there is not.
  return new RemoteActor(target, options) as unknown as ActorClass<Class>;
}

extendValues({
  tag: "class",
  constructor: RemoteActor,
  tracked: false,
  toFields: (actor: RemoteActor) => actor.fields(),
  fromFields: (fields: unknown) => {
    const { target, options } = fields as ReturnType<RemoteActor["fields"]>;
    return new RemoteActor(target, options);
  },
});

/**
 * Finds a living actor by its name. A durable one whose state is in the
 * lineage file is started again, from the class and arguments it had.
 *
 * @param name The name it was created with.
 * @param namespace Where the name counts. Default: the program's.
 * @throws {MantaError} Where there is none.
 *
 * @example
 * ```ts
 * import { get, getActor, remote } from "@manta/manta";
 * class Counter {
 *   count = 0;
 *   add(n: number) {
 *     return this.count += n;
 *   }
 * }
 * const made = remote(Counter, { name: "visits" }).remote();
 * await get(made.add.remote(1));
 * const found = await getActor<Counter>("visits");
 * console.log(await get(found.add.remote(1))); // 2
 * ```
 */
export async function getActor<
  Instance = Record<string, (...args: unknown[]) => unknown>,
>(
  name: string,
  namespace?: string,
): Promise<ActorHandle<Instance>> {
  text(name, "actor name");
  if (namespace !== undefined) text(namespace, "namespace");
  const own = owner();
  const within = namespace ?? own.job.namespace;
  // One that this process is making has a name that the head hears of later.
  const birth = own.actors.births.named(within, name);
  const found = await own.askHead("actor.find", { name, namespace: within });
  if (found.kept !== undefined && birth === undefined) {
    const kept = own.kept.specOf(found.kept);
    return startActor(own, kept) as ActorHandle<Instance>;
  }
  const handle = found.handle ?? (birth && fieldsOf(birth));
  if (handle === undefined) {
    throw new MantaError(
      `Cannot find actor "${name}" in namespace "${within}": none of that name is alive`,
    );
  }
  return handleOf(own, handle) as unknown as ActorHandle<Instance>;
}

/**
 * Ends an actor at once, without its clean-up; resolves when it has ended.
 *
 * @param handle The actor.
 * @param options `noRestart: false` lets its `maxRestarts` start it again.
 *
 * @example
 * ```ts
 * import { ActorDiedError, get, kill, remote } from "@manta/manta";
 * class Greeter {
 *   hello() {
 *     return "hello";
 *   }
 * }
 * const greeter = remote(Greeter).remote();
 * await kill(greeter);
 * const error = await get(greeter.hello.remote()).catch((error) => error);
 * console.log(error instanceof ActorDiedError); // true
 * ```
 */
export async function kill(
  handle: object,
  options: { noRestart?: boolean } = {},
): Promise<void> {
  const known = behind(handle);
  if (known === undefined) {
    throw new TypeError(
      `Cannot kill ${show(handle)}: expected an actor handle`,
    );
  }
  checkOptions(options, { checks: { noRestart: flag }, what: "kill option" });
  const { noRestart = true } = options;
  const { owner: own, fields } = known;
  await own.actors.directory.kill(fields.actorId, { noRestart });
}

function createActor(
  own: Owner,
  { target, options, args }: {
    target: AnyClass;
    options: ActorOptions;
    args: unknown[];
  },
): unknown {
  const { durable: isDurable = false } = options;
  const endless = isDurable ? -1 : 0;
  const methods = methodsOf(target);
  return newActor(own, { target, args }, {
    className: target.name || "anonymous",
    ...(options.name === undefined ? {} : { name: options.name }),
    namespace: options.namespace ?? own.job.namespace,
    methods,
    isDetached: options.lifetime === "detached",
    getIfExists: options.getIfExists ?? false,
    isDurable,
    maxRestarts: options.maxRestarts ?? endless,
    maxTaskRetries: options.maxTaskRetries ?? endless,
    maxConcurrency: options.maxConcurrency ?? 1,
    maxPendingCalls: options.maxPendingCalls ?? -1,
    isolation: options.isolation ?? "isolate",
    ...placeOf(options, resourcesOf(options, 0)),
    ...envOf(options),
    ...groupsOf(options, methods),
    ...(options.ttl === undefined ? {} : { ttlMs: options.ttl }),
  });
}

/** Starts an actor again that the lineage file kept; somebody else may do so at the same time. */
function startActor(own: Owner, kept: ActorSpec): object {
  const {
    code: _code,
    bundles: _,
    args: _args,
    dependencies: _passed,
    ...rest
  } = kept;
  return newActor(own, { kept }, { ...rest, getIfExists: true });
}

function newActor(
  own: Owner,
  from: Origin,
  settings: Omit<NewActor, "actorId" | "ownerId" | "jobId" | "home">,
): object {
  const ordinal = own.nextOrdinal();
  const actorId = taskIdOf(own.self, ordinal) as string as ActorId;
  const { jobId, home } = own.job;
  const spec: NewActor = {
    ...settings,
    actorId,
    ownerId: own.self,
    jobId,
    home,
  };
  const fields = fieldsOf(spec);
  const life = own.references.create(ordinal, 0);
  const handle = new Handle(own, fields, life);
  own.references.share(life);
  entryOfRef(life).onUnreferenced = () => own.actors.released(actorId);
  own.actors.create(fields, { from, spec });
  return proxyOf(handle);
}

/** A class's methods, inherited ones included; true for generators. */
function methodsOf(target: AnyClass): Record<string, boolean> {
  const methods: Record<string, boolean> = {};
  for (
    let at: object | null = target.prototype;
    at !== null && at !== Object.prototype;
    at = Object.getPrototypeOf(at)
  ) {
    const own = Object.getOwnPropertyDescriptors(at);
    for (const [name, { value }] of Object.entries(own)) {
      if (name === "constructor" || Object.hasOwn(methods, name)) continue;
      if (typeof value !== "function") continue;
      const kind = Object.prototype.toString.call(value);
      methods[name] = kind.endsWith("GeneratorFunction]");
    }
  }
  return methods;
}
