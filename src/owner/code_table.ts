/**
 * Functions and classes as this process knows them: by value here, by hash on
 * the wire.
 *
 * A function is captured once, and its bundle sent to whoever lacks it. One
 * that was revived here, or captured here, is known both ways; so what comes
 * home is the very function that left.
 *
 * A bundle lives as long as one of its functions, a stored value or an actor
 * here that needs it; a table of weak references finds it meanwhile. Whoever
 * fetches it later asks the process that submits it, which has it as long as
 * its tasks are open.
 *
 * @module
 */
import type { AnyFunction } from "../base/functions.ts";
import { SerializationError } from "../base/errors.ts";
import type { CodeHash } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import {
  type CodeBundle,
  type CodeRef,
  type HeldValue,
  storedBytes,
} from "../base/stored.ts";
import { type Captured, Capturer } from "../code/capture.ts";
import { hashCode } from "../code/modules.ts";
import { revive } from "../code/revive.ts";
import type { Peer, RequestHandlers } from "../wire/peer.ts";

/** Captured values as bytes that are still the program's own memory in part. */
export interface EncodedCapture {
  /** All the bytes there are: two captures are the same if these are. */
  readonly parts: readonly Uint8Array[];
  /** Copies them. Before the program runs on, or not at all. */
  store(): Promise<HeldValue>;
}

/** How captured values are stored and opened again; `values.ts` does it. */
export interface CodeValues {
  /** Finds functions in a value without storing it. */
  functionsIn(value: unknown): AnyFunction[];
  refuseInstances(constructor: AnyFunction, hiddenMember: string): void;
  encode(captured: Captured): EncodedCapture;
  open(
    held: HeldValue,
    from: Peer | undefined,
  ): Promise<
    (functions: AnyFunction[], symbols: Map<number, symbol>) => unknown[]
  >;
  hold(stored: HeldValue["stored"]): HeldValue;
}

/** One piece of code that is here. */
export interface Bundle {
  readonly wire: CodeBundle;
  readonly held: HeldValue;
  functions: Promise<AnyFunction[]> | undefined;
}

/** A function's name on the wire, and what others are given who ask for it. */
export interface NamedFunction {
  readonly ref: CodeRef;
  readonly bundle: Bundle;
}

