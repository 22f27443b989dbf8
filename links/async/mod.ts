/**
 * Stands in for `@std/async` in this checkout, over the platform's own timers
 * and signals: `delay`, `deadline`, `abortable`, `retry`, `pooledMap`.
 *
 * @module
 */

/** Options of {@linkcode delay}. */
export interface DelayOptions {
  /** Ends the delay early, with the signal's reason. */
  signal?: AbortSignal;
  /** Whether the program stays alive for it; default true. */
  persistent?: boolean;
}

const timeoutMsMax = 2 ** 31 - 1;

/** Resolves after `ms` milliseconds. */
export function delay(ms: number, options: DelayOptions = {}): Promise<void> {
  const { signal, persistent = true } = options;
  if (signal?.aborted) return Promise.reject(signal.reason);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const endMs = Date.now() + Math.trunc(Math.max(ms, 0) || 0);
  let timer: ReturnType<typeof setTimeout>;
  function abort(): void {
    clearTimeout(timer);
    reject(signal?.reason);
  }
  function step(): void {
    const leftMs = endMs - Date.now();
    if (leftMs > timeoutMsMax) return arm(timeoutMsMax);
    signal?.removeEventListener("abort", abort);
    resolve();
  }
  function arm(stepMs: number): void {
    timer = setTimeout(step, Math.min(stepMs, timeoutMsMax));
    if (!persistent) Deno.unrefTimer(Number(timer));
  }
  signal?.addEventListener("abort", abort, { once: true });
  arm(Math.trunc(Math.max(ms, 0) || 0));
  return promise;
}

/** Options of {@linkcode deadline}. */
export interface DeadlineOptions {
  /** Gives up early, with the signal's reason. */
  signal?: AbortSignal;
}

/** Rejects with a `DOMException` named `TimeoutError` unless `p` settles within `ms`. */
export async function deadline<T>(
  p: Promise<T>,
  ms: number,
  options: DeadlineOptions = {},
): Promise<T> {
  const signals: AbortSignal[] = [];
  if (ms < Number.MAX_SAFE_INTEGER) signals.push(AbortSignal.timeout(ms));
  if (options.signal) signals.push(options.signal);
  return await abortable(p, AbortSignal.any(signals));
}

/** Makes a promise reject with the signal's reason once it is aborted. */
export function abortable<T>(p: Promise<T>, signal: AbortSignal): Promise<T>;
/** Makes an async iterable throw the signal's reason once it is aborted. */
export function abortable<T>(
  p: AsyncIterable<T>,
  signal: AbortSignal,
): AsyncGenerator<T>;
export function abortable<T>(
  p: Promise<T> | AsyncIterable<T>,
  signal: AbortSignal,
): Promise<T> | AsyncGenerator<T> {
  return p instanceof Promise
    ? abortablePromise(p, signal)
    : abortableIterable(p, signal);
}

