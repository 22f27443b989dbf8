/**
 * The description of one function that travels as its text: which variables
 * of its scopes it names, what it extends, and what was hung on it.
 *
 * @module
 */
import type { Bundle } from "./bundle.ts";
import { isOwnGlobal, keyOf } from "./builtins.ts";
import type { Described, FunctionScope, Script } from "./inspector.ts";
import type { AnyFunction, CodeNode, PropertyMeta, Source } from "./meta.ts";
import type { ImportBinding } from "./modules.ts";
import { resolved } from "./modules.ts";
import { deadZone, readVariable, ScopeTable } from "./scopes.ts";
import {
  type Edit,
  edited,
  importMetaName,
  type Member,
  nameOf,
  type Shape,
  textOf,
} from "./shape.ts";

/** Describes the functions of one bundle. */
export class CodeNodes {
  readonly #bundle: Bundle;
  readonly #scopes = new ScopeTable();
  readonly #variables = new Map<string, number>();

  constructor(bundle: Bundle) {
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
      fn,
      shape,
    });
    await names.resolve();
    const { line, column } = await this.#bundle.sources
      .positionOf(fn, described);
    const textHash = await this.#bundle.sources.textHash(script);
    const base = shape.hasHeritage
      ? { base: await this.#baseOf(fn, path) }
      : {};
    return {
      kind: "code",
      name: nameOf(fn),
      module: this.#bundle.moduleOf(
        script.url || this.#bundle.sources.main,
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
      path: `${options.path}.prototype`,
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
      const path = `${options.path}.${String(key)}`;
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

/** Finds out what the free names of one function mean. */
class NodeNames {
  readonly used: number[] = [];
  readonly assigned: number[] = [];
  readonly edits: Edit[] = [];
  readonly #bundle: Bundle;
  readonly #variables: Map<string, number>;
  readonly #scopes: readonly FunctionScope[];
  readonly #scopeIds: readonly number[];
  readonly #globalScopeId: number;
  readonly #script: Script;
  readonly #fn: AnyFunction;
  readonly #shape: Shape;

  constructor(options: {
    bundle: Bundle;
    variables: Map<string, number>;
    scopes: readonly FunctionScope[];
    scopeIds: readonly number[];
    globalScopeId: number;
    script: Script;
    fn: AnyFunction;
    shape: Shape;
  }) {
    this.#bundle = options.bundle;
    this.#variables = options.variables;
    this.#scopes = options.scopes;
    this.#scopeIds = options.scopeIds;
    this.#globalScopeId = options.globalScopeId;
    this.#script = options.script;
    this.#fn = options.fn;
    this.#shape = options.shape;
  }

  async resolve(): Promise<void> {
    const { names, importMetas, usesEval } = this.#shape.free;
    const wanted = new Set(names.keys());
    if (usesEval) {
      for (const { variables } of this.#scopes) {
        for (const name of Object.keys(variables)) wanted.add(name);
      }
    }
    for (const name of wanted) await this.#resolveName(name);
    if (importMetas.length > 0) {
      const module = this.#bundle.moduleOf(this.#script.url);
      const scope = this.#scopeIds.at(-1) ?? this.#globalScopeId;
      this.#use(importMetaName, scope, () => ({ importMeta: module }));
    }
  }

  async #resolveName(name: string): Promise<void> {
    const depth = this.#scopes.findIndex(({ variables }) =>
      Object.hasOwn(variables, name)
    );
    if (depth < 0) {
      if (!isOwnGlobal(name)) return;
      const value: unknown = Reflect.get(globalThis, name);
      return await this.#useValue(name, this.#globalScopeId, value);
    }
    const { variables, label } = this.#scopes[depth]!;
    const scope = this.#scopeIds[depth]!;
    const value = readVariable(variables, name);
    // Nothing is declared, so that its use throws a ReferenceError there too.
    if (value === deadZone) return;
    if (label === "Module" && this.#script.isModule) {
      if (await this.#useImport(name, { scope, value })) return;
    }
    await this.#useValue(name, scope, value);
  }

  /** Takes a name of the module's scope from an import, if it can. */
  async #useImport(
    name: string,
    options: { scope: number; value: unknown },
  ): Promise<boolean> {
    const { scope, value } = options;
    const script = this.#script;
    const binding = (await this.#bundle.sources.imports(script)).get(name);
    if (binding === undefined) return await this.#useOwnExport(name, options);
    const url = resolved(binding.specifier, script.url);
    if (url !== undefined && await this.#bundle.sources.containsMain(url)) {
      return false;
    }
    if (binding.name === "*" || typeof value === "function") {
      const source = { import: this.#importName(binding) };
      this.#use(name, scope, () => source);
    } else {
      this.#useLive(name, { scope, binding });
    }
    return true;
  }

  /** An export may be given another value later, so it is read from its module each time. */
  #useLive(
    name: string,
    options: { scope: number; binding: ImportBinding },
  ): void {
    const { scope, binding } = options;
    const namespace = `${name}$ns`;
    const key = /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(binding.name)
      ? `.${binding.name}`
      : `[${JSON.stringify(binding.name)}]`;
    for (const use of this.#shape.free.names.get(name)?.uses ?? []) {
      const text = namespace + key;
      this.edits.push({
        start: use.start,
        end: use.end,
        text: use.shorthand ? `${name}: ${text}` : text,
      });
    }
    const source = { import: this.#importName({ ...binding, name: "*" }) };
    this.#use(namespace, scope, () => source);
  }

  /** An object that the function's own module exports is each worker's own. */
  async #useOwnExport(
    name: string,
    options: { scope: number; value: unknown },
  ): Promise<boolean> {
    const { value, scope } = options;
    const { sources } = this.#bundle;
    if (typeof value !== "object" || value === null) return false;
    if (this.#shape.free.names.get(name)?.assigned) return false;
    if (!await sources.isImportable(this.#script)) return false;
    const exported = await sources.exportOf(value, this.#script.url);
    if (exported === undefined) return false;
    const source = { import: this.#bundle.importName(exported) };
    this.#use(name, scope, () => source);
    return true;
  }

  #importName(binding: ImportBinding): ReturnType<Bundle["importName"]> {
    return this.#bundle.importName({ base: this.#script.url, ...binding });
  }

  async #useValue(name: string, scope: number, value: unknown): Promise<void> {
    if (!this.#variables.has(`${scope}:${name}`)) {
      const source = await this.#bundle.sourceOf(value, name);
      this.#use(name, scope, () => source);
      return;
    }
    this.#use(name, scope, () => ({ special: "undefined" }));
  }

  #use(name: string, scope: number, source: () => Source): void {
    const key = `${scope}:${name}`;
    let index = this.#variables.get(key);
    if (index === undefined) {
      index = this.#bundle.variables.push({ name, scope, source: source() }) -
        1;
      this.#variables.set(key, index);
    }
    this.used.push(index);
    const free = this.#shape.free.names.get(name);
    if (free?.assigned || this.#shape.free.usesEval) this.assigned.push(index);
  }
}
