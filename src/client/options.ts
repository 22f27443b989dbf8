/**
 * The options of tasks and actors: their types, checks and defaults.
 *
 * @module
 */
import type { ResourceAmounts, TaskSettings } from "../base/spec.ts";
import {
  amount,
  amounts,
  type Check,
  checkOptions,
  duration,
  finite,
  flag,
  oneOf,
  show,
  text,
  whole,
} from "./check.ts";
import { type ConcurrencyGroup, groups } from "./groups.ts";
import { envOf, type RuntimeEnv, runtimeEnv } from "./runtime_env.ts";
import { placeOf, type SchedulingStrategy, strategy } from "./strategy.ts";

/** A class of errors, or any class. */
// deno-lint-ignore no-explicit-any -- a constructor with any arguments is meant
export type AnyClass = abstract new (...args: any[]) => object;

/** What a task or actor must be given to run. */
export interface ResourceOptions {
  /** CPUs it holds while it runs; fractions allowed. Default: 1 for tasks, 0 for actors. */
  numCpus?: number;
  /** GPUs it holds while it runs, counted slots. Default: 0. */
  numGpus?: number;
  /** Bytes of memory it holds of what the node offers as `memory`. Default: none. */
  memory?: number;
  /** Amounts of the node's own resources, by name. Default: none. */
  resources?: Record<string, number>;
  /** Where it may run. Default: "DEFAULT", near its submitter. */
  schedulingStrategy?: SchedulingStrategy;
  /** What the process that it runs in is started with. Default: as the program. */
  runtimeEnv?: RuntimeEnv;
}

/** How a task is to run. */
export interface TaskOptions extends ResourceOptions {
  /** How many refs `.remote()` gives; more than 1: the function returns an array of so many; 0: none. Default: 1. */
  numReturns?: number;
  /** Further runs after a worker or node died; -1: without end. Default: 3. */
  maxRetries?: number;
  /** Which errors of its own are worth another run, within `maxRetries`. Default: false. */
  retryExceptions?: boolean | AnyClass[] | ((error: unknown) => boolean);
  /** Milliseconds that one run may take; one that does not stop then ends with its worker, or with its actor. Default: no limit. */
  timeout?: number;
  /** Milliseconds that it may wait to start. Default: no limit. */
  schedulingTimeout?: number;
  /** How it is called in listings. Default: the function's name. */
  name?: string;
  /** Among waiting tasks the higher runs first. Default: 0. */
  priority?: number;
  /** A worker that ran so many of these tasks is replaced by a fresh one. Default: no limit. */
  maxCalls?: number;
  /** Generators: items the producer may be ahead of its consumer. Default: no limit. */
  backpressure?: number;
}

/** How an actor is to live. */
export interface ActorOptions extends ResourceOptions {
  /** A name that `getActor` finds it by. */
  name?: string;
  /** Where the name counts. Default: the program's. */
  namespace?: string;
  /** With a name that is taken: another handle on that actor instead of an error. Default: false. */
  getIfExists?: boolean;
  /** "ref": ends with its last handle; "detached": lives until `kill`. Default: "ref". */
  lifetime?: "ref" | "detached";
  /** How often it is started again after it died; -1: without end. Default: 0; -1 where it is `durable`. */
  maxRestarts?: number;
  /** How often a call that its death cut short runs again; -1: without end. Default: 0; -1 where it is `durable`. */
  maxTaskRetries?: number;
  /** Methods that run at the same time. Default: 1. */
  maxConcurrency?: number;
  /** Methods that run beside the others: their own bound for each group. Methods of no group share `maxConcurrency`. */
  concurrencyGroups?: Record<string, ConcurrencyGroup>;
  /** Milliseconds without a call after which it ends; one that still waits for its arguments has not come. Default: none. */
  ttl?: number;
  /** Calls of one caller's process that may wait; -1: any number. Default: -1. */
  maxPendingCalls?: number;
  /** "isolate": an isolate in a host that it may share when actors are many; "process": a host of its own. Default: "isolate". */
  isolation?: "isolate" | "process";
  /**
   * Whether its state is kept in the lineage file: after each call, before the
   * call's result can be seen, and with it. It restarts without end unless
   * `maxRestarts` says otherwise, its constructor runs, its fields are as the
   * last committed call left them, and calls that were cut short are sent
   * again: none runs twice in that state. With a name, `getActor(name)` or
   * another creation by that name finds the state again, also in a later
   * program with the same `lineage` file, until `kill` or `exitActor`.
   * Default: false.
   */
  durable?: boolean;
}

/** How one method's calls are to run. */
export type MethodOptions = Pick<
  TaskOptions,
  "numReturns" | "name" | "timeout" | "backpressure"
>;

const resourceChecks: Record<string, Check> = {
  numCpus: amount,
  numGpus: amount,
  memory: amount,
  resources: amounts,
  schedulingStrategy: strategy,
  runtimeEnv,
};

const taskChecks: Record<string, Check> = {
  ...resourceChecks,
  numReturns: whole(0, 65_535),
  maxRetries: whole(-1),
  retryExceptions: retryable,
  timeout: duration,
  schedulingTimeout: duration,
  name: text,
  priority: finite,
  backpressure: whole(1, 2 ** 32 - 1),
  maxCalls: whole(1),
};

