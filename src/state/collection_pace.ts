/**
 * When processes are asked to collect their garbage because work waits for
 * what actors hold: an actor whose last handle is garbage ends only when that
 * is collected.
 *
 * Soon after somebody begins to wait, then ever less often while that gives
 * nothing back. Pure.
 *
 * @module
 */

/** Paces the collections of one job on one machine. */
export class CollectionPace {
  readonly #first: number;
  readonly #longest: number;
  #delayMs: number;
  #isScheduled = false;

  constructor({ firstMs, longestMs }: { firstMs: number; longestMs: number }) {
    this.#first = firstMs;
    this.#longest = longestMs;
    this.#delayMs = firstMs;
  }

  /** Somebody waits: in how many ms to look again, unless that is settled already. */
  waits(): number | undefined {
    if (this.#isScheduled) return undefined;
    this.#isScheduled = true;
    return this.#delayMs;
  }

  /** It is time to look; whether all are to collect now, for somebody still waits for what actors hold. */
  due(isWanted: boolean): boolean {
    this.#isScheduled = false;
    this.#delayMs = isWanted
      ? Math.min(this.#delayMs * 2, this.#longest)
      : this.#first;
    return isWanted;
  }

  /** An actor ended: the next who waits is looked after soon again. */
  gaveBack(): void {
    this.#delayMs = this.#first;
  }
}
