/**
 * Values that a promise would not hand out as they are.
 *
 * @module
 */
import { SerializationError } from "../base/errors.ts";
import type { RootLabel } from "../wire/values.ts";

/** `get` gives values through promises, which would call such a `then`. */
export function assertNoThenable(value: unknown, label: RootLabel): void {
  const isObject = typeof value === "object" && value !== null;
  if (!isObject && typeof value !== "function") return;
  if (typeof label !== "string" || !isThenable(value)) return;
  throw new SerializationError(
    `Cannot send value: "${label}" can't travel: it has a method "then", ` +
      "which whoever awaits it would call. Put it into an object or an array",
    { path: label },
  );
}

function isThenable(value: object): boolean {
  try {
    return typeof Reflect.get(value, "then") === "function" &&
      !(value instanceof Promise);
  } catch {
    // It can't be read: the codec says so, and where.
    return false;
  }
}
