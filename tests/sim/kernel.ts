/**
 * The simulation's clock, chance and memory: events in order of a simulated
 * time, one seeded source of random choices, and the last events as a story.
 *
 * @module
 */
import { seeded } from "../support/random.ts";

interface Event {
  readonly atMs: number;
  readonly no: number;
  readonly what: string;
  readonly act: () => void;
  isOff: boolean;
}

/** A seed broke a rule. */
export class SimFailure extends Error {
  override readonly name = "SimFailure";
}

/** Runs one simulation. */
export class Kernel {
  nowMs = 0;
  /** How many of the last events the story has. */
  storyMax = 60;
  /** How often each interesting thing happened. */
  readonly reached = new Map<string, number>();
  readonly #random: () => number;
  /** A binary heap by time, then number. */
  readonly #events: Event[] = [];
  readonly #story: string[] = [];
  #nextNo = 0;
  #stepCount = 0;

  constructor(seed: number) {
    this.#random = seeded(seed);
  }

  /** True so often. */
  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  /** A whole number from 0 to below `count`. */
  int(count: number): number {
    return Math.floor(this.#random() * count);
  }

  /** One of them; undefined of none. */
  pick<T>(list: readonly T[]): T | undefined {
    return list[this.int(list.length)];
  }

  /** A time up to so long, most often short. */
  delay(maxMs: number): number {
    return this.#random() ** 3 * maxMs;
  }

  /** Acts after a time. Answers how to call it off. */
  after(delayMs: number, what: string, act: () => void): () => void {
    const atMs = this.nowMs + delayMs;
    const event = { atMs, no: this.#nextNo++, what, act, isOff: false };
    this.#push(event);
    return () => event.isOff = true;
  }

  /** Something worth counting happened. */
  reach(what: string): void {
    this.reached.set(what, (this.reached.get(what) ?? 0) + 1);
  }

  /** Notes what happens, for whoever reads of a failure. */
  say(text: string): void {
    this.#story.push(`${this.nowMs.toFixed(2).padStart(9)} ms  ${text}`);
    if (this.#story.length > this.storyMax) this.#story.shift();
  }

  /** The last events. */
  get story(): string {
    return this.#story.join("\n");
  }

  get stepCount(): number {
    return this.#stepCount;
  }

  /** A rule is broken. */
  fail(message: string): never {
    throw new SimFailure(message);
  }

  /** Asserts a rule. */
  check(condition: boolean, message: string): asserts condition {
    if (!condition) this.fail(message);
  }

  /** Does the next event; false if there is none. */
  step(): boolean {
    for (;;) {
      const event = this.#pop();
      if (event === undefined) return false;
      if (event.isOff) continue;
      this.nowMs = event.atMs;
      this.#stepCount++;
      if (event.what !== "") this.say(event.what);
      event.act();
      return true;
    }
  }

  #push(event: Event): void {
    const heap = this.#events;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (!isBefore(event, heap[up]!)) break;
      heap[at] = heap[up]!;
      at = up;
    }
    heap[at] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#events;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && isBefore(heap[down + 1]!, heap[down]!)) {
        down++;
      }
      if (!isBefore(heap[down]!, last!)) break;
      heap[at] = heap[down]!;
      at = down;
    }
    heap[at] = last!;
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs === b.atMs ? a.no < b.no : a.atMs < b.atMs;
}
