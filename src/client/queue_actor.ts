/**
 * The actor behind a `Queue`: keeps the items, and who waits for one or for
 * room, in the order in which they came.
 *
 * @module
 */
import { signal } from "./remote.ts";

interface Waiter {
  /** Tells it; false if it has given up. */
  wake(): boolean;
}

interface Putter extends Waiter {
  readonly item: readonly [unknown];
}

interface Getter {
  /** Hands an item over; false if it has given up. */
  take(item: readonly [unknown]): boolean;
}

/** Keeps one queue. */
export class QueueActor {
  readonly #maxSize: number;
  readonly #items: (readonly [unknown])[] = [];
  readonly #putters: Putter[] = [];
  readonly #getters: Getter[] = [];

  /** @param maxSize Most items; 0 for any number. */
  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  /** Whether the item was taken in time. */
  put(
    item: readonly [unknown],
    timeoutMs?: number,
  ): Promise<boolean> | boolean {
    if (this.#hand(item)) return true;
    if (this.#hasRoom()) {
      this.#items.push(item);
      return true;
    }
    if (timeoutMs === 0) return false;
    return waited<boolean>(timeoutMs, false, (settle) => {
      this.#putters.push({ item, wake: () => settle(true) });
    });
  }

  /** An item in an array, or nothing where none came in time. */
  get(
    timeoutMs?: number,
  ): Promise<readonly [unknown] | undefined> | readonly [unknown] | undefined {
    const item = this.#items.shift();
    if (item !== undefined) {
      this.#refill();
      return item;
    }
    if (timeoutMs === 0) return undefined;
    return waited<readonly [unknown] | undefined>(
      timeoutMs,
      undefined,
      (settle) => {
        this.#getters.push({ take: (item) => settle(item) });
      },
    );
  }

  /** How many items there are. */
  size(): number {
    return this.#items.length;
  }

  #hasRoom(): boolean {
    return this.#maxSize === 0 || this.#items.length < this.#maxSize;
  }

  /** Gives an item to who waits for one. */
  #hand(item: readonly [unknown]): boolean {
    for (;;) {
      const getter = this.#getters.shift();
      if (getter === undefined) return false;
      if (getter.take(item)) return true;
    }
  }

  /** There is room: who waits for some puts its item. */
  #refill(): void {
    while (this.#hasRoom()) {
      const putter = this.#putters.shift();
      if (putter === undefined) return;
      if (putter.wake()) this.#items.push(putter.item);
    }
  }
}

/** Waits until it is settled, its time is over, or its call is cancelled. */
function waited<T>(
  timeoutMs: number | undefined,
  late: T,
  begin: (settle: (value: T) => boolean) => void,
): Promise<T> {
  return new Promise((resolve) => {
    let isOver = false;
    const settle = (value: T) => {
      if (isOver) return false;
      isOver = true;
      clearTimeout(timer);
      cancelled.removeEventListener("abort", giveUp);
      resolve(value);
      return true;
    };
    const giveUp = () => settle(late);
    const cancelled = signal();
    const timer = timeoutMs === undefined
      ? undefined
      : setTimeout(giveUp, timeoutMs);
    cancelled.addEventListener("abort", giveUp);
    begin(settle);
  });
}
