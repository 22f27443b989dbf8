/**
 * Objects: `put`, `wait`, `asCompleted`, `free`, `cancel`.
 *
 * @module
 */
import { GetTimeoutError } from "../base/errors.ts";
import { currentContext, waiting } from "../owner/context.ts";
import {
  entryOfRef,
  isObjectRef,
  type ObjectEntry,
  type ObjectRef,
} from "../owner/object_ref.ts";
import type { Owner } from "../owner/owner.ts";
import {
  abortSignal,
  checkOptions,
  delayMs,
  flag,
  show,
  whole,
} from "./check.ts";
import { bring } from "./bring.ts";
import { LeavableIterator, type Source } from "./iterator.ts";
import { owner, ownerOfRefs } from "./session.ts";
import { ObjectRefStream } from "./stream.ts";

/** How {@linkcode wait} waits. */
export interface WaitOptions {
  /** How many must be ready. Default: 1. */
  numReturns?: number;
  /** Milliseconds until it resolves with what is ready. Default: no limit. */
  timeout?: number;
  /** Aborted, it rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Whether ready means that the value is on this machine. Default: true. */
  fetchLocal?: boolean;
}

/**
 * Stores a value once, to be passed as a ref to many tasks.
 *
 * @param value Any value that can travel. It is copied now, as structured clone
 *   does it: later changes to it are not seen, symbol keys are left out, and a
 *   getter becomes what it gives. Functions and instances of classes go along.
 * @returns Its ref, at once.
 * @throws {SerializationError} Where something in it can't travel, by its path.
 *
 * @example
 * ```ts
 * import { get, put, remote } from "@manta/manta";
 * const data = put(new Float64Array(1_000_000).fill(1));
 * const sum = remote((xs: Float64Array) => xs.reduce((a, b) => a + b));
 * console.log(await get(sum.remote(data))); // 1000000
 * ```
 */
export function put<T>(value: T): ObjectRef<T> {
  return owner().objects.put(value) as ObjectRef<T>;
}

/**
 * Waits until some of the refs are ready: have a value, or failed.
 *
 * @param refs Refs, each once.
 * @param options How many, and for how long.
 * @returns The ready ones, at most `numReturns`, and the others, both in the
 *   order given.
 * @throws {TypeError} Where a ref stands twice, or something is no ref.
 * @throws {RangeError} Where `numReturns` is more than there are.
 *
 * @example
 * ```ts
 * import { put, remote, wait } from "@manta/manta";
 * const nap = remote(() => new Promise<void>((wake) => setTimeout(wake, 100)));
 * const [ready, notReady] = await wait([nap.remote(), put(1)]);
 * console.log(ready.length, notReady.length); // 1 1
 * ```
 */
export async function wait<Ref extends ObjectRef<unknown>>(
  refs: readonly Ref[],
  options: WaitOptions = {},
): Promise<[ready: Ref[], notReady: Ref[]]> {
  checkWaitOptions(options);
  const entries = entriesOf(refs);
  const list = refs.slice();
  const { numReturns = 1, timeout, signal, fetchLocal = true } = options;
  if (numReturns > list.length) {
    throw new RangeError(
      `Cannot wait for ${numReturns} of ${list.length} refs: numReturns is more than there are`,
    );
  }
  signal?.throwIfAborted();
  const own = ownerOfRefs("refs");
  demandAll(own, entries);
  const bringing = (entry: ObjectEntry) =>
    fetchLocal ? bring(own, entry) : undefined;
  const isReady = (entry: ObjectEntry) =>
    entry.isSettled && bringing(entry) === undefined;
  let readyCount = 0;
  for (const entry of entries) if (isReady(entry)) readyCount++;
  // Where a task looks again and again, what it looks for needs its turn.
  const mayWait = timeout !== 0 || currentContext() !== undefined;
  if (readyCount < numReturns && mayWait) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const counted = () => {
      if (++readyCount === numReturns) resolve();
    };
    const settled = (entry: ObjectEntry) => {
      const arrived = bringing(entry);
      if (arrived === undefined) counted();
      else arrived.then(counted);
    };
    const open = entries.filter((entry) => !isReady(entry));
    for (const entry of open) entry.whenSettled(settled);
    const aborted = () => reject(signal!.reason);
    const timer = timeout === undefined
      ? undefined
      : setTimeout(resolve, timeout);
    signal?.addEventListener("abort", aborted);
    own.owe();
    try {
      await (currentContext() === undefined ? promise : waiting(promise, true));
    } finally {
      own.settle();
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
      for (const entry of open) entry.forget(settled);
    }
  }
  return split(list, entries, { isReady, readyMax: numReturns });
}

