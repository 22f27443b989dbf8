/**
 * `get`: values of refs, waited for.
 *
 * @module
 */
import { GetTimeoutError, TaskError } from "../base/errors.ts";
import { userFrames } from "../base/frames.ts";
import { isNotebook } from "../base/notebook.ts";
import { log } from "../base/log.ts";
import { limits } from "../base/limits.ts";
import { counted } from "../base/text.ts";
import { currentContext, waiting } from "../owner/context.ts";
import { describeWait } from "../owner/explain.ts";
import {
  entryOfRef,
  isObjectRef,
  type ObjectEntry,
  type ObjectRef,
  Status,
} from "../owner/object_ref.ts";
import type { Owner } from "../owner/owner.ts";
import { abortSignal, checkOptions, delayMs, show } from "./check.ts";
import { ownerOfRefs } from "./session.ts";
import { beginWait, endWait } from "./long_waits.ts";

/** How long to wait for values. */
export interface GetOptions {
  /** Milliseconds until it rejects with `GetTimeoutError`; 0: only what is ready now. */
  timeout?: number;
  /** Aborted, it rejects with the signal's reason; the tasks go on. */
  signal?: AbortSignal;
}

/** The values of an object of refs. */
export type Values<Refs> = {
  -readonly [Key in keyof Refs]: Refs[Key] extends ObjectRef<infer Value>
    ? Value
    : never;
};

/**
 * Waits for one ref's value, for a list's, or for those of an object of refs,
 * and gives them in the same shape. Each call gives copies of its own; large
 * arrays share memory until written to.
 *
 * @param refs The ref or refs.
 * @param options When to give up.
 * @throws {TaskError} Where the task threw: its own error is the `cause`.
 * @throws {GetTimeoutError} Where the time is over.
 * @throws {TypeError} Where something is no ref, or one of another runtime.
 *
 * @example
 * ```ts
 * import { get, put } from "@manta/manta";
 * const a = put(1), b = put("two");
 * console.log(await get(a)); // 1
 * console.log(await get([a, b])); // [ 1, "two" ]
 * console.log(await get({ a, b })); // { a: 1, b: "two" }
 * ```
 */
export function get<T>(ref: ObjectRef<T>, options?: GetOptions): Promise<T>;
/** Waits for the value of a ref that may be one of several types. */
export function get<Ref extends ObjectRef<unknown>>(
  ref: Ref,
  options?: GetOptions,
): Promise<Ref extends ObjectRef<infer Value> ? Value : never>;
/** Waits for the values of a list of refs. */
export function get<const Refs extends readonly ObjectRef<unknown>[]>(
  refs: Refs,
  options?: GetOptions,
): Promise<Values<Refs>>;
/** Waits for the values of an object of refs. */
export function get<
  Refs extends object & { readonly [K in keyof Refs]: ObjectRef<unknown> },
>(
  refs: Refs,
  options?: GetOptions,
): Promise<Values<Refs>>;
export async function get(
  refs: unknown,
  options?: GetOptions,
): Promise<unknown> {
  if (options !== undefined) checkGetOptions(options);
  if (isObjectRef(refs)) {
    const own = ownerOfRefs(`ref ${refs.id}`);
    const entry = entryOfRef(refs);
    own.references.assertKnown(entry);
    if (!entry.isSettled) await settled(own, [entry], options ?? {});
    if (hasFailed(entry)) return await readFailed(own, entry);
    return own.objects.read(entry);
  }
  const [keys, list] = listOf(refs);
  if (list.length === 0) return keys === undefined ? [] : {};
  const own = ownerOfRefs(`ref ${list[0]!.id}`);
  const entries = list.map((ref) => {
    const entry = entryOfRef(ref);
    own.references.assertKnown(entry);
    return entry;
  });
  const open = entries.filter((entry) => !entry.isSettled);
  if (open.length > 0 && !entries.some(hasFailed)) {
    await settled(own, open, options ?? {});
  }
  const values = await readAll(own, entries);
  if (keys === undefined) return values;
  return Object.fromEntries(keys.map((key, at) => [key, values[at]]));
}

/** Reads entries that are all ready, or throws for the first that failed. */
async function readAll(
  own: Owner,
  entries: ObjectEntry[],
): Promise<unknown[]> {
  for (const entry of entries) entry.isAsked = true;
  const failed = entries.find((entry) => hasFailed(entry));
  if (failed !== undefined) await readFailed(own, failed);
  const values = entries.map((entry) => own.objects.read(entry));
  return values.some((value) => value instanceof Promise)
    ? await Promise.all(values)
    : values;
}

