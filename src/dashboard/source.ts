/**
 * Where a dashboard's data comes from: one reach, made at the first question
 * and anew after it was lost.
 *
 * @module
 */
import type { Reach } from "../inspect/reach.ts";

/** Reaches what a dashboard is of. */
export class Source implements AsyncDisposable {
  readonly #open: () => Promise<Reach>;
  #reach: Promise<Reach> | undefined;

  constructor(open: () => Promise<Reach>) {
    this.#open = open;
  }

  /** Who is to be asked; rejects where nobody is there. */
  reach(): Promise<Reach> {
    if (this.#reach !== undefined) return this.#reach;
    const reach = this.#reach = this.#open();
    const forget = () => {
      if (this.#reach === reach) this.#reach = undefined;
    };
    reach.then(async (opened) => {
      await opened.head.closed;
      if (this.#reach !== reach) return;
      forget();
      await opened[Symbol.asyncDispose]();
    }).catch(forget); // Whoever asks is told.
    return reach;
  }

  /** Lets go of it. */
  async [Symbol.asyncDispose](): Promise<void> {
    const reach = this.#reach;
    this.#reach = undefined;
    const [opened] = await Promise.allSettled([reach]);
    if (opened.status === "fulfilled") {
      await opened.value?.[Symbol.asyncDispose]();
    }
  }
}
