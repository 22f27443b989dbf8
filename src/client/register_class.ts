/**
 * `registerClass`: classes whose instances are to travel as instances.
 *
 * @module
 */
import { registered } from "../owner/extensions.ts";
import { show } from "./check.ts";
import type { AnyClass } from "./options.ts";

const TypedArray = Object.getPrototypeOf(Uint8Array);

/**
 * Has instances of a class travel as instances, wherever it is defined: the
 * class goes along with the first of them. Where its code can't travel, sending
 * an instance is an error instead of giving a plain object.
 *
 * Classes that a module exports need no call: they go by name, and are one class
 * in each process. One that is registered is known by its own properties and
 * methods wherever it comes; but a task's function that names it has a copy of
 * its own, and `instanceof` tells the two apart. Export it from a module where
 * tasks ask that.
 *
 * @param constructor The class.
 * @returns The same class.
 * @throws {TypeError} Where it is none, or extends a typed array.
 *
 * @example
 * ```ts
 * import { get, put, registerClass } from "@manta/manta";
 * class Point {
 *   constructor(public x: number, public y: number) {}
 *   get length() {
 *     return Math.hypot(this.x, this.y);
 *   }
 * }
 * registerClass(Point);
 * console.log((await get(put(new Point(3, 4)))).length); // 5
 * ```
 */
export function registerClass<C extends AnyClass>(constructor: C): C {
  const isClass = typeof constructor === "function" &&
    typeof constructor.prototype === "object" && constructor.prototype !== null;
  if (!isClass) {
    throw new TypeError(
      `Cannot register ${show(constructor)}: expected a class`,
    );
  }
  if (constructor.prototype instanceof TypedArray) {
    throw new TypeError(
      `Cannot register class "${constructor.name}": it extends a typed array, which travels as memory without a class; put one into a field`,
    );
  }
  registered.add(constructor);
  return constructor;
}
