/**
 * One capture while it grows: the functions met so far, the variables they
 * name, and the values those hold.
 *
 * Says for each thing where the worker is to get it from: by reference where
 * other processes have it too, by value otherwise. The description of a single
 * function's text is in `code_node.ts`.
 *
 * @module
 */
import type { AnyFunction } from "../base/functions.ts";
import { MantaError, SerializationError } from "../base/errors.ts";
import {
  globalObjectName,
  globalPathOf,
  nodeExportOf,
  symbolNameOf,
} from "./builtins.ts";
import type { BundlePort, ValuePort } from "./bundle_port.ts";
import type { CaptureSources } from "./capture_sources.ts";
import { CodeNodes } from "./code_node.ts";
import { type Imported, importMetaOf, importOf } from "./imported.ts";
import type { Described } from "./inspector.ts";
import type {
  ImportName,
  Meta,
  ModuleMeta,
  Node,
  Source,
  SymbolName,
  VariableMeta,
} from "./meta.ts";
import { resolved } from "./modules.ts";
import { nameOf } from "./shape.ts";
import { pathInside } from "./value_path.ts";

/** Strings up to this many letters stand in the description itself. */
const plainLettersMax = 256;

interface Found {
  readonly fn: AnyFunction;
  readonly index: number;
  /** How the error names it; empty for the captured function itself. */
  readonly path: string;
}

/** Everything that one captured function consists of. */
export class Bundle implements BundlePort {
  /** Name of the captured function, for errors. */
  readonly name: string;
  readonly sources: CaptureSources;
  readonly functions: AnyFunction[] = [];
  readonly values: unknown[] = [];
  readonly valueNames: string[] = [];
  readonly variables: VariableMeta[] = [];
  readonly #port: ValuePort;
  readonly #nodes: Node[] = [];
  readonly #modules: ModuleMeta[] = [];
  readonly #indices = new Map<AnyFunction, number>();
  /** The program's own symbols, by number. */
  readonly symbols: symbol[] = [];
  readonly #imports = new Set<string>();
  readonly #codeNodes = new CodeNodes(this);
  #found: Found[] = [];
  /** One of its classes has instances that can't travel. */
  #isHiding = false;

  constructor(options: {
    name: string;
    port: ValuePort;
    sources: CaptureSources;
  }) {
    this.name = options.name;
    this.#port = options.port;
    this.sources = options.sources;
  }

  /** Adds the captured function and, wave by wave, all that it needs. */
  async add(root: AnyFunction): Promise<void> {
    this.nodeOf(root, "");
    while (this.#found.length > 0) {
      const wave = this.#found;
      this.#found = [];
      const described = await this.sources.describe(
        wave.map(({ fn }) => fn),
        this.name,
      );
      for (const [index, found] of wave.entries()) {
        try {
          const node = await this.#describe(found, described[index]!);
          this.#nodes[found.index] = await this.#withHidden(node, found.fn);
        } catch (error) {
          throw this.#explained(error, found.path);
        }
      }
    }
    // Their classes are known only now.
    if (this.#isHiding) {
      this.values.forEach((value, at) =>
        this.#functionsIn(value, this.valueNames[at]!)
      );
    }
  }

