/**
 * Data to functions: the other end of `capture.ts`.
 *
 * Imports first, then functions, then classes after what they extend; only
 * then are the captured values decoded, because they may hold instances of
 * those classes, and every variable gets its value.
 *
 * @module
 */
import type { AnyFunction } from "../base/functions.ts";
import { SerializationError } from "../base/errors.ts";
import { atGlobalPath } from "./builtins.ts";
import { noteImport, noteImportMeta } from "./imported.ts";
import { importFrom, run } from "./evaluate.ts";
import { layOut, type Made, type Maker } from "./layout.ts";
import type {
  CodeNode,
  ImportName,
  Meta,
  ModuleMeta,
  PropertyMeta,
  Source,
  SymbolName,
} from "./meta.ts";
import { resolved } from "./modules.ts";
import { placeOf } from "./shipped.ts";

/** The functions of a bundle. */
export interface Revived {
  /** In the order of its nodes: the first is the one that was captured. */
  readonly functions: AnyFunction[];
  /** Whether a function was made here, not found. */
  isMade(index: number): boolean;
  /** A `#private` member of a class's instances, which therefore can't travel. */
  hiddenMember(index: number): string | undefined;
}

/** What a process that revives may say of itself. */
export interface RevivalOptions {
  /** Whether it runs a module from the very text that functions were taken from. Default: it does not. */
  readonly isLoaded?: (module: ModuleMeta) => Promise<boolean>;
}

/**
 * Makes the functions of a bundle, in the order of its nodes: the first is the
 * one that was captured. `decodeValues` is called once, when all functions
 * exist, and gives the captured values.
 */
export async function revive(
  meta: string,
  decodeValues: (
    functions: AnyFunction[],
    symbols: Map<number, symbol>,
  ) => unknown[],
  { isLoaded = () => Promise.resolve(false) }: RevivalOptions = {},
): Promise<Revived> {
  const revival = new Revival(JSON.parse(meta) as Meta);
  await Promise.all([revival.importAll(), revival.evaluateAll(isLoaded)]);
  revival.makeFunctions();
  revival.takeValues(decodeValues(revival.functions, revival.symbols));
  return revival;
}

class Revival implements Revived {
  readonly functions: AnyFunction[] = [];
  readonly #meta: Meta;
  readonly #imports = new Map<string, unknown>();
  readonly #importMetas = new Map<number, object>();
  /** The program's own symbols, by number. */
  readonly symbols = new Map<number, symbol>();
  readonly #setters = new Map<number, ((value: unknown) => void)[]>();
  readonly #makers = new Map<number, Maker>();
  /** How to set static `#private` fields, by class and name. */
  readonly #privates = new Map<string, (value: unknown) => void>();
  /** Variables whose value is a function that does not exist yet, by that function. */
  readonly #waiting = new Map<number, number[]>();
  #values: unknown[] = [];

  constructor(meta: Meta) {
    this.#meta = meta;
  }

  isMade(index: number): boolean {
    const { kind } = this.#meta.nodes[index]!;
    return kind === "code" || kind === "bound";
  }

  hiddenMember(index: number): string | undefined {
    const node = this.#meta.nodes[index]!;
    return node.kind === "code" || node.kind === "import"
      ? node.hides
      : undefined;
  }

