/**
 * The type of whatever can be called or constructed.
 *
 * @module
 */

/** Any function or class. */
// deno-lint-ignore ban-types -- exactly that is meant: no call is made through it
export type AnyFunction = Function;
