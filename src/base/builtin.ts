/**
 * Node's modules that few processes need, loaded by the first call that asks.
 * An import at the top of a file would cost the start of each worker between 5
 * and 15 ms.
 *
 * @module
 */

type Process = typeof globalThis.process;

// Found now, and loaded when asked: a program may put another in its place.
const { get, value } = Object.getOwnPropertyDescriptor(globalThis, "process")!;

/** One of Node's modules, by its name with `node:`. */
export const builtin: Process["getBuiltinModule"] = (name: string) => {
  const process: Process = get === undefined ? value : get.call(globalThis);
  return process.getBuiltinModule(name);
};
