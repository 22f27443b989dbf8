/**
 * One value made again from bytes.
 *
 * Trusts nothing: whatever the bytes hold, the outcome is a value or a
 * {@linkcode ProtocolError}, in time and memory proportional to their number.
 * The writer goes no deeper than half of what is read. Built-ins are in `value_revivers.ts`.
 *
 * @module
 */
import { ProtocolError } from "../base/errors.ts";
import { closeObject, readExact, readSymbol } from "./value_exact.ts";
import type { Extension } from "./value_extension.ts";
import { ValueInput } from "./value_input.ts";
import {
  type BuiltinSource,
  readBuiltin,
  settleErrorName,
} from "./value_revivers.ts";
import { depthMax, recordKeysMax, Tag } from "./value_tags.ts";

/** What stands beside the skeleton, and who revives extensions. */
export interface ReaderSetting {
  readonly extensions: ReadonlyMap<string, Extension<object>>;
  readonly buffers: readonly ArrayBufferView[];
  readonly functions: readonly unknown[];
  /** The program's own symbols, by number. */
  readonly symbols?: Map<number, symbol>;
}

type Fields = Record<string, unknown>;

interface Shape {
  readonly keys: readonly string[];
  /** One of the keys is `__proto__`, which assignment would not create. */
  readonly isOdd: boolean;
}

interface Later {
  readonly tag: number;
  readonly target: object;
}

/** Stands for an object whose parts are still being read. */
const unfinished = {};
/** Room for so many items may be taken before they were read. */
const itemsAheadMax = 4096;
/** The same where there may be none at all. */
const growsDenseMax = 32;
/** An item this far from the others makes V8 keep an array as a dictionary. */
const farIndex = 1 << 20;

/** Reads one value. */
export class ValueReader implements BuiltinSource {
  readonly input: ValueInput;
  resizableCount = 0;
  readonly #setting: ReaderSetting;
  readonly #objects: object[] = [];
  readonly #shapes: Shape[] = [];
  #later: Later[] = [];
  /** Objects that are to be closed to changes once they are whole. */
  readonly #closing: [value: object, closed: number][] = [];
  #symbols: Map<number, symbol> | undefined;
  #depth = 0;

  constructor(bytes: Uint8Array, setting: ReaderSetting) {
    this.input = new ValueInput(bytes);
    this.#setting = setting;
  }