  async importAll(): Promise<void> {
    const wanted = new Map<string, ImportName>();
    const want = (name: ImportName) => wanted.set(JSON.stringify(name), name);
    for (const node of this.#meta.nodes) {
      if (node.kind === "import") want(node.import);
    }
    for (const source of sourcesIn(this.#meta)) {
      if ("import" in source) want(source.import);
    }
    await Promise.all(
      wanted.entries().map(async ([key, name]) => {
        this.#imports.set(key, await this.#import(name));
      }),
    );
  }

  async evaluateAll(
    isLoaded: (module: ModuleMeta) => Promise<boolean>,
  ): Promise<void> {
    for (const layout of layOut(this.#meta)) {
      const made = await run<Made>(layout.text, {
        ...layout,
        isLoaded: await isLoaded(layout.module),
      });
      layout.nodes.forEach((node, at) =>
        this.#makers.set(node, made.make[at]!)
      );
      for (const [variable, set] of made.set) {
        const setters = this.#setters.get(variable);
        if (setters === undefined) this.#setters.set(variable, [set]);
        else setters.push(set);
      }
    }
  }

  makeFunctions(): void {
    this.#setEarlyVariables();
    this.#meta.nodes.forEach((node, index) => {
      if (node.kind === "import") {
        this.#place(index, this.#imports.get(JSON.stringify(node.import)));
      } else if (node.kind === "global") {
        this.#place(
          index,
          atGlobalPath(node.path, (name) => this.#symbol(name)),
        );
      } else if (node.kind === "code" && !node.isClass) {
        this.#place(index, this.#makers.get(index)!());
      }
    });
    for (const index of this.#meta.nodes.keys()) this.#ensure(index);
  }

  takeValues(values: unknown[]): void {
    this.#values = values;
    this.#meta.variables.forEach(({ source }, index) => {
      if ("value" in source) this.#set(index, values[source.value]);
    });
    this.#meta.nodes.forEach((node, index) => {
      if (node.kind !== "code") return;
      const fn = this.functions[index]!;
      this.#define(fn, node.properties);
      this.#define(fn.prototype, node.prototype);
      for (const { name, source } of node.privates ?? []) {
        this.#privates.get(`${index}${name}`)?.(this.#take(source));
      }
    });
  }

  /** What is known before any function exists: static initializers may read it. */
  #setEarlyVariables(): void {
    this.#meta.variables.forEach(({ source }, index) => {
      if ("value" in source) return;
      if (!("node" in source)) return this.#set(index, this.#take(source));
      const waiting = this.#waiting.get(source.node);
      if (waiting === undefined) this.#waiting.set(source.node, [index]);
      else waiting.push(index);
    });
  }

  /** Makes classes and bound functions, each after what it is made from. */
  #ensure(index: number): AnyFunction {
    const known = this.functions[index];
    if (known !== undefined) return known;
    const node = this.#meta.nodes[index]!;
    if (node.kind === "bound") {
      const target = this.#ensure(node.target);
      this.#place(
        index,
        bindLater(target, () => ({
          self: this.#take(node.self),
          args: node.args.map((source) => this.#take(source)),
        })),
      );
    } else if (node.kind === "code") {
      if (node.base !== undefined && "node" in node.base) {
        this.#ensure(node.base.node);
      }
      const base = node.base === undefined ? undefined : this.#take(node.base);
      const takePrivate = (name: string, set: (value: unknown) => void) =>
        void this.#privates.set(`${index}${name}`, set);
      this.#place(index, this.#makers.get(index)!(base, takePrivate));
    }
    return this.functions[index]!;
  }

  #place(index: number, value: unknown): void {
    const node = this.#meta.nodes[index]!;
    if (typeof value !== "function") {
      const name = node.kind === "import"
        ? `"${node.import.name}" of "${node.import.specifier}"`
        : node.kind === "global"
        ? node.path.map(String).join(".")
        : node.kind;
      throw new SerializationError(
        `Cannot revive function: ${name} is none in this process`,
        { path: name },
      );
    }
    if (node.kind === "code" && value.name !== node.name) {
      Object.defineProperty(value, "name", {
        value: node.name,
        configurable: true,
      });
    }
    this.functions[index] = value;
    for (const variable of this.#waiting.get(index) ?? []) {
      this.#set(variable, value);
    }
  }

  #set(variable: number, value: unknown): void {
    for (const set of this.#setters.get(variable) ?? []) set(value);
  }

  #define(holder: object, properties: readonly PropertyMeta[]): void {
    for (const property of properties) {
      const key = typeof property.key === "string"
        ? property.key
        : this.#symbol(property.key);
      const { enumerable, configurable, writable, value, get, set } = property;
      const descriptor: PropertyDescriptor = { enumerable, configurable };
      if (value !== undefined) {
        Object.assign(descriptor, { writable, value: this.#take(value) });
      }
      if (get !== undefined) descriptor.get = this.#take(get) as () => unknown;
      if (set !== undefined) {
        descriptor.set = this.#take(set) as (value: unknown) => void;
      }
      Object.defineProperty(holder, key, descriptor);
    }
  }

  /** The thing itself. */
  #take(source: Source): unknown {
    if ("plain" in source) return source.plain;
    if ("node" in source) return this.functions[source.node];
    if ("value" in source) return this.#values[source.value];
    if ("bigint" in source) return BigInt(source.bigint);
    if ("symbol" in source) return this.#symbol(source.symbol);
    if ("import" in source) {
      return this.#imports.get(JSON.stringify(source.import));
    }
    if ("importMeta" in source) return this.#importMeta(source.importMeta);
    if ("global" in source) {
      return atGlobalPath(source.global, (name) => this.#symbol(name));
    }
    return source.special === "undefined" ? undefined : Number(source.special);
  }

  async #import(name: ImportName): Promise<unknown> {
    const base = this.#meta.modules[name.from]!.url;
    const { specifier, attributes, member } = name;
    const namespace = await importFrom(base, specifier, attributes);
    let value: unknown = namespace;
    if (name.name !== "*") {
      if (!(name.name in namespace)) {
        throw new SerializationError(
          `Cannot revive function: "${specifier}" has no export "${name.name}"`,
          { path: name.name },
        );
      }
      value = namespace[name.name];
    }
    if (member !== undefined) {
      value = (value as Record<string, unknown>)[member];
    }
    noteImport(value, {
      base,
      specifier,
      name: name.name,
      ...(attributes === undefined ? {} : { attributes }),
      ...(member === undefined ? {} : { member }),
    });
    return value;
  }

  #symbol(name: SymbolName): symbol {
    if ("wellKnown" in name) return Reflect.get(Symbol, name.wellKnown);
    if ("registered" in name) return Symbol.for(name.registered);
    let symbol = this.symbols.get(name.own);
    if (symbol === undefined) {
      symbol = Symbol(name.description);
      this.symbols.set(name.own, symbol);
    }
    return symbol;
  }

  #importMeta(index: number): object {
    let found = this.#importMetas.get(index);
    if (found === undefined) {
      found = importMetaFor(this.#meta.modules[index]!);
      this.#importMetas.set(index, found);
    }
    return found;
  }
}

