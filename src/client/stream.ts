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
import { refuseValue } from "../wire/values.ts";

let begin: (
  owner: Owner,
  submit: (sink: StreamSink) => TaskRecord,
) => ObjectRefStream<unknown>;

/**
 * What a generator's `.remote()` returns: an async iterable of refs, each
 * ready as soon as its item was yielded. Leaving the loop early ends the
 * producer; an error of the producer is thrown by the loop, after the items
 * before it. Can be iterated once.
 *
 * @example
 * ```ts
 * import { get, remote } from "@manta/manta";
 * const count = remote(function* (n: number) {
 *   for (let i = 0; i < n; i++) yield i;
 * });
 * for await (const ref of count.remote(3)) console.log(await get(ref));
 * ```
 */
export class ObjectRefStream<T> implements AsyncIterable<ObjectRef<T>> {
  readonly #owner: Owner;
  readonly #record: TaskRecord;
  readonly #items: ObjectRef<T>[] = [];
  #arrivedCount = 0;
  #takenCount = 0;
  #hasEnded = false;
  #error: unknown;
  #isIterated = false;
  #wake: (() => void) | undefined;

  private constructor(
    owner: Owner,
    submit: (sink: StreamSink) => TaskRecord,
  ) {
    refuseValue(this, "a stream is read where it was made: send its refs");
    this.#owner = owner;
    this.#record = submit(this.#sink());
  }

  static {
    begin = (owner, submit) => new ObjectRefStream<unknown>(owner, submit);
  }

  /** Iterates over the items' refs. */
  async *[Symbol.asyncIterator](): AsyncIterator<ObjectRef<T>, void, void> {
    if (this.#isIterated) {
      throw new TypeError(
        "Cannot iterate a stream twice: its items are taken as they come",
      );
    }
    this.#isIterated = true;
    try {
      for (;;) {
        const ref = this.#items.shift();
        if (ref !== undefined) {
          this.#takenCount++;
          this.#owner.outcomes.consumed(this.#record, this.#takenCount);
          yield ref;
        } else if (this.#hasEnded) {
          if (this.#error === undefined) return;
          throw await openFailure(this.#error, this.#owner.values);
        } else {
          await waiting(new Promise<void>((resolve) => this.#wake = resolve));
        }
      }
    } finally {
      this.#owner.cancelRecord(this.#record, {
        isForced: false,
        isRecursive: true,
      });
    }
  }

  #sink(): StreamSink {
    const arrivedCount = () => this.#arrivedCount;
    return {
      item: (index, item) => this.#arrived(index, item),
      // Its producer began anew and must know what is done with.
      repeated: () =>
        this.#owner.outcomes.consumed(this.#record, this.#takenCount),
      ended: (error) => {
        this.#hasEnded = true;
        this.#error = error;
        this.#wake?.();
      },
      get arrivedCount() {
        return arrivedCount();
      },
    };
  }

  #arrived(index: number, { held, ready }: ArrivedItem): void {
    this.#arrivedCount = index + 1;
    const ref = this.#owner.references.create(this.#record.ordinal, index);
    const entry = entryOfRef(ref);
    if (ready === undefined) entry.resolve(held);
    else {
      ready.then(() => entry.resolve(held), (error) => entry.reject(error));
    }
    this.#items.push(ref as ObjectRef<T>);
    this.#wake?.();
  }
}

/** Submits a generator and gives the stream of its items. */
export function streamOf(
  owner: Owner,
  submit: (sink: StreamSink) => TaskRecord,
): ObjectRefStream<unknown> {
  return begin(owner, submit);
}