  /** Reads the whole value. */
  root(): unknown {
    const value = this.read();
    while (this.#later.length > 0) {
      const round = this.#later;
      this.#later = [];
      for (const { tag, target } of round) this.#readContents(tag, target);
    }
    if (this.input.remaining > 0) fail("bytes are left over");
    for (const [object, closed] of this.#closing) closeObject(object, closed);
    return value;
  }

  /** Reads one value inside the value. */
  read(): unknown {
    const tag = this.input.u8();
    if (tag >= Tag.shortString) return this.input.ascii(tag - Tag.shortString);
    if (tag >= Tag.smallInt) return tag - Tag.smallInt;
    switch (tag) {
      case Tag.object:
      case Tag.record:
        return this.#readFields(tag, this.register({}));
      case Tag.array:
      case Tag.int32Array:
      case Tag.float64Array:
        return this.#readDense(tag);
      case Tag.int32:
        return this.input.int32();
      case Tag.float64:
        return this.input.float64();
      case Tag.undefined:
        return undefined;
      case Tag.null:
        return null;
      case Tag.true:
        return true;
      case Tag.false:
        return false;
      case Tag.utf8:
        return this.input.utf8();
      case Tag.utf16:
        return this.input.utf16();
      case Tag.ref:
        return this.#readRef();
      default:
        return this.#readRare(tag);
    }
  }

  /** The program's own symbols, by number. */
  get symbols(): Map<number, symbol> {
    return this.#symbols ??= this.#setting.symbols ?? new Map();
  }

  /** Gives the next object its number. */
  register<T extends object>(object: T): T {
    this.#objects.push(object);
    return object;
  }

  /** Gives the next object its number before it can be made. */
  reserve(): number {
    return this.#objects.push(unfinished) - 1;
  }

  /** The object whose number was reserved. */
  fill<T extends object>(index: number, object: T): T {
    this.#objects[index] = object;
    return object;
  }

  /** Reads a string, and only a string. */
  readString(): string {
    const value = this.read();
    if (typeof value !== "string") fail("a string is missing");
    return value;
  }

  /** Keys and values until `end`, given to `set`. */
  readPairs(set: (key: string, value: unknown) => void): void {
    this.#enter();
    while (this.input.peek() !== Tag.end) set(this.readString(), this.read());
    this.input.u8();
    this.#depth--;
  }

  /** Bytes beside the skeleton. */
  readOutside(): ArrayBufferView {
    const found = this.#setting.buffers[this.input.count()];
    const length = this.input.count();
    if (found?.byteLength !== length) fail("a buffer beside it does not fit");
    return found;
  }

  #readRare(tag: number): unknown {
    switch (tag) {
      case Tag.bigint64:
        return this.input.bigint64();
      case Tag.bigint:
        return this.input.bigint();
      case Tag.function:
        return this.#readFunction();
      case Tag.symbol:
        return readSymbol(this) ?? fail("a symbol is missing");
      case Tag.exact:
        return this.#readExact();
      case Tag.sparseArray:
        return this.#readSparse(this.register([]));
      case Tag.map:
        return this.#readMap(this.register(new Map()));
      case Tag.set:
        return this.#readSet(this.register(new Set()));
      case Tag.instance:
        return this.#readInstance();
      case Tag.subclass:
        return this.#readSubclass();
      case Tag.extension:
        return this.#readExtension();
      case Tag.laterObject:
        return this.#putOff(tag, {});
      case Tag.laterArray:
        return this.#putOff(tag, []);
      case Tag.laterMap:
        return this.#putOff(tag, new Map());
      case Tag.laterSet:
        return this.#putOff(tag, new Set());
      case Tag.laterInstance:
        return this.#putOff(tag, this.#emptyInstance());
      default:
        return readBuiltin(this, tag);
    }
  }

