/**
 * Values for the lineage file: the states of durable actors, what their calls
 * came to, and what starts them again.
 *
 * A state is copied at once, as a stored value is. It must outlive its
 * program: a ref or a handle in it is refused, with where it stands, and so is
 * a function. What a call returned may hold them, for it counts in its own
 * program first.
 *
 * @module
 */
import type { AnyFunction } from "../base/functions.ts";
import { SerializationError } from "../base/errors.ts";
import type { ActorSpec } from "../base/spec.ts";
import type { CodeBundle, CodeRef, StoredValue } from "../base/stored.ts";
import { type Kept, readKept, writeKept } from "../wire/kept.ts";
import {
  areInstancesRefused,
  type Encoded,
  type Extension,
  ValueCodec,
} from "../wire/values.ts";
import { pathTo } from "../wire/value_path.ts";
import { ObjectRef } from "./object_ref.ts";
import { knownExtensions } from "./extensions.ts";
import type { Values } from "./values.ts";

const fates: Record<string, string> = {
  ref: "is an ObjectRef, whose object goes with its owner. " +
    "Keep the value itself",
  handle: "is an actor handle, which goes with its program. " +
    "Name that actor, keep the name, and call getActor() where it is needed",
};

/** Writes and reads them for one process. */
export class KeptValues {
  readonly #values: Values;
  #codec: ValueCodec | undefined;

  constructor(values: Values) {
    this.#values = values;
  }

  /**
   * A state as bytes: later changes to it are not seen. Throws, or rejects,
   * if it can't be kept, with where that stands.
   */
  state(value: unknown): Uint8Array | Promise<Uint8Array> {
    const codec = this.#codec ??= new ValueCodec(refusing());
    const encoded = guarded(() => codec.encode(value, { label: "state" }));
    assertNoFunctions(encoded, value);
    const stored = {
      bytes: encoded.bytes.slice(),
      ...(encoded.buffers.length === 0
        ? {}
        : { buffers: encoded.buffers.map((buffer) => buffer.slice()) }),
    };
    if (encoded.functions.length === 0) {
      return this.#write("", [stored]);
    }
    return this.#withClasses(encoded.functions).then((code) => {
      // Only a class's text tells that its instances hide something.
      if (encoded.functions.some(areInstancesRefused)) {
        guarded(() => codec.encode(value, { label: "state" }));
      }
      return this.#write("", [{ ...stored, code }]);
    });
  }

  /** The outcome of a call as bytes. */
  async outcome(values: readonly StoredValue[]): Promise<Uint8Array> {
    return this.#write("", await this.#embedded(values));
  }

  /** What an actor is made of, to be started from in another program. */
  async spec(spec: ActorSpec): Promise<Uint8Array> {
    const { args, dependencies, bundles, ...rest } = spec;
    const passed = dependencies.map(({ value }) => value);
    const [values, captured] = await Promise.all([
      this.#embedded([args, ...passed]),
      this.#embedded(bundles.map((bundle) => bundle.values)),
    ]);
    return writeKept({
      text: JSON.stringify({
        ...rest,
        positions: dependencies.map(({ position }) => position),
      }),
      values,
      bundles: bundles.map((bundle, at) => ({
        ...bundle,
        values: captured[at]!,
      })),
    });
  }

  /** What {@linkcode outcome} wrote; its code is known here from now on. */
  outcomeOf(bytes: Uint8Array): readonly StoredValue[] {
    return this.#read(bytes).values;
  }

  /** What {@linkcode state} wrote, as a copy of the reader's own. */
  async stateOf(bytes: Uint8Array): Promise<unknown> {
    const [stored] = this.#read(bytes).values;
    return await this.#values.open({ stored: stored!, refs: [] });
  }

  /** What {@linkcode spec} wrote. */
  specOf(bytes: Uint8Array): ActorSpec {
    const { text, values, bundles } = this.#read(bytes);
    const { positions, ...rest } = JSON.parse(text) as
      & Omit<ActorSpec, "args" | "dependencies" | "bundles">
      & { positions: number[] };
    const [args, ...passed] = values;
    return {
      ...rest,
      args: args!,
      dependencies: positions.map((position, at) => ({
        position,
        value: passed[at]!,
      })),
      bundles: [...bundles],
    };
  }

  #read(bytes: Uint8Array): Kept {
    const kept = readKept(bytes);
    for (const bundle of kept.bundles) this.#values.code.learn(bundle);
    return kept;
  }

  #write(text: string, values: readonly StoredValue[]): Uint8Array {
    const hashes = new Set(
      values.flatMap(({ code = [] }) => code.map((ref) => ref?.hash)),
    );
    const bundles: CodeBundle[] = [];
    for (const hash of hashes) {
      const bundle = hash && this.#values.code.bundle(hash);
      if (bundle) bundles.push(bundle);
    }
    return writeKept({ text, values, bundles });
  }

  #embedded(values: readonly StoredValue[]): Promise<StoredValue[]> {
    return Promise.all(values.map((one) => this.#values.embedded(one)));
  }

  /** A class that can't travel stays behind: its instances come back as plain objects. */
  #withClasses(classes: readonly AnyFunction[]): Promise<(CodeRef | null)[]> {
    return Promise.all(
      classes.map((one) => this.#values.code.refOf(one).catch(() => null)),
    );
  }
}

/** The runtime's own objects, each refused. */
function refusing(): Extension<object>[] {
  const ref = { tag: "ref", constructor: ObjectRef, tracked: false };
  return [...knownExtensions(), ref].map(({ tag, constructor }) => ({
    tag,
    constructor,
    tracked: false,
    toFields: () => {
      throw new Error(fates[tag] ?? "is a remote function or class");
    },
    fromFields: () => {
      throw new TypeError(`Cannot read a ${tag} of a kept value: none is kept`);
    },
  }));
}

function assertNoFunctions(encoded: Encoded, value: unknown): void {
  const at = encoded.functionUses.indexOf("value");
  if (at < 0) return;
  const path = pathTo(encoded.functions[at], value, {
    label: "state",
    extensions: new Map(),
  });
  throw unfit(`"${path}" is a function`, path);
}

/** Says of what can't be encoded that it can't be kept. */
function guarded<T>(encode: () => T): T {
  try {
    return encode();
  } catch (error) {
    if (!(error instanceof SerializationError)) throw error;
    const { cause } = error;
    const isRefused = cause instanceof Error &&
      Object.values(fates).concat("is a remote function or class")
        .includes(cause.message);
    const why = isRefused
      ? `"${error.path}" ${cause.message}`
      : error.message.replace(/^Cannot send value: /, "");
    throw unfit(why, error.path);
  }
}

function unfit(why: string, path: string): SerializationError {
  return new SerializationError(
    `Cannot keep the state of a durable actor: ${why}. ` +
      "Leave it out with [saveState]() and [restoreState](state)",
    { path },
  );
}
