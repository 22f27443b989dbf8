/**
 * What the rooms that describe code use of the bundle they describe it for,
 * and what all of them are offered from outside.
 *
 * @module
 */
import type { SerializationError } from "../base/errors.ts";
import type { AnyFunction } from "../base/functions.ts";
import type { CaptureSources } from "./capture_sources.ts";
import type { Imported } from "./imported.ts";
import type { ImportName, Source, SymbolName, VariableMeta } from "./meta.ts";

/** What the value codec offers to this room. */
export interface ValuePort {
  /**
   * All functions and classes (of instances too) anywhere inside a value, refs
   * and handles looked through. Throws a `SerializationError` for what can't
   * travel.
   */
  functionsIn(value: unknown): AnyFunction[];
  /** From now on an instance of this class in a value can't travel. */
  refuseInstances(constructor: AnyFunction, hiddenMember: string): void;
}

/** A bundle, as those see it who describe its functions. */
export interface BundlePort {
  readonly name: string;
  readonly sources: CaptureSources;
  readonly variables: VariableMeta[];
  /** The index of a module. */
  moduleOf(url: string, textHash?: string): number;
  /** An import as data. */
  importName(imported: Imported): ImportName;
  /** Where a worker is to get a value from; `path` names it in errors. */
  sourceOf(value: unknown, path: string): Promise<Source>;
  /** A symbol as data. */
  symbolOf(symbol: symbol): SymbolName;
  /** The path of something that hangs on what stands at a path. */
  memberPath(path: string, key: PropertyKey): string;
  /** The error for something that can't travel. */
  refusal(path: string, fault: string, cause?: unknown): SerializationError;
}
