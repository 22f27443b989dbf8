/**
 * Async iterators that can be left while they wait: `return()` ends a pending
 * `next()` at once. An async generator would wait for the item first.
 *
 * @module
 */

/** Where items come from. */
export interface Source<T> {
  /** What is there now; undefined where that is nothing yet. */
  take():
    | IteratorResult<T, void>
    | Promise<IteratorResult<T, void>>
    | undefined;
  /** Resolves once there may be more, or `left` has. Rejects to end the iteration. */
  more(left: Promise<void>): Promise<void>;
  /** Called once: nobody wants more. */
  close(): void;
}

/** Takes from a source, one item after the other. */
export class LeavableIterator<T> implements AsyncIterableIterator<T, void> {
  readonly #source: Source<T>;
  readonly #left = Promise.withResolvers<void>();
  #isLeft = false;
  /** The pending `next()`, if there is one. */
  #turn: Promise<unknown> | undefined;

  constructor(source: Source<T>) {
    this.#source = source;
  }

  /** Itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next item; asked again before it came, the one after. */
  next(): Promise<IteratorResult<T, void>> {
    const next = this.#turn === undefined
      ? this.#next()
      : this.#turn.then(() => this.#next());
    const turn = next.then(() => {}, () => {}); // Whoever asked is told.
    this.#turn = turn;
    turn.then(() => {
      if (this.#turn === turn) this.#turn = undefined;
    });
    return next;
  }

  /** Wants no more. */
  return(): Promise<IteratorResult<T, void>> {
    this.#leave();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Wants no more, because of an error. */
  throw(error: unknown): Promise<IteratorResult<T, void>> {
    this.#leave();
    return Promise.reject(error);
  }

  async #next(): Promise<IteratorResult<T, void>> {
    try {
      while (!this.#isLeft) {
        const taken = this.#source.take();
        if (taken === undefined) {
          await this.#source.more(this.#left.promise);
          continue;
        }
        const result = taken instanceof Promise ? await taken : taken;
        if (result.done === true) this.#leave();
        return result;
      }
      return { done: true, value: undefined };
    } catch (error) {
      this.#leave();
      throw error;
    }
  }

  #leave(): void {
    if (this.#isLeft) return;
    this.#isLeft = true;
    this.#left.resolve();
    this.#source.close();
  }
}
