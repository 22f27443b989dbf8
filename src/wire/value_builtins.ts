/**
 * How built-ins and the classes that extend them are written: dates, maps,
 * buffers, views, errors and their like.
 *
 * Each looks at its object through the built-in's own methods, which refuse
 * what merely has the prototype. How they are read is in `value_reader.ts`.
 *
 * @module
 */
import { type Constructor, type Kind, Untransferable } from "./value_kinds.ts";
import type { ValueOutput } from "./value_output.ts";
import { hiddenErrorKeys, Tag, viewTypes } from "./value_tags.ts";

/** What writing a built-in asks of the writer of values. */
export interface BuiltinSink {
  readonly out: ValueOutput;
  /** Whether a closure is written, all of it. */
  readonly isExact: boolean;
  /** Bytes at least this long go beside the skeleton. */
  readonly outsideBytesMin: number;
  register(object: object): void;
  write(value: unknown): void;
  writeSeen(object: object): boolean;
  isPutOff(tag: number, value: object): boolean;
  writeClass(constructor: Constructor): void;
  writeFields(value: object): void;
  writePairs(value: object, keys: readonly string[]): void;
  writeItems(value: Map<unknown, unknown> | Set<unknown>, isMap: boolean): void;
  writeArray(array: readonly unknown[]): void;
  writeOutside(bytes: Uint8Array): void;
}

type View = ArrayBufferView<ArrayBufferLike>;

/** Writes an object that is no plain object and no plain array. */
export function writeBuiltin(
  writer: BuiltinSink,
  value: object,
  kind: Kind,
): void {
  const constructor = kind.constructor ??
    (writer.isExact ? kind.viewConstructor : undefined);
  if (constructor === undefined) return writeBase(writer, value, kind);
  writer.out.u8(Tag.subclass);
  writer.writeClass(constructor);
  writeBase(writer, value, kind);
  // Arrays and errors carry their own properties already, views are indices.
  const isCarried = ["array", "error", "view"].includes(kind.base);
  writer.writeFields(isCarried ? {} : value);
}

function writeBase(writer: BuiltinSink, value: object, kind: Kind): void {
  try {
    switch (kind.base) {
      case "array":
        return writeArray(writer, value);
      case "map":
        return writeMap(writer, value);
      case "set":
        return writeSet(writer, value);
      case "date":
        return writeDate(writer, value);
      case "regexp":
        return writeRegExp(writer, value);
      case "boxed":
        return writeBoxed(writer, value);
      case "buffer":
        return writeBuffer(writer, value as ArrayBuffer);
      case "view":
        return writeView(writer, value as View);
      case "error":
        return writeError(writer, value as Error, kind);
      case "domException":
        return writeDomException(writer, value as DOMException);
    }
  } catch (error) {
    if (error instanceof BrandError) throw new Untransferable(value);
    throw error;
  }
  throw new Untransferable(value);
}

/** The object only has a built-in's prototype. */
class BrandError extends Error {}

function branded<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new BrandError("not the built-in it looks like", { cause });
  }
}

function getter(
  prototype: object,
  key: PropertyKey,
): (from: object) => unknown {
  const get = Object.getOwnPropertyDescriptor(prototype, key)!.get!;
  return (from) => branded(() => get.call(from));
}

const mapSize = getter(Map.prototype, "size");
const setSize = getter(Set.prototype, "size");
const regExpFlags = getter(RegExp.prototype, "flags");
const regExpSource = getter(RegExp.prototype, "source");
const regExpSticky = getter(RegExp.prototype, "sticky");
const bufferLength = getter(ArrayBuffer.prototype, "byteLength");
const viewTag = getter(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
);
const dataViewLength = getter(DataView.prototype, "byteLength");

function writeArray(writer: BuiltinSink, value: object): void {
  if (!Array.isArray(value)) throw new BrandError();
  writer.register(value);
  if (!writer.isPutOff(Tag.laterArray, value)) writer.writeArray(value);
}

function writeMap(writer: BuiltinSink, value: object): void {
  mapSize(value);
  writer.register(value);
  if (writer.isPutOff(Tag.laterMap, value)) return;
  writer.out.u8(Tag.map);
  writer.writeItems(value as Map<unknown, unknown>, true);
}

function writeSet(writer: BuiltinSink, value: object): void {
  setSize(value);
  writer.register(value);
  if (writer.isPutOff(Tag.laterSet, value)) return;
  writer.out.u8(Tag.set);
  writer.writeItems(value as Set<unknown>, false);
}

function writeDate(writer: BuiltinSink, value: object): void {
  const time = branded(() => Date.prototype.getTime.call(value));
  writer.register(value);
  writer.out.u8(Tag.date);
  writer.out.float64(time);
}

