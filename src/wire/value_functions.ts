/**
 * The functions and classes that one value names, each by its index.
 *
 * @module
 */
import type { FunctionUse } from "./value_extension.ts";
import type { Constructor } from "./value_kinds.ts";

/** Numbers functions while a value is written. */
export class FunctionTable {
  /** In order of their index; undefined while there are none. */
  functions: Constructor[] | undefined;
  /** What each is needed for. */
  uses: FunctionUse[] | undefined;
  #indexes: Map<Constructor, number> | undefined;

  /** The index of a function, which is appended if it is new. */
  indexOf(wanted: Constructor, use: FunctionUse): number {
    const functions = this.functions ??= [];
    const uses = this.uses ??= [];
    const indexes = this.#indexes ??= new Map(
      functions.map((known, index) => [known, index]),
    );
    let index = indexes.get(wanted);
    if (index === undefined) {
      index = functions.length;
      functions.push(wanted);
      indexes.set(wanted, index);
    }
    while (uses.length < functions.length) uses.push("unused");
    if (uses[index] !== "value") uses[index] = use;
    return index;
  }

  /** Forgets all. */
  reset(): void {
    this.functions = undefined;
    this.uses = undefined;
    this.#indexes = undefined;
  }
}
