/**
 * One value written as bytes: plain data, identity, and what stands beside the
 * skeleton (large buffers, functions, tracked refs).
 *
 * Written for the plain objects, arrays, strings and numbers that most calls
 * carry; built-ins have their forms in `value_builtins.ts`. Where a value
 * can't travel this only says which part; `value_path.ts` finds the way there.
 *
 * @module
 */
import { limits } from "../base/limits.ts";
import { isInt32s, isNumbers, sparseKeys } from "./value_arrays.ts";
import { type BuiltinSink, writeBuiltin } from "./value_builtins.ts";
import {
  exactnessOf,
  writeExactHead,
  writeExactTail,
  writeSymbol,
} from "./value_exact.ts";
import type { Extension } from "./value_extension.ts";
import { FunctionTable } from "./value_functions.ts";
import {
  assertNothingHidden,
  assertNotRefused,
  type Constructor,
  kindOf,
  Untransferable,
} from "./value_kinds.ts";
import { ValueOutput } from "./value_output.ts";
import { depthMax, inlineDepthMax, recordKeysMax, Tag } from "./value_tags.ts";

/** Arrays of numbers from this on are packed. */
const packedArrayMin = 16;
/** So many objects are found by looking through a list; more need a map. */
const listedObjectsMax = 12;

/** What one encode collects and is told. */
export interface WriterSetting {
  readonly extensions: ReadonlyMap<object, Extension<object>>;
  readonly registered: ReadonlySet<Constructor>;
}

interface Later {
  readonly tag: number;
  readonly value: object;
}

/** Writes values, one at a time, and is then used again. */
export class ValueWriter implements BuiltinSink {
  readonly out = new ValueOutput();
  readonly #setting: WriterSetting;
  buffers: Uint8Array[] | undefined;
  refs: object[] | undefined;
  readonly table = new FunctionTable();
  #objectCount = 0;
  readonly #listed: object[] = [];
  #mapped: Map<object, number> | undefined;
  readonly #shapes: (readonly string[])[] = [];
  /** The latest shape with so many keys, or -1. */
  readonly #shapeHints = new Int32Array(recordKeysMax + 1).fill(-1);
  readonly #shapeIndex = new Map<string, number>();
  #shapesIndexed = 0;
  #depth = 0;
  #later: Later[] | undefined;
  #open: object[] | undefined;
  /** The program's own symbols where a closure is written, in all its parts. */
  symbols: symbol[] = [];
  isExact = false;
  /** Of objects with odd properties, the others. */
  #plainKeys: Map<object, string[]> | undefined;

  constructor(setting: WriterSetting) {
    this.#setting = setting;
  }

  /** Writes a whole value. */
  root(value: unknown): void {
    this.write(value);
    while (this.#later !== undefined) {
      const round: Later[] = this.#later;
      this.#later = undefined;
      for (const { tag, value } of round) this.#writeContents(tag, value);
    }
  }

