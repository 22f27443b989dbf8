/**
 * Stands in for `@std/msgpack` in this checkout, over `npm:@msgpack/msgpack`.
 *
 * Takes and gives exactly what the real package does: integers past 32 bits
 * are floats, bigints are 64 bits wide, whatever has no place in MessagePack
 * throws. It is stricter in one point only: a cut-off string or binary throws.
 *
 * @module
 */
import { Decoder, Encoder, type ExtensionCodecType } from "@msgpack/msgpack";

/** What {@linkcode encode} takes and {@linkcode decode} gives. */
export type ValueType =
  | number
  | bigint
  | string
  | boolean
  | null
  | Uint8Array
  | readonly ValueType[]
  | ValueMap;

/** A plain object of values. */
export interface ValueMap {
  /** The values by name. */
  readonly [index: string | number]: ValueType;
}

const noExtensions: ExtensionCodecType<undefined> = {
  tryToEncode: () => null,
  decode: () => {
    throw new Error("ext not implemented yet");
  },
};
const options = {
  useBigInt64: true,
  maxDepth: Infinity,
  extensionCodec: noExtensions,
};
const encoder = new Encoder(options);

/** Encodes a value as MessagePack. */
export function encode(object: ValueType): Uint8Array<ArrayBuffer> {
  check(object);
  return encoder.encode(object);
}

/** Decodes the one value that `data` holds, to its last byte. */
export function decode(data: Uint8Array): ValueType {
  try {
    return new Decoder(options).decode(data) as ValueType;
  } catch (error) {
    if (!(error instanceof RangeError && /^Extra /.test(error.message))) {
      throw error;
    }
    throw new EvalError("Messagepack decode did not consume whole array");
  }
}

/** Throws for what the npm package would take and the real one refuses. */
function check(value: unknown): void {
  switch (typeof value) {
    case "number":
    case "string":
    case "boolean":
      return;
    case "bigint":
      if (value >= -(2n ** 63n) && value < 2n ** 64n) return;
      throw new Error("Cannot safely encode bigint larger than 64 bits");
    case "object":
      if (value === null || value instanceof Uint8Array) return;
      if (Array.isArray(value)) {
        for (const item of value) check(item);
        return;
      }
      if (isPlain(value)) {
        for (const item of Object.values(value)) check(item);
        return;
      }
  }
  throw new Error("Cannot safely encode value into messagepack");
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
