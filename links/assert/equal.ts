/**
 * Deep equality by the rules of `@std/assert`: 0 equals -0, NaN equals NaN,
 * a missing property is not an undefined one, an object without prototype
 * equals a plain one, cycles end.
 *
 * @module
 */

/** Whether both values are deeply equal. */
export function equal(left: unknown, right: unknown): boolean {
  return compare(left, right, new Map());
}

type Seen = Map<object, object>;

function compare(left: unknown, right: unknown, seen: Seen): boolean {
  if (left === right || Object.is(left, right)) return true;
  if (typeof left !== "object" || typeof right !== "object") return false;
  if (left === null || right === null) return false;
  if (!haveSameClass(left, right)) return false;
  if (left instanceof Date && right instanceof Date) {
    return Object.is(left.getTime(), right.getTime());
  }
  if (left instanceof RegExp || left instanceof URL) {
    return String(left) === String(right);
  }
  if (left instanceof WeakMap || left instanceof WeakSet) {
    throw new TypeError(`Cannot compare ${left.constructor.name} instances`);
  }
  if (left instanceof WeakRef && right instanceof WeakRef) {
    return compare(left.deref(), right.deref(), seen);
  }
  if (seen.get(left) === right) return true;
  seen.set(left, right);
  if (left instanceof Set && right instanceof Set) {
    return sameEntries(left, right, seen);
  }
  if (left instanceof Map && right instanceof Map) {
    return sameEntries(left, right, seen);
  }
  return sameProperties(left, right, seen);
}

function haveSameClass(left: object, right: object): boolean {
  const leftClass = left.constructor ?? Object;
  return leftClass === (right.constructor ?? Object);
}

function sameEntries(
  left: Set<unknown> | Map<unknown, unknown>,
  right: Set<unknown> | Map<unknown, unknown>,
  seen: Seen,
): boolean {
  if (left.size !== right.size) return false;
  const open = [...right.entries()];
  for (const entry of left.entries()) {
    const at = open.findIndex((other) =>
      compare(entry[0], other[0], seen) && compare(entry[1], other[1], seen)
    );
    if (at < 0) return false;
    open.splice(at, 1);
  }
  return true;
}

function sameProperties(left: object, right: object, seen: Seen): boolean {
  if (ArrayBuffer.isView(left) || left instanceof ArrayBuffer) {
    return sameBytes(left, right as ArrayBufferView | ArrayBuffer);
  }
  const names = namesOf(left);
  if (names.length !== namesOf(right).length) return false;
  for (const name of names) {
    if (!Object.hasOwn(right, name)) return false;
    if (!compare(Reflect.get(left, name), Reflect.get(right, name), seen)) {
      return false;
    }
  }
  // An error's message is not enumerable, and is most of the error.
  return !(left instanceof Error && right instanceof Error) ||
    left.message === right.message;
}

function namesOf(value: object): PropertyKey[] {
  return Reflect.ownKeys(value).filter((name) =>
    Object.prototype.propertyIsEnumerable.call(value, name)
  );
}

function sameBytes(
  left: ArrayBufferView | ArrayBuffer,
  right: ArrayBufferView | ArrayBuffer,
): boolean {
  if (left.byteLength !== right.byteLength) return false;
  const [leftBytes, rightBytes] = [bytesOf(left), bytesOf(right)];
  return leftBytes.every((byte, at) => byte === rightBytes[at]);
}

function bytesOf(value: ArrayBufferView | ArrayBuffer): Uint8Array {
  return ArrayBuffer.isView(value)
    ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    : new Uint8Array(value);
}
