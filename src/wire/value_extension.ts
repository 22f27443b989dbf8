/**
 * How the runtime's own kinds of object (refs, actor handles, remote
 * functions, queues) take part in values without the codec knowing them.
 *
 * @module
 */

/** A class whose objects travel as fields that it names itself. */
export interface Extension<T extends object> {
  /** Its name on the wire. */
  readonly tag: string;
  /** Objects with exactly this class's prototype are meant, proxies of such included. */
  // deno-lint-ignore ban-types
  readonly constructor: Function;
  /** Whether its objects are listed in `Encoded.refs`. */
  readonly tracked: boolean;
  /** What the object is made of; may hold anything but the object itself. */
  toFields(value: T): unknown;
  /** Makes the object again. */
  fromFields(fields: unknown): T;
}

/**
 * What a value needs a function of its table for: as itself (it must travel),
 * only as the class of an instance (it may stay behind, and the instance
 * becomes a plain object), or as such a class that the program registered.
 */
export type FunctionUse = "value" | "class" | "registered" | "unused";
