/**
 * What every process has from the start: globals, and the modules of `node:`.
 *
 * Names such a thing by where it is found, since it can't be copied. Accessors
 * are not read, because reading some of them opens something.
 *
 * @module
 */
import type { Key, SymbolName } from "./meta.ts";
import { wellKnownName } from "./shape.ts";

/** The globals that were there before the program added its own. */
const firstGlobals = new Set(Object.getOwnPropertyNames(globalThis));

/** Objects on a path from `globalThis` have at most this many keys before them. */
const depthMax = 4;

let objectNames: Map<object, string> | undefined;
let paths: Map<unknown, readonly Key[]> | undefined;

/** Whether a global of that name was put there by the program. */
export function isOwnGlobal(name: string): boolean {
  return Object.hasOwn(globalThis, name) && !firstGlobals.has(name);
}

/** Where a builtin is found from `globalThis`, if it is one. */
export function globalPathOf(value: unknown): readonly Key[] | undefined {
  if (value === globalThis) return ["globalThis"];
  const byName = pathByName(value);
  if (byName !== undefined) return byName;
  paths ??= listPaths();
  return paths.get(value);
}

/** The name of a global that is an object (`Math`, `console`), if a value is one. */
export function globalObjectName(value: object): string | undefined {
  if (value === globalThis) return "globalThis";
  if (objectNames === undefined) {
    objectNames = new Map();
    for (const name of firstGlobals) {
      const held = valueAt(globalThis, name);
      const isObject = typeof held === "object" && held !== null;
      if (isObject && !objectNames.has(held)) objectNames.set(held, name);
    }
  }
  return objectNames.get(value) ?? pathByName(value)?.[0] as string | undefined;
}

/** Follows a path from `globalThis`. */
export function atGlobalPath(
  path: readonly Key[],
  symbolOf: (name: SymbolName) => symbol,
): unknown {
  let value: unknown = globalThis;
  for (const key of path) {
    if (value === undefined || value === null) return undefined;
    const plain = typeof key === "string" ? key : symbolOf(key);
    value = (value as Record<PropertyKey, unknown>)[plain];
  }
  return value;
}

/** A property key as data; nothing where the key is a symbol of the program's own. */
export function keyOf(key: PropertyKey): Key | undefined {
  return typeof key === "symbol" ? symbolNameOf(key) : String(key);
}

/** The name of a symbol that other processes have too. */
export function symbolNameOf(symbol: symbol): SymbolName | undefined {
  const registered = Symbol.keyFor(symbol);
  if (registered !== undefined) return { registered };
  const wellKnown = wellKnownName(symbol);
  return wellKnown === undefined ? undefined : { wellKnown };
}

/** The quick way for most functions, and the only one for globals that are accessors. */
function pathByName(value: unknown): readonly Key[] | undefined {
  const isFunction = typeof value === "function";
  if (!isFunction && (typeof value !== "object" || value === null)) {
    return undefined;
  }
  const name: unknown = isFunction
    ? value.name
    : Object.getPrototypeOf(value)?.constructor?.name;
  if (typeof name !== "string") return undefined;
  // An object of class Crypto is the global crypto, if any.
  const global = isFunction ? name : name.toLowerCase();
  if (!firstGlobals.has(global)) return undefined;
  return Reflect.get(globalThis, global) === value ? [global] : undefined;
}

function listPaths(): Map<unknown, readonly Key[]> {
  const found = new Map<unknown, readonly Key[]>();
  let wave: [unknown, readonly Key[]][] = [...firstGlobals]
    .map((name) => [valueAt(globalThis, name), [name]]);
  // What a page may call by several names has its first one.
  found.set(globalThis, ["globalThis"]);
  for (let depth = 0; depth < depthMax; depth++) {
    const next: typeof wave = [];
    for (const [value, path] of wave) {
      const isObject = typeof value === "object" && value !== null;
      if ((!isObject && typeof value !== "function") || found.has(value)) {
        continue;
      }
      found.set(value, path);
      for (const key of Reflect.ownKeys(value)) {
        const name = keyOf(key);
        if (name === undefined) continue;
        next.push([valueAt(value, key), [...path, name]]);
      }
      const prototype: unknown = Object.getPrototypeOf(value);
      if (isObject) next.push([prototype, [...path, "__proto__"]]);
    }
    wave = next;
  }
  return found;
}

function valueAt(object: object, key: PropertyKey): unknown {
  return Object.getOwnPropertyDescriptor(object, key)?.value;
}

/** Where a `node:` module exports a function whose script has this address. */
export async function nodeExportOf(
  value: unknown,
  scriptUrl: string,
): Promise<{ specifier: string; name: string; member?: string } | undefined> {
  const { builtinModules } = await import("node:module");
  const hint = /^(?:node:|ext:deno_node\/)([\w/]+)/.exec(scriptUrl)?.[1];
  const likely = [hint, hint?.split("/")[0]]
    .filter((name) => name !== undefined && builtinModules.includes(name));
  const others = builtinModules.filter((name) => !/^_|^sys$/.test(name));
  for (const module of new Set([...likely, ...others])) {
    const specifier = `node:${module}`;
    const found = exportIn(await namespaceOf(specifier), value);
    if (found !== undefined) return { specifier, ...found };
  }
  return undefined;
}

/** The name under which a namespace holds a value. */
export function exportIn(
  namespace: Record<string, unknown>,
  value: unknown,
): { name: string; member?: string } | undefined {
  if (namespace === value) return { name: "*" };
  for (const name of Object.keys(namespace)) {
    if (valueOr(namespace, name) === value) return { name };
  }
  const whole = valueOr(namespace, "default");
  const isObject = typeof whole === "object" && whole !== null;
  if (!isObject && typeof whole !== "function") return undefined;
  for (const member of Object.keys(whole)) {
    if (valueAt(whole, member) === value) return { name: "default", member };
  }
  return undefined;
}

function valueOr(namespace: Record<string, unknown>, name: string): unknown {
  try {
    return namespace[name];
  } catch {
    // An export in its dead zone is nobody's value yet.
    return undefined;
  }
}

async function namespaceOf(
  specifier: string,
): Promise<Record<string, unknown>> {
  try {
    return await import(specifier);
  } catch {
    // Some modules that Node lists are not in Deno: they export nothing.
    return {};
  }
}
