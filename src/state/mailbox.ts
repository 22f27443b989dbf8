/**
 * An actor's mailbox: which call starts when.
 *
 * Calls start in the order they came; while `maxConcurrency` is 1 each runs
 * alone, from start to end, awaits included. Methods of a concurrency group
 * have an order and a bound of their own. Pure: calls are opaque.
 *
 * @module
 */
import { assert } from "../base/errors.ts";

/** How calls share an actor. */
export interface MailboxOptions<Call> {
  /** Calls of no group that may run at the same time. */
  concurrencyMax: number;
  /** The same for each group, by its name. */
  groups?: ReadonlyMap<string, number>;
  /** The group of a call; undefined for none. */
  groupOf?(call: Call): string | undefined;
}

interface Group<Call> {
  readonly concurrencyMax: number;
  readonly waiting: Set<Call>;
  readonly running: Set<Call>;
}

/** Orders the calls of one actor. */
export class Mailbox<Call> {
  readonly #groupOf: (call: Call) => string | undefined;
  readonly #groups = new Map<string | undefined, Group<Call>>();

  constructor(
    { concurrencyMax, groups, groupOf = () => undefined }: MailboxOptions<Call>,
  ) {
    this.#groupOf = groupOf;
    for (const [name, max] of [[undefined, concurrencyMax], ...groups ?? []]) {
      assert((max as number) >= 1, "Mailbox that lets nothing run");
      this.#groups.set(name as string | undefined, {
        concurrencyMax: max as number,
        waiting: new Set(),
        running: new Set(),
      });
    }
  }

  /** A call came. */
  arrived(call: Call): void {
    const { waiting, running } = this.#of(call);
    assert(!running.has(call), "Call came twice");
    waiting.add(call);
  }

  /** Takes the next call that may start now, unless it is not to be taken yet. */
  next(isTaken: (call: Call) => boolean = () => true): Call | undefined {
    for (const { concurrencyMax, waiting, running } of this.#groups.values()) {
      if (running.size >= concurrencyMax) continue;
      for (const call of waiting) {
        if (!isTaken(call)) return undefined;
        waiting.delete(call);
        running.add(call);
        return call;
      }
    }
    return undefined;
  }

  /** A call ended. */
  finished(call: Call): void {
    const wasRunning = this.#of(call).running.delete(call);
    assert(wasRunning, "Call finished that did not run");
  }

  /** A call that waits is not to run; false if it does not wait. */
  withdrawn(call: Call): boolean {
    return this.#of(call).waiting.delete(call);
  }

  /** Whether no call waits or runs. */
  get isEmpty(): boolean {
    for (const { waiting, running } of this.#groups.values()) {
      if (waiting.size + running.size > 0) return false;
    }
    return true;
  }

  /** Calls that wait, in order within each group. */
  get waiting(): Iterable<Call> {
    return this.#all("waiting");
  }

  /** Whether a call has started and not ended. */
  isRunning(call: Call): boolean {
    return this.#of(call).running.has(call);
  }

  /** Calls that run. */
  get running(): Iterable<Call> {
    return this.#all("running");
  }

  /** Asserts every invariant; tests call it after each event. */
  validate(): void {
    for (const { concurrencyMax, waiting, running } of this.#groups.values()) {
      assert(running.size <= concurrencyMax, "Too many calls run");
      for (const call of waiting) {
        assert(!running.has(call), "Call waits and runs");
      }
    }
  }

  #of(call: Call): Group<Call> {
    return this.#groups.get(this.#groupOf(call)) ??
      this.#groups.get(undefined)!;
  }

  *#all(which: "waiting" | "running"): Iterable<Call> {
    for (const group of this.#groups.values()) yield* group[which];
  }
}
