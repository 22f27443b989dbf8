/**
 * Actor handles: what an actor is reached by, and how they travel.
 *
 * @module
 */
import {
  type DisplayData,
  displayLine,
  displaySymbol,
} from "../base/notebook.ts";
import type { ActorSpec } from "../base/spec.ts";
import type { ObjectRef } from "../owner/object_ref.ts";
import type { Owner } from "../owner/owner.ts";
import type { TaskTemplate } from "../owner/task_record.ts";
import { extendValues } from "../owner/extensions.ts";
import type { RunStats } from "../state/pipelines.ts";
import type { ActorHandleFields } from "../wire/messages.ts";
import {
  checkFitting,
  checkMethodOptions,
  type MethodOptions,
  taskSettings,
} from "./options.ts";
import { owner, ownerIfAny } from "./session.ts";
import { streamOf } from "./stream.ts";
import type { RemoteArgs, RemoteResult } from "./types.ts";

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
export class Handle {
  readonly fields: ActorHandleFields;
  /** Keeps the actor alive; an actor's handle on itself must not, nor one on a detached actor. */
  readonly life: ObjectRef<unknown> | undefined;
  readonly methods = new Map<string, Method>();
  readonly #owner: Owner;

  constructor(
    own: Owner,
    fields: ActorHandleFields,
    life: ObjectRef<unknown> | undefined,
  ) {
    this.#owner = own;
    this.fields = fields;
    this.life = life;
  }

  /** Whom it calls through; throws once that runtime has ended. */
  get owner(): Owner {
    if (ownerIfAny() === this.#owner) return this.#owner;
    throw new TypeError(
      `Cannot use a handle of ${this.fields.className}: its runtime has ended, and the actor with it`,
    );
  }

  /** How a handle looks in a notebook. */
  [displaySymbol](): DisplayData {
    const { className, actorId, name, methods } = this.fields;
    const called = name === undefined ? "" : ` "${name}"`;
    const has = Object.keys(methods).join(", ") || "no methods";
    return displayLine(
      "ActorHandle",
      `${className}${called}, ${actorId}: ${has}`,
    );
  }

  /** How a handle looks in a log: a proxy is shown as what is behind it. */
  [Symbol.for("Deno.customInspect")](): string {
    return this.toString();
  }

  toString(): string {
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
    const name = `${className}.${method}`;
    const isStream = methods[method]!;
    checkFitting(options, { what: "method option", name, isStream });
    this.#template = {
      functionNo: 0,
      fn: undefined,
      method,
      settings: taskSettings(options, { name, isStream }),
      stats: noStats,
      classKey: "",
    };
  }

  remote(...args: unknown[]): unknown {
    const handle = this.#handle;
    const { owner: own, fields } = handle;
    const template = this.#template;
    const { isStream, returnCount } = template.settings;
    if (isStream) {
      return streamOf(
        own,
        (sink) =>
          own.actors.call(fields, { template, args, sink, handle }).record,
      );
    }
    const { refs } = own.actors.call(fields, {
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
    if (name === displaySymbol) return () => handle[displaySymbol]();
    if (name === Symbol.toPrimitive) return () => handle.toString();
    if (typeof name === "symbol") return undefined;
    const { className, methods } = handle.fields;
    if (!Object.hasOwn(methods, name)) {
      // A handle is no thenable, and JSON has no form for it.
      if (name === "then" || name === "toJSON") return undefined;
      if (name === "toString") return () => handle.toString();
      throw new TypeError(
        `Cannot call "${name}": ${className} has no such method; ` +
          `it has ${Object.keys(methods).join(", ") || "none"}`,
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
    name === displaySymbol || Object.hasOwn(handle.fields.methods, name),
  ownKeys: () => [],
};

extendValues({
  tag: "handle",
  constructor: Handle,
  tracked: false,
  toFields: (proxy: object) => {
    const { fields, life, owner: own } = handles.get(proxy)!;
    const actorId = own.actors.realId(fields.actorId);
    if (actorId === fields.actorId) {
      return { fields, life: life ?? lifeOf(own, fields) };
    }
    // It stands for another, which is what others need to know.
    const real = { ...fields, actorId };
    return { fields: real, life: lifeOf(own, real) };
  },
  fromFields: (value: unknown) => {
    const { fields, life } = value as Pick<Handle, "fields" | "life">;
    return proxyOf(new Handle(owner(), fields, life));
  },
});

/** A handle on an actor of somebody's making. */
export function handleOf(own: Owner, fields: ActorHandleFields): object {
  return proxyOf(new Handle(own, fields, lifeOf(own, fields)));
}

/** An actor's handle on itself. */
export function ownHandle(spec: ActorSpec): ActorHandle<unknown> {
  const handle = new Handle(owner(), fieldsOf(spec), undefined);
  return proxyOf(handle) as ActorHandle<unknown>;
}

/** What of an actor its handles are made of. */
export function fieldsOf(
  spec: Omit<ActorSpec, "code" | "bundles" | "args" | "dependencies">,
): ActorHandleFields {
  const { actorId, className, name, namespace, methods, isDetached } = spec;
  const { maxTaskRetries, maxPendingCalls, isDurable } = spec;
  return {
    actorId,
    className,
    ...(name === undefined ? {} : { name }),
    namespace,
    methods,
    isDetached,
    isDurable,
    maxTaskRetries,
    maxPendingCalls,
  };
}

/** What is behind a handle; undefined for what is none. */
export function behind(handle: unknown): Handle | undefined {
  return handles.get(handle as object);
}

/** What a program gets of a handle. */
export function proxyOf(handle: Handle): object {
  const proxy = new Proxy(handle, handleProxy);
  handles.set(proxy, handle);
  return proxy;
}

function lifeOf(
  own: Owner,
  { actorId, isDetached }: ActorHandleFields,
): ObjectRef<unknown> | undefined {
  return isDetached ? undefined : own.actors.births.life(actorId);
}
