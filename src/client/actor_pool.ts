/**
 * `ActorPool`: items spread over actors, each with one call at a time.
 *
 * @module
 */
import type { ObjectRef } from "../owner/object_ref.ts";
import { show } from "./check.ts";
import { Flow, type Items } from "./flow.ts";
import { behind } from "./handle.ts";
import { LeavableIterator } from "./iterator.ts";

/** What is done with an item by an actor: sends one call. */
export type PoolCall<Actor, Item, T> = (
  actor: Actor,
  item: Item,
) => ObjectRef<T>;

/**
 * Actors that share work: whichever is idle takes the next item.
 *
 * @example
 * ```ts
 * import { ActorPool, remote } from "@manta/manta";
 * class Doubler {
 *   double(x: number) {
 *     return 2 * x;
 *   }
 * }
 * const Actor = remote(Doubler);
 * const pool = new ActorPool([Actor.remote(), Actor.remote()]);
 * const doubled = pool.map((actor, x: number) => actor.double.remote(x), [1, 2, 3]);
 * for await (const y of doubled) console.log(y); // 2, 4, 6
 * ```
 */
export class ActorPool<Actor extends object> {
  readonly #idle: Actor[];
  /** Goes on with whoever waits for an idle actor. */
  readonly #waiting = new Set<() => void>();

  /**
   * Makes a pool.
   *
   * @param handles The actors, one or more.
   * @throws {TypeError} Where there is none, or something is no handle.
   */
  constructor(handles: Iterable<Actor>) {
    if (typeof handles?.[Symbol.iterator] !== "function") {
      throw new TypeError(
        `Cannot make an ActorPool of ${show(handles)}: expected actor handles`,
      );
    }
    this.#idle = [...handles];
    if (this.#idle.length === 0) {
      throw new TypeError("Cannot make an ActorPool of no actors");
    }
    for (const handle of this.#idle) {
      if (behind(handle) !== undefined) continue;
      throw new TypeError(
        `Cannot make an ActorPool of ${show(handle)}: expected actor handles`,
      );
    }
  }

  /**
   * Calls the actors for each item, and gives the values in the items' order.
   *
   * @param call Sends one call, such as `(actor, item) => actor.work.remote(item)`.
   * @param items Anything iterable, sync or async.
   */
  map<Item, T>(
    call: PoolCall<Actor, Item, T>,
    items: Items<Item>,
  ): AsyncIterableIterator<T, void> {
    return this.#over(call, items, true);
  }

  /** As {@linkcode map}, but gives each value as soon as it is ready. */
  mapUnordered<Item, T>(
    call: PoolCall<Actor, Item, T>,
    items: Items<Item>,
  ): AsyncIterableIterator<T, void> {
    return this.#over(call, items, false);
  }

  #over<Item, T>(
    call: PoolCall<Actor, Item, T>,
    items: Items<Item>,
    isOrdered: boolean,
  ): AsyncIterableIterator<T, void> {
    if (typeof call !== "function") {
      throw new TypeError(
        `Cannot map with ${show(call)}: expected a function that sends a call`,
      );
    }
    const size = this.#idle.length;
    const flow: Flow<Item, T> = new Flow({
      items,
      isOrdered,
      // In order, values may wait for one before them: so many at most.
      hasRoom: (underWay) => this.#idle.length > 0 && underWay < 4 * size + 16,
      send: (item) => {
        const actor = this.#idle.shift()!;
        try {
          return { ref: call(actor, item), over: () => this.#idles(actor) };
        } catch (error) {
          this.#idle.push(actor);
          throw error;
        }
      },
      what: "ActorPool",
    });
    const goOn = () => flow.pull();
    this.#waiting.add(goOn);
    return new LeavableIterator<T>({
      take: () => flow.take(),
      more: (left) => flow.more(left),
      close: () => {
        this.#waiting.delete(goOn);
        flow.close();
      },
    });
  }

  #idles(actor: Actor): void {
    this.#idle.push(actor);
    for (const goOn of this.#waiting) goOn();
  }
}