/**
 * Gives refs back one by one, each as soon as it is ready.
 *
 * @param refs Refs, each once.
 * @param options `timeout`: milliseconds that each next one may take; `signal` to give up.
 * @throws {GetTimeoutError} Where none was ready in time.
 *
 * @example
 * ```ts
 * import { asCompleted, get, put, remote } from "@manta/manta";
 * const nap = remote(() => new Promise((wake) => setTimeout(wake, 100, 2)));
 * for await (const ref of asCompleted([nap.remote(), put(1)])) {
 *   console.log(await get(ref)); // 1, 2
 * }
 * ```
 */
export function asCompleted<Ref extends ObjectRef<unknown>>(
  refs: Iterable<Ref>,
  options: { timeout?: number; signal?: AbortSignal } = {},
): AsyncIterableIterator<Ref, void> {
  checkOptions(options, {
    checks: { timeout: delayMs, signal: abortSignal },
    what: "asCompleted option",
  });
  const list = [...refs];
  const entries = entriesOf(list);
  const own = list.length === 0 ? undefined : ownerOfRefs("refs");
  if (own !== undefined) demandAll(own, entries);
  return new LeavableIterator(completions(own, { list, entries }, options));
}

/** The refs of a list as they become ready. */
function completions<Ref>(
  own: Owner | undefined,
  { list, entries }: { list: Ref[]; entries: ObjectEntry[] },
  { timeout, signal }: { timeout?: number; signal?: AbortSignal },
): Source<Ref> {
  const ready: Ref[] = [];
  let openCount = list.length;
  let wake = () => {};
  const aborted = () => wake();
  signal?.addEventListener("abort", aborted);
  const waiters = list.map((ref) => () => {
    ready.push(ref);
    wake();
  });
  entries.forEach((entry, at) => entry.whenSettled(waiters[at]!));
  return {
    take: () => {
      if (openCount === 0) return { done: true, value: undefined };
      const value = ready.shift();
      if (value === undefined) signal?.throwIfAborted();
      if (value === undefined) return undefined;
      openCount--;
      return { done: false, value };
    },
    more: async (left) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      wake = resolve;
      const late = () => reject(lateError(timeout!, openCount));
      const timer = timeout === undefined
        ? undefined
        : setTimeout(late, timeout);
      own!.owe();
      try {
        await waiting(Promise.race([promise, left]), true);
      } finally {
        own!.settle();
        clearTimeout(timer);
      }
    },
    close: () => {
      signal?.removeEventListener("abort", aborted);
      entries.forEach((entry, at) => {
        if (!entry.isSettled) entry.forget(waiters[at]!);
      });
    },
  };
}

/**
 * Gives the memory of objects back now, whoever still holds refs to them: a
 * later `get` rejects with `ObjectFreedError`.
 *
 * @param refs A ref, or refs.
 * @throws {TypeError} Where something is no ref.
 *
 * @example
 * ```ts
 * import { free, get, put } from "@manta/manta";
 * const ref = put(new Float64Array(1_000_000));
 * free(ref);
 * await get(ref).catch((error) => {
 *   console.log(error.name); // ObjectFreedError
 * });
 * ```
 */
export function free(
  refs: ObjectRef<unknown> | readonly ObjectRef<unknown>[],
): void {
  const list = isObjectRef(refs)
    ? [refs]
    : Array.isArray(refs)
    ? [...new Set(refs)]
    : refs as ObjectRef<unknown>[];
  const entries = entriesOf(list);
  if (list.length === 0) return;
  const own = ownerOfRefs("refs");
  for (const entry of entries) own.references.assertKnown(entry);
  own.objects.free(list);
}

