/**
 * `remote`: functions become tasks, classes become actors.
 *
 * @module
 */
import type { AnyFunction } from "../base/functions.ts";
import type { TaskSettings } from "../base/spec.ts";
import type { RunStats } from "../state/pipelines.ts";
import { currentContext } from "../owner/context.ts";
import type { TaskTemplate } from "../owner/task_record.ts";
import { extendValues } from "../owner/extensions.ts";
import { type ActorClass, makeActorClass } from "./actor.ts";
import { show } from "./check.ts";
import {
  type ActorOptions,
  type AnyClass,
  checkActorOptions,
  checkFitting,
  checkTaskOptions,
  type TaskOptions,
  taskSettings,
} from "./options.ts";
import { assertUsable, type PlacementGroup } from "./placement_group.ts";
import { owner } from "./session.ts";
import { groupOf } from "./strategy.ts";
import { streamOf } from "./stream.ts";
import type { RemoteArgs, RemoteResult } from "./types.ts";

/** A function whose calls are tasks; made by {@linkcode remote}. */
export interface RemoteFunction<
  Args extends unknown[],
  Result,
  Returns extends number = 1,
> {
  /** The function's name, as listings show it. */
  readonly name: string;
  /** Submits one task; every argument may also be a ref to its value. Returns at once. */
  remote(...args: RemoteArgs<Args>): RemoteResult<Result, Returns>;
  /** The same function with other options. */
  options<const More extends number = Returns>(
    overrides: TaskOptions & { numReturns?: More },
  ): RemoteFunction<Args, Result, More>;
}

let nextFunctionNo = 1;

/** The implementation behind {@linkcode RemoteFunction}. */
class RemoteTask {
  readonly #template: TaskTemplate;
  readonly #options: TaskOptions;
  readonly #group: PlacementGroup | undefined;

  constructor(fn: AnyFunction, options: TaskOptions, stats: RunStats) {
    this.#options = options;
    this.#group = groupOf(options);
    const name = fn.name || "anonymous";
    const isStream = isGenerator(fn);
    checkFitting(options, { what: "task option", name, isStream });
    const settings = taskSettings(options, { name, isStream });
    this.#template = {
      functionNo: nextFunctionNo++,
      fn,
      settings,
      stats,
      classKey: classKeyOf(settings),
    };
  }

  get name(): string {
    return this.#template.settings.name;
  }

  remote(...args: unknown[]): unknown {
    if (this.#group !== undefined) assertUsable(this.#group);
    const own = owner();
    const template = this.#template;
    const { isStream, returnCount } = template.settings;
    if (isStream) {
      return streamOf(own, (sink) => own.submit(template, args, sink).record);
    }
    const { refs } = own.submit(template, args);
    if (returnCount === 1) return refs[0];
    return returnCount === 0 ? undefined : refs;
  }

  options(overrides: TaskOptions): RemoteTask {
    checkTaskOptions(overrides);
    const { fn } = this.fields();
    return new RemoteTask(
      fn,
      { ...this.#options, ...overrides },
      this.#template.stats,
    );
  }

  /** What it is made of, to travel. */
  fields(): { fn: AnyFunction; options: TaskOptions } {
    return { fn: this.#template.fn!, options: this.#options };
  }
}

extendValues({
  tag: "function",
  constructor: RemoteTask,
  tracked: false,
  toFields: (task: RemoteTask) => task.fields(),
  fromFields: (fields: unknown) => {
    const { fn, options } = fields as ReturnType<RemoteTask["fields"]>;
    return new RemoteTask(fn, options, { meanRunMs: undefined });
  },
});

/** Makes whatever is typed `any` remote; what its calls give is `any` too. */
export function remote<Target>(
  target: Target & (0 extends 1 & Target ? unknown : never),
  options?: TaskOptions,
  // deno-lint-ignore no-explicit-any -- what goes in as any comes out as any
): RemoteFunction<any[], any>;
/**
 * Makes a function whose calls are tasks: each `.remote(...)` runs it in a
 * worker process and gives a ref to its result at once.
 *
 * @param target The function: any, async and generators included. It travels
 *   to the workers with what it closes over.
 * @param options How its tasks are to run.
 * @throws {TypeError} Where `target` is no function or class, or an option is
 *   unknown or of a wrong type.
 * @throws {RangeError} Where an option is out of its bounds.
 *
 * @example
 * ```ts
 * import { get, remote } from "@manta/manta";
 * const square = remote((x: number) => x * x);
 * console.log(await get([1, 2, 3].map((x) => square.remote(x)))); // [ 1, 4, 9 ]
 * ```
 */
export function remote<
  Args extends unknown[],
  Result,
  const Returns extends number = 1,
>(
  target: (...args: Args) => Result,
  options?: TaskOptions & { numReturns?: Returns },
): RemoteFunction<Args, Result, Returns>;
/**
 * Makes a class whose instances are actors.
 *
 * @param target The class. It travels to the actor with what it closes over.
 * @param options How its actors are to live.
 * @throws {TypeError} Where an option is unknown or of a wrong type.
 * @throws {RangeError} Where an option is out of its bounds.
 *
 * @example
 * ```ts
 * import { get, remote } from "@manta/manta";
 * class Counter {
 *   #count = 0;
 *   add(n: number) {
 *     return this.#count += n;
 *   }
 * }
 * const counter = remote(Counter).remote();
 * console.log(await get(counter.add.remote(2))); // 2
 * ```
 */
export function remote<Class extends AnyClass>(
  target: Class,
  options?: ActorOptions,
): ActorClass<Class>;
export function remote(
  target: unknown,
  options: TaskOptions | ActorOptions = {},
): unknown {
  if (typeof target !== "function") {
    throw new TypeError(
      `Cannot make ${show(target)} remote: expected a function or a class`,
    );
  }
  if (isClass(target)) {
    checkActorOptions(options);
    return makeActorClass(target as AnyClass, { ...options as ActorOptions });
  }
  checkTaskOptions(options);
  return new RemoteTask(target, { ...options as TaskOptions }, {
    meanRunMs: undefined,
  });
}

/**
 * The signal of the running task or actor method: aborted by `cancel` and by
 * `timeout`. Outside a task it never is.
 *
 * @example
 * ```ts
 * import { get, remote, signal } from "@manta/manta";
 * const textOf = remote(async (url: string) => {
 *   return await (await fetch(url, { signal: signal() })).text();
 * });
 * console.log(await get(textOf.remote("data:,hello"))); // hello
 * ```
 */
export function signal(): AbortSignal {
  return currentContext()?.signal ?? never;
}

const never = new AbortController().signal;

function isClass(target: AnyFunction): boolean {
  // A class's prototype can't be written, a function's can; other functions have none.
  const prototype = Object.getOwnPropertyDescriptor(target, "prototype");
  return prototype !== undefined && prototype.writable === false;
}

function isGenerator(fn: AnyFunction): boolean {
  const kind = Object.prototype.toString.call(fn);
  return kind === "[object GeneratorFunction]" ||
    kind === "[object AsyncGeneratorFunction]";
}

/** Which tasks may ride the same leases. */
function classKeyOf(
  { resources, timeoutMs, maxRetries, strategy, maxCalls, env }: TaskSettings,
): string {
  const isTimed = timeoutMs !== undefined;
  const isUnretried = maxRetries === 0;
  return JSON.stringify([
    resources,
    isTimed,
    isUnretried,
    strategy,
    maxCalls,
    env,
  ]);
}
