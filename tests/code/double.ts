/**
 * A stand-in for the value codec: plain data, Map, functions by index, and
 * instances by their class's index. Enough to try capture and revival alone.
 *
 * @module
 */
import type { AnyFunction } from "../../src/base/functions.ts";
import { deserialize, serialize } from "node:v8";
import { SerializationError } from "../../src/base/errors.ts";
import type { ValuePort } from "../../src/code/bundle_port.ts";

const refused = new Set<unknown>();

type Plain = Record<string, unknown>;

/** What the capturer asks of the codec. */
export const port: ValuePort = {
  functionsIn(value) {
    const functions: AnyFunction[] = [];
    shape(value, functions, "value");
    return functions;
  },
  refuseInstances(constructor) {
    refused.add(constructor);
  },
};

/** Values to bytes; functions are appended to the table. */
export function encodeValues(
  values: unknown[],
  functions: AnyFunction[],
): Uint8Array {
  return serialize(shape(values, functions, "value"));
}

/** Bytes to values. */
export function decodeValues(
  bytes: Uint8Array,
  functions: AnyFunction[],
): unknown[] {
  return unshape(deserialize(bytes), functions, new Map()) as unknown[];
}

function shape(
  value: unknown,
  functions: AnyFunction[],
  path: string,
  seen = new Map<unknown, unknown>(),
): unknown {
  if (typeof value === "function") return { $fn: indexIn(functions, value) };
  if (typeof value === "symbol") throw refusal(path, "is a symbol");
  if (typeof value !== "object" || value === null) return value;
  const known = seen.get(value);
  if (known !== undefined) return known;
  if (ArrayBuffer.isView(value) || value instanceof Date) return value;
  if (value instanceof Map) {
    const out = new Map();
    seen.set(value, out);
    for (const [key, item] of value) {
      out.set(key, shape(item, functions, `${path}.get(${key})`, seen));
    }
    return out;
  }
  if (Object.prototype.toString.call(value) === "[object TcpListener]") {
    throw refusal(path, "is an open socket");
  }
  const isArray = Array.isArray(value);
  const out: Plain | unknown[] = isArray ? [] : {};
  seen.set(value, out);
  const prototype = Object.getPrototypeOf(value);
  if (!isArray && prototype !== Object.prototype && prototype !== null) {
    if (refused.has(value.constructor)) throw refusal(path, "hides something");
    (out as Plain).$class = indexIn(functions, value.constructor);
  }
  if ("rid" in value || value instanceof Deno.FsFile) {
    throw refusal(path, "is an open file");
  }
  for (const key of Object.keys(value)) {
    (out as Plain)[key] = shape(
      (value as Plain)[key],
      functions,
      isArray ? `${path}[${key}]` : `${path}.${key}`,
      seen,
    );
  }
  return out;
}

function unshape(
  value: unknown,
  functions: AnyFunction[],
  seen: Map<unknown, unknown>,
): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (seen.has(value)) return seen.get(value);
  if (ArrayBuffer.isView(value) || value instanceof Date) return value;
  if (value instanceof Map) {
    for (const [key, item] of value) {
      value.set(key, unshape(item, functions, seen));
    }
    return value;
  }
  const { $fn, $class, ...fields } = value as Plain;
  if ($fn !== undefined) return functions[$fn as number];
  const out = Array.isArray(value)
    ? []
    : $class === undefined
    ? {}
    : Object.create(functions[$class as number]!.prototype);
  seen.set(value, out);
  for (const [key, item] of Object.entries(fields)) {
    out[key] = unshape(item, functions, seen);
  }
  return out;
}

function indexIn(functions: AnyFunction[], fn: AnyFunction): number {
  const known = functions.indexOf(fn);
  return known >= 0 ? known : functions.push(fn) - 1;
}

function refusal(path: string, fault: string): SerializationError {
  return new SerializationError(`Cannot send value: "${path}" ${fault}`, {
    path,
  });
}
