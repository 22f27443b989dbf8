/**
 * Failures of tasks and objects: kept as they came, opened when somebody asks,
 * told once if nobody ever does.
 *
 * @module
 */
import { afterMs, type Timer } from "../base/clock.ts";
import { MantaError } from "../base/errors.ts";
import { userFrames } from "../base/frames.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import type { HeldValue } from "../base/stored.ts";
import type { ObjectEntry } from "./object_ref.ts";
import { storeError } from "./sent_errors.ts";
import type { Values } from "./values.ts";

/** An error that came encoded from another process; one of this process's own is kept as it is. */
export class HeldFailure {
  readonly held: HeldValue;

  constructor(held: HeldValue) {
    this.held = held;
  }
}

/** What `get` rejects with; its stack says where it was asked for. */
export async function openFailure(
  failure: unknown,
  values: Values,
): Promise<unknown> {
  const error = failure instanceof HeldFailure
    ? await values.open(failure.held)
    : await failure;
  if (error instanceof MantaError) showAsker(error);
  return error;
}

/** Gives an error the stack of whoever waits here, without lines of this library. */
function showAsker(error: MantaError): void {
  const { name, message } = error;
  const asker = userFrames(new Error().stack ?? "");
  Object.defineProperty(error, "stack", {
    value: [`${name}: ${message}`, ...asker].join("\n"),
    writable: true,
    configurable: true,
    enumerable: false,
  });
}

/** The failure as others get it. */
export async function storeFailure(
  failure: unknown,
  values: Values,
): Promise<HeldValue> {
  return failure instanceof HeldFailure
    ? failure.held
    : await storeError(failure, values);
}

interface UnaskedFailure {
  /** What it should have returned. */
  readonly entries: readonly ObjectEntry[];
  readonly error: unknown;
  readonly functionName: string;
}

/** Failures that nobody has asked for yet; each is logged once. */
export class UnaskedFailures {
  #failures: UnaskedFailure[] = [];
  readonly #values: Values;
  #timer: Timer | undefined;

  constructor(values: Values) {
    this.#values = values;
  }

  /** A task failed; unless somebody asks within a while, it is told. */
  add(
    entries: readonly ObjectEntry[],
    failure: { error: unknown; functionName: string },
  ): void {
    if (entries.some(({ isAsked }) => isAsked)) return;
    this.#failures.push({ ...failure, entries });
    this.#timer ??= afterMs(limits.failureUnaskedMs, () => this.tell());
  }

  /** Tells of all that nobody asked for. */
  async tell(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const failures = this.#failures;
    this.#failures = [];
    for (const { entries, functionName, error: failure } of failures) {
      if (entries.some(({ isAsked }) => isAsked)) continue;
      const error = await openFailure(failure, this.#values);
      const text = error instanceof Error ? describe(error) : String(error);
      log.error(`task "${functionName}" failed and nobody asked: ${text}`);
    }
  }
}

function describe(error: Error): string {
  const cause = error.cause instanceof Error
    ? error.cause.stack ?? String(error.cause)
    : error.cause === undefined
    ? ""
    : Deno.inspect(error.cause);
  return `${error.name}: ${error.message}${cause === "" ? "" : `\n${cause}`}`;
}
