/**
 * Claims: the right to start a pushed task, as one word in a shared page.
 *
 * The owner writes the word before it pushes; the worker claims it just before
 * it starts the task; the owner takes an unstarted task back by the same word.
 * Whoever comes first has it. A word holds a generation that the frame
 * carries too, and a slot is used again only after its frame was consumed, so
 * a late worker can't claim the slot's next tenant.
 *
 * @module
 */
import { assert } from "../base/errors.ts";

/** What a claim word says. */
export const ClaimState = {
  pushed: 0,
  running: 1,
  /** Waits inside the runtime, or is done and its answer on the way: not to blame. */
  suspended: 2,
  revoked: 3,
  /** Waits inside the runtime while a task that it submitted computes in its process. */
  hosting: 4,
} as const;

/** One of {@linkcode ClaimState}. */
export type ClaimState = typeof ClaimState[keyof typeof ClaimState];

const generationMax = (1 << 28) - 1;
const stateBits = 3;
const stateMask = (1 << stateBits) - 1;

/** The words of one owner, as one side sees them. */
export class ClaimPage {
  readonly #words: Int32Array;

  constructor(buffer: ArrayBufferLike) {
    this.#words = new Int32Array(buffer);
  }

  /** How many slots there are. */
  get slotCount(): number {
    return this.#words.length;
  }

  /** Worker: takes the right to start. False: the owner took the task back. */
  claim(slot: number, generation: number): boolean {
    const pushed = generation << stateBits;
    return Atomics.compareExchange(
      this.#words,
      slot,
      pushed,
      pushed | ClaimState.running,
    ) === pushed;
  }

  /** Worker: says whether a started task computes or waits inside the runtime. */
  mark(slot: number, generation: number, state: ClaimState): void {
    Atomics.store(this.#words, slot, generation << stateBits | state);
  }

  /** Owner: makes the slot ready for a push. */
  open(slot: number, generation: number): void {
    Atomics.store(this.#words, slot, generation << stateBits);
  }

  /** Owner: takes an unstarted task back. False: the worker has started it. */
  revoke(slot: number, generation: number): boolean {
    const pushed = generation << stateBits;
    return Atomics.compareExchange(
      this.#words,
      slot,
      pushed,
      pushed | ClaimState.revoked,
    ) === pushed;
  }

  /** Owner: what became of the slot. */
  state(slot: number, generation: number): ClaimState {
    const word = Atomics.load(this.#words, slot);
    assert(
      word >>> stateBits === generation,
      "Claim slot holds another generation",
    );
    return (word & stateMask) as ClaimState;
  }
}

/** The owner's side: which slots are free. */
export class ClaimSlots {
  readonly #generations: Int32Array;
  readonly #free: number[] = [];
  #used = 0;

  constructor(slotCount: number) {
    this.#generations = new Int32Array(slotCount);
  }

  /** A free slot with a generation of its own, or -1 when all are in use. */
  take(): number {
    const slot = this.#free.pop() ??
      (this.#used < this.#generations.length ? this.#used++ : -1);
    if (slot >= 0) {
      const next = this.#generations[slot]! + 1;
      this.#generations[slot] = next > generationMax ? 1 : next;
    }
    return slot;
  }

  /** The generation of a slot that is in use. */
  generation(slot: number): number {
    return this.#generations[slot]!;
  }

  /** The slot's frame was consumed: it may be used again. */
  give(slot: number): void {
    this.#free.push(slot);
  }
}
