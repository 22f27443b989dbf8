/**
 * The refs of a generator's items, as they are yielded.
 *
 * @module
 */
import { waiting } from "../owner/context.ts";
import { openFailure } from "../owner/failures.ts";
import { entryOfRef, type ObjectRef } from "../owner/object_ref.ts";
import type { Owner } from "../owner/owner.ts";
import type {
  ArrivedItem,
  StreamSink,
  TaskRecord,
} from "../owner/task_record.ts";
import { LeavableIterator, type Source } from "./iterator.ts";
import { refuseValue } from "../wire/values.ts";

let begin: (feed: Feed) => ObjectRefStream<unknown>;

/** Streams and iterators that nobody has any more: nobody can take their items. */
const dropped = new FinalizationRegistry<Feed>((feed) => feed.close());

/**
 * What a generator's `.remote()` returns: an async iterable of refs, each
 * ready as soon as its item was yielded. Leaving the loop early ends the
 * producer, and so does `return()` of its iterator, also while it waits; an
 * error of the producer is thrown by the loop, after the items before it. Can
 * be iterated once. A stream that nobody waits for does not keep the program
 * alive.
 *
 * @example
 * ```ts
 * import { get, remote } from "@manta/manta";
 * const count = remote(function* (n: number) {
 *   for (let i = 0; i < n; i++) yield i;
 * });
 * for await (const ref of count.remote(3)) {
 *   console.log(await get(ref)); // 0, 1, 2
 * }
 * ```
 */
export class ObjectRefStream<T> implements AsyncIterable<ObjectRef<T>> {
  readonly #feed: Feed;
  #isIterated = false;

  private constructor(feed: Feed) {
    refuseValue(this, "a stream is read where it was made: send its refs");
    this.#feed = feed;
    dropped.register(this, feed, feed);
  }

  static {
    begin = (feed) => new ObjectRefStream<unknown>(feed);
  }

  /** Iterates over the items' refs. */
  [Symbol.asyncIterator](): AsyncIterableIterator<ObjectRef<T>, void> {
    if (this.#isIterated) {
      throw new TypeError(
        "Cannot iterate a stream twice: its items are taken as they come",
      );
    }
    this.#isIterated = true;
    const iterator = new LeavableIterator(this.#feed);
    // From here on the iterator is what counts.
    dropped.unregister(this.#feed);
    if (!this.#feed.isOver) dropped.register(iterator, this.#feed, this.#feed);
    return iterator as LeavableIterator<unknown> as LeavableIterator<
      ObjectRef<T>
    >;
  }
}

/** What came of a generator and was not taken. Holds no stream: that may be collected. */
class Feed implements Source<ObjectRef<unknown>> {
  readonly #owner: Owner;
  readonly #record: TaskRecord;
  readonly #items: ObjectRef<unknown>[] = [];
  #arrivedCount = 0;
  #takenCount = 0;
  #hasEnded = false;
  #isLeft = false;
  #error: unknown;
  #wake: (() => void) | undefined;

  constructor(owner: Owner, submit: (sink: StreamSink) => TaskRecord) {
    this.#owner = owner;
    this.#record = submit(this.#sink());
    // Not the generator is owed, which may never end, but what is waited for.
    // Its record is settled like any other, so it is owed again for that.
    if (!this.#hasEnded) owner.settle();
  }

  take():
    | IteratorResult<ObjectRef<unknown>, void>
    | Promise<never>
    | undefined {
    const ref = this.#items.shift();
    if (ref !== undefined) {
      this.#takenCount++;
      this.#owner.outcomes.consumed(this.#record, this.#takenCount);
      return { done: false, value: ref };
    }
    if (!this.#hasEnded) return undefined;
    if (this.#error === undefined) return { done: true, value: undefined };
    return openFailure(this.#error, this.#owner.values).then((error) => {
      throw error;
    });
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

  /** Nothing is left to be told if it is dropped. */
  get isOver(): boolean {
    return this.#hasEnded || this.#isLeft;
  }

  close(): void {
    this.#isLeft = true;
    dropped.unregister(this);
    this.#items.length = 0;
    this.#owner.cancelRecord(this.#record, {
      isForced: false,
      isRecursive: true,
    });
  }

  #sink(): StreamSink {
    const arrivedCount = () => this.#arrivedCount;
    return {
      item: (index, item) => this.#arrived(index, item),
      // Its producer began anew and must know what is done with.
      repeated: () =>
        this.#owner.outcomes.consumed(this.#record, this.#takenCount),
      ended: (error) => this.#ended(error),
      get arrivedCount() {
        return arrivedCount();
      },
    };
  }

  #arrived(index: number, { held, ready }: ArrivedItem): void {
    this.#arrivedCount = index + 1;
    const ref = this.#owner.references.create(this.#record.ordinal, index);
    const entry = entryOfRef(ref);
    entry.origin = "item";
    if (ready === undefined) entry.resolve(held);
    else {
      ready.then(() => entry.resolve(held), (error) => entry.reject(error));
    }
    this.#items.push(ref);
    this.#wake?.();
  }

  #ended(error: unknown): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    dropped.unregister(this);
    // The trace of an error that leaving made would keep who left.
    if (!this.#isLeft) this.#error = error;
    // The record is there unless it failed while it was submitted.
    if (this.#record !== undefined) this.#owner.owe();
    this.#wake?.();
  }
}

/** Submits a generator and gives the stream of its items. */
export function streamOf(
  owner: Owner,
  submit: (sink: StreamSink) => TaskRecord,
): ObjectRefStream<unknown> {
  return begin(new Feed(owner, submit));
}
