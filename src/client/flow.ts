/**
 * Items that go through remote calls, a bounded number at a time: what `map`
 * and `ActorPool` are made of.
 *
 * An item counts as under way from when its call is sent until its value was
 * taken: so a slow consumer holds up the calls, and endless inputs take no
 * memory. An error comes at the place of its item, and ends the iteration.
 *
 * @module
 */
import { waiting } from "../owner/context.ts";
import {
  entryOfRef,
  isObjectRef,
  type ObjectRef,
} from "../owner/object_ref.ts";
import type { Owner } from "../owner/owner.ts";
import { cancel } from "./objects.ts";
import { show } from "./check.ts";
import { get } from "./get.ts";
import type { Source } from "./iterator.ts";
import { owner } from "./session.ts";

/** Sync or async items. */
export type Items<T> = Iterable<T> | AsyncIterable<T>;

/** How items go through calls. */
export interface FlowOptions<Item, T> {
  items: Items<Item>;
  isOrdered: boolean;
  /** Whether one more may be sent now. */
  hasRoom(underWay: number): boolean;
  /** Sends the call for an item. */
  send(item: Item): Sent<T>;
  what: string;
}

/** A call that was sent. */
export interface Sent<T> {
  readonly ref: ObjectRef<T>;
  /** It is over, or gives no ref: how it was sent has room again. */
  over?(): void;
}

interface Slot<T> {
  readonly ref: ObjectRef<T>;
  isSettled: boolean;
}

/** The values of calls, as they come. */
export class Flow<Item, T> implements Source<T> {
  readonly #options: FlowOptions<Item, T>;
  readonly #input: Iterator<Item> | AsyncIterator<Item>;
  readonly #isAsync: boolean;
  readonly #owner: Owner;
  #slots: Slot<T>[] = [];
  #inputError: { error: unknown } | undefined;
  #isInputOver = false;
  #isPulling = false;
  #isClosed = false;
  #wake: () => void = () => {};

  constructor(options: FlowOptions<Item, T>) {
    this.#options = options;
    [this.#input, this.#isAsync] = iteratorOf(options.items, options.what);
    this.#owner = owner();
  }

  take():
    | IteratorResult<T, void>
    | Promise<IteratorResult<T, void>>
    | undefined {
    this.pull();
    const at = this.#options.isOrdered
      ? this.#slots[0]?.isSettled === true ? 0 : -1
      : this.#slots.findIndex((slot) => slot.isSettled);
    if (at >= 0) {
      const [{ ref }] = this.#slots.splice(at, 1) as [Slot<T>];
      return get(ref).then((value) => {
        this.pull();
        return { done: false, value };
      });
    }
    if (this.#slots.length > 0 || !this.#isInputOver) return undefined;
    if (this.#inputError !== undefined) {
      return Promise.reject(this.#inputError.error);
    }
    return { done: true, value: undefined };
  }

  async more(left: Promise<void>): Promise<void> {
    const come = new Promise<void>((resolve) => this.#wake = resolve);
    this.#owner.owe();
    try {
      await waiting(Promise.race([come, left]), true);
    } finally {
      this.#owner.settle();
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const { ref, isSettled } of this.#slots) if (!isSettled) cancel(ref);
    this.#slots = [];
    if (this.#isInputOver) return;
    this.#isInputOver = true;
    // An input that is left may clean up; what that throws nobody waits for.
    Promise.resolve(this.#input.return?.()).catch(() => {});
  }

  /** Sends as many as there is room for; an async input may take its time. */
  pull(): void {
    if (this.#isPulling || this.#isClosed) return;
    this.#isPulling = true;
    while (this.#mayPull()) {
      const next = this.#next();
      if (next === undefined) continue;
      if (next instanceof Promise) {
        next.then((result) => {
          this.#isPulling = false;
          this.#arrived(result);
          this.pull();
          this.#wake();
        }, (error) => {
          this.#isPulling = false;
          this.#failed(error);
          this.#wake();
        });
        return;
      }
      this.#arrived(next);
    }
    this.#isPulling = false;
  }

  #mayPull(): boolean {
    return !this.#isInputOver && !this.#isClosed &&
      this.#options.hasRoom(this.#slots.length);
  }

  #next(): IteratorResult<Item> | Promise<IteratorResult<Item>> | undefined {
    try {
      const next: unknown = this.#input.next();
      if (isThenable(next)) {
        return Promise.resolve(next as PromiseLike<IteratorResult<Item>>);
      }
      const result = next as IteratorResult<Item>;
      if (this.#isAsync || result.done || !isThenable(result.value)) {
        return result;
      }
      // As `for await` takes promises that a sync input gives.
      return Promise.resolve(result.value).then((value) => ({
        done: false,
        value,
      }));
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }

  #failed(error: unknown): void {
    this.#isInputOver = true;
    this.#inputError = { error };
  }

  #arrived(result: IteratorResult<Item>): void {
    if (result.done === true) {
      this.#isInputOver = true;
      return;
    }
    if (this.#isClosed) return;
    try {
      this.#sent(this.#options.send(result.value));
    } catch (error) {
      this.#failed(error);
      Promise.resolve(this.#input.return?.()).catch(() => {});
    }
  }

  #sent({ ref, over }: Sent<T>): void {
    if (!isObjectRef(ref)) {
      over?.();
      throw new TypeError(
        `Cannot use ${this.#options.what} with a call that gives ${
          show(ref)
        }: expected one ref`,
      );
    }
    const slot: Slot<T> = { ref, isSettled: false };
    this.#slots.push(slot);
    const entry = entryOfRef(ref);
    this.#owner.objects.demand(entry);
    const settled = () => {
      slot.isSettled = true;
      over?.();
      this.pull();
      this.#wake();
    };
    if (entry.isSettled) queueMicrotask(settled);
    else entry.whenSettled(settled);
  }
}

function iteratorOf<Item>(
  items: Items<Item>,
  what: string,
): [iterator: Iterator<Item> | AsyncIterator<Item>, isAsync: boolean] {
  const source = items as Partial<Iterable<Item> & AsyncIterable<Item>> | null;
  const ofAsync = source?.[Symbol.asyncIterator]?.();
  if (ofAsync !== undefined) return [ofAsync, true];
  const iterator = source?.[Symbol.iterator]?.();
  if (iterator !== undefined) return [iterator, false];
  throw new TypeError(
    `Cannot use ${what} on ${show(items)}: expected something iterable`,
  );
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null)?.then === "function";
}
