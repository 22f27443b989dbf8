/**
 * `progress`: bars that any process moves and the driver draws.
 *
 * @module
 */
import { afterMs, monotonicMs, type Timer } from "../base/clock.ts";
import { randomHex } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { progressTold } from "../owner/extensions.ts";
import type { Bar } from "../wire/facts.ts";
import { checkOptions, show, text } from "./check.ts";
import type { Items } from "./flow.ts";
import { drawBars } from "./progress_drawer.ts";
import { assertNoSandbox, ownerIfAny } from "./session.ts";

/** How a bar is shown. */
export interface ProgressOptions {
  /** What stands before it. Default: "progress". */
  label?: string;
}

/**
 * A bar that is moved by hand; made by {@linkcode progress}.
 *
 * @example
 * ```ts
 * import { type Progress, progress } from "@manta/manta";
 * function fill(bar: Progress): void {
 *   for (let step = 0; step < 10; step++) bar.advance();
 * }
 * using bar = progress(10, { label: "steps" });
 * fill(bar);
 * ```
 */
export class Progress implements Disposable {
  readonly #barId = randomHex(8);
  readonly #label: string;
  readonly #total: number | undefined;
  readonly #startMs = monotonicMs();
  #count = 0;
  #isDone = false;
  #timer: Timer | undefined;

  /** Made by `progress`. */
  constructor(total: number | undefined, label: string) {
    this.#total = total;
    this.#label = label;
    this.#tell();
  }

  /** How far it is. */
  get count(): number {
    return this.#count;
  }

  /** Moves it on. */
  advance(by = 1): void {
    if (typeof by !== "number" || !Number.isFinite(by)) {
      throw new TypeError(`Cannot advance by ${show(by)}: expected a number`);
    }
    if (this.#isDone) return;
    this.#count += by;
    this.#timer ??= afterMs(limits.progressTellMs, () => this.#tell());
  }

  /** It is over; can be called again. */
  done(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#tell();
  }

  /** See {@linkcode done}. */
  [Symbol.dispose](): void {
    this.done();
  }

  #tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    assertNoSandbox();
    // A bar is no reason to start a runtime, and may outlive one.
    const own = ownerIfAny();
    const bar: Bar = {
      barId: this.#barId,
      label: this.#label,
      count: this.#count,
      ...(this.#total === undefined ? {} : { total: this.#total }),
      isDone: this.#isDone,
      elapsedMs: monotonicMs() - this.#startMs,
    };
    if (own === undefined || own.isDriver) progressTold(bar);
    else own.home.notify("progress", { ...bar, jobId: own.job.jobId });
  }
}

/** A bar for so many steps, to be moved by hand. */
export function progress(total: number, options?: ProgressOptions): Progress;
/** A bar for a loop: gives the same items. */
export function progress<T>(
  items: Iterable<T>,
  options?: ProgressOptions,
): Iterable<T>;
/** A bar for an async loop. */
export function progress<T>(
  items: AsyncIterable<T>,
  options?: ProgressOptions,
): AsyncIterable<T>;
/**
 * Shows how far something is, one bar for each call, drawn by the driver on
 * stderr whichever process reports. Where that is no terminal, and in CI, a
 * few plain lines are printed instead; a notebook shows it below the cell.
 *
 * @param what Items to go through, or how many steps there are.
 * @param options What is shown before the bar.
 * @throws {TypeError | RangeError} Where something is wrong.
 *
 * @example
 * ```ts
 * import { progress } from "@manta/manta";
 * for (const file of progress(["a", "b"], { label: "files" })) {
 *   console.log(file.length); // 1, 1
 * }
 * using bar = progress(10, { label: "steps" });
 * bar.advance(3);
 * ```
 */
export function progress<T>(
  what: number | Items<T>,
  options: ProgressOptions = {},
): Progress | Items<T> {
  checkOptions(options, { checks: { label: text }, what: "progress option" });
  const { label = "progress" } = options;
  if (typeof what === "number") {
    if (!Number.isFinite(what) || what < 0) {
      throw new RangeError(
        `Cannot show progress to ${what}: expected 0 or more steps`,
      );
    }
    return new Progress(what, label);
  }
  const source = what as Partial<Iterable<T> & AsyncIterable<T>> | null;
  const total = (what as { length?: unknown; size?: unknown } | null)?.length ??
    (what as { size?: unknown } | null)?.size;
  const bar = () =>
    new Progress(typeof total === "number" ? total : undefined, label);
  if (typeof source?.[Symbol.asyncIterator] === "function") {
    return asyncly(what as AsyncIterable<T>, bar);
  }
  if (typeof source?.[Symbol.iterator] === "function") {
    return syncly(what as Iterable<T>, bar);
  }
  throw new TypeError(
    `Cannot show progress of ${
      show(what)
    }: expected a number or something iterable`,
  );
}

function* syncly<T>(items: Iterable<T>, begin: () => Progress): Iterable<T> {
  using bar = begin();
  for (const item of items) {
    yield item;
    bar.advance();
  }
}

async function* asyncly<T>(
  items: AsyncIterable<T>,
  begin: () => Progress,
): AsyncIterable<T> {
  using bar = begin();
  for await (const item of items) {
    yield item;
    bar.advance();
  }
}

drawBars();
