/**
 * What tasks are called in every run of a program, so that one that is killed
 * and started again knows its results.
 *
 * A task's key is made of who submits it, its code, its arguments (refs by the
 * key of what made them) and its place among equal ones of that submitter. It
 * has none where something in it is of this run alone: a handle, a socket's
 * ref, a submitter without a key. Such a task runs anew.
 *
 * @module
 */
import { CodeIdentities, hashOf } from "../code/identity.ts";
import type { AnyFunction } from "../base/functions.ts";
import type { HeldValue } from "../base/stored.ts";
import type { NamedFunction } from "./code_table.ts";
import type { TaskContext } from "./context.ts";
import { entryOfRef, type ObjectEntry } from "./object_ref.ts";
import type { OwnerPort } from "./owner_port.ts";
import { TaskRecord } from "./task_record.ts";

/** A key, once it is known; undefined where there is none. */
export type Key = Promise<string | undefined>;

/** Who submits tasks. */
interface Submitter {
  /** What it is called in every run; empty for the program. */
  readonly name: string;
  /** How many equal tasks it has submitted. */
  readonly counts: Map<string, number>;
}

/** Arguments of so many bytes are spelled out in a key. */
const spelledBytesMax = 64;

/** Names the tasks of one process. */
export class TaskKeys {
  readonly #owner: OwnerPort;
  readonly #identities: CodeIdentities;
  /** The program itself, as a submitter. */
  readonly #program: object = {};
  readonly #submitters = new WeakMap<object, Submitter>();
  readonly #code = new WeakMap<object, Key>();
  readonly #names = new WeakMap<AnyFunction, string>();
  readonly #stored = new WeakMap<ObjectEntry, Key>();

  constructor(owner: OwnerPort) {
    this.#owner = owner;
    this.#identities = new CodeIdentities(owner.job.mainModule);
  }

  /** The key of a task whose code and arguments are known; at once for most. */
  keyOf(record: TaskRecord): Key | string | undefined {
    const { parent, template, args, dependencies } = record;
    const { fn } = template;
    if (fn === undefined) return undefined;
    if (parent !== undefined && parent.key === undefined) return undefined;
    const code = this.#names.get(fn);
    const isPlain = dependencies.length === 0 && isPlainValue(args);
    if (code === undefined || !isPlain) return this.#gathered(record, fn);
    return this.#named(record, [code, args.stored.bytes]);
  }

  async #gathered(record: TaskRecord, fn: AnyFunction): Key {
    const { args, dependencies } = record;
    const code = await this.#ofFunction(fn);
    if (code === undefined) return undefined;
    this.#names.set(fn, code);
    const value = isPlainValue(args)
      ? args.stored.bytes
      : await this.#ofValue(args);
    if (value === undefined) return undefined;
    const parts = [code, value];
    for (const { position, ref } of dependencies) {
      const key = await this.ofObject(entryOfRef(ref));
      if (key === undefined) return undefined;
      parts.push(`${position} ${key}`);
    }
    return this.#named(record, parts);
  }

  #named(
    { parent, template }: TaskRecord,
    parts: (string | Uint8Array)[],
  ): string {
    const { name, counts } = this.#submitterOf(parent);
    const { returnCount } = template.settings;
    const [code, value, ...more] = parts;
    // What is short is its own name, for less than a hash costs.
    const isShort = more.length === 0 && value instanceof Uint8Array &&
      value.length <= spelledBytesMax;
    const base = isShort
      ? `${name}${code}:${returnCount}:${spelled(value)}`
      : hashOf(name, `${returnCount}`, ...parts);
    const place = counts.get(base) ?? 0;
    counts.set(base, place + 1);
    return `${base}.${place}`;
  }

  /** The key of an object: what made it, or what it is. */
  async ofObject(entry: ObjectEntry): Key {
    const { producer, origin } = entry;
    if (origin === "task") {
      const key = await (entry.key ??
        (producer instanceof TaskRecord ? producer.key : undefined));
      return key === undefined ? undefined : `${key}.${entry.index}`;
    }
    if (origin !== "put" || entry.value === undefined) return undefined;
    let key = this.#stored.get(entry);
    if (key === undefined) {
      this.#stored.set(entry, key = this.#ofValue(entry.value));
    }
    return await key;
  }

  #submitterOf(parent: TaskContext | undefined): Submitter {
    const key = parent ?? this.#program;
    let submitter = this.#submitters.get(key);
    if (submitter === undefined) {
      const name = parent?.key === undefined ? "" : hashOf(parent.key);
      this.#submitters.set(key, submitter = { name, counts: new Map() });
    }
    return submitter;
  }

  async #ofValue(held: HeldValue): Key {
    const { values } = this.#owner;
    const { refs, code } = held.stored;
    if (refs === undefined && code === undefined) {
      return hashOf(...await values.partsOf(held));
    }
    return await this.#ofParts(values.encodeForKey(await values.open(held)));
  }

  async #ofParts(
    { parts, entries, functions }: ReturnType<
      OwnerPort["values"]["encodeForKey"]
    >,
  ): Key {
    const inside = await Promise.all([
      ...entries.map((entry) => this.ofObject(entry)),
      ...functions.map((fn) => this.#ofFunction(fn)),
    ]);
    if (inside.includes(undefined)) return undefined;
    return hashOf(...parts, ...inside as string[]);
  }

  async #ofFunction(fn: AnyFunction): Key {
    const named = await this.#owner.values.code.name(fn);
    let key = this.#code.get(named.bundle);
    if (key === undefined) {
      this.#code.set(named.bundle, key = this.#ofBundle(named));
    }
    const bundleKey = await key;
    return bundleKey === undefined
      ? undefined
      : `${bundleKey}.${named.ref.index}`;
  }

  async #ofBundle({ bundle }: NamedFunction): Key {
    const { values } = this.#owner;
    const code = await this.#identities.describe(bundle.wire.meta);
    if (code === undefined) return undefined;
    const { held } = bundle;
    if (held.stored.refs === undefined) {
      return hashOf(code, ...await values.partsOf(held));
    }
    const captured = await values.code.capturedOf(bundle);
    const inside = await this.#ofParts(
      values.encodeForKey(captured.values, captured),
    );
    return inside === undefined ? undefined : hashOf(code, inside);
  }
}

/** A character a byte. */
function spelled(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** Whether a value's bytes are all of it, and mean the same in every run. */
function isPlainValue({ stored }: HeldValue): boolean {
  const { buffers, segment, refs, code } = stored;
  return buffers === undefined && segment === undefined &&
    refs === undefined && code === undefined;
}
