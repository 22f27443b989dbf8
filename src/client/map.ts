/**
 * `map`: a remote function over many items.
 *
 * @module
 */
import type { ObjectRef } from "../owner/object_ref.ts";
import { checkOptions, flag, show, whole } from "./check.ts";
import { Flow, type Items } from "./flow.ts";
import { LeavableIterator } from "./iterator.ts";

/** How {@linkcode map} goes about it. */
export interface MapOptions {
  /** Most items under way: sent, and their values not taken yet. Default: 4 for each CPU of this machine, at least 16. */
  window?: number;
  /** Whether values come in the order of their items; else as they are ready. Default: true. */
  ordered?: boolean;
}

/** What {@linkcode map} takes: a remote function of one argument. */
export interface Mappable<Item, Result> {
  /** Submits one task. */
  remote(item: Item): ObjectRef<Result>;
}

/**
 * Runs a remote function on each item, and gives the values: never more than
 * `window` at a time, so that inputs may be endless.
 *
 * Leaving the loop early cancels what is under way, and closes the input.
 *
 * @param remoteFn What `remote()` gave: each item is its one argument.
 * @param items Anything iterable, sync or async.
 * @param options How many at a time, and in which order.
 * @returns An async iterator over values. It rejects at the place of an item
 *   whose task failed, or where the input threw, and ends.
 * @throws {TypeError} Where something is of a wrong type.
 * @throws {RangeError} Where `window` is below 1.
 *
 * @example
 * ```ts
 * import { map, remote } from "@manta/manta";
 * const square = remote((x: number) => x * x);
 * for await (const y of map(square, [1, 2, 3], { window: 2 })) {
 *   console.log(y); // 1, 4, 9
 * }
 * ```
 */
export function map<Item, Result>(
  remoteFn: Mappable<Item, Result>,
  items: Items<Item>,
  options: MapOptions = {},
): AsyncIterableIterator<Result, void> {
  checkOptions(options, {
    checks: { window: whole(1), ordered: flag },
    what: "map option",
  });
  if (typeof remoteFn?.remote !== "function") {
    throw new TypeError(
      `Cannot map with ${show(remoteFn)}: expected what remote() gives`,
    );
  }
  const { window = Math.max(16, 4 * navigator.hardwareConcurrency) } = options;
  return new LeavableIterator(
    new Flow<Item, Result>({
      items,
      isOrdered: options.ordered ?? true,
      hasRoom: (underWay) => underWay < window,
      send: (item) => ({ ref: remoteFn.remote(item) }),
      what: "map",
    }),
  );
}
