/**
 * Errors that no promise chain of a task caught, and whose they are.
 *
 * Whose code it was is known by its asynchronous context, which Deno keeps for
 * rejections and microtasks but not for an error thrown in a timer: so timers
 * catch theirs here.
 *
 * @module
 */
import { log } from "../base/log.ts";
import { currentContext } from "../owner/context.ts";

type Scheduler = (callback: unknown, ...rest: unknown[]) => unknown;

/**
 * Fails the task whose code threw. What can't be told apart is told to
 * `blame`, and what belongs to no task that is open goes to stderr.
 */
export function listenForUncaught(blame: (error: unknown) => boolean): void {
  const heard = (error: unknown) => {
    const context = currentContext();
    const isTaken = context === undefined ? blame(error) : context.fail(error);
    if (isTaken) return;
    const text = error instanceof Error ? error.stack : Deno.inspect(error);
    const whose = context === undefined
      ? "outside any task"
      : `by task "${context.functionName}", which had ended`;
    log.error(`uncaught ${whose}: ${text}`);
  };
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    heard(event.error);
  });
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    heard(event.reason);
  });
  for (const name of ["setTimeout", "setInterval", "setImmediate"] as const) {
    guard(name, heard);
  }
}

/** Gives a timer function's callbacks an ear for what they throw. */
function guard(
  name: "setTimeout" | "setInterval" | "setImmediate",
  heard: (error: unknown) => void,
): void {
  const scope = globalThis as unknown as Record<string, Scheduler>;
  const native = scope[name]!;
  const guarded: Scheduler = (callback, ...rest) =>
    native(
      typeof callback === "function" ? caught(callback) : callback,
      ...rest,
    );
  // Its name, and what `util.promisify` finds on it.
  for (const [key, property] of properties(native)) {
    Object.defineProperty(guarded, key, property);
  }
  Object.defineProperty(globalThis, name, {
    value: guarded,
    writable: true,
    configurable: true,
    enumerable: true,
  });

  // deno-lint-ignore ban-types -- whatever the program gave
  function caught(callback: Function) {
    return function (this: unknown, ...args: unknown[]) {
      try {
        callback.apply(this, args);
      } catch (error) {
        heard(error);
      }
    };
  }
}

function properties(fn: object): [PropertyKey, PropertyDescriptor][] {
  return Reflect.ownKeys(fn).map((key) => [
    key,
    Object.getOwnPropertyDescriptor(fn, key)!,
  ]);
}
