/**
 * The alphabet of encoded values: one byte says what follows.
 *
 * From `smallInt` up a byte holds its whole value (integers 0 to 63), from
 * `shortString` up a length (ASCII of 0 to 63 letters). Both sides number the
 * objects of a value in order of appearance, so that `ref` can name them, and
 * number the key lists of plain objects, so that `record` need not repeat them.
 *
 * @module
 */

/** What a byte means where a value begins. */
export const Tag = {
  undefined: 0,
  null: 1,
  false: 2,
  true: 3,
  /** Four bytes, signed. */
  int32: 4,
  /** Eight bytes. */
  float64: 5,
  /** Eight bytes, signed. */
  bigint64: 6,
  /** Sign, length, big-endian bytes of the magnitude. */
  bigint: 7,
  /** Length in bytes as four bytes, UTF-8. */
  utf8: 8,
  /** Length in units, two bytes each: only this keeps lone surrogates. */
  utf16: 9,

  /** Number of an object met before. */
  ref: 16,
  /** Index into the table of functions. */
  function: 17,
  /** Ends a list of unknown length. */
  end: 18,
  /** An object of a closure, with what others leave behind. */
  exact: 19,
  /** A symbol of a closure. */
  symbol: 20,

  /** Key count, keys, values; from then on the keys have a number. */
  object: 32,
  /** Number of the keys, values. */
  record: 33,
  /** Length, items. */
  array: 34,
  /** Length, four bytes each. */
  int32Array: 35,
  /** Length, eight bytes each. */
  float64Array: 36,
  /** Length, then keys with values until `end`. */
  sparseArray: 37,
  /** Keys with values until `end`. */
  map: 38,
  /** Items until `end`. */
  set: 39,
  /** Class by function index, whether registered, fields as an object. */
  instance: 40,
  /** The same around a built-in that the class extends: base value, fields. */
  subclass: 41,

  // Too deep to go on inside: the contents stand after the root, in order.
  laterObject: 48,
  laterArray: 49,
  laterMap: 50,
  laterSet: 51,
  laterInstance: 52,

  /** Eight bytes of milliseconds. */
  date: 64,
  /** Source, flags. */
  regexp: 65,
  /** The primitive inside. */
  boxed: 66,
  /** Length, bytes. */
  buffer: 67,
  /** Longest length, length, bytes. */
  resizableBuffer: 68,
  /** Index into the buffers beside the skeleton, length. */
  outsideBuffer: 69,
  /** Type, offset, length, the buffer. */
  view: 70,
  /** Type, index into the buffers beside the skeleton, length in bytes. */
  outsideView: 71,
  /** Class, name, hidden and then plain properties, each until `end`. */
  error: 72,
  /** Message, name, stack. */
  domException: 73,
  /** Name of the extension, its fields. */
  extension: 74,

  smallInt: 128,
  shortString: 192,
} as const;

/** Constructors of views, by their number on the wire: append only. */
export const viewTypes = [
  DataView,
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float16Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
] as const;

/** Non-enumerable properties an error keeps; the rest of them is its engine's business. */
export const hiddenErrorKeys = [
  "message",
  "stack",
  "cause",
  "errors",
  "error",
  "suppressed",
] as const;

/** Key lists up to this length get a number. */
export const recordKeysMax = 64;
/** Containers this deep are written after the root instead of inside. */
export const inlineDepthMax = 200;
/** What can't be written later (causes of errors, fields of refs and the like) may go this deep. */
export const depthMax = 500;