  async #withHidden(node: Node, fn: AnyFunction): Promise<Node> {
    if (node.kind !== "code" && node.kind !== "import") return node;
    const hides = await this.sources.hiddenMember(fn);
    if (hides === undefined) return node;
    this.#port.refuseInstances(fn, hides);
    this.#isHiding = true;
    return { ...node, hides };
  }

  /** The description, once all is added. */
  meta(): Meta {
    return {
      version: 1,
      modules: this.#modules,
      variables: this.variables,
      nodes: this.#nodes,
    };
  }

  /** Addresses of the modules that reviving it imports. */
  imports(): string[] {
    return [...this.#imports];
  }

  /** The index of a function, which is described later if it is new. */
  nodeOf(fn: AnyFunction, path: string): number {
    let index = this.#indices.get(fn);
    if (index === undefined) {
      index = this.functions.push(fn) - 1;
      this.#indices.set(fn, index);
      this.#found.push({ fn, index, path });
    }
    return index;
  }

  /** The index of a module; of its text, where a hash names that. */
  moduleOf(url: string, textHash?: string): number {
    const known = this.#modules.findIndex((module) =>
      module.url === url && module.textHash === textHash
    );
    if (known >= 0) return known;
    const main = url === this.sources.main;
    const module = textHash === undefined
      ? { url, main }
      : { url, main, textHash };
    return this.#modules.push(module) - 1;
  }

  /** An import as data. */
  importName(imported: Imported): ImportName {
    const { base, specifier, name, attributes, member } = imported;
    this.#imports.add(resolved(specifier, base) ?? specifier);
    return {
      from: this.moduleOf(base),
      specifier,
      name,
      ...(attributes === undefined ? {} : { attributes }),
      ...(member === undefined ? {} : { member }),
    };
  }

  /** Where a worker is to get a value from; `path` names it in errors. */
  async sourceOf(value: unknown, path: string): Promise<Source> {
    try {
      return await this.#sourceOf(value, path);
    } catch (error) {
      throw this.#explained(error, path);
    }
  }

  /** What the program's own code threw while it was looked at: a proxy's trap, a getter. */
  #explained(error: unknown, path: string): unknown {
    if (error instanceof MantaError) return error;
    const message = error instanceof Error ? error.message : error;
    return this.refusal(path, `could not be read: ${message}`, error);
  }

  async #sourceOf(value: unknown, path: string): Promise<Source> {
    switch (typeof value) {
      case "undefined":
        return { special: "undefined" };
      case "boolean":
        return { plain: value };
      case "number":
        return numberSource(value);
      case "bigint":
        return { bigint: String(value) };
      case "string":
        if (value.length > plainLettersMax) {
          return this.#valueSource(value, path);
        }
        return { plain: value };
      case "symbol":
        return { symbol: this.symbolOf(value) };
      case "function":
        return { node: this.nodeOf(value, path) };
      case "object":
        return value === null
          ? { plain: null }
          : await this.#objectSource(value, path);
    }
  }

  /** A symbol as data; one of the program's own is made once for each revival. */
  symbolOf(symbol: symbol): SymbolName {
    const shared = symbolNameOf(symbol);
    if (shared !== undefined) return shared;
    let own = this.symbols.indexOf(symbol);
    if (own < 0) own = this.symbols.push(symbol) - 1;
    const { description } = symbol;
    return description === undefined ? { own } : { own, description };
  }

  /** The path of something that hangs on what stands at a path. */
  memberPath(path: string, key: PropertyKey): string {
    return `${path || this.name}.${String(key)}`;
  }

  /** The error for something that can't travel. */
  refusal(path: string, fault: string, cause?: unknown): SerializationError {
    const where = { path: path || this.name };
    const fields = cause === undefined ? where : { ...where, cause };
    const subject = path === "" ? "it" : `"${path}"`;
    return new SerializationError(
      `Cannot send function "${this.name}": ${subject} ${fault}`,
      fields,
    );
  }

  async #objectSource(value: object, path: string): Promise<Source> {
    const imported = importOf(value);
    if (imported !== undefined) return { import: this.importName(imported) };
    const metaUrl = importMetaOf(value);
    if (metaUrl !== undefined) return { importMeta: this.moduleOf(metaUrl) };
    const globalName = globalObjectName(value);
    if (globalName !== undefined) return { global: [globalName] };
    if (isNamespace(value)) {
      return await this.#namespaceSource(
        value as Record<string, unknown>,
        path,
      );
    }
    return this.#valueSource(value, path);
  }

  #valueSource(value: unknown, path: string): Source {
    const known = this.values.findIndex((one) => one === value);
    if (known >= 0) return { value: known };
    for (const fn of this.#functionsIn(value, path)) {
      if (!this.#indices.has(fn)) {
        this.nodeOf(fn, path + pathInside(value, fn));
      }
    }
    this.valueNames.push(path);
    return { value: this.values.push(value) - 1 };
  }

  #functionsIn(value: unknown, path: string): AnyFunction[] {
    try {
      return this.#port.functionsIn(value);
    } catch (error) {
      if (!(error instanceof SerializationError)) throw error;
      const inside = error.path.replace(/^value\b/, "");
      const dot = inside === "" || /^[.[]/.test(inside) ? "" : ".";
      const whole = path + dot + inside;
      const fault = /^Cannot send value: ".*" (.*)$/s.exec(error.message)?.[1];
      throw this.refusal(whole, fault ?? error.message, error.cause);
    }
  }

  /** A namespace that was imported dynamically tells its module by what it exports. */
  async #namespaceSource(
    namespace: Record<string, unknown>,
    path: string,
  ): Promise<Source> {
    for (const key of Object.keys(namespace)) {
      const held = namespace[key];
      if (typeof held !== "function") continue;
      const [described] = await this.sources.describe([held], this.name);
      const imported = await this.#importedOf(namespace, described!);
      if (imported !== undefined) return { import: this.importName(imported) };
    }
    return this.#valueSource({ ...namespace }, path);
  }

  async #importedOf(
    namespace: object,
    described: Described,
  ): Promise<Imported | undefined> {
    const script = described.location === undefined
      ? undefined
      : await this.sources.inspector.script(described.location.scriptId);
    const url = script?.url ?? "";
    if (script === undefined || isBuiltinUrl(url)) {
      const found = await nodeExportOf(namespace, url);
      return found && { base: this.sources.main, ...found };
    }
    if (!await this.sources.isImportable(script)) return undefined;
    return await this.sources.exportOf(namespace, url);
  }

  async #describe(found: Found, described: Described): Promise<Node> {
    const { fn, path } = found;
    const imported = importOf(fn);
    if (imported !== undefined) {
      return { kind: "import", import: this.importName(imported) };
    }
    if (described.bound !== undefined) {
      return await this.#boundNode(found, described.bound);
    }
    const { location } = described;
    const script = location === undefined
      ? undefined
      : await this.sources.inspector.script(location.scriptId);
    if (script === undefined || isBuiltinUrl(script.url)) {
      return await this.#builtinNode(found, script?.url ?? "");
    }
    if (await this.sources.isImportable(script)) {
      const exported = await this.sources.exportOf(fn, script.url);
      if (exported !== undefined) {
        return { kind: "import", import: this.importName(exported) };
      }
    }
    return await this.#codeNodes.describe(fn, { described, script, path });
  }

  async #builtinNode(found: Found, url: string): Promise<Node> {
    const { fn, path } = found;
    const global = globalPathOf(fn);
    if (global !== undefined) return { kind: "global", path: global };
    const exported = await nodeExportOf(fn, url);
    if (exported === undefined) {
      throw this.refusal(
        path,
        `needs the native "${
          nameOf(fn)
        }", which is no global and no export, so a worker can't have it`,
      );
    }
    const from = { base: this.sources.main, ...exported };
    return { kind: "import", import: this.importName(from) };
  }

  async #boundNode(
    found: Found,
    bound: NonNullable<Described["bound"]>,
  ): Promise<Node> {
    const global = globalPathOf(found.fn);
    if (global !== undefined) return { kind: "global", path: global };
    const { path } = found;
    const args: Source[] = [];
    for (const [index, value] of bound.args.entries()) {
      args.push(
        await this.sourceOf(
          value,
          this.memberPath(path, `boundArgs[${index}]`),
        ),
      );
    }
    return {
      kind: "bound",
      target: this.nodeOf(bound.target, path),
      self: await this.sourceOf(bound.self, this.memberPath(path, "boundThis")),
      args,
    };
  }
}

function numberSource(value: number): Source {
  if (Object.is(value, -0)) return { special: "-0" };
  if (Number.isFinite(value)) return { plain: value };
  return { special: String(value) as "NaN" | "Infinity" | "-Infinity" };
}

function isNamespace(value: object): boolean {
  return Object.getPrototypeOf(value) === null &&
    Object.prototype.toString.call(value) === "[object Module]" &&
    Object.isSealed(value) === false && !Object.isExtensible(value);
}

function isBuiltinUrl(url: string): boolean {
  return /^(ext|node|internal|checkin):/.test(url);
}
