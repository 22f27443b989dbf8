/**
 * The names of the methods by which a durable actor keeps its state itself.
 * Registered with the engine, so that they are the same in every process.
 *
 * @module
 */

/**
 * Names the method that gives a durable actor's state: what structured clone
 * takes, and no ref, handle or function. Called after each call, the state as
 * it is then.
 *
 * @example
 * ```ts
 * import { get, remote, restoreState, saveState } from "@manta/manta";
 * class Counter {
 *   #count = 0;
 *   add(n: number) {
 *     return this.#count += n;
 *   }
 *   [saveState]() {
 *     return this.#count;
 *   }
 *   [restoreState](count: number) {
 *     this.#count = count;
 *   }
 * }
 * const counter = remote(Counter, { durable: true }).remote();
 * console.log(await get(counter.add.remote(2))); // 2
 * ```
 */
export const saveState: unique symbol = Symbol.for("manta.saveState") as never;

/**
 * Names the method that a durable actor is given its state by, on an instance
 * that its constructor has just made.
 *
 * @example
 * ```ts
 * import { get, kill, remote, restoreState, saveState } from "@manta/manta";
 * class Counter {
 *   #count = 0;
 *   add(n: number) {
 *     return this.#count += n;
 *   }
 *   [saveState]() {
 *     return this.#count;
 *   }
 *   [restoreState](count: number) {
 *     this.#count = count;
 *   }
 * }
 * const counter = remote(Counter, { durable: true }).remote();
 * await get(counter.add.remote(2));
 * await kill(counter, { noRestart: false });
 * console.log(await get(counter.add.remote(1))); // 3
 * ```
 */
export const restoreState: unique symbol = Symbol.for(
  "manta.restoreState",
) as never;
