/**
 * A bundle of code as data: what a captured function is made of, written by
 * `capture.ts` and read by `revive.ts`. Holds no live value; those travel
 * beside it and are named by index.
 *
 * @module
 */
import type { Form } from "./shape.ts";

/** Where something comes from, in place of the thing itself. */
export type Source =
  /** A function of this bundle. */
  | { readonly node: number }
  /** A captured value. */
  | { readonly value: number }
  /** A string, a boolean, a finite number, or null. */
  | { readonly plain: string | number | boolean | null }
  /** What JSON can't write. */
  | { readonly special: "undefined" | "NaN" | "Infinity" | "-Infinity" | "-0" }
  | { readonly bigint: string }
  | { readonly symbol: SymbolName }
  /** Something that every process has, as a path of keys from `globalThis`. */
  | { readonly global: readonly Key[] }
  /** Something a module exports. */
  | { readonly import: ImportName }
  /** The `import.meta` of a module, by its index. */
  | { readonly importMeta: number };

/** A symbol that other processes have too, or one of this bundle's own. */
export type SymbolName =
  | { readonly wellKnown: string }
  | { readonly registered: string }
  | { readonly own: number; readonly description?: string };

/** A property key. */
export type Key = string | SymbolName;

/** An export, as an import statement would name it. */
export interface ImportName {
  /** Index of the module the specifier is resolved against. */
  readonly from: number;
  readonly specifier: string;
  /** Name of the export; `*` is the whole namespace. */
  readonly name: string;
  readonly attributes?: Record<string, string>;
  /** A key inside the export, where a CommonJS module hangs its functions. */
  readonly member?: string;
}

/** A module that functions were defined in. */
export interface ModuleMeta {
  readonly url: string;
  /** Its `import.meta.main`. */
  readonly main: boolean;
  /** Begin of the hash of its text as V8 ran it, where functions of it travel as text. */
  readonly textHash?: string;
}

/** One captured variable; functions that name the same one share it. */
export interface VariableMeta {
  readonly name: string;
  /** The scope it lives in, by index. */
  readonly scope: number;
  readonly source: Source;
}

/** A property to be defined on a function or its prototype. */
export interface PropertyMeta {
  readonly key: Key;
  readonly enumerable: boolean;
  readonly writable: boolean;
  readonly configurable: boolean;
  readonly value?: Source;
  readonly get?: Source;
  readonly set?: Source;
}

/** A function or class that travels as its text. */
export interface CodeNode {
  readonly kind: "code";
  readonly name: string;
  readonly module: number;
  /** Where the text stood in its module, counted from 0. */
  readonly line: number;
  readonly column: number;
  readonly text: string;
  readonly form: Form;
  readonly key: string;
  readonly sloppy: boolean;
  readonly isClass: boolean;
  /** A `#private` member of its instances: so they can't travel. */
  readonly hides?: string;
  /** What its static `#private` fields hold. */
  readonly privates?: readonly {
    readonly name: string;
    readonly source: Source;
  }[];
  /** What a class extends. */
  readonly base?: Source;
  /** How its text calls that. */
  readonly baseName?: string;
  /** The variables it names, by index. */
  readonly variables: readonly number[];
  /** Those of them that it assigns. */
  readonly assigned: readonly number[];
  /** Its scopes, by index, outermost first. */
  readonly scopes: readonly number[];
  readonly properties: readonly PropertyMeta[];
  readonly prototype: readonly PropertyMeta[];
}

/** A function of a bundle. */
export type Node =
  | CodeNode
  | {
    readonly kind: "import";
    readonly import: ImportName;
    /** As for code. */
    readonly hides?: string;
  }
  | { readonly kind: "global"; readonly path: readonly Key[] }
  | {
    readonly kind: "bound";
    readonly target: number;
    readonly self: Source;
    readonly args: readonly Source[];
  };

/** A whole bundle. */
export interface Meta {
  readonly version: 1;
  readonly modules: readonly ModuleMeta[];
  readonly variables: readonly VariableMeta[];
  /** The functions; the first is the one that was captured. */
  readonly nodes: readonly Node[];
}
