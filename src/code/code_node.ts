/**
 * The description of one function that travels as its text: which variables
 * of its scopes it names, what it extends, and what was hung on it.
 *
 * @module
 */
import type { AnyFunction } from "../base/functions.ts";
import type { BundlePort } from "./bundle_port.ts";
import { keyOf } from "./builtins.ts";
import type { Described, Script } from "./inspector.ts";
import type { CodeNode, PropertyMeta, Source } from "./meta.ts";
import { NodeNames } from "./node_names.ts";
import { ScopeTable } from "./scopes.ts";
import { edited, type Member, nameOf, type Shape, textOf } from "./shape.ts";

/** Describes the functions of one bundle. */
export class CodeNodes {
  readonly #bundle: BundlePort;
  readonly #scopes = new ScopeTable();
  readonly #variables = new Map<string, number>();

  constructor(bundle: BundlePort) {
    this.#bundle = bundle;
  }

  /** Describes a function that stands in a script of the program. */
  async describe(
    fn: AnyFunction,
    options: { described: Described; script: Script; path: string },
  ): Promise<CodeNode> {
    const { described, script, path } = options;
    const shape = await this.#shapeOf(fn, path);
    this.#refuseSurroundings(shape, path);
    const scopeIds = this.#scopes.idsOf(described);
    const names = new NodeNames({
      bundle: this.#bundle,
      variables: this.#variables,
      scopes: described.scopes,
      scopeIds,
      globalScopeId: this.#scopes.globalId,
      script,
      shape,
    });
    await names.resolve();
    const { line, column } = await this.#bundle.sources
      .positionOf(fn, described);
    const textHash = await this.#bundle.sources.textHash(script);
    const base = shape.hasHeritage
      ? { base: await this.#baseOf(fn, path), baseName: shape.baseName }
      : {};
    return {
      kind: "code",
      name: nameOf(fn),
      module: this.#bundle.moduleOf(
        await this.#bundle.sources.urlOf(script),
        textHash,
      ),
      line,
      column,
      text: edited(textOf(fn), [...shape.edits, ...names.edits]),
      form: shape.form,
      key: shape.key,
      sloppy: shape.isSloppy || isSloppy(fn),
      isClass: shape.isClass,
      ...base,
      ...await this.#privatesOf(shape, { described, path }),
      variables: names.used,
      assigned: names.assigned,
      scopes: [this.#scopes.globalId, ...scopeIds.toReversed()],
      properties: await this.#propertiesOf(fn, {
        members: shape.members.filter(({ isStatic }) => isStatic),
        path,
      }),
      prototype: await this.#prototypeOf(fn, { shape, path }),
    };
  }

  async #shapeOf(fn: AnyFunction, path: string): Promise<Shape> {
    try {
      return await this.#bundle.sources.shape(fn);
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause;
      const isPrivate = /Private field/.test(cause.message);
      const fault = isPrivate
        ? "uses a #private name of a class it was taken out of: send the whole class"
        : `can't be taken out of its surroundings: ${cause.message}`;
      throw this.#bundle.refusal(path, fault, cause);
    }
  }

  #refuseSurroundings(shape: Shape, path: string): void {
    const { free } = shape;
    if (free.usesSuper) {
      throw this.#bundle.refusal(
        path,
        'uses "super" of an object or class it was taken out of: send the whole class',
      );
    }
    if (!shape.isArrow) return;
    if (free.usesThis) {
      throw this.#bundle.refusal(
        path,
        'is an arrow function that uses "this" of its surroundings, which can\'t travel: ' +
          "copy what it needs into a constant first",
      );
    }
    if (free.names.has("arguments")) {
      throw this.#bundle.refusal(
        path,
        'is an arrow function that uses "arguments" of its surroundings, which can\'t travel',
      );
    }
  }

  async #baseOf(fn: AnyFunction, path: string): Promise<Source> {
    const base: unknown = Object.getPrototypeOf(fn);
    if (typeof base === "function" && base !== Function.prototype) {
      return await this.#bundle.sourceOf(base, path);
    }
    return { plain: null };
  }

  async #privatesOf(
    shape: Shape,
    { described, path }: { described: Described; path: string },
  ): Promise<Pick<CodeNode, "privates">> {
    if (shape.privates.length === 0) return {};
    const privates: { name: string; source: Source }[] = [];
    for (const name of shape.privates) {
      const where = this.#bundle.memberPath(path, name);
      if (!described.privates.has(name)) {
        throw this.#bundle.refusal(where, "can't be read");
      }
      const value = described.privates.get(name);
      privates.push({
        name,
        source: await this.#bundle.sourceOf(value, where),
      });
    }
    return { privates };
  }

  /** What hangs on a function itself: statics with their present values, and whatever was added. */
  async #propertiesOf(
    fn: AnyFunction,
    options: { members: readonly Member[]; path: string },
  ): Promise<PropertyMeta[]> {
    const usual = new Set<PropertyKey>([
      "length",
      "prototype",
      "arguments",
      "caller",
    ]);
    const name = Object.getOwnPropertyDescriptor(fn, "name");
    if (name !== undefined && !name.writable) usual.add("name");
    return await this.#differing(fn, { ...options, usual });
  }

  async #prototypeOf(
    fn: AnyFunction,
    options: { shape: Shape; path: string },
  ): Promise<PropertyMeta[]> {
    const prototype: unknown = fn.prototype;
    if (typeof prototype !== "object" || prototype === null) return [];
    return await this.#differing(prototype, {
      members: options.shape.members.filter(({ isStatic }) => !isStatic),
      usual: new Set<PropertyKey>(["constructor"]),
      path: this.#bundle.memberPath(options.path, "prototype"),
    });
  }

  /** The properties of `holder` that its text does not make. */
  async #differing(
    holder: object,
    options: {
      members: readonly Member[];
      usual: ReadonlySet<PropertyKey>;
      path: string;
    },
  ): Promise<PropertyMeta[]> {
    const found: PropertyMeta[] = [];
    for (const key of Reflect.ownKeys(holder)) {
      if (options.usual.has(key)) continue;
      const property = Object.getOwnPropertyDescriptor(holder, key)!;
      const isMade = options.members.some((member) =>
        member.key === key && makes(member, property)
      );
      if (isMade) continue;
      const path = this.#bundle.memberPath(options.path, key);
      found.push({
        key: keyOf(key) ?? this.#bundle.symbolOf(key as symbol),
        enumerable: property.enumerable ?? false,
        configurable: property.configurable ?? false,
        writable: property.writable ?? false,
        ...await this.#partsOf(property, path),
      });
    }
    return found;
  }

  async #partsOf(
    property: PropertyDescriptor,
    path: string,
  ): Promise<Pick<PropertyMeta, "value" | "get" | "set">> {
    const parts: { -readonly [part in "value" | "get" | "set"]?: Source } = {};
    for (const part of ["value", "get", "set"] as const) {
      const isThere = part === "value"
        ? "value" in property
        : property[part] !== undefined;
      if (!isThere) continue;
      parts[part] = await this.#bundle.sourceOf(property[part], path);
    }
    return parts;
  }
}

function makes(member: Member, property: PropertyDescriptor): boolean {
  const fn: unknown = property.value ?? property.get ?? property.set;
  return typeof fn === "function" &&
    member.text.endsWith(textOf(fn as AnyFunction));
}

/** Sloppy functions, and only they, have these properties of their own. */
function isSloppy(fn: AnyFunction): boolean {
  return Object.hasOwn(fn, "arguments") && Object.hasOwn(fn, "caller");
}
