/**
 * The leases of a queue in order of what rides them: the emptiest at once,
 * however many there are.
 *
 * A binary heap that knows where each entry stands. What is not to be found
 * any more is taken out by whoever finds it. Pure.
 *
 * @module
 */
import { assert } from "../base/errors.ts";

interface Entry<Item> {
  readonly item: Item;
  /** Its rank, in the entry itself: heaps are read far and wide. */
  first: number;
  second: number;
  third: number;
  at: number;
}

/** Items by rank. */
export class LeaseOrder<Item> {
  readonly #heap: Entry<Item>[] = [];
  readonly #entries = new Map<Item, Entry<Item>>();

  /** The item of the lowest rank. */
  first(): Item | undefined {
    return this.#heap[0]?.item;
  }

  /** An item comes, or its rank is another: of the three, the first that differs decides. */
  ranked(item: Item, first: number, second: number, third: number): void {
    let entry = this.#entries.get(item);
    if (entry === undefined) {
      const at = this.#heap.length;
      entry = { item, first: 0, second: 0, third: 0, at };
      this.#entries.set(item, entry);
      this.#heap.push(entry);
    }
    entry.first = first;
    entry.second = second;
    entry.third = third;
    this.#settle(entry);
  }

  /** An item is out; one that is not in stays so. */
  removed(item: Item): void {
    const entry = this.#entries.get(item);
    if (entry === undefined) return;
    this.#entries.delete(item);
    const last = this.#heap.pop()!;
    if (last === entry) return;
    this.#place(last, entry.at);
    this.#settle(last);
  }

  /** Asserts every invariant. */
  validate(): void {
    assert(this.#entries.size === this.#heap.length, "Lease ranked twice");
    for (const [at, entry] of this.#heap.entries()) {
      assert(entry.at === at, "Lease is not where it is thought to be");
      const up = this.#heap[(at - 1) >> 1];
      assert(
        up === undefined || !isBefore(entry, up),
        "Leases are out of order",
      );
    }
  }

  #settle(entry: Entry<Item>): void {
    while (entry.at > 0) {
      const up = this.#heap[(entry.at - 1) >> 1]!;
      if (!isBefore(entry, up)) break;
      this.#swap(entry, up);
    }
    for (;;) {
      const left = this.#heap[2 * entry.at + 1];
      const right = this.#heap[2 * entry.at + 2];
      if (left === undefined) return;
      const down = right !== undefined && isBefore(right, left) ? right : left;
      if (!isBefore(down, entry)) return;
      this.#swap(entry, down);
    }
  }

  #swap(one: Entry<Item>, other: Entry<Item>): void {
    const { at } = one;
    this.#place(one, other.at);
    this.#place(other, at);
  }

  #place(entry: Entry<Item>, at: number): void {
    entry.at = at;
    this.#heap[at] = entry;
  }
}

function isBefore<Item>(one: Entry<Item>, other: Entry<Item>): boolean {
  if (one.first !== other.first) return one.first < other.first;
  if (one.second !== other.second) return one.second < other.second;
  return one.third < other.third;
}