/** What `import.meta` is in a module that is not running here: its copy's, where the program has its files on another machine. */
function importMetaFor({ url: name, main }: ModuleMeta): object {
  const url = placeOf(name);
  const path = url.startsWith("file:")
    ? decodeURIComponent(new URL(url).pathname)
    : undefined;
  const meta = {
    url,
    main,
    filename: path,
    dirname: path?.replace(/\/[^/]*$/, "") || (path && "/"),
    resolve(specifier: string): string {
      return resolved(specifier, url) ?? import.meta.resolve(specifier);
    },
  };
  noteImportMeta(meta, name);
  return meta;
}

/** A bound function whose parts come after it: they may hold the function itself. */
function bindLater(
  target: AnyFunction,
  parts: () => { self: unknown; args: unknown[] },
): AnyFunction {
  function bound(...rest: unknown[]): unknown {
    const { self, args } = parts();
    const all = [...args, ...rest];
    return new.target === undefined
      ? Reflect.apply(target, self, all)
      : Reflect.construct(target, all);
  }
  const name = { value: `bound ${target.name}`, configurable: true };
  return Object.defineProperty(bound, "name", name);
}

function* sourcesIn(meta: Meta): Generator<Source> {
  for (const { source } of meta.variables) yield source;
  for (const node of meta.nodes) {
    if (node.kind === "bound") {
      yield node.self;
      yield* node.args;
    } else if (node.kind === "code") {
      yield* sourcesOf(node);
    }
  }
}

function* sourcesOf(node: CodeNode): Generator<Source> {
  if (node.base !== undefined) yield node.base;
  for (const { source } of node.privates ?? []) yield source;
  for (const { value, get, set } of [...node.properties, ...node.prototype]) {
    if (value !== undefined) yield value;
    if (get !== undefined) yield get;
    if (set !== undefined) yield set;
  }
}
