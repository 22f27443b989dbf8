/**
 * Which calls an actor runs now, in memory that its host sees too: an isolate
 * that computes can't be asked.
 *
 * @module
 */
import type { ProcessId } from "../base/ids.ts";

/** Two words for the caller, two for the call's number; 0 for none. */
const slotWords = 4;
/** Calls that can be told apart; of more, any may be among those that run. */
const slotsMax = 256;

/** Memory for what an actor of that concurrency runs. */
export function runningCallsMemory(concurrencyMax: number): SharedArrayBuffer {
  const slotCount = Math.min(concurrencyMax, slotsMax);
  // The first word counts those that found no slot.
  return new SharedArrayBuffer(4 * (1 + slotCount * slotWords));
}

/** The calls that one actor runs. */
export class RunningCalls {
  readonly #words: Uint32Array;
  /** Free places, the lowest last. */
  readonly #free: number[] = [];

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Uint32Array(memory);
    const last = this.#words.length - slotWords;
    for (let at = last; at > 0; at -= slotWords) this.#free.push(at);
  }

  /** A call starts; gives its place. */
  started(callerId: ProcessId, ordinal: number): number {
    const words = this.#words;
    const at = this.#free.pop();
    if (at === undefined) {
      words[0]!++;
      return 0;
    }
    words.set(callerWords(callerId), at);
    words[at + 2] = Math.floor(ordinal / 2 ** 32);
    words[at + 3] = ordinal;
    return at;
  }

  /** The call in that place ended. */
  ended(place: number): void {
    if (place === 0) this.#words[0]!--;
    else {
      this.#words.fill(0, place + 2, place + slotWords);
      this.#free.push(place);
    }
  }

  /** Whether a call runs, or may. */
  has(callerId: ProcessId, ordinal: number): boolean {
    const words = this.#words;
    const wanted = [
      ...callerWords(callerId),
      Math.floor(ordinal / 2 ** 32),
      ordinal % 2 ** 32,
    ];
    for (let at = 1; at < words.length; at += slotWords) {
      if (wanted.every((word, index) => words[at + index] === word)) {
        return true;
      }
    }
    return words[0]! > 0;
  }
}

let lastCaller: [callerId: ProcessId, words: number[]] | undefined;

function callerWords(callerId: ProcessId): number[] {
  if (lastCaller?.[0] === callerId) return lastCaller[1];
  const words = [0, 8].map((at) => parseInt(callerId.slice(at, at + 8), 16));
  lastCaller = [callerId, words];
  return words;
}
