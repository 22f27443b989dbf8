/**
 * Actor classes and handles: what `remote(Class)` gives, and what it starts.
 *
 * @module
 */
import { MantaError } from "../base/errors.ts";
import { type ActorId, taskIdOf } from "../base/ids.ts";
import type { ActorSpec } from "../base/spec.ts";
import type { RunStats } from "../state/pipelines.ts";
import type { ActorInfo } from "../owner/callee.ts";
import { entryOfRef, type ObjectRef } from "../owner/object_ref.ts";
import type { Owner } from "../owner/owner.ts";
import type { TaskTemplate } from "../owner/task_record.ts";
import { extendValues } from "../owner/values.ts";
import type { ActorHandleFields } from "../wire/messages.ts";
import { flag, show, text } from "./check.ts";
import {
  type ActorOptions,
  type AnyClass,
  checkActorOptions,
  checkMethodOptions,
  type MethodOptions,
  resourcesOf,
  taskSettings,
} from "./options.ts";
import { owner } from "./session.ts";
import { streamOf } from "./stream.ts";
import type { RemoteArgs, RemoteResult } from "./types.ts";

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

/** One method of an actor. */
export interface RemoteMethod<
  Args extends unknown[],
  Result,
  Returns extends number = 1,
> {
  /** Sends one call; calls of one caller run in the order sent. Returns at once. */
  remote(...args: RemoteArgs<Args>): RemoteResult<Result, Returns>;
  /** The same method with other options. */
  options<const More extends number = Returns>(
    overrides: MethodOptions & { numReturns?: More },
  ): RemoteMethod<Args, Result, More>;
}

/** What an actor is reached by: its methods, each with `.remote()`. */
export type ActorHandle<Instance> = {
  readonly [
    Name in keyof Instance as Instance[Name] extends
      (...args: never[]) => unknown ? Name : never
  ]: Instance[Name] extends (...args: infer Args) => infer Result
    ? RemoteMethod<Args, Result>
    : never;
};

/** The object behind a handle's proxy. */
class Handle {
  readonly fields: ActorHandleFields;
  /** Keeps the actor alive; an actor's handle on itself must not, nor one on a detached actor. */
  readonly life: ObjectRef<unknown> | undefined;
  readonly methods = new Map<string, Method>();

  constructor(fields: ActorHandleFields, life: ObjectRef<unknown> | undefined) {
    this.fields = fields;
    this.life = life;
  }

  /** How a handle looks in a log: a proxy is shown as what is behind it. */
  [Symbol.for("Deno.customInspect")](): string {
    return `ActorHandle(${this.fields.className}, ${this.fields.actorId})`;
  }
}

class Method {
  readonly #handle: Handle;
  readonly #method: string;
  readonly #options: MethodOptions;
  readonly #template: TaskTemplate;

