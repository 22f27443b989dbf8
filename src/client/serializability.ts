/**
 * `inspectSerializability`: what of a value can't travel.
 *
 * @module
 */
import { SerializationError } from "../base/errors.ts";
import type { AnyFunction } from "../base/functions.ts";
import type { Owner } from "../owner/owner.ts";
import { show } from "./check.ts";
import { owner } from "./session.ts";

/** A part of a value that can't travel, or a whole with such parts. */
export interface SerializabilityNode {
  /** Where it stands, such as `value.db.conn`. */
  readonly path: string;
  /** Why it can't travel itself; undefined where only its parts can't. */
  readonly reason?: string;
  /** Its parts that can't. */
  readonly parts: readonly SerializabilityNode[];
}

/** What {@linkcode inspectSerializability} found. */
export interface Serializability {
  /** Whether the value can travel. */
  readonly ok: boolean;
  /** What can't, as a tree; undefined where all can. */
  readonly tree?: SerializabilityNode;
  /** The leaves of the tree: each part that can't travel, and why. */
  readonly problems: readonly { path: string; reason: string }[];
  /** The tree, for people. */
  toString(): string;
}

/** Levels that are looked into. */
const depthMax = 20;

/**
 * Finds what of a value can't be sent to another process: sockets, native
 * handles, and the like, in it or in what its functions close over.
 *
 * @param value Any value.
 *
 * @example
 * ```ts
 * import { inspectSerializability } from "@manta/manta";
 * const found = await inspectSerializability({ a: 1, lock: new WeakRef({}) });
 * console.log(found.ok, found.problems.length); // false 1
 * ```
 */
export async function inspectSerializability(
  value: unknown,
): Promise<Serializability> {
  const inspector = new Inspector(owner());
  const tree = await inspector.inspect(value, "value", 0);
  const problems = tree === undefined ? [] : leavesOf(tree);
  return {
    ok: tree === undefined,
    ...(tree === undefined ? {} : { tree }),
    problems,
    toString: () =>
      tree === undefined ? "value can travel" : drawn(tree).join("\n"),
  };
}

class Inspector {
  readonly #owner: Owner;
  readonly #seen = new Set<unknown>();

  constructor(own: Owner) {
    this.#owner = own;
  }

  async inspect(
    value: unknown,
    path: string,
    depth: number,
  ): Promise<SerializabilityNode | undefined> {
    const fault = await this.#faultOf(value);
    if (fault === undefined) return undefined;
    const parts: SerializabilityNode[] = [];
    if (!this.#seen.has(value) && depth < depthMax) {
      this.#seen.add(value);
      for (const [name, read] of partsOf(value)) {
        const node = await this.#part(read, `${path}${name}`, depth + 1);
        if (node !== undefined) parts.push(node);
      }
    }
    return parts.length > 0
      ? { path, parts }
      : { path, reason: reasonOf(fault), parts };
  }

  #part(
    read: () => unknown,
    path: string,
    depth: number,
  ): Promise<SerializabilityNode | undefined> | SerializabilityNode {
    let part: unknown;
    try {
      part = read();
    } catch (error) {
      return { path, reason: reasonOf(error), parts: [] };
    }
    return this.inspect(part, path, depth);
  }

  /** Why a value as a whole can't travel. */
  async #faultOf(value: unknown): Promise<unknown> {
    const { values } = this.#owner;
    try {
      if (typeof value === "function") {
        await values.code.refOf(value);
        return undefined;
      }
      const { functions } = values.encodeForKey(value);
      for (const fn of functions) await values.code.refOf(fn as AnyFunction);
      return undefined;
    } catch (error) {
      return error;
    }
  }
}

/** What a value holds, by how one gets there; nothing where it does not say. */
function partsOf(value: unknown): [name: string, read: () => unknown][] {
  if (typeof value !== "object" || value === null) return [];
  const parts: [string, () => unknown][] = [];
  try {
    if (value instanceof Map) {
      for (const [key, item] of value) {
        parts.push([`.get(${Deno.inspect(key)})`, () => item]);
      }
    } else if (value instanceof Set) {
      let at = 0;
      for (const item of value) {
        parts.push([`.values()[${at++}]`, () => item]);
      }
    }
    for (const key of Object.keys(value)) {
      const read = () => (value as Record<string, unknown>)[key];
      parts.push([keyText(value, key), read]);
    }
  } catch {
    // A proxy may throw for any question; its own reason says so.
  }
  return parts;
}

function keyText(value: object, key: string): string {
  const isName = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key);
  if (isName) return `.${key}`;
  return Array.isArray(value) ? `[${key}]` : `[${JSON.stringify(key)}]`;
}

/** Beside what the runtime refuses: a getter may throw anything, and so may a proxy. */
function reasonOf(fault: unknown): string {
  if (fault instanceof SerializationError) return fault.message;
  return `reading it throws ${
    fault instanceof Error ? `${fault.name}: ${fault.message}` : show(fault)
  }`;
}

function leavesOf(
  { path, reason, parts }: SerializabilityNode,
): { path: string; reason: string }[] {
  if (reason !== undefined) return [{ path, reason }];
  return parts.flatMap(leavesOf);
}

function drawn({ path, reason, parts }: SerializabilityNode): string[] {
  const own = reason === undefined ? path : `${path}: ${reason}`;
  return [own, ...parts.flatMap(drawn).map((line) => `  ${line}`)];
}
