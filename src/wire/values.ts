/**
 * Values as bytes and back: what structured clone takes, and beyond it
 * functions, instances of classes, and the runtime's own refs and handles.
 *
 * One binary form for all, in plain TypeScript, because each special kind
 * needs a say in it. Large buffers stay beside the skeleton, functions are an
 * index into a table: where they lie and how they travel is not known here.
 *
 * @module
 */
import {
  MantaError,
  ProtocolError,
  SerializationError,
} from "../base/errors.ts";
import type { Extension, FunctionUse } from "./value_extension.ts";
import { type Constructor, describe, Untransferable } from "./value_kinds.ts";
import { pathTo, type RootLabel, shortened } from "./value_path.ts";
import { ValueReader } from "./value_reader.ts";
import { Tag } from "./value_tags.ts";
import { ValueWriter } from "./value_writer.ts";

export type { Extension, FunctionUse } from "./value_extension.ts";
export {
  areInstancesRefused,
  kindOf,
  refuseInstances,
  refuseValue,
} from "./value_kinds.ts";
export type { RootLabel } from "./value_path.ts";

// deno-lint-ignore ban-types
type AnyFunction = Function;

/** A value as bytes, and what belongs beside them. */
export interface Encoded {
  /** The skeleton. May be a view into a larger buffer that others use too. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Large buffers in order: views on the value's own memory, to be copied at once. */
  readonly buffers: readonly Uint8Array[];
  /** Tracked extension objects in order of appearance, each once. */
  readonly refs: readonly object[];
  /** Functions and classes that the skeleton names by index. */
  readonly functions: readonly AnyFunction[];
  /** What each of `functions` is needed for. */
  readonly functionUses: readonly FunctionUse[];
}

/** What an encode may be told. */
export interface EncodeOptions {
  /** What errors call the value (default "value"), or each item of a list of arguments. */
  readonly label?: RootLabel;
  /** A table of functions to refer to; new ones are appended to it. */
  readonly functions?: AnyFunction[];
  /**
   * Given where a closure is written: it goes whole, with symbols, accessors
   * and the like. The table of the program's own symbols; new ones are appended.
   */
  readonly symbols?: symbol[];
}

/** What stood beside the skeleton. */
export interface DecodeParts {
  /** The large buffers; arrays are built over this very memory. */
  readonly buffers?: readonly ArrayBufferView[];
  /** The functions; `null` for a class turns its instances into plain objects. */
  readonly functions?: readonly unknown[];
  /** The program's own symbols, by number; new ones are added. */
  readonly symbols?: Map<number, symbol>;
}

const none: readonly never[] = Object.freeze([]);

/**
 * Writes and reads values.
 *
 * Two views on one small buffer go on sharing it; large ones become separate
 * arrays, and a large resizable buffer comes with its length fixed. An
 * instance of a class that extends a typed array comes as that typed array.
 * As with structured clone, symbol keys are lost, accessors become what they
 * give, and nothing comes frozen; a closure keeps all that, see `symbols`.
 */
export class ValueCodec {
  readonly #byPrototype = new Map<object, Extension<object>>();
  readonly #byTag = new Map<string, Extension<object>>();
  readonly #registered: Set<Constructor>;
  /** Absent while an encode runs: a getter or hook may start another. */
  #idleWriter: ValueWriter | undefined;

  /** @param registered Classes whose instances travel as instances; may grow. */
  constructor(
    extensions: readonly Extension<object>[] = [],
    // deno-lint-ignore ban-types -- any class
    registered: Set<Function> = new Set(),
  ) {
    this.#registered = registered as Set<Constructor>;
    for (const extension of extensions) this.register(extension);
  }

  /** Adds a kind of object that travels as fields it names itself. */
  register<T extends object>(extension: Extension<T>): void {
    this.#byPrototype.set(extension.constructor.prototype, extension);
    this.#byTag.set(extension.tag, extension);
  }

  /** Instances of this class travel as instances, wherever it is defined. */
  registerClass(constructor: AnyFunction): void {
    this.#registered.add(constructor as Constructor);
  }

  /** Whether {@linkcode ValueCodec.registerClass} was called for it. */
  isRegistered(constructor: AnyFunction): boolean {
    return this.#registered.has(constructor as Constructor);
  }

  /** Writes a value. All but the memory behind `buffers` is copied. */
  encode(value: unknown, options: EncodeOptions = {}): Encoded {
    const writer = this.#idleWriter ?? this.#newWriter();
    this.#idleWriter = undefined;
    try {
      writer.table.functions = options.functions as Constructor[] | undefined;
      if (options.symbols !== undefined) {
        writer.isExact = true;
        writer.symbols = options.symbols;
      }
      writer.root(value);
      return {
        bytes: writer.out.finish(),
        buffers: writer.buffers ?? none,
        refs: writer.refs ?? none,
        functions: writer.table.functions ?? none,
        functionUses: writer.table.uses ?? none,
      };
    } catch (error) {
      throw this.#explain(error, value, options.label ?? "value");
    } finally {
      writer.reset();
      this.#idleWriter = writer;
    }
  }

  /** Reads a value. Bytes that are none are a {@linkcode ProtocolError}. */
  decode(bytes: Uint8Array, parts: DecodeParts = {}): unknown {
    // What most calls carry needs no reader.
    const [tag] = bytes;
    if (bytes.length === 1) {
      if (tag! >= Tag.smallInt && tag! < Tag.shortString) {
        return tag! - Tag.smallInt;
      }
      if (tag === Tag.undefined) return undefined;
    } else if (bytes.length === 2 && tag === Tag.array && bytes[1] === 0) {
      return [];
    }
    try {
      return new ValueReader(bytes, {
        extensions: this.#byTag,
        buffers: parts.buffers ?? none,
        functions: parts.functions ?? none,
        ...(parts.symbols === undefined ? {} : { symbols: parts.symbols }),
      }).root();
    } catch (cause) {
      // Ours, or one that a ref or handle threw when it was made again.
      if (cause instanceof MantaError) throw cause;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new ProtocolError(`Cannot read value: ${reason}`, { cause });
    }
  }

  #newWriter(): ValueWriter {
    return new ValueWriter({
      extensions: this.#byPrototype,
      registered: this.#registered,
    });
  }

  #explain(error: unknown, value: unknown, label: RootLabel): unknown {
    if (error instanceof MantaError) return error;
    const isOurs = error instanceof Untransferable;
    const path = pathTo(isOurs ? error.culprit : undefined, value, {
      label,
      extensions: this.#byPrototype,
    });
    const fault = isOurs
      ? faultOf(error)
      : `could not be read: ${messageOf(error)}`;
    return new SerializationError(
      `Cannot send value: "${shortened(path)}" ${fault}`,
      { path, ...(isOurs ? {} : { cause: error }) },
    );
  }
}

function faultOf(error: Untransferable): string {
  if (error.message === "") return describe(error.culprit);
  return `can't travel: ${error.message}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
