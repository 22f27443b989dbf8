/**
 * An actor's mailbox: which call starts when.
 *
 * Calls start in the order they came; while `maxConcurrency` is 1 each runs
 * alone, from start to end, awaits included. Pure: calls are opaque.
 *
 * @module
 */
import { assert } from "../base/errors.ts";

/** Orders the calls of one actor. */
export class Mailbox<Call> {
  readonly #concurrencyMax: number;
  readonly #waiting = new Set<Call>();
  readonly #running = new Set<Call>();

  constructor(concurrencyMax: number) {
    assert(concurrencyMax >= 1, "Mailbox that lets nothing run");
    this.#concurrencyMax = concurrencyMax;
  }

  /** A call came. */
  arrived(call: Call): void {
    assert(!this.#running.has(call), "Call came twice");
    this.#waiting.add(call);
  }

  /** Takes the next call that may start now. */
  next(): Call | undefined {
    if (this.#running.size >= this.#concurrencyMax) return undefined;
    for (const call of this.#waiting) {
      this.#waiting.delete(call);
      this.#running.add(call);
      return call;
    }
    return undefined;
  }

  /** A call ended. */
  finished(call: Call): void {
    assert(this.#running.delete(call), "Call finished that did not run");
  }

  /** A call that waits is not to run; false if it does not wait. */
  withdrawn(call: Call): boolean {
    return this.#waiting.delete(call);
  }

  /** Calls that wait, in order. */
  get waiting(): Iterable<Call> {
    return this.#waiting;
  }

  /** Whether a call has started and not ended. */
  isRunning(call: Call): boolean {
    return this.#running.has(call);
  }

  /** Calls that run. */
  get running(): Iterable<Call> {
    return this.#running;
  }

  /** Asserts every invariant; tests call it after each event. */
  validate(): void {
    assert(this.#running.size <= this.#concurrencyMax, "Too many calls run");
    for (const call of this.#waiting) {
      assert(!this.#running.has(call), "Call waits and runs");
    }
  }
}
