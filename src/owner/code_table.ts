/**
 * Functions and classes as this process knows them: by value here, by hash on
 * the wire.
 *
 * A function is captured once, and its bundle sent to whoever lacks it. One
 * that was revived here, or captured here, is known both ways; so what comes
 * home is the very function that left.
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
import type { Peer } from "../wire/peer.ts";

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
  encode(values: unknown[], functions: AnyFunction[]): EncodedCapture;
  open(
    held: HeldValue,
    from: Peer | undefined,
  ): Promise<(functions: AnyFunction[]) => unknown[]>;
  hold(stored: HeldValue["stored"]): HeldValue;
}

interface Bundle {
  readonly wire: CodeBundle;
  readonly held: HeldValue;
  functions: Promise<AnyFunction[]> | undefined;
}

/** All code of one process. */
export class CodeTable {
  readonly #values: CodeValues;
  /** The program's own, wherever this is: it never travels by reference. */
  readonly #mainModule: string;
  readonly #known = new WeakMap<AnyFunction, CodeRef>();
  readonly #capturing = new WeakMap<AnyFunction, Promise<CodeRef>>();
  readonly #bundles = new Map<CodeHash, Bundle>();
  readonly #loading = new Map<CodeHash, Promise<Bundle>>();
  #capturer: Capturer | undefined;

  constructor(values: CodeValues, mainModule: string) {
    this.#values = values;
    this.#mainModule = mainModule;
  }

  /** The name of a function on the wire, if it has one yet. */
  knownRef(fn: AnyFunction): CodeRef | undefined {
    return this.#known.get(fn);
  }

  /** The name of a function on the wire; captures it the first time. */
  refOf(fn: AnyFunction): Promise<CodeRef> {
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
    const bundle = this.#bundles.get(ref.hash) ??
      await this.#load(ref.hash, from);
    bundle.functions ??= this.#revive(bundle, from);
    const functions = await bundle.functions;
    const fn = functions[ref.index];
    if (fn === undefined) {
      throw new SerializationError(
        `Cannot revive "${bundle.wire.name}": its bundle has no function ${ref.index}`,
        { path: bundle.wire.name },
      );
    }
    return fn;
  }

  /** Makes sure that this process has a bundle, and can pass it on. */
  async ensure(hash: CodeHash, from: Peer | undefined): Promise<void> {
    if (!this.#bundles.has(hash)) await this.#load(hash, from);
  }

  /** The bundle of that hash, for somebody who lacks it. */
  bundle(hash: CodeHash): CodeBundle | undefined {
    return this.#bundles.get(hash)?.wire;
  }

  /** Takes a bundle that came along with something. */
  learn(wire: CodeBundle): Bundle {
    let bundle = this.#bundles.get(wire.hash);
    if (bundle === undefined) {
      const held = this.#values.hold(wire.values);
      bundle = { wire, held, functions: undefined };
      this.#bundles.set(wire.hash, bundle);
    }
    return bundle;
  }

  /** Ends the inspector's session. */
  close(): void {
    this.#capturer?.close();
  }

  async #capture(fn: AnyFunction): Promise<CodeRef> {
    this.#capturer ??= new Capturer({
      functionsIn: (value) => this.#values.functionsIn(value),
    }, { mainModule: this.#mainModule });
    const captured = await this.#capturer.capture(fn);
    const { name, meta } = captured;
    const encoded = this.#values.encode(captured.values, captured.functions);
    const hash = hashCode(meta, encoded.parts);
    if (!this.#bundles.has(hash)) {
      const held = await encoded.store();
      warnIfLarge(captured, held);
      this.#bundles.set(hash, {
        wire: { hash, name, meta, values: held.stored },
        held,
        functions: Promise.resolve(captured.functions),
      });
    }
    const ref = { hash, index: 0 };
    this.#known.set(fn, ref);
    return ref;
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
    return this.learn(answer.bundle);
  }

  async #revive(
    bundle: Bundle,
    from: Peer | undefined,
  ): Promise<AnyFunction[]> {
    const open = await this.#values.open(bundle.held, from);
    const functions = await revive(bundle.wire.meta, open);
    functions.forEach((fn, index) => {
      if (fn !== undefined && !this.#known.has(fn)) {
        this.#known.set(fn, { hash: bundle.wire.hash, index });
      }
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