const actorChecks: Record<string, Check> = {
  ...resourceChecks,
  name: text,
  namespace: text,
  getIfExists: flag,
  lifetime: oneOf("ref", "detached"),
  maxRestarts: whole(-1),
  maxTaskRetries: whole(-1),
  maxConcurrency: whole(1),
  maxPendingCalls: whole(-1),
  isolation: oneOf("isolate", "process"),
  ttl: duration,
  concurrencyGroups: groups,
  durable: flag,
};

const { numReturns, name, timeout, backpressure } = taskChecks;
const methodChecks = { numReturns, name, timeout, backpressure } as Record<
  string,
  Check
>;

/** Throws for a bad task option. */
export function checkTaskOptions(options: unknown): void {
  checkOptions(options, { checks: taskChecks, what: "task option" });
}

/** Throws for a bad actor option. */
export function checkActorOptions(options: unknown): void {
  checkOptions(options, { checks: actorChecks, what: "actor option" });
  const { getIfExists, name, durable, maxConcurrency = 1, concurrencyGroups } =
    (options ?? {}) as ActorOptions;
  const { permissions } = (options as ActorOptions)?.runtimeEnv ?? {};
  if (durable === true && permissions !== undefined) {
    throw new TypeError(
      'Cannot use actor option "durable" with "permissions" in "runtimeEnv": its state is in a sandbox, which the lineage file is out of reach of; keep it by a durable actor of its own',
    );
  }
  if (durable === true && concurrencyGroups !== undefined) {
    throw new TypeError(
      'Cannot use actor option "concurrencyGroups" with "durable": its calls run one at a time',
    );
  }
  if (durable === true && maxConcurrency !== 1) {
    throw new RangeError(
      `Cannot use actor option "maxConcurrency" ${maxConcurrency} with "durable": its state is kept after each call, so calls run one at a time`,
    );
  }
  if (getIfExists === true && name === undefined) {
    throw new TypeError(
      'Cannot use actor option "getIfExists" without "name": it looks an actor up by that',
    );
  }
}

/** Throws for a bad method option. */
export function checkMethodOptions(options: unknown): void {
  checkOptions(options, { checks: methodChecks, what: "method option" });
}

/** Throws for an option that means nothing for what is called, as it would be ignored. */
export function checkFitting(
  { numReturns, backpressure }: TaskOptions,
  { what, name, isStream }: { what: string; name: string; isStream: boolean },
): void {
  if (isStream && numReturns !== undefined) {
    throw new TypeError(
      `Cannot use ${what} "numReturns" for "${name}": it is a generator, whose items are a stream`,
    );
  }
  if (!isStream && backpressure !== undefined) {
    throw new TypeError(
      `Cannot use ${what} "backpressure" for "${name}": it is no generator`,
    );
  }
}

/** What options ask for, by resource name. */
export function resourcesOf(
  options: ResourceOptions,
  numCpusDefault: number,
): ResourceAmounts {
  const { numCpus = numCpusDefault, numGpus = 0, memory = 0 } = options;
  return {
    ...options.resources,
    ...(numCpus > 0 ? { CPU: numCpus } : {}),
    ...(numGpus > 0 ? { GPU: numGpus } : {}),
    ...(memory > 0 ? { memory } : {}),
  };
}

/** Checked options with their defaults filled in. */
export function taskSettings(
  options: TaskOptions,
  { name, isStream }: { name: string; isStream: boolean },
): TaskSettings {
  return {
    name: options.name ?? name,
    returnCount: isStream ? 0 : options.numReturns ?? 1,
    maxRetries: options.maxRetries ?? 3,
    isRetryable: predicateOf(options.retryExceptions),
    timeoutMs: options.timeout,
    schedulingTimeoutMs: options.schedulingTimeout,
    priority: options.priority ?? 0,
    ...placeOf(options, resourcesOf(options, 1)),
    ...envOf(options),
    ...(options.maxCalls === undefined ? {} : { maxCalls: options.maxCalls }),
    isStream,
    backpressure: options.backpressure ?? 0,
  };
}

function predicateOf(
  retry: TaskOptions["retryExceptions"],
): ((error: unknown) => boolean) | undefined {
  if (retry === undefined || retry === false) return undefined;
  if (retry === true) return () => true;
  if (typeof retry === "function") return retry;
  // A class that its error was not revived by is known by its name.
  return (error) =>
    retry.some((errorClass) =>
      error instanceof errorClass ||
      (error instanceof Error && error.name === errorClass.name)
    );
}

/** A class, or what was one before classes were: an arrow function is none. */
function isClass(value: unknown): boolean {
  return typeof value === "function" && typeof value.prototype === "object";
}

function retryable(value: unknown, name: string): void {
  const isListOfClasses = Array.isArray(value) &&
    value.every(isClass);
  if (
    typeof value === "boolean" || typeof value === "function" || isListOfClasses
  ) {
    return;
  }
  throw new TypeError(
    `Cannot use ${name} ${
      show(value)
    }: expected true, false, a list of error classes, or a function`,
  );
}