  constructor(handle: Handle, method: string, options: MethodOptions) {
    this.#handle = handle;
    this.#method = method;
    this.#options = options;
    const { className, methods } = handle.fields;
    const settings = taskSettings(options, {
      name: `${className}.${method}`,
      isStream: methods[method]!,
    });
    this.#template = {
      functionNo: 0,
      fn: undefined,
      method,
      settings,
      stats: noStats,
      classKey: "",
    };
  }

  remote(...args: unknown[]): unknown {
    const own = owner();
    const handle = this.#handle;
    const info = infoOf(this.#handle);
    const template = this.#template;
    const { isStream, returnCount } = template.settings;
    if (isStream) {
      return streamOf(
        own,
        (sink) =>
          own.actors.call(info, { template, args, sink, handle }).record,
      );
    }
    const { refs } = own.actors.call(info, {
      template,
      args,
      sink: undefined,
      handle,
    });
    if (returnCount === 1) return refs[0];
    return returnCount === 0 ? undefined : refs;
  }

  options(overrides: MethodOptions): Method {
    checkMethodOptions(overrides);
    const options = { ...this.#options, ...overrides };
    return new Method(this.#handle, this.#method, options);
  }
}

const noStats: RunStats = { meanRunMs: undefined };
const handles = new WeakMap<object, Handle>();

const handleProxy: ProxyHandler<Handle> = {
  get(handle, name) {
    if (typeof name === "symbol") return undefined;
    // A handle is no thenable, and JSON has no form for it.
    if (name === "then" || name === "toJSON") return undefined;
    if (!Object.hasOwn(handle.fields.methods, name)) {
      throw new TypeError(
        `Cannot call "${name}": ${handle.fields.className} has no such method; ` +
          `it has ${Object.keys(handle.fields.methods).join(", ") || "none"}`,
      );
    }
    let method = handle.methods.get(name);
    if (method === undefined) {
      handle.methods.set(name, method = new Method(handle, name, {}));
    }
    return method;
  },
  set(handle, name) {
    throw new TypeError(
      `Cannot set "${
        String(name)
      }": a handle of ${handle.fields.className} has only methods`,
    );
  },
  has: (handle, name) =>
    typeof name === "string" && name in handle.fields.methods,
  ownKeys: () => [],
};

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
    return createActor(owner(), {
      target: this.#target,
      options: this.#options,
      args,
    });
  }

  options(overrides: ActorOptions): RemoteActor {
    checkActorOptions(overrides);
    return new RemoteActor(this.#target, { ...this.#options, ...overrides });
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

extendValues({
  tag: "handle",
  constructor: Handle,
  tracked: false,
  toFields: (proxy: object) => {
    const { fields, life } = handles.get(proxy)!;
    const actorId = owner().actors.realId(fields.actorId);
    if (actorId === fields.actorId) {
      return { fields, life: life ?? lifeOf(fields) };
    }
    // It stands for another, which is what others need to know.
    const real = { ...fields, actorId };
    return { fields: real, life: lifeOf(real) };
  },
  fromFields: (value: unknown) => {
    const { fields, life } = value as Pick<Handle, "fields" | "life">;
    return proxyOf(new Handle(fields, life));
  },
});

/** An actor's handle on itself. */
export function ownHandle(spec: ActorSpec): ActorHandle<unknown> {
  const fields = fieldsOf(spec);
  return proxyOf(new Handle(fields, undefined)) as ActorHandle<unknown>;
}

function fieldsOf(
  spec: Omit<ActorSpec, "code" | "bundles" | "args" | "dependencies">,
): ActorHandleFields {
  const { actorId, className, name, namespace, methods, isDetached } = spec;
  const { maxTaskRetries, maxPendingCalls } = spec;
  return {
    actorId,
    className,
    ...(name === undefined ? {} : { name }),
    namespace,
    methods,
    isDetached,
    maxTaskRetries,
    maxPendingCalls,
  };
}

function lifeOf(fields: ActorHandleFields): ObjectRef<unknown> | undefined {
  return fields.isDetached
    ? undefined
    : owner().actors.births.life(fields.actorId);
}

/** Whether a value is an actor handle. */
export function isActorHandle(value: unknown): boolean {
  return typeof value === "object" && value !== null && handles.has(value);
}

/**
 * Finds a living actor by its name.
 *
 * @param name The name it was created with.
 * @param namespace Where the name counts. Default: the program's.
 * @throws {MantaError} Where there is none.
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
  const found = await own.ask("actor.find", { name, namespace: within });
  const handle = found.handle ?? (birth && fieldsOf(birth));
  if (handle === undefined) {
    throw new MantaError(
      `Cannot find actor "${name}" in namespace "${within}": none of that name is alive`,
    );
  }
  return proxyOf(
    new Handle(handle, lifeOf(handle)),
  ) as unknown as ActorHandle<Instance>;
}

/**
 * Ends an actor at once, without its clean-up; resolves when it has ended.
 *
 * @param handle The actor.
 * @param options `noRestart: false` lets its `maxRestarts` start it again.
 */
export async function kill(
  handle: object,
  options: { noRestart?: boolean } = {},
): Promise<void> {
  const known = handles.get(handle);
  if (known === undefined) {
    throw new TypeError(
      `Cannot kill ${show(handle)}: expected an actor handle`,
    );
  }
  const { noRestart = true } = options;
  flag(noRestart, 'option "noRestart"');
  await owner().actors.directory.kill(known.fields.actorId, { noRestart });
}

function proxyOf(handle: Handle): object {
  const proxy = new Proxy(handle, handleProxy);
  handles.set(proxy, handle);
  return proxy;
}

function infoOf({ fields }: Handle): ActorInfo {
  return fields;
}

function createActor(
  own: Owner,
  { target, options, args }: {
    target: AnyClass;
    options: ActorOptions;
    args: unknown[];
  },
): unknown {
  const ordinal = own.nextOrdinal();
  const actorId = taskIdOf(own.self, ordinal) as string as ActorId;
  const fields: ActorHandleFields = {
    actorId,
    className: target.name || "anonymous",
    ...(options.name === undefined ? {} : { name: options.name }),
    namespace: options.namespace ?? own.job.namespace,
    methods: methodsOf(target),
    isDetached: options.lifetime === "detached",
    maxTaskRetries: options.maxTaskRetries ?? 0,
    maxPendingCalls: options.maxPendingCalls ?? -1,
  };
  const life = own.references.create(ordinal, 0);
  const handle = new Handle(fields, life);
  own.references.share(life);
  entryOfRef(life).onUnreferenced = () => own.actors.released(actorId);
  own.actors.create(fields, {
    target,
    args,
    spec: {
      ...fields,
      ownerId: own.self,
      getIfExists: options.getIfExists ?? false,
      maxRestarts: options.maxRestarts ?? 0,
      maxConcurrency: options.maxConcurrency ?? 1,
      isolation: options.isolation ?? "isolate",
      resources: resourcesOf(options, 0),
    },
  });
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
      if (name === "constructor" || name in methods) continue;
      if (typeof value !== "function") continue;
      const kind = Object.prototype.toString.call(value);
      methods[name] = kind.endsWith("GeneratorFunction]");
    }
  }
  return methods;
}
