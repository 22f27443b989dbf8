/**
 * Draws the items of one generator's run and sends each as it is yielded.
 *
 * Where the call bounds how far the producer may be ahead, it waits for its
 * consumer, holding no CPU; when nobody wants more, the generator's own
 * `finally` runs. How the run ends is `invocation.ts`'s to tell.
 *
 * @module
 */
import { afterMs, monotonicMs } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import type { HeldValue, StoredValue } from "../base/stored.ts";
import { runInContext, type TaskContext } from "../owner/context.ts";
import type { Owner } from "../owner/owner.ts";
import { FrameKind } from "../wire/frame.ts";
import type { Peer } from "../wire/peer.ts";
import { type TaskFrame, writeItem } from "../wire/task_frames.ts";

type Items = Iterator<unknown> | AsyncIterator<unknown>;

/** The run that a producer belongs to. */
export interface ProducingRun extends TaskContext {
  readonly frame: TaskFrame;
  readonly peer: Peer;
  readonly isCancelled: boolean;
  /** Where items are kept too. */
  readonly items?: StoredValue[];
  /** An item can't travel: the run fails with that. */
  refuse(error: unknown): void;
}

/** Sends the items of one run. */
export class Producer {
  readonly #owner: Owner;
  readonly #run: ProducingRun;
  #consumedCount = 0;
  #onChange: (() => void) | undefined;

  constructor(owner: Owner, run: ProducingRun) {
    this.#owner = owner;
    this.#run = run;
  }

  /** The consumer has taken so many items, those before a retry included. */
  consumed(count: number): void {
    this.#consumedCount = Math.max(this.#consumedCount, count);
    this.#onChange?.();
  }

  /** Nobody wants more. */
  cancelled(): void {
    this.#onChange?.();
  }

  /** Sends the items of a run that is over. */
  repeat(items: readonly HeldValue[]): void {
    items.forEach((held, index) => this.#write(index, held));
  }

  /** Draws until the generator ends or nobody wants more; rejects with what it throws. */
  async run(result: unknown): Promise<void> {
    const run = this.#run;
    const iterator = iteratorOf(result, run.functionName);
    const limit = run.frame.backpressure;
    let turnEndMs = monotonicMs() + limits.turnMs;
    for (let index = 0;; index++) {
      const next = await this.#next(iterator);
      if (next === undefined) return this.#leave(iterator);
      if (next.done === true) return;
      await this.#send(index, next.value);
      // The next would be number `index + 2`.
      if (limit > 0) await this.#room(index + 2 - limit);
      if (monotonicMs() > turnEndMs) {
        // Items must leave, and word that nobody wants more be heard, also
        // while the generator never waits.
        await new Promise((resolve) => setImmediate(resolve));
        turnEndMs = monotonicMs() + limits.turnMs;
      }
      if (run.isCancelled) return this.#leave(iterator);
    }
  }

  /** The next item; undefined once nobody wants any, also while the generator waits. */
  async #next(
    iterator: Items,
  ): Promise<IteratorResult<unknown> | undefined> {
    const next = runInContext(this.#run, () => iterator.next());
    if (!(next instanceof Promise)) return next;
    const cancelled = new Promise<undefined>((resolve) => {
      this.#onChange = () => {
        if (this.#run.isCancelled) resolve(undefined);
      };
    });
    try {
      return await Promise.race([next, cancelled]);
    } finally {
      this.#onChange = undefined;
    }
  }

  /** Lets the generator's own `finally` run; one that waits for something else may come to it later. */
  async #leave(iterator: Items): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = afterMs(limits.abortGraceMs, resolve);
    const returned = runInContext(
      this.#run,
      async () => await iterator.return?.(),
    ).then(() => {}, (error) =>
      log.error(
        `generator "${this.#run.functionName}" failed to clean up: ${error}`,
      ));
    await Promise.race([returned, late]);
    clearTimeout(timer);
  }

  async #send(index: number, value: unknown): Promise<void> {
    const { items } = this.#run;
    const held = await this.#store(index, value);
    // At once: its memory is its consumer's to give back.
    items?.push(await this.#owner.values.embedded(held.stored));
    this.#write(index, held);
  }

  #write(index: number, held: HeldValue): void {
    const { frame, peer } = this.#run;
    const pinToken = held.refs.length === 0
      ? 0
      : this.#owner.references.pin(peer, held.refs);
    writeItem(peer.begin(FrameKind.item), {
      ordinal: frame.ordinal,
      attempt: frame.attempt,
      index,
      pinToken,
      value: held.stored,
    });
    peer.end();
  }

  async #store(
    index: number,
    value: unknown,
  ): Promise<HeldValue> {
    const { values } = this.#owner;
    const { peer } = this.#run;
    const ownerId = peer.remote!.processId;
    try {
      const label = `item ${index}`;
      const { held, ready } = values.store(value, { label, ownerId });
      if (ready !== undefined) await ready;
      return held;
    } catch (error) {
      this.#run.refuse(error);
      throw error; // The producer ends too.
    }
  }

  /** Waits until the consumer has taken `count` items, holding no CPU. */
  async #room(count: number): Promise<void> {
    if (this.#consumedCount >= count) return;
    this.#run.suspended(true);
    while (this.#consumedCount < count && !this.#run.isCancelled) {
      await new Promise<void>((resolve) => this.#onChange = resolve);
    }
    this.#onChange = undefined;
    this.#run.resumed(true);
  }
}

/** The iterator of what a generator gave. */
export function iteratorOf(result: unknown, name: string): Items {
  const iterable = result as Partial<
    AsyncIterable<unknown> & Iterable<unknown>
  >;
  const async = iterable?.[Symbol.asyncIterator]?.();
  const iterator = async ?? iterable?.[Symbol.iterator]?.();
  if (iterator === undefined) {
    throw new TypeError(`Cannot stream "${name}": it returned no iterable`);
  }
  return iterator;
}
