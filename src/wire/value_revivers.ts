/**
 * How built-ins are made again from bytes: the other half of
 * `value_builtins.ts`.
 *
 * A large array is built over the memory it is given, without a copy, where
 * its alignment allows; everything else gets memory of its own.
 *
 * @module
 */
import { ProtocolError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { ValueInput } from "./value_input.ts";
import { type Constructor, knownErrors } from "./value_kinds.ts";
import { hiddenErrorKeys, Tag, viewTypes } from "./value_tags.ts";

/** What reading a built-in asks of the reader of values. */
export interface BuiltinSource {
  readonly input: ValueInput;
  /** Resizable buffers made so far. */
  resizableCount: number;
  read(): unknown;
  readString(): string;
  readPairs(set: (key: string, value: unknown) => void): void;
  readOutside(): ArrayBufferView;
  register<T extends object>(object: T): T;
  reserve(): number;
  fill<T extends object>(index: number, object: T): T;
}

/** Each is a mapping of its own, and a process may have so many; further ones can't grow. */
const resizableBuffersMax = 64;

/** Reads the built-in that `tag` announced. */
export function readBuiltin(from: BuiltinSource, tag: number): object {
  switch (tag) {
    case Tag.date:
      return from.register(new Date(from.input.float64()));
    case Tag.regexp: {
      const index = from.reserve();
      const source = from.readString();
      return from.fill(index, new RegExp(source, from.readString()));
    }
    case Tag.boxed:
      return readBoxed(from);
    case Tag.buffer:
      return from.register(readBytes(from, from.input.countOf(1)).buffer);
    case Tag.resizableBuffer:
      return readResizable(from);
    case Tag.outsideBuffer:
      return from.register(copyOf(bytesOf(from.readOutside())).buffer);
    case Tag.view:
      return readView(from);
    case Tag.outsideView:
      return readOutsideView(from);
    case Tag.error:
      return readError(from);
    case Tag.domException:
      return readDomException(from);
    default:
      fail(`nothing begins with ${tag}`);
  }
}

function readBoxed(from: BuiltinSource): object {
  const index = from.reserve();
  const inside = from.read();
  if (!["number", "string", "boolean", "bigint"].includes(typeof inside)) {
    fail("nothing to box");
  }
  return from.fill(index, Object(inside));
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  return copy;
}

function readBytes(from: BuiltinSource, length: number) {
  return copyOf(from.input.raw(length));
}

function readResizable(from: BuiltinSource): object {
  const maxByteLength = from.input.count();
  const length = from.input.countOf(1);
  const isFixed = maxByteLength > limits.frameBytesMax ||
    ++from.resizableCount > resizableBuffersMax;
  const buffer = isFixed
    ? new ArrayBuffer(length)
    : new ArrayBuffer(length, { maxByteLength });
  new Uint8Array(buffer).set(from.input.raw(length));
  return from.register(buffer);
}

function readViewType(from: BuiltinSource): typeof viewTypes[number] {
  return viewTypes[from.input.u8()] ?? fail("a view has no type");
}

function readView(from: BuiltinSource): object {
  const index = from.reserve();
  const type = readViewType(from);
  const byteOffset = from.input.count();
  const byteLength = from.input.count();
  const buffer = from.read();
  if (!(buffer instanceof ArrayBuffer)) fail("a view has no buffer");
  return from.fill(index, viewOn(type, { buffer, byteOffset, byteLength }));
}

function readOutsideView(from: BuiltinSource): object {
  const type = readViewType(from);
  const found = from.readOutside();
  const itemBytes = itemBytesOf(type);
  const isAligned = found.byteOffset % itemBytes === 0;
  const place = isAligned ? found : copyOf(bytesOf(found));
  return from.register(viewOn(type, place));
}

type ViewConstructor = new (
  buffer: ArrayBufferLike,
  byteOffset: number,
  length: number,
) => ArrayBufferView;

function viewOn(
  type: typeof viewTypes[number],
  place: Pick<ArrayBufferView, "buffer" | "byteOffset" | "byteLength">,
): object {
  const length = place.byteLength / itemBytesOf(type);
  if (!Number.isInteger(length)) fail("a view shows half an item");
  const make = type as ViewConstructor;
  return new make(place.buffer, place.byteOffset, length);
}

function itemBytesOf(type: typeof viewTypes[number]): number {
  return type === DataView ? 1 : (type as typeof Uint8Array).BYTES_PER_ELEMENT;
}

function readError(from: BuiltinSource): object {
  const index = from.reserve();
  const known = knownErrors.get(from.readString()) ?? Error;
  const name = from.readString();
  const error = from.fill(index, bareError(known));
  from.readPairs((key, value) => {
    if (!(hiddenErrorKeys as readonly string[]).includes(key)) {
      fail("an error hides what it should not");
    }
    Object.defineProperty(error, key, hidden(value));
  });
  from.readPairs((key, value) =>
    Object.defineProperty(error, key, { ...hidden(value), enumerable: true })
  );
  if (error.name !== name) {
    Object.defineProperty(error, "name", hidden(name));
  }
  return error;
}

/** An error without the stack of this place, made without its class's constructor. */
function bareError(known: Constructor): Error {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  const error: Error = Reflect.construct(Error, [], known);
  Error.stackTraceLimit = limit;
  error.stack = "";
  return error;
}

/** Its class is known now, and may have the name that the bare error was given. */
export function settleErrorName(error: object, prototype: object): void {
  const own = Object.getOwnPropertyDescriptor(error, "name");
  if (own === undefined || own.enumerable) return;
  if (Reflect.get(prototype, "name") === own.value) {
    Reflect.deleteProperty(error, "name");
  }
}

function hidden(value: unknown): PropertyDescriptor {
  return { value, writable: true, enumerable: false, configurable: true };
}

function readDomException(from: BuiltinSource): object {
  const index = from.reserve();
  const message = from.readString();
  const error = new DOMException(message, from.readString());
  Object.defineProperty(error, "stack", hidden(from.readString()));
  return from.fill(index, error);
}

function fail(reason: string): never {
  throw new ProtocolError(`Cannot read value: ${reason}`);
}
