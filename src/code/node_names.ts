/**
 * What the free names of one function mean: variables of the scopes it was
 * made in, imports of its module, or nothing that needs to travel.
 *
 * @module
 */
import type { BundlePort } from "./bundle_port.ts";
import { isOwnGlobal } from "./builtins.ts";
import type { FunctionScope, Script } from "./inspector.ts";
import type { Source } from "./meta.ts";
import { type ImportBinding, resolved } from "./modules.ts";
import { deadZone, readVariable } from "./scopes.ts";
import type { Edit, Shape } from "./shape.ts";

/** Finds out what the free names of one function mean. */
export class NodeNames {
  /** The variables it names, by index. */
  readonly used: number[] = [];
  /** Those of them that it assigns. */
  readonly assigned: number[] = [];
  /** What must be written differently in its text. */
  readonly edits: Edit[] = [];
  readonly #bundle: BundlePort;
  readonly #variables: Map<string, number>;
  readonly #scopes: readonly FunctionScope[];
  readonly #scopeIds: readonly number[];
  readonly #globalScopeId: number;
  readonly #script: Script;
  readonly #shape: Shape;

  constructor(options: {
    bundle: BundlePort;
    variables: Map<string, number>;
    scopes: readonly FunctionScope[];
    scopeIds: readonly number[];
    globalScopeId: number;
    script: Script;
    shape: Shape;
  }) {
    this.#bundle = options.bundle;
    this.#variables = options.variables;
    this.#scopes = options.scopes;
    this.#scopeIds = options.scopeIds;
    this.#globalScopeId = options.globalScopeId;
    this.#script = options.script;
    this.#shape = options.shape;
  }

  /** Fills `used`, `assigned` and `edits`. */
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
      const { importMetaName } = this.#shape;
      this.#use(importMetaName, scope, () => ({ importMeta: module }), "meta");
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

  #importName(binding: ImportBinding): ReturnType<BundlePort["importName"]> {
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

  /** `kind` tells what the program did not call so from what it did. */
  #use(name: string, scope: number, source: () => Source, kind = ""): void {
    const key = `${scope}:${kind}${name}`;
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