function writeRegExp(writer: BuiltinSink, value: object): void {
  regExpSticky(value);
  writer.register(value);
  writer.out.u8(Tag.regexp);
  writer.out.string(regExpSource(value) as string);
  writer.out.string(regExpFlags(value) as string);
}

function writeBoxed(writer: BuiltinSink, value: object): void {
  const inside = branded(() => unbox(value));
  writer.register(value);
  writer.out.u8(Tag.boxed);
  writer.write(inside);
}

const unboxers: readonly ((value: object) => unknown)[] = [
  (value) => Number.prototype.valueOf.call(value),
  (value) => String.prototype.valueOf.call(value),
  (value) => Boolean.prototype.valueOf.call(value),
  (value) => BigInt.prototype.valueOf.call(value),
];

function unbox(value: object): unknown {
  for (const valueOf of unboxers) {
    try {
      return valueOf(value);
    } catch {
      // Not this one: the next may fit.
    }
  }
  throw new BrandError("no boxed primitive");
}

function writeBuffer(writer: BuiltinSink, value: ArrayBuffer): void {
  const length = bufferLength(value) as number;
  if (value.detached) throw new Untransferable(value);
  writer.register(value);
  if (length >= writer.outsideBytesMin) {
    writer.out.u8(Tag.outsideBuffer);
    return writer.writeOutside(new Uint8Array(value));
  }
  if (value.resizable) {
    writer.out.u8(Tag.resizableBuffer);
    writer.out.count(value.maxByteLength);
  } else {
    writer.out.u8(Tag.buffer);
  }
  writer.out.count(length);
  writer.out.raw(new Uint8Array(value));
}

const viewNumbers = new Map<string, number>(
  viewTypes.map((type, index) => [type.name, index]),
);

function isShared(buffer: ArrayBufferLike): buffer is SharedArrayBuffer {
  // By name, since a buffer of another realm is no instance of ours.
  const shown = Object.prototype.toString.call(buffer);
  return shown === "[object SharedArrayBuffer]";
}

function writeView(writer: BuiltinSink, value: View): void {
  const name = viewTag(value) as string | undefined;
  if (name === undefined) dataViewLength(value);
  const type = viewNumbers.get(name ?? "DataView");
  const { buffer, byteOffset, byteLength } = value;
  if (type === undefined || isShared(buffer) || buffer.detached) {
    throw new Untransferable(value);
  }
  writer.register(value);
  const bytes = () => new Uint8Array(buffer, byteOffset, byteLength);
  if (byteLength >= writer.outsideBytesMin) {
    writer.out.u8(Tag.outsideView);
    writer.out.u8(type);
    return writer.writeOutside(bytes());
  }
  // A small view of a large buffer takes along only what it shows.
  const isCut = buffer.byteLength >= writer.outsideBytesMin;
  writer.out.u8(Tag.view);
  writer.out.u8(type);
  writer.out.count(isCut ? 0 : byteOffset);
  writer.out.count(byteLength);
  if (!isCut) {
    if (!writer.writeSeen(buffer)) writeBuffer(writer, buffer);
    return;
  }
  writer.register({});
  writer.out.u8(Tag.buffer);
  writer.out.count(byteLength);
  writer.out.raw(bytes());
}

function writeError(writer: BuiltinSink, value: Error, kind: Kind): void {
  writer.register(value);
  writer.out.u8(Tag.error);
  writer.out.string(kind.errorName);
  writer.out.string(String(value.name));
  const plain = Object.keys(value).filter((key) => !isNodesOwn(value, key));
  const hidden = hiddenErrorKeys.filter((key) =>
    Object.hasOwn(value, key) && !plain.includes(key)
  );
  writer.writePairs(value, hidden);
  writer.writePairs(value, plain);
}

/** Errors of `node:` modules carry a native `toString` that shows their code: it stays behind. */
function isNodesOwn(error: Error, key: string): boolean {
  if (key !== "toString" || !Object.hasOwn(error, "code")) return false;
  const own: unknown = Object.getOwnPropertyDescriptor(error, key)?.value;
  if (typeof own !== "function") return false;
  const text = Function.prototype.toString.call(own).replace(/\s|;/g, "");
  return text ===
    "function(){return`${this.name}[${this.code}]:${this.message}`}";
}

function writeDomException(writer: BuiltinSink, value: DOMException): void {
  const { message, name, stack } = value;
  writer.register(value);
  writer.out.u8(Tag.domException);
  writer.out.string(String(message));
  writer.out.string(String(name));
  writer.out.string(String(stack));
}