/** Rejects with why there is no value. */
async function readFailed(own: Owner, entry: ObjectEntry): Promise<unknown> {
  try {
    // Awaited, so that the error's stack leads here.
    return await own.objects.read(entry);
  } catch (error) {
    if (isNotebook()) addRemoteFrames(error);
    throw error;
  }
}

/** A notebook shows an error's stack and not its cause: the task's own lines come first in it. */
function addRemoteFrames(error: unknown): void {
  if (!(error instanceof TaskError) || !(error.cause instanceof Error)) return;
  const frames = userFrames(error.cause.stack ?? "").join("\n");
  const stack = error.stack ?? "";
  if (frames === "" || stack.includes(frames)) return;
  const first = stack.search(/\n\s+at /);
  const at = first < 0 ? stack.length : first;
  error.stack = `${stack.slice(0, at)}\n${frames}${stack.slice(at)}`;
}

function hasFailed(entry: ObjectEntry): boolean {
  return entry.isSettled && entry.status !== Status.ready;
}

function checkGetOptions(options: GetOptions): void {
  checkOptions(options, {
    checks: { timeout: delayMs, signal: abortSignal },
    what: "get option",
  });
  options.signal?.throwIfAborted();
}

function listOf(
  refs: unknown,
): [keys: string[] | undefined, refs: ObjectRef<unknown>[]] {
  if (Array.isArray(refs)) {
    for (let at = 0; at < refs.length; at++) {
      if (!isObjectRef(refs[at])) assertRef(refs[at], `element ${at}`);
    }
    return [undefined, refs];
  }
  if (typeof refs === "object" && refs !== null) {
    const prototype = Object.getPrototypeOf(refs);
    if (prototype === Object.prototype || prototype === null) {
      for (const [key, ref] of Object.entries(refs)) assertRef(ref, `"${key}"`);
      return [Object.keys(refs), Object.values(refs)];
    }
  }
  throw new TypeError(
    `Cannot get ${
      show(refs)
    }: expected an ObjectRef, an array of them, or an object of them`,
  );
}

function assertRef(value: unknown, where: string): void {
  if (isObjectRef(value)) return;
  throw new TypeError(
    `Cannot get ${where}, ${
      show(value)
    }: expected an ObjectRef (did you forget .remote()?)`,
  );
}

/** Resolves when all are settled, or as soon as one has failed. */
async function settled(
  own: Owner,
  entries: ObjectEntry[],
  { timeout, signal }: GetOptions,
): Promise<void> {
  for (const entry of entries) own.objects.demand(entry);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let openCount = entries.length;
  const waiter = (entry: ObjectEntry) => {
    if (--openCount === 0 || hasFailed(entry)) resolve();
  };
  const giveUp = () =>
    reject(
      new GetTimeoutError(
        `Cannot get ${openCount} of ${
          counted(entries.length, "object")
        } within ${timeout} ms: the first ${
          describeWait(own, entries.find((entry) => !entry.isSettled)!)
        }`,
        { timeoutMs: timeout! },
      ),
    );
  const aborted = () => reject(signal!.reason);
  for (const entry of entries) entry.whenSettled(waiter);
  const timer = timeout === undefined ? undefined : setTimeout(giveUp, timeout);
  signal?.addEventListener("abort", aborted);
  const context = currentContext();
  const wait = context === undefined
    ? beginWait(() => tellOfWait(own, entries))
    : undefined;
  own.owe();
  try {
    const isImpatient = timeout !== undefined || signal !== undefined;
    await (context === undefined ? promise : waiting(promise, isImpatient));
  } finally {
    own.settle();
    clearTimeout(timer);
    if (wait !== undefined) endWait(wait);
    signal?.removeEventListener("abort", aborted);
    if (openCount > 0) { for (const entry of entries) entry.forget(waiter); }
  }
}

/** A long wait says once what it waits for, unless it simply runs. */
function tellOfWait(own: Owner, entries: ObjectEntry[]): void {
  const open = entries.filter((entry) => !entry.isSettled);
  if (open.length === 0 || !own.isStuck(open[0]!)) return;
  log.warn(
    `get() has waited ${limits.waitWarnMs / 1000} s for ${
      counted(open.length, "object")
    }; the first ${describeWait(own, open[0]!)}`,
  );
}
