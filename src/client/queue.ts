/**
 * `Queue`: items from any process to any other, in order.
 *
 * @module
 */
import { GetTimeoutError } from "../base/errors.ts";
import { extendValues } from "../owner/extensions.ts";
import { remote } from "./remote.ts";
import { checkOptions, delayMs, whole } from "./check.ts";
import { get } from "./get.ts";
import type { ActorHandle } from "./handle.ts";
import { QueueActor } from "./queue_actor.ts";

/** How long {@linkcode Queue.put} and {@linkcode Queue.get} wait. */
export interface QueueWait {
  /** Milliseconds until it rejects with `GetTimeoutError`; 0: only if it can be done at once. */
  timeout?: number;
}

interface Fields {
  readonly actor: ActorHandle<QueueActor>;
  readonly maxSize: number;
}

/** Many wait at the same time. */
const callsMax = 1_000_000;
const makeFrom = Symbol("fields of a queue that is there");

/**
 * A queue between processes: first in, first out, bounded if wanted. It can be
 * an argument, or inside a value, and ends with the last process that has it.
 *
 * A task that waits for a queue holds no CPU meanwhile.
 *
 * @example
 * ```ts
 * import { Queue, remote } from "@manta/manta";
 * const queue = new Queue<number>({ maxSize: 10 });
 * const produce = remote(async (queue: Queue<number>) => {
 *   for (let n = 0; n < 3; n++) await queue.put(n);
 * });
 * produce.remote(queue);
 * console.log(await queue.get(), await queue.get(), await queue.get()); // 0 1 2
 * ```
 */
export class Queue<T> {
  readonly #fields: Fields;

  /**
   * Makes a queue, empty.
   *
   * @param options `maxSize`: most items that it holds; more wait. Default: any number.
   * @throws {TypeError | RangeError} Where an option is wrong.
   */
  constructor(options: { maxSize?: number } = {}) {
    const made = (options as { [makeFrom]?: Fields } | null)?.[makeFrom];
    if (made !== undefined) {
      this.#fields = made;
      return;
    }
    checkOptions(options, {
      checks: { maxSize: whole(1) },
      what: "Queue option",
    });
    const { maxSize = 0 } = options;
    const Actor = remote(QueueActor, { maxConcurrency: callsMax });
    this.#fields = { actor: Actor.remote(maxSize), maxSize };
  }

  /** Most items that it holds; Infinity for any number. */
  get maxSize(): number {
    return this.#fields.maxSize === 0 ? Infinity : this.#fields.maxSize;
  }

  /**
   * Appends an item; resolves once there was room for it.
   *
   * @param item Anything that can travel.
   * @param options How long to wait for room.
   * @throws {GetTimeoutError} Where there was none in time: the item is not in the queue.
   */
  async put(item: T, options: QueueWait = {}): Promise<void> {
    const timeoutMs = timeoutOf(options, "put");
    // In an array: a ref stays one.
    const isTaken = await get(
      this.#fields.actor.put.remote([item], timeoutMs),
    );
    if (isTaken) return;
    throw new GetTimeoutError(
      `Cannot put into the queue: it was full with ${this.maxSize} items for ${timeoutMs} ms`,
      { timeoutMs: timeoutMs! },
    );
  }

  /**
   * Takes the first item; resolves once there is one.
   *
   * @param options How long to wait for it.
   * @throws {GetTimeoutError} Where none came in time.
   */
  async get(options: QueueWait = {}): Promise<T> {
    const timeoutMs = timeoutOf(options, "get");
    const item = await get(this.#fields.actor.get.remote(timeoutMs));
    if (item !== undefined) return item[0] as T;
    throw new GetTimeoutError(
      `Cannot get from the queue: no item came within ${timeoutMs} ms`,
      { timeoutMs: timeoutMs! },
    );
  }

  /** How many items it holds now. */
  async size(): Promise<number> {
    return await get(this.#fields.actor.size.remote());
  }

  static {
    extendValues<Queue<unknown>>({
      tag: "queue",
      constructor: Queue,
      tracked: false,
      toFields: (queue) => queue.#fields,
      fromFields: (fields) =>
        new Queue({ [makeFrom]: fields as Fields } as object),
    });
  }
}

function timeoutOf(options: QueueWait, what: string): number | undefined {
  checkOptions(options, {
    checks: { timeout: delayMs },
    what: `Queue.${what} option`,
  });
  return options.timeout;
}
