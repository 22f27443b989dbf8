/**
 * Objects of closures: what structured clone leaves behind of an object goes
 * along when a function captured it, because code that worked with it goes on.
 *
 * That is symbol keys, accessors, properties that are hidden or can't be
 * written, an odd prototype, and being frozen. Such an object is written as any
 * other, with these parts after it. Values proper (arguments, results, `put`)
 * know none of this: for them structured clone is the rule.
 *
 * @module
 */
import { builtin } from "../base/builtin.ts";
import { ProtocolError } from "../base/errors.ts";
import type { Kind } from "./value_kinds.ts";
import type { ValueInput } from "./value_input.ts";
import type { ValueOutput } from "./value_output.ts";

/** Bits of what follows an object. */
const Part = {
  nullPrototype: 1,
  /** A `Buffer` of node:. */
  buffer: 2,
  /** A prototype that is no class's. */
  prototype: 4,
  properties: 8,
} as const;

/** Bits of a property. */
const Property = {
  enumerable: 1,
  writable: 2,
  configurable: 4,
  accessor: 8,
} as const;

const SymbolKind = { none: 0, wellKnown: 1, registered: 2, own: 3 } as const;

/** How far an object is closed to changes. */
const Closed = { no: 0, extended: 1, sealed: 2, frozen: 3 } as const;

/** What an object is beyond its plain properties. */
export interface Exactness {
  readonly parts: number;
  readonly closed: number;
  /** Its plain properties, which are written as always. */
  readonly keys: string[];
  readonly odd: readonly PropertyKey[];
}

/** What this asks of the writer of values. */
export interface ExactSink {
  readonly out: ValueOutput;
  /** The program's own symbols, by number. */
  readonly symbols: symbol[];
  write(value: unknown): void;
}

/** What this asks of the reader of values. */
export interface ExactSource {
  readonly input: ValueInput;
  readonly symbols: Map<number, symbol>;
  read(): unknown;
  readString(): string;
}

const nodeBuffer = () => builtin("node:buffer").Buffer.prototype;

/** What must be written of an object besides the usual; undefined if nothing. */
export function exactnessOf(
  value: object,
  kind: Kind | undefined,
): Exactness | undefined {
  if (kind?.base === "error" || kind?.base === "domException") return undefined;
  const closed = closedOf(value);
  const isView = ArrayBuffer.isView(value);
  const isIndexed = isView || Array.isArray(value) || kind?.base === "boxed";
  const keys: string[] = [];
  const odd: PropertyKey[] = [];
  // Their many indices are what they look like.
  const candidates = isIndexed
    ? isView && kind?.viewConstructor !== undefined
      ? Reflect.ownKeys(value).slice(Reflect.get(value, "length"))
      : Object.getOwnPropertySymbols(value)
    : Reflect.ownKeys(value);
  const isFielded = kind === undefined || kind.base === "object" ||
    kind.constructor !== undefined;
  for (const key of candidates) {
    const property = Object.getOwnPropertyDescriptor(value, key);
    const isPlain = isFielded && typeof key === "string" &&
      property?.enumerable === true && "value" in property &&
      (closed >= Closed.frozen || property.writable === true) &&
      (closed >= Closed.sealed || property.configurable === true);
    if (isPlain) keys.push(key);
    else odd.push(key);
  }
  const prototype = Object.getPrototypeOf(value);
  const isLoose = kind?.base === "object" && kind.constructor === undefined &&
    !Object.hasOwn(prototype, "constructor");
  const isBuffer = kind?.base === "view" && isNamedBuffer(prototype) &&
    prototype === nodeBuffer();
  const parts = (prototype === null ? Part.nullPrototype : 0) |
    (isBuffer ? Part.buffer : 0) |
    (isLoose ? Part.prototype : 0) |
    (odd.length > 0 ? Part.properties : 0);
  if (parts === 0 && closed === Closed.no) return undefined;
  return { parts, closed, keys, odd };
}

/** Writes what goes before the object itself. */
export function writeExactHead(sink: ExactSink, exact: Exactness): void {
  sink.out.u8(exact.parts);
  sink.out.u8(exact.closed);
}

/** Writes what comes after it. */
export function writeExactTail(
  sink: ExactSink,
  value: object,
  { parts, odd }: Exactness,
): void {
  const { out } = sink;
  if ((parts & Part.prototype) !== 0) sink.write(Object.getPrototypeOf(value));
  if ((parts & Part.properties) === 0) return;
  out.count(odd.length);
  for (const key of odd) {
    const property = Object.getOwnPropertyDescriptor(value, key)!;
    const isAccessor = property.get !== undefined || property.set !== undefined;
    out.u8(
      (property.enumerable ? Property.enumerable : 0) |
        (property.writable ? Property.writable : 0) |
        (property.configurable ? Property.configurable : 0) |
        (isAccessor ? Property.accessor : 0),
    );
    if (typeof key === "symbol") writeSymbol(sink, key);
    else {
      out.u8(SymbolKind.none);
      out.string(String(key));
    }
    if (isAccessor) {
      sink.write(property.get);
      sink.write(property.set);
    } else sink.write(property.value);
  }
}

