/**
 * What captures ask of the world, kept from one capture to the next: the
 * inspector, the parser, the texts and imports of scripts, the graph of
 * modules. Knows no bundle.
 *
 * @module
 */
import type { AnyFunction } from "../base/functions.ts";
import { SerializationError } from "../base/errors.ts";
import { cellUrl } from "../base/notebook.ts";
import { exportIn } from "./builtins.ts";
import type { Imported } from "./imported.ts";
import { type Described, Inspector, type Script } from "./inspector.ts";
import type { ModuleMeta } from "./meta.ts";
import {
  type ImportBinding,
  importsOf,
  isPackageUrl,
  ModuleGraph,
} from "./modules.ts";
import { nameOf, type Shape, shapeOf, textOf } from "./shape.ts";
import { placeOf } from "./shipped.ts";
import { textHashOf } from "./stack.ts";
import { loadParser, type Parser } from "./syntax.ts";

/** Texts whose shapes are kept, so that closures made in a loop are parsed once. */
const shapesMax = 1000;

/** An import of a module that has run answers at once; after this it is one that has not. */
const loadedWithinMs = 100;

/** The sources of one capturer. */
export class CaptureSources {
  readonly inspector = new Inspector();
  /** Address of the program's main module. */
  readonly main: string;
  readonly #graph: ModuleGraph;
  readonly #imports = new Map<string, Map<string, ImportBinding>>();
  readonly #hashes = new Map<string, string>();
  /** Hashes of the texts of modules that are loaded, by address. */
  readonly #loaded = new Map<string, string>();
  readonly #lineStarts = new Map<string, number[]>();
  readonly #shapes = new Map<string, Shape>();
  readonly #hidden = new WeakMap<AnyFunction, string | undefined>();
  readonly #namespaces = new Map<
    string,
    { readonly exports?: Record<string, unknown> }
  >();
  #parser: Parser | undefined;

  constructor(main: string) {
    this.main = main;
    this.#graph = new ModuleGraph(this.inspector, main);
  }

  /** Describes functions; the name is the one that an error gives. */
  async describe(
    functions: readonly AnyFunction[],
    name: string,
  ): Promise<Described[]> {
    try {
      return await this.inspector.describe(functions);
    } catch (cause) {
      if (!(cause instanceof Deno.errors.NotCapable)) throw cause;
      throw new SerializationError(
        `Cannot send function "${name}": reading what it closes over needs ` +
          "the inspector, so run again with --allow-sys",
        { path: name, cause },
      );
    }
  }