/** All code of one process. */
export class CodeTable {
  readonly #values: CodeValues;
  /** The program's own, wherever this is: it never travels by reference. */
  readonly #mainModule: string;
  readonly #known = new WeakMap<AnyFunction, NamedFunction>();
  readonly #capturing = new WeakMap<AnyFunction, Promise<NamedFunction>>();
  readonly #bundles = new Map<CodeHash, WeakRef<Bundle>>();
  readonly #gone = new FinalizationRegistry<CodeHash>((hash) => {
    if (this.#find(hash) === undefined) this.#bundles.delete(hash);
  });
  /** An actor's own: it is needed as long as the isolate. */
  readonly #learned = new Set<Bundle>();
  /** Modules that captured functions import. */
  readonly #imported = new Set<string>();
  readonly #loading = new Map<CodeHash, Promise<Bundle>>();
  #capturer: Capturer | undefined;

  constructor(values: CodeValues, mainModule: string) {
    this.#values = values;
    this.#mainModule = mainModule;
  }

  /** The name of a function on the wire, if it has one yet. */
  knownRef(fn: AnyFunction): CodeRef | undefined {
    return this.#known.get(fn)?.ref;
  }

  /** A function that has its name already. */
  known(fn: AnyFunction): NamedFunction | undefined {
    return this.#known.get(fn);
  }

  /** The name of a function on the wire; captures it the first time. */
  async refOf(fn: AnyFunction): Promise<CodeRef> {
    return (await this.name(fn)).ref;
  }

  /** Captures a function, unless that was done. */
  name(fn: AnyFunction): Promise<NamedFunction> {
    const known = this.#known.get(fn);
    if (known !== undefined) return Promise.resolve(known);
    let capturing = this.#capturing.get(fn);
    if (capturing === undefined) {
      capturing = this.#capture(fn);
      this.#capturing.set(fn, capturing);
      // A function that could not be captured may be mended and tried again.
      capturing.catch(() => this.#capturing.delete(fn));
    }
    return capturing;
  }

  /** The function of that name, if it is here already. */
  async functionOf(ref: CodeRef, from: Peer | undefined): Promise<AnyFunction> {
    const bundle = await this.ensure(ref.hash, from);
    const functions = await this.#functionsOf(bundle, from);
    const fn = functions[ref.index];
    if (fn === undefined) {
      throw new SerializationError(
        `Cannot revive "${bundle.wire.name}": its bundle has no function ${ref.index}`,
        { path: bundle.wire.name },
      );
    }
    return fn;
  }

  /** A bundle, which this process can then pass on as long as it is kept. */
  async ensure(hash: CodeHash, from: Peer | undefined): Promise<Bundle> {
    return this.#find(hash) ?? await this.#load(hash, from);
  }

  /** Resolves when all that is being fetched has come; undefined if nothing is. */
  loaded(): Promise<unknown> | undefined {
    return this.#loading.size === 0
      ? undefined
      : Promise.allSettled(this.#loading.values());
  }

  /** The bundle of that hash, if it is here. */
  bundle(hash: CodeHash): CodeBundle | undefined {
    return this.#find(hash)?.wire;
  }

  /** What others are answered about code. */
  requests(): RequestHandlers {
    return {
      "code.get": ({ hash }) => {
        const bundle = this.bundle(hash);
        return bundle === undefined ? {} : { bundle };
      },
      "code.imported": ({ url }) => ({ isImported: this.#imported.has(url) }),
    };
  }

  /** What a bundle captured, and its functions by which that names them. */
  async capturedOf(
    bundle: Bundle,
  ): Promise<
    { values: unknown[]; functions: AnyFunction[]; symbols: symbol[] }
  > {
    const functions = await this.#functionsOf(bundle, undefined);
    const open = await this.#values.open(bundle.held, undefined);
    const symbols = new Map<number, symbol>();
    const values = open(functions, symbols);
    return {
      values,
      functions: [...functions],
      symbols: [...symbols.values()],
    };
  }

  /** Takes a bundle that this isolate is there for. */
  learn(wire: CodeBundle): void {
    this.#learned.add(this.#add(wire));
  }

  /** Takes a bundle that is kept as long as what this gives, or a function of it. */
  take(wire: CodeBundle): object {
    return this.#add(wire);
  }

  /** Ends the inspector's session. */
  close(): void {
    this.#capturer?.close();
  }

  #find(hash: CodeHash): Bundle | undefined {
    return this.#bundles.get(hash)?.deref();
  }

  #add(wire: CodeBundle, own?: Omit<Bundle, "wire">): Bundle {
    const known = this.#find(wire.hash);
    if (known !== undefined) return known;
    const { held, functions } = own ??
      { held: this.#values.hold(wire.values), functions: undefined };
    const bundle = { wire, held, functions };
    this.#bundles.set(wire.hash, new WeakRef(bundle));
    this.#gone.register(bundle, wire.hash);
    return bundle;
  }

  async #capture(fn: AnyFunction): Promise<NamedFunction> {
    const captured = await this.#captures().capture(fn);
    const { name, meta } = captured;
    for (const url of captured.imports) this.#imported.add(url);
    const encoded = this.#values.encode(captured);
    let hash = hashCode(meta, encoded.parts);
    // Two counters made by one function must not count together.
    if (captured.isStateful && this.#find(hash) !== undefined) {
      const nonce = crypto.getRandomValues(new Uint8Array(16));
      hash = hashCode(meta, [...encoded.parts, nonce]);
    }
    let bundle = this.#find(hash);
    if (bundle === undefined) {
      const held = await encoded.store();
      warnIfLarge(captured, held);
      bundle = this.#add({ hash, name, meta, values: held.stored }, {
        held,
        functions: Promise.resolve(captured.functions),
      });
    }
    const named = { ref: { hash, index: 0 }, bundle };
    this.#known.set(fn, named);
    return named;
  }

  #captures(): Capturer {
    return this.#capturer ??= new Capturer({
      functionsIn: (value) => this.#values.functionsIn(value),
      refuseInstances: (constructor, hiddenMember) =>
        this.#values.refuseInstances(constructor, hiddenMember),
    }, { mainModule: this.#mainModule });
  }

  #load(hash: CodeHash, from: Peer | undefined): Promise<Bundle> {
    let loading = this.#loading.get(hash);
    if (loading === undefined) {
      loading = this.#ask(hash, from);
      this.#loading.set(hash, loading);
      loading.finally(() => this.#loading.delete(hash)).catch(() => {});
    }
    return loading;
  }

  async #ask(hash: CodeHash, from: Peer | undefined): Promise<Bundle> {
    const answer = await from?.request("code.get", { hash });
    if (answer?.bundle === undefined) {
      throw new SerializationError(
        `Cannot revive function: nobody has its code ${hash}`,
        { path: "" },
      );
    }
    return this.#add(answer.bundle);
  }

  #functionsOf(
    bundle: Bundle,
    from: Peer | undefined,
  ): Promise<AnyFunction[]> {
    if (bundle.functions === undefined) {
      bundle.functions = this.#revive(bundle, from);
      // What failed for want of a segment or module may succeed later.
      bundle.functions.catch(() => bundle.functions = undefined);
    }
    return bundle.functions;
  }

  async #revive(
    bundle: Bundle,
    from: Peer | undefined,
  ): Promise<AnyFunction[]> {
    const open = await this.#values.open(bundle.held, from);
    // Elsewhere stacks are mapped when they are read (`worker/error_stacks.ts`).
    const isProgram = Deno.mainModule === this.#mainModule;
    const revived = await revive(
      bundle.wire.meta,
      open,
      isProgram
        ? { isLoaded: (module) => this.#captures().isLoaded(module) }
        : {},
    );
    const { functions } = revived;
    const { hash } = bundle.wire;
    functions.forEach((fn, index) => {
      const hidden = revived.hiddenMember(index);
      if (hidden !== undefined) this.#values.refuseInstances(fn, hidden);
      // What was imported lives as long as its module, and would keep the bundle.
      if (!revived.isMade(index) || this.#known.has(fn)) return;
      this.#known.set(fn, { ref: { hash, index }, bundle });
    });
    return functions;
  }
}

function warnIfLarge(captured: Captured, held: HeldValue): void {
  const totalBytes = storedBytes(held.stored);
  if (totalBytes <= limits.captureWarnBytes) return;
  const mebibytes = (totalBytes / (1 << 20)).toFixed(1);
  const names = captured.variables.join(", ");
  log.warn(
    `function "${captured.name}" captures ${mebibytes} MiB (${names}), sent once to each worker: ` +
      "put() large values once and pass the ref",
  );
}