/**
 * Cancels the task that makes an object: one that has not started never runs,
 * a running one's `signal()` aborts. `get` then rejects with
 * `TaskCancelledError`.
 *
 * @param ref A ref that a task gives.
 * @param options `force`: also stops its worker, or the actor of a method;
 *   `recursive` (default true): also cancels what the task itself submitted.
 * @throws {TypeError} Where it is no ref, or an option is wrong.
 *
 * @example
 * ```ts
 * import { cancel, get, remote } from "@manta/manta";
 * const forever = remote(() => new Promise<never>(() => {})).remote();
 * await cancel(forever);
 * await get(forever).catch((error) => {
 *   console.log(error.name); // TaskCancelledError
 * });
 * ```
 */
export function cancel(
  ref: ObjectRef<unknown>,
  options: { force?: boolean; recursive?: boolean } = {},
): void {
  if (!isObjectRef(ref)) {
    const advice = (ref as unknown) instanceof ObjectRefStream
      ? "a stream is ended by leaving its loop, or by its iterator's return()"
      : "expected an ObjectRef";
    throw new TypeError(`Cannot cancel ${show(ref)}: ${advice}`);
  }
  checkOptions(options, {
    checks: { force: flag, recursive: flag },
    what: "cancel option",
  });
  const { force = false, recursive = true } = options;
  const own = ownerOfRefs(`ref ${ref.id}`);
  own.references.assertKnown(entryOfRef(ref));
  own.cancel(ref, { isForced: force, isRecursive: recursive });
}

function lateError(timeoutMs: number, openCount: number): GetTimeoutError {
  return new GetTimeoutError(
    `Cannot wait for the next of ${openCount} objects: none was ready within ${timeoutMs} ms`,
    { timeoutMs },
  );
}

function checkWaitOptions(options: WaitOptions): void {
  checkOptions(options, {
    checks: {
      numReturns: whole(1),
      timeout: delayMs,
      signal: abortSignal,
      fetchLocal: flag,
    },
    what: "wait option",
  });
}

/** Lists of refs that were looked through. */
let listCount = 0;

/** The entries of refs, each once; throws for what is no ref, or is there twice. */
function entriesOf(refs: readonly unknown[]): ObjectEntry[] {
  if (!Array.isArray(refs)) {
    throw new TypeError(
      `Cannot wait for ${show(refs)}: expected an array of refs`,
    );
  }
  const inList = ++listCount;
  const entries: ObjectEntry[] = [];
  for (let at = 0; at < refs.length; at++) {
    const ref = refs[at];
    if (!isObjectRef(ref)) {
      throw new TypeError(
        `Cannot use element ${at}, ${
          show(ref)
        }: expected an ObjectRef (did you forget .remote()?)`,
      );
    }
    const entry = entryOfRef(ref);
    if (entry.inList === inList) {
      throw new TypeError(
        `Cannot use ref ${ref.id} twice: it is element ${
          entries.indexOf(entry)
        } and element ${at}`,
      );
    }
    entry.inList = inList;
    entries.push(entry);
  }
  return entries;
}

/** Asks for all of them; throws for refs that are not of this run. */
function demandAll(own: Owner, entries: readonly ObjectEntry[]): void {
  for (const entry of entries) {
    own.references.assertKnown(entry);
    own.objects.demand(entry);
  }
}

/** The first refs that are ready, as many as are wanted, and the others. */
function split<Ref>(
  refs: readonly Ref[],
  entries: readonly ObjectEntry[],
  { isReady, readyMax }: {
    isReady(entry: ObjectEntry): boolean;
    readyMax: number;
  },
): [Ref[], Ref[]] {
  const ready: Ref[] = [];
  const notReady: Ref[] = [];
  for (let at = 0; at < refs.length; at++) {
    const isTaken = ready.length < readyMax && isReady(entries[at]!);
    (isTaken ? ready : notReady).push(refs[at]!);
  }
  return [ready, notReady];
}