  /** Forgets everything about the value written. */
  reset(): void {
    this.out.reset();
    this.buffers = undefined;
    this.refs = undefined;
    this.table.reset();
    this.#listed.length = 0;
    this.#objectCount = 0;
    this.#mapped = undefined;
    for (const keys of this.#shapes) this.#shapeHints[keys.length] = -1;
    this.#shapes.length = 0;
    if (this.#shapesIndexed > 0) this.#shapeIndex.clear();
    this.#shapesIndexed = 0;
    this.#depth = 0;
    this.#later = undefined;
    this.#open = undefined;
    this.isExact = false;
    this.#plainKeys = undefined;
  }

  /** Writes one value inside the value. */
  write(value: unknown): void {
    switch (typeof value) {
      case "string":
        return this.out.string(value);
      case "number":
        return this.out.number(value);
      case "object":
        if (value === null) return this.out.u8(Tag.null);
        return this.#writeObject(value);
      case "boolean":
        return this.out.u8(value ? Tag.true : Tag.false);
      case "undefined":
        return this.out.u8(Tag.undefined);
      case "bigint":
        return this.out.bigint(value);
      case "function":
        return this.#writeFunction(value as Constructor);
      default:
        if (!this.isExact) throw new Untransferable(value);
        this.out.u8(Tag.symbol);
        return writeSymbol(this, value as symbol);
    }
  }

  /** Gives the next object its number. */
  register(object: object): void {
    const index = this.#objectCount++;
    if (this.#mapped !== undefined) {
      this.#mapped.set(object, index);
    } else if (index < listedObjectsMax) {
      this.#listed.push(object);
    } else {
      this.#mapped = new Map();
      for (let i = 0; i < index; i++) this.#mapped.set(this.#listed[i]!, i);
      this.#mapped.set(object, index);
    }
  }

  /** Writes the number of an object met before; false if it is new. */
  writeSeen(object: object): boolean {
    const index = this.#mapped === undefined
      ? this.#listed.indexOf(object)
      : this.#mapped.get(object) ?? -1;
    if (index < 0) return false;
    if (this.#open?.includes(object)) {
      throw new Untransferable(object, "it contains itself");
    }
    this.out.u8(Tag.ref);
    this.out.count(index);
    return true;
  }

  /** Own enumerable properties, as an object without a number. */
  writeFields(value: object): void {
    this.#enter(value);
    const keys = this.#plainKeys?.get(value) ?? Object.keys(value);
    const shape = this.#shapeOf(keys);
    if (shape >= 0) {
      this.out.u8(Tag.record);
      this.out.count(shape);
    } else {
      this.out.u8(Tag.object);
      this.out.count(keys.length);
      for (let i = 0; i < keys.length; i++) this.out.string(keys[i]!);
    }
    const fields = value as Record<string, unknown>;
    for (let i = 0; i < keys.length; i++) this.write(fields[keys[i]!]);
    this.#depth--;
  }

  /** Keys and values until `end`. */
  writePairs(value: object, keys: readonly string[]): void {
    this.#enter(value);
    for (const key of keys) {
      this.out.string(key);
      this.write((value as Record<string, unknown>)[key]);
    }
    this.out.u8(Tag.end);
    this.#depth--;
  }

  /** Items of a Map or Set until `end`. */
  writeItems(
    value: Map<unknown, unknown> | Set<unknown>,
    isMap: boolean,
  ): void {
    this.#enter(value);
    if (isMap) {
      Map.prototype.forEach.call(value, (item, key) => {
        this.write(key);
        this.write(item);
      });
    } else {
      Set.prototype.forEach.call(value, (item) => this.write(item));
    }
    this.out.u8(Tag.end);
    this.#depth--;
  }

  /** Items of an array, in the form that fits them. */
  writeArray(array: readonly unknown[]): void {
    this.#enter(array);
    const length = array.length;
    const isNumeric = length >= packedArrayMin && isNumbers(array);
    const keys = sparseKeys(array, isNumeric);
    if (keys !== undefined) {
      this.out.u8(Tag.sparseArray);
      this.out.count(length);
      this.writePairs(array, keys);
    } else if (isNumeric) {
      const numbers = array as readonly number[];
      const isInts = isInt32s(numbers);
      this.out.u8(isInts ? Tag.int32Array : Tag.float64Array);
      this.out.count(length);
      if (isInts) this.out.int32s(numbers, length);
      else this.out.float64s(numbers, length);
    } else {
      this.out.u8(Tag.array);
      this.out.count(length);
      for (let i = 0; i < length; i++) this.write(array[i]);
    }
    this.#depth--;
  }

  /** Puts off the contents of an object that lies too deep. */
  isPutOff(tag: number, value: object): boolean {
    if (this.#depth < inlineDepthMax || this.#open !== undefined) return false;
    this.out.u8(tag);
    (this.#later ??= []).push({ tag, value });
    return true;
  }

  /** An instance's or a subclass's head: its class and whether it was registered. */
  writeClass(constructor: Constructor): void {
    const isRegistered = this.#setting.registered.has(constructor);
    this.out.count(
      this.table.indexOf(constructor, isRegistered ? "registered" : "class"),
    );
    this.out.u8(isRegistered ? 1 : 0);
  }

  /** Bytes at least this long go beside the skeleton. */
  get outsideBytesMin(): number {
    return limits.outOfBandBytesMin;
  }

  /** Adds bytes beside the skeleton. */
  writeOutside(bytes: Uint8Array): void {
    const buffers = this.buffers ??= [];
    this.out.count(buffers.length);
    this.out.count(bytes.length);
    buffers.push(bytes);
  }

  #enter(value: object): void {
    if (++this.#depth > depthMax) {
      throw new Untransferable(value, "it lies too deep");
    }
  }

  #writeObject(value: object): void {
    if (this.writeSeen(value)) return;
    const prototype = Object.getPrototypeOf(value);
    if (this.isExact) return this.#writeExact(value, prototype);
    this.#writeWhole(value, prototype);
  }

  #writeExact(value: object, prototype: object | null): void {
    const isPlain = prototype === null || prototype === Object.prototype ||
      prototype === Array.prototype;
    if (!isPlain && this.#setting.extensions.has(prototype)) {
      return this.#writeWhole(value, prototype);
    }
    const exact = exactnessOf(value, isPlain ? undefined : kindOf(prototype));
    if (exact === undefined) return this.#writeWhole(value, prototype);
    this.out.u8(Tag.exact);
    writeExactHead(this, exact);
    if (exact.odd.length > 0) {
      (this.#plainKeys ??= new Map()).set(value, exact.keys);
    }
    this.#writeWhole(value, prototype);
    writeExactTail(this, value, exact);
  }

  #writeWhole(value: object, prototype: object | null): void {
    if (prototype === Object.prototype || prototype === null) {
      this.register(value);
      if (this.isPutOff(Tag.laterObject, value)) return;
      return this.writeFields(value);
    }
    if (prototype === Array.prototype && Array.isArray(value)) {
      this.register(value);
      if (this.isPutOff(Tag.laterArray, value)) return;
      return this.writeArray(value);
    }
    const extension = this.#setting.extensions.get(prototype);
    if (extension !== undefined) return this.#writeExtension(extension, value);
    const kind = kindOf(prototype);
    assertNotRefused(value);
    const constructor = kind.constructor ?? kind.viewConstructor;
    if (constructor !== undefined) assertNothingHidden(value, constructor);
    if (kind.base !== "object") return writeBuiltin(this, value, kind);
    this.register(value);
    if (kind.constructor === undefined) {
      if (this.isPutOff(Tag.laterObject, value)) return;
      return this.writeFields(value);
    }
    const isPutOff = this.isPutOff(Tag.laterInstance, value);
    if (!isPutOff) this.out.u8(Tag.instance);
    this.writeClass(kind.constructor);
    if (!isPutOff) this.writeFields(value);
  }

  #writeContents(tag: number, value: object): void {
    if (tag === Tag.laterArray) return this.writeArray(value as unknown[]);
    if (tag === Tag.laterMap) {
      return this.writeItems(value as Map<unknown, unknown>, true);
    }
    if (tag === Tag.laterSet) {
      return this.writeItems(value as Set<unknown>, false);
    }
    this.writeFields(value);
  }