  /** What a function's text says. */
  async shape(fn: AnyFunction): Promise<Shape> {
    const key = `${nameOf(fn)}\n${textOf(fn)}`;
    const known = this.#shapes.get(key);
    if (known !== undefined) return known;
    this.#parser ??= await loadParser();
    const shape = shapeOf(fn, this.#parser);
    // A class's computed keys are matched to the class itself, not to its text.
    if (shape.isClass) return shape;
    if (this.#shapes.size >= shapesMax) this.#shapes.clear();
    this.#shapes.set(key, shape);
    return shape;
  }

  /** A `#private` member that a class or one above it gives its instances, if any does. */
  async hiddenMember(fn: AnyFunction): Promise<string | undefined> {
    if (this.#hidden.has(fn)) return this.#hidden.get(fn);
    let found: string | undefined;
    let at: unknown = fn;
    while (found === undefined && typeof at === "function") {
      // Most texts tell without the parser that there is none.
      const text = textOf(at);
      const mayHide = /^class\b/.test(text) && /#[\p{L}_$]/u.test(text);
      if (mayHide) found = (await this.shape(at)).hides;
      at = Object.getPrototypeOf(at);
    }
    this.#hidden.set(fn, found);
    return found;
  }

  /** What a module's import statements bind. */
  async imports(script: Script): Promise<Map<string, ImportBinding>> {
    let imports = this.#imports.get(script.id);
    if (imports === undefined) {
      this.#parser ??= await loadParser();
      const source = await this.inspector.source(script.id);
      imports = importsOf(source, this.#parser);
      this.#imports.set(script.id, imports);
    }
    return imports;
  }

  /** A script's address; a cell of a notebook, which has none, is told by its first line. */
  async urlOf(script: Script): Promise<string> {
    if (script.url !== "") return script.url;
    const source = await this.inspector.source(script.id);
    return cellUrl(source, this.main) ?? this.main;
  }

  /** Names the text of a script, so that its lines can be told from those of other versions. */
  async textHash(script: Script): Promise<string> {
    if (script.textHash !== undefined) return script.textHash;
    let hash = this.#hashes.get(script.id);
    if (hash === undefined) {
      hash = textHashOf(await this.inspector.source(script.id));
      this.#hashes.set(script.id, hash);
    }
    return hash;
  }

  /** Whether this process runs a module from the very text that functions were taken from. */
  async isLoaded({ url, textHash }: ModuleMeta): Promise<boolean> {
    if (textHash === undefined) return false;
    let loaded = this.#loaded.get(url);
    if (loaded === undefined) {
      const text = (await this.inspector.moduleSources([url])).get(url);
      if (text === undefined) return false;
      // A module that was loaded stays as it is.
      this.#loaded.set(url, loaded = textHashOf(text));
    }
    return loaded === textHash;
  }

  /** Where in its script a function's text begins. */
  async positionOf(
    fn: AnyFunction,
    described: Described,
  ): Promise<{ line: number; column: number }> {
    const { scriptId, line, column } = described.location!;
    const script = await this.inspector.script(scriptId);
    const firstLine = script?.startLine ?? 0;
    const source = await this.inspector.source(scriptId);
    let starts = this.#lineStarts.get(scriptId);
    if (starts === undefined) {
      starts = [0, ...source.matchAll(/\n/g).map(({ index }) => index + 1)];
      this.#lineStarts.set(scriptId, starts);
    }
    // V8 points at the parameters; the text begins somewhat before.
    const pointed = (starts[line - firstLine] ?? 0) + column;
    const start = source.lastIndexOf(textOf(fn), pointed);
    if (start < 0) return { line, column };
    let startLine = Math.min(line - firstLine, starts.length - 1);
    while (starts[startLine]! > start) startLine--;
    return {
      line: startLine + firstLine,
      column: start - starts[startLine]!,
    };
  }

  /** Whether workers may import a module, and so share no more than its name. */
  async isImportable(script: Script): Promise<boolean> {
    const { url, textHash } = script;
    if (
      textHash !== undefined || url === this.main ||
      !/^(file|https?|data|npm|jsr):/.test(url)
    ) {
      return false;
    }
    if (!script.isModule && !isPackageUrl(url)) return false;
    return !await this.containsMain(url);
  }

  /** Whether the main module lies in a module's graph. */
  containsMain(url: string): Promise<boolean> {
    return this.#graph.containsMain(url);
  }

  /** Where a value can be imported from, if the loaded module at `url` exports it. */
  async exportOf(value: unknown, url: string): Promise<Imported | undefined> {
    const namespace = await this.#namespace(url);
    const found = namespace && exportIn(namespace, value);
    return found && { base: url, specifier: url, ...found };
  }

  /**
   * The exports of a module that is loaded already. One that still runs its
   * top-level code, and may be waiting for this very capture, gives nothing.
   */
  async #namespace(
    url: string,
  ): Promise<Record<string, unknown> | undefined> {
    const known = this.#namespaces.get(url);
    if (known !== undefined) return known.exports;
    const entry: { exports?: Record<string, unknown> } = {};
    this.#namespaces.set(url, entry);
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, loadedWithinMs);
    const loaded = import(placeOf(url)).then(
      (namespace) => void (entry.exports = namespace),
      // A file that is no module of its own exports nothing.
      () => {},
    );
    await Promise.race([loaded, late]);
    clearTimeout(timer);
    return entry.exports;
  }
}
