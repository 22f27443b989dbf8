/**
 * What people are told of a lineage file that fails and recovers: once each,
 * however often a disk that is nearly full lets a little through.
 *
 * @module
 */
import { afterMs, type Timer } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";

/** Tells of one file. */
export class LineageNews {
  readonly #path: string;
  #isFailureSaid = false;
  #lostCount = 0;
  #reason = "";
  /** Runs while a recovery has not lasted yet. */
  #recovering: Timer | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** The file can't be written. */
  failing(message: string): void {
    clearTimeout(this.#recovering);
    this.#recovering = undefined;
    if (this.#isFailureSaid) return;
    this.#isFailureSaid = true;
    log.error(message);
  }

  /** It was written again. */
  recovered(lostCount: number, reason: string): void {
    this.#lostCount += lostCount;
    if (lostCount > 0) this.#reason = reason;
    clearTimeout(this.#recovering);
    this.#recovering = afterMs(
      limits.lineageRecoveredMs,
      () => this.#sayRecovered(),
    );
  }

  /** The last that there is to tell. */
  close(): void {
    if (this.#recovering !== undefined) this.#sayRecovered();
  }

  #sayRecovered(): void {
    clearTimeout(this.#recovering);
    this.#recovering = undefined;
    this.#isFailureSaid = false;
    const lostCount = this.#lostCount;
    this.#lostCount = 0;
    log.warn(
      `Lineage file "${this.#path}" is written again, ` +
        (lostCount === 0
          ? "and nothing is missing"
          : `but ${lostCount} rows are missing: ${this.#reason}`),
    );
  }
}
