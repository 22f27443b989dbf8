/**
 * Whether answers may wait for the run that comes next.
 *
 * Many brief runs share a turn of the event loop, and their answers one write.
 * A run that computes longer would keep all that was answered in its turn, so
 * before one that may the turn ends.
 *
 * @module
 */
import { limits } from "../base/limits.ts";
import type { Peer } from "../wire/peer.ts";

/** How long the runs of one function, or method, lately took. */
export class RunPace {
  #briefCount = 0;

  /** A run took so long. */
  ran(runMs: number): void {
    if (runMs < limits.briefRunMs) this.#briefCount++;
    else this.#briefCount = 0;
  }

  /** Whether the next one will most likely be brief, too. */
  get isBrief(): boolean {
    return this.#briefCount >= limits.briefRunsMin;
  }
}

/** Whoever was answered last. */
export class Answered {
  #peer: Peer | undefined;

  /** An answer was written. */
  to(peer: Peer): void {
    this.#peer = peer;
  }

  /** Whether it is to leave before a run of this pace; said once of each, for who does not listen must not keep others. */
  isBefore(pace: RunPace | undefined): boolean {
    const isBefore = this.#peer?.isUnsent === true && pace?.isBrief !== true;
    if (isBefore) this.#peer = undefined;
    return isBefore;
  }
}