/** Reads an object with its parts; `close` is called for one that is to be closed at the end. */
export function readExact(
  source: ExactSource,
  close: (value: object, closed: number) => void,
): object {
  const { input } = source;
  const parts = input.u8();
  const closed = input.u8();
  const value = source.read();
  if (typeof value !== "object" || value === null) {
    fail("no object to complete");
  }
  if ((parts & Part.nullPrototype) !== 0) Object.setPrototypeOf(value, null);
  if ((parts & Part.buffer) !== 0) {
    Object.setPrototypeOf(value, nodeBuffer());
  }
  if ((parts & Part.prototype) !== 0) {
    const prototype = source.read();
    if (typeof prototype !== "object") fail("a prototype is none");
    Object.setPrototypeOf(value, prototype);
  }
  if ((parts & Part.properties) !== 0) {
    for (let left = input.countOf(2); left > 0; left--) {
      readProperty(source, value);
    }
  }
  if (closed !== Closed.no) close(value, closed);
  return value;
}

/** Closes an object as far as it was. */
export function closeObject(value: object, closed: number): void {
  if (closed === Closed.frozen) Object.freeze(value);
  else if (closed === Closed.sealed) Object.seal(value);
  else Object.preventExtensions(value);
}

/** Writes a symbol, by its name or its number. */
export function writeSymbol({ out, symbols }: ExactSink, key: symbol): void {
  const registered = Symbol.keyFor(key);
  if (registered !== undefined) {
    out.u8(SymbolKind.registered);
    return out.string(registered);
  }
  const name = key.description?.replace(/^Symbol\./, "") ?? "";
  if (Reflect.get(Symbol, name) === key) {
    out.u8(SymbolKind.wellKnown);
    return out.string(name);
  }
  let index = symbols.indexOf(key);
  if (index < 0) index = symbols.push(key) - 1;
  out.u8(SymbolKind.own);
  out.count(index);
  out.u8(key.description === undefined ? 0 : 1);
  if (key.description !== undefined) out.string(key.description);
}

/** Reads what {@linkcode writeSymbol} wrote; undefined where a plain key follows. */
export function readSymbol(source: ExactSource): symbol | undefined {
  const { input, symbols } = source;
  switch (input.u8()) {
    case SymbolKind.none:
      return undefined;
    case SymbolKind.registered:
      return Symbol.for(source.readString());
    case SymbolKind.wellKnown: {
      const found: unknown = Reflect.get(Symbol, source.readString());
      if (typeof found !== "symbol") fail("a symbol is unknown");
      return found;
    }
    case SymbolKind.own: {
      const index = input.count();
      const isNamed = input.u8() !== 0;
      const description = isNamed ? source.readString() : undefined;
      let symbol = symbols.get(index);
      if (symbol === undefined) {
        symbol = Symbol(description);
        symbols.set(index, symbol);
      }
      return symbol;
    }
    default:
      fail("a key is none");
  }
}

function readProperty(source: ExactSource, value: object): void {
  const flags = source.input.u8();
  const key = readSymbol(source) ?? source.readString();
  const property: PropertyDescriptor = {
    enumerable: (flags & Property.enumerable) !== 0,
    configurable: (flags & Property.configurable) !== 0,
  };
  if ((flags & Property.accessor) !== 0) {
    const [get, set] = [accessor(source.read()), accessor(source.read())];
    if (get !== undefined) property.get = get;
    if (set !== undefined) property.set = set;
  } else {
    property.writable = (flags & Property.writable) !== 0;
    property.value = source.read();
  }
  Object.defineProperty(value, key, property);
}

function accessor(value: unknown): (() => unknown) | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "function") fail("an accessor is none");
  return value as () => unknown;
}

function closedOf(value: object): number {
  if (Object.isExtensible(value)) return Closed.no;
  if (Object.isFrozen(value)) return Closed.frozen;
  return Object.isSealed(value) ? Closed.sealed : Closed.extended;
}

function isNamedBuffer(prototype: object): boolean {
  return Reflect.get(prototype, "constructor")?.name === "Buffer";
}

function fail(reason: string): never {
  throw new ProtocolError(`Cannot read value: ${reason}`);
}
