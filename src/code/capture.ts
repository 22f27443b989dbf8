/**
 * Functions to data: what a function is made of, with all that it closes over.
 *
 * Works through helper functions and classes one wave after another, because
 * V8 answers asynchronously. Writes no bytes: the captured values leave as
 * they are, for the value codec to encode. `bundle.ts` does the describing.
 *
 * @module
 */
import type { AnyFunction } from "../base/functions.ts";
import { nameOf } from "./shape.ts";
import { Bundle } from "./bundle.ts";
import type { ValuePort } from "./bundle_port.ts";
import { CaptureSources } from "./capture_sources.ts";
import type { ModuleMeta } from "./meta.ts";

/** A captured function. */
export interface Captured {
  /** Its name, or "anonymous". */
  readonly name: string;
  /** JSON that says what it is made of; the same for the same function. */
  readonly meta: string;
  /** The captured values, which `meta` names by index. */
  readonly values: unknown[];
  /** For each of `values`, the variable that held it. */
  readonly variables: string[];
  /** The functions of the bundle; the first is the captured one. */
  readonly functions: AnyFunction[];
  /** The program's own symbols that `meta` names by number. */
  readonly symbols: symbol[];
  /** Whether one of them assigns a captured variable, and so remembers. */
  readonly isStateful: boolean;
  /** Addresses of the modules it needs, as far as they can be told. */
  readonly imports: string[];
}

/** Captures functions, one at a time. */
export class Capturer {
  readonly #port: ValuePort;
  readonly #sources: CaptureSources;
  #last: Promise<unknown> = Promise.resolve();

  /** A capturer for this process; `mainModule` never travels by reference. */
  constructor(port: ValuePort, options: { mainModule?: string } = {}) {
    this.#port = port;
    // An isolate has no main module: nothing that it imported can run one.
    const mainModule = options.mainModule ?? Deno.mainModule ?? "";
    this.#sources = new CaptureSources(mainModule);
  }

  /** Captures a function or class. What can't travel is a `SerializationError`. */
  capture(fn: AnyFunction): Promise<Captured> {
    const captured = this.#last.then(() => this.#capture(fn));
    // The next one waits for this one, however it ends, and keeps nothing of it.
    this.#last = captured.then(() => {}, () => {});
    return captured;
  }

  /** Whether this process runs a module from the very text that functions were taken from. */
  async isLoaded(module: ModuleMeta): Promise<boolean> {
    try {
      return await this.#sources.isLoaded(module);
    } catch {
      // No permission for the inspector, or it is closed: no trace is worth failing for.
      return false;
    }
  }

  /** Ends the inspector's session: a capture under way, or later, is refused. */
  close(): void {
    this.#sources.inspector.close();
  }

  async #capture(fn: AnyFunction): Promise<Captured> {
    const name = nameOf(fn) || "anonymous";
    const bundle = new Bundle({
      name,
      port: this.#port,
      sources: this.#sources,
    });
    await bundle.add(fn);
    const meta = bundle.meta();
    return {
      name,
      meta: JSON.stringify(meta),
      isStateful: meta.nodes.some((node) =>
        node.kind === "code" && node.assigned.length > 0
      ),
      values: bundle.values,
      variables: bundle.valueNames,
      functions: bundle.functions,
      symbols: bundle.symbols,
      imports: bundle.imports(),
    };
  }
}