  #writeExtension(extension: Extension<object>, value: object): void {
    this.register(value);
    if (extension.tracked) (this.refs ??= []).push(value);
    this.out.u8(Tag.extension);
    this.out.string(extension.tag);
    // An extension is made of its fields, so they can't come later, nor hold it.
    this.#enter(value);
    const open = this.#open ??= [];
    open.push(value);
    this.write(extension.toFields(value));
    open.pop();
    if (open.length === 0) this.#open = undefined;
    this.#depth--;
  }

  #writeFunction(value: Constructor): void {
    const prototype = Object.getPrototypeOf(value);
    if (prototype !== Function.prototype && prototype !== null) {
      const extension = this.#setting.extensions.get(prototype);
      if (extension !== undefined) {
        if (this.writeSeen(value)) return;
        return this.#writeExtension(extension, value);
      }
    }
    this.out.u8(Tag.function);
    this.out.count(this.table.indexOf(value, "value"));
  }

  /** The number of a list of keys, or -1 if it has to be written out. */
  #shapeOf(keys: readonly string[]): number {
    const count = keys.length;
    if (count > recordKeysMax) return -1;
    const shapes = this.#shapes;
    const hint = this.#shapeHints[count]!;
    if (hint >= 0 && isSameKeys(shapes[hint]!, keys)) return hint;
    if (shapes.length > 0) {
      for (; this.#shapesIndexed < shapes.length; this.#shapesIndexed++) {
        const joined = shapes[this.#shapesIndexed]!.join("\0");
        this.#shapeIndex.set(joined, this.#shapesIndexed);
      }
      const known = this.#shapeIndex.get(keys.join("\0"));
      if (known !== undefined && isSameKeys(shapes[known]!, keys)) {
        this.#shapeHints[count] = known;
        return known;
      }
    }
    this.#shapeHints[count] = shapes.length;
    shapes.push(keys);
    return -1;
  }
}

function isSameKeys(
  left: readonly string[],
  right: readonly string[],
): boolean {
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false;
  return true;
}
