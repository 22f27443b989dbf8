/**
 * Errors on their way to another process: name, message and stack always
 * arrive, whatever hangs on them.
 *
 * An error is sent as it is where it can be. Where a part of it can't travel,
 * a copy goes instead, in which a short text says so in that part's place. A
 * class that can't travel leaves its errors as the built-in that it extends.
 *
 * @module
 */
import type { HeldValue } from "../base/stored.ts";
import { areInstancesRefused, kindOf } from "../wire/values.ts";
import { hiddenErrorKeys } from "../wire/value_tags.ts";
import type { StoreOptions, Values } from "./values.ts";

/** Stores an error, ready to be sent; it always succeeds. */
export async function storeError(
  error: unknown,
  values: Values,
  options: Pick<StoreOptions, "ownerId"> = {},
): Promise<HeldValue> {
  const how = { ...options, label: "error" };
  const store = async (fit: unknown) => {
    const { held, ready } = values.store(fit, how);
    if (ready !== undefined) await ready;
    return held;
  };
  try {
    return await store(error);
  } catch {
    // What can't travel is found part by part, and said in its place.
  }
  try {
    return await store(await new Reduction(values).of(error, "error"));
  } catch (fault) {
    return await store(new Error(`Cannot send an error: ${fault}`));
  }
}

/** One error made fit to travel. */
class Reduction {
  readonly #values: Values;
  readonly #copies = new Map<object, object>();

  constructor(values: Values) {
    this.#values = values;
  }

  /** The value, if it can travel; else as much of it as can. */
  async of(value: unknown, path: string): Promise<unknown> {
    if (isPlainError(value)) return await this.#error(value, path);
    const fault = await this.#faultOf(value, path);
    return fault === undefined ? value : `[${fault}]`;
  }

  async #error(error: Error, path: string): Promise<object> {
    const known = this.#copies.get(error);
    if (known !== undefined) return known;
    const prototype = await this.#prototypeOf(error);
    const copy: object = Object.create(prototype);
    this.#copies.set(error, copy);
    const name = String(error.name);
    if (Reflect.get(prototype, "name") !== name) {
      Object.defineProperty(copy, "name", { value: name, configurable: true });
    }
    for (const key of new Set([...hiddenErrorKeys, ...Object.keys(error)])) {
      const own = Object.getOwnPropertyDescriptor(error, key);
      if (own === undefined) continue;
      Object.defineProperty(copy, key, {
        value: await this.#part(error, key, `${path}.${key}`),
        enumerable: own.enumerable ?? false,
        configurable: true,
      });
    }
    return copy;
  }

  async #part(error: Error, key: string, path: string): Promise<unknown> {
    let part: unknown;
    try {
      part = Reflect.get(error, key);
    } catch (thrown) {
      return `[Cannot read "${path}": ${thrown}]`;
    }
    if (key === "errors" && Array.isArray(part)) {
      const parts: unknown[] = [];
      for (const [at, one] of part.entries()) {
        parts.push(await this.of(one, `${path}[${at}]`));
      }
      return parts;
    }
    const reduced = await this.of(part, path);
    // What was thrown is shown, for it is all that is known of the fault.
    const isThrown = key === "cause" && reduced !== part &&
      typeof reduced === "string";
    if (!isThrown) return reduced;
    const cause = new Error(`${shown(part)} ${reduced}`);
    cause.stack = `${cause.name}: ${cause.message}`;
    return cause;
  }

  /** The nearest prototype whose class can travel, or is everywhere. */
  async #prototypeOf(error: Error): Promise<object> {
    let prototype: object = Object.getPrototypeOf(error);
    for (;;) {
      const { constructor } = kindOf(prototype);
      if (constructor === undefined) return prototype;
      try {
        await this.#values.code.refOf(constructor);
        if (!areInstancesRefused(constructor)) return prototype;
      } catch {
        // The class needs what can't travel: the one above it may not.
      }
      prototype = Object.getPrototypeOf(constructor.prototype);
    }
  }

  /** Why a value can't travel; undefined if it can. */
  async #faultOf(value: unknown, path: string): Promise<string | undefined> {
    try {
      const { functions } = this.#values.codec.encode(value, { label: path });
      for (const fn of functions) await this.#values.code.refOf(fn);
      if (functions.some(areInstancesRefused)) {
        this.#values.codec.encode(value, { label: path });
      }
      return undefined;
    } catch (fault) {
      return fault instanceof Error ? fault.message : String(fault);
    }
  }
}

/** One whose properties are all there is to it, unlike a DOMException. */
function isPlainError(value: unknown): value is Error {
  return value instanceof Error &&
    kindOf(Object.getPrototypeOf(value)).base === "error";
}

function shown(value: unknown): string {
  try {
    return Deno.inspect(value);
  } catch {
    // A value that can't even be looked at, such as a revoked proxy.
    return "a value that can't be shown";
  }
}