async function abortablePromise<T>(
  p: Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  if (signal.aborted) throw signal.reason;
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([aborted.promise, p]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

async function* abortableIterable<T>(
  p: AsyncIterable<T>,
  signal: AbortSignal,
): AsyncGenerator<T> {
  if (signal.aborted) throw signal.reason;
  const iterator = p[Symbol.asyncIterator]();
  while (true) {
    const step = await abortablePromise(
      Promise.resolve(iterator.next()),
      signal,
    );
    if (step.done) return;
    yield step.value;
  }
}

/** What {@linkcode retry} throws when its attempts are used up; `cause` is the last error. */
export class RetryError extends Error {
  /** Wraps the last error. */
  constructor(cause: unknown, attempts: number) {
    super(`Retrying exceeded the maxAttempts (${attempts}).`, { cause });
    this.name = "RetryError";
  }
}

/** Options of {@linkcode retry}. */
export interface RetryOptions {
  /** Growth of the wait from one attempt to the next; default 2. */
  multiplier?: number;
  /** Longest wait, in ms; default 60,000. */
  maxTimeout?: number;
  /** Attempts in all; default 5. */
  maxAttempts?: number;
  /** First wait, in ms; default 1,000. */
  minTimeout?: number;
  /** Part of each wait that is random, 0 to 1; default 1. */
  jitter?: number;
  /** Whether an error is worth another attempt; default always. */
  isRetriable?: (err: unknown) => boolean;
}

/** Calls `fn` until it does not throw, waiting longer and longer between. */
export async function retry<T>(
  fn: (() => Promise<T>) | (() => T),
  options: RetryOptions = {},
): Promise<T> {
  const {
    multiplier = 2,
    maxTimeout = 60_000,
    maxAttempts = 5,
    minTimeout = 1000,
    jitter = 1,
    isRetriable = () => true,
  } = options;
  demand(Number.isInteger(maxAttempts) && maxAttempts >= 1, {
    maxAttempts,
    rule: "be a positive integer",
  });
  demand(Number.isFinite(multiplier) && multiplier >= 1, {
    multiplier,
    rule: "be a finite number >= 1",
  });
  demand(maxTimeout > 0, { maxTimeout, rule: "be a positive number" });
  demand(minTimeout >= 0, { minTimeout, rule: "be >= 0" });
  demand(minTimeout <= maxTimeout, { minTimeout, rule: "be <= 'maxTimeout'" });
  demand(jitter >= 0 && jitter <= 1, { jitter, rule: "be between 0 and 1" });
  for (let attempt = 1;; attempt++) {
    try {
      return await fn();
    } catch (error) {
      if (!isRetriable(error)) throw error;
      if (attempt >= maxAttempts) throw new RetryError(error, maxAttempts);
      const grownMs = minTimeout * multiplier ** (attempt - 1);
      const waitMs = Math.min(maxTimeout, grownMs);
      await delay((1 - jitter * Math.random()) * waitMs);
    }
  }
}

/** `option` is the one option that is checked, by its name, and the rule it must keep. */
function demand(
  isKept: boolean,
  option: { rule: string; [name: string]: unknown },
): void {
  if (isKept) return;
  const { rule, ...named } = option;
  const [name, value] = Object.entries(named)[0] ?? [];
  throw new RangeError(
    `Cannot retry as '${name}' must ${rule}: current value is ${value}`,
  );
}

type Outcome<R> = { value: R } | { error: unknown } | { last: AggregateError };

/**
 * Maps with at most `poolLimit` calls under way; results come in input order.
 * After an error nothing new starts, what runs is awaited and its results are
 * given, and then the errors come together as an `AggregateError`.
 */
export function pooledMap<T, R>(
  poolLimit: number,
  array: Iterable<T> | AsyncIterable<T>,
  iteratorFn: (data: T) => Promise<R>,
): AsyncIterableIterator<R> {
  if (!Number.isInteger(poolLimit) || poolLimit < 1) {
    throw new RangeError(
      `Cannot pool as 'poolLimit' must be a positive integer: current value is ${poolLimit}`,
    );
  }
  const results = new TransformStream<Promise<Outcome<R>>, R>({
    async transform(outcome, controller) {
      const settled = await outcome;
      if ("last" in settled) throw settled.last;
      if ("value" in settled) controller.enqueue(settled.value);
    },
  });
  feed(results.writable.getWriter(), { poolLimit, array, iteratorFn });
  return results.readable.values();
}

interface Pool<T, R> {
  poolLimit: number;
  array: Iterable<T> | AsyncIterable<T>;
  iteratorFn: (data: T) => Promise<R>;
}

async function feed<T, R>(
  writer: WritableStreamDefaultWriter<Promise<Outcome<R>>>,
  { poolLimit, array, iteratorFn }: Pool<T, R>,
): Promise<void> {
  const running = new Set<Promise<unknown>>();
  const errors: unknown[] = [];
  try {
    for await (const item of array) {
      const outcome = attempt(iteratorFn, item);
      // A reader that stopped makes the write fail: that is its right.
      writer.write(outcome).catch(() => {});
      const settled = outcome.then((result) => {
        running.delete(settled);
        if ("error" in result) errors.push(result.error);
      });
      running.add(settled);
      if (running.size >= poolLimit) await Promise.race(running);
      if (errors.length > 0) break;
    }
  } catch (error) {
    errors.push(error);
  }
  await Promise.all(running);
  if (errors.length === 0) return writer.close().catch(() => {});
  const message =
    "Cannot complete the mapping as an error was thrown from an item";
  const last = new AggregateError(errors, message);
  // The reader throws it once it has read all results before it.
  writer.write(Promise.resolve({ last })).catch(() => {});
}

async function attempt<T, R>(
  fn: (data: T) => Promise<R>,
  item: T,
): Promise<Outcome<R>> {
  try {
    await null;
    return { value: await fn(item) };
  } catch (error) {
    return { error };
  }
}
