/**
 * Whether two values are the same in all that a value codec promises: kinds,
 * prototypes, holes, -0, hidden properties, and which parts are one object.
 *
 * @module
 */
const errorKeys = ["name", "message", "stack", "cause", "errors"];

/** Throws with a path unless `actual` is what `expected` is. */
export function assertSame(actual: unknown, expected: unknown): void {
  compare(actual, expected, { path: "value", pairs: new Map() });
}

interface Place {
  readonly path: string;
  /** Objects met, each with its counterpart: identity must agree both ways. */
  readonly pairs: Map<object, object>;
}

function compare(actual: unknown, expected: unknown, place: Place): void {
  const { path, pairs } = place;
  if (!isObject(expected) || !isObject(actual)) {
    check(Object.is(actual, expected), path, "primitive");
    return;
  }
  if (pairs.has(expected) || pairs.has(actual)) {
    check(pairs.get(expected) === actual, path, "identity");
    check(pairs.get(actual) === expected, path, "identity back");
    return;
  }
  pairs.set(expected, actual);
  pairs.set(actual, expected);
  const prototype = Object.getPrototypeOf(expected) ?? Object.prototype;
  check(Object.getPrototypeOf(actual) === prototype, path, "prototype");
  compareInside(actual, expected, place);
  compareKeys(actual, expected, place);
}

function compareKeys(actual: object, expected: object, place: Place): void {
  const { path, pairs } = place;
  if (ArrayBuffer.isView(expected)) return;
  const keys = Object.keys(expected);
  const same = JSON.stringify(Object.keys(actual)) === JSON.stringify(keys);
  check(same, path, `keys ${Object.keys(actual)} instead of ${keys}`);
  const hidden = expected instanceof Error ? errorKeys : [];
  for (const key of new Set([...keys, ...hidden])) {
    compare(
      Object.hasOwn(actual, key) || hidden.includes(key)
        ? Reflect.get(actual, key)
        : undefined,
      Reflect.get(expected, key),
      { path: `${path}.${key}`, pairs },
    );
  }
}

function compareInside(actual: object, expected: object, place: Place): void {
  const { path, pairs } = place;
  const at = (name: string) => ({ path: `${path}.${name}`, pairs });
  if (Array.isArray(expected)) {
    check((actual as unknown[]).length === expected.length, path, "length");
  } else if (expected instanceof Map) {
    compareLists([...actual as Map<unknown, unknown>].flat(), {
      expected: [...expected].flat(),
      place: at("entries"),
    });
  } else if (expected instanceof Set) {
    compareLists([...actual as Set<unknown>], {
      expected: [...expected],
      place: at("items"),
    });
  } else if (expected instanceof ArrayBuffer) {
    const found = actual as ArrayBuffer;
    check(sameBytes(found, expected), path, "bytes");
    check(found.resizable === expected.resizable, path, "resizable");
    check(found.maxByteLength === expected.maxByteLength, path, "longest");
  } else if (ArrayBuffer.isView(expected)) {
    compareViews(actual as ArrayBufferView, expected, place);
  } else if (!(expected instanceof Error) && typeof expected !== "function") {
    // Dates, regular expressions and boxed primitives show all they are.
    const shown = [actual, expected].map((value) =>
      value instanceof Date || value instanceof RegExp || isBoxed(value)
        ? Deno.inspect(value)
        : ""
    );
    check(shown[0] === shown[1], path, `${shown[0]} instead of ${shown[1]}`);
  }
}

function compareLists(
  actual: unknown[],
  options: { expected: unknown[]; place: Place },
): void {
  const { expected, place } = options;
  check(actual.length === expected.length, place.path, "size");
  expected.forEach((item, index) =>
    compare(actual[index], item, {
      path: `${place.path}[${index}]`,
      pairs: place.pairs,
    })
  );
}

function compareViews(
  actual: ArrayBufferView,
  expected: ArrayBufferView,
  { path, pairs }: Place,
): void {
  check(actual.byteLength === expected.byteLength, path, "length of view");
  const bytes = [actual, expected].map((view) =>
    new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice().buffer
  );
  check(sameBytes(bytes[0]!, bytes[1]!), path, "bytes of view");
  if (expected.buffer.byteLength < 4096) {
    check(actual.byteOffset === expected.byteOffset, path, "offset of view");
    compare(actual.buffer, expected.buffer, { path: `${path}.buffer`, pairs });
  }
}

function sameBytes(left: ArrayBuffer, right: ArrayBuffer): boolean {
  return new Uint8Array(left).toHex() === new Uint8Array(right).toHex();
}

function isBoxed(value: object): boolean {
  return [Number, String, Boolean, BigInt].some((type) =>
    value instanceof type
  );
}

function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) ||
    typeof value === "function";
}

function check(isSame: boolean, path: string, what: string): void {
  if (!isSame) throw new Error(`Not the same at ${path}: ${what}`);
}