  #putOff(tag: number, target: object): object {
    this.#later.push({ tag, target });
    return this.register(target);
  }

  #readContents(tag: number, target: object): void {
    if (tag === Tag.laterMap) {
      this.#readMap(target as Map<unknown, unknown>);
    } else if (tag === Tag.laterSet) {
      this.#readSet(target as Set<unknown>);
    } else if (tag === Tag.laterArray) {
      const form = this.input.u8();
      if (form === Tag.sparseArray) this.#readSparse(target as unknown[]);
      else this.#fillDense(form, target as unknown[], this.#denseLength(form));
    } else {
      this.#readFields(this.input.u8(), target);
    }
  }

  #readRef(): object {
    const found = this.#objects[this.input.count()];
    if (found === undefined || found === unfinished) {
      fail("it refers to an object that is not there");
    }
    return found;
  }

  #readFields<T extends object>(tag: number, target: T): T {
    this.#enter();
    const shape = this.#readShape(tag);
    const { keys } = shape;
    const isPlain = !shape.isOdd &&
      Object.getPrototypeOf(target) === Object.prototype;
    for (let i = 0; i < keys.length; i++) {
      const value = this.read();
      if (isPlain) (target as Fields)[keys[i]!] = value;
      else define(target, keys[i]!, value);
    }
    this.#depth--;
    return target;
  }

  #readShape(tag: number): Shape {
    if (tag === Tag.record) {
      return this.#shapes[this.input.count()] ?? fail("keys are missing");
    }
    if (tag !== Tag.object) fail("fields are missing");
    const keys: string[] = [];
    for (let left = this.input.countOf(1); left > 0; left--) {
      keys.push(this.readString());
    }
    const shape = { keys, isOdd: keys.includes("__proto__") };
    if (keys.length <= recordKeysMax) this.#shapes.push(shape);
    return shape;
  }

  #denseLength(tag: number): number {
    if (tag === Tag.array) return this.input.countOf(1);
    if (tag === Tag.int32Array) return this.input.countOf(4);
    if (tag === Tag.float64Array) return this.input.countOf(8);
    fail("items are missing");
  }

  #readDense(tag: number): unknown[] {
    const length = this.#denseLength(tag);
    // Nested arrays could each claim all the bytes that follow.
    const room = tag === Tag.array ? Math.min(length, itemsAheadMax) : length;
    const array = this.register(new Array<unknown>(room));
    return this.#fillDense(tag, array, length);
  }

  #fillDense(tag: number, array: unknown[], length: number): unknown[] {
    if (tag === Tag.int32Array) this.input.int32s(array, length);
    else if (tag === Tag.float64Array) this.input.float64s(array, length);
    else {
      this.#enter();
      for (let i = 0; i < length; i++) array[i] = this.read();
      this.#depth--;
    }
    return array;
  }

  #readSparse(array: unknown[]): unknown[] {
    const length = this.input.count();
    if (length > 2 ** 32 - 1) fail("an array is too long");
    if (length > growsDenseMax) {
      // A far item makes a dictionary of it, else `length` would take room.
      array[farIndex] = undefined;
      delete array[farIndex];
    }
    array.length = length;
    this.readPairs((key, value) => define(array, key, value));
    if (array.length !== length) fail("an array is longer than it says");
    return array;
  }

  #readMap(map: Map<unknown, unknown>): Map<unknown, unknown> {
    this.#enter();
    while (this.input.peek() !== Tag.end) map.set(this.read(), this.read());
    this.input.u8();
    this.#depth--;
    return map;
  }

  #readSet(set: Set<unknown>): Set<unknown> {
    this.#enter();
    while (this.input.peek() !== Tag.end) set.add(this.read());
    this.input.u8();
    this.#depth--;
    return set;
  }

  #readFunction(): unknown {
    const found = this.#setting.functions[this.input.count()];
    if (typeof found !== "function") fail("a function of its is missing");
    return found;
  }

  #readInstance(): object {
    const instance = this.register(this.#emptyInstance());
    return this.#readFields(this.input.u8(), instance);
  }

  #emptyInstance(): object {
    return Object.create(this.#readClass() ?? Object.prototype);
  }

  /** The prototype of a class that came along. */
  #readClass(): object | undefined {
    const found = this.#setting.functions[this.input.count()];
    this.input.u8();
    if (typeof found !== "function") return undefined;
    const prototype: unknown = found.prototype;
    if (typeof prototype !== "object" || prototype === null) return undefined;
    return prototype;
  }

  #readSubclass(): object {
    this.#enter();
    const prototype = this.#readClass();
    const value = this.read();
    if (typeof value !== "object" || value === null) {
      fail("no object to extend");
    }
    if (prototype !== undefined) {
      Object.setPrototypeOf(value, prototype);
      if (value instanceof Error) settleErrorName(value, prototype);
    }
    // Without its class it is the bare built-in, as structured clone has it.
    this.#readFields(this.input.u8(), prototype === undefined ? {} : value);
    this.#depth--;
    return value;
  }

  #readExact(): object {
    this.#enter();
    const value = readExact(this, (object, closed) => {
      this.#closing.push([object, closed]);
    });
    this.#depth--;
    return value;
  }

  #readExtension(): object {
    this.#enter();
    const index = this.reserve();
    const tag = this.readString();
    const extension = this.#setting.extensions.get(tag);
    if (extension === undefined) fail(`nobody here knows "${tag}"`);
    const value = extension.fromFields(this.read());
    this.#depth--;
    return this.fill(index, value);
  }

  #enter(): void {
    if (++this.#depth > 2 * depthMax) fail("it is nested too deep");
  }
}

/** An own property even where the prototype has a setter of that name. */
function define(target: object, key: string, value: unknown): void {
  if (!(key in target)) (target as Fields)[key] = value;
  else {
    Object.defineProperty(target, key, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
}

function fail(reason: string): never {
  throw new ProtocolError(`Cannot read value: ${reason}`);
}
