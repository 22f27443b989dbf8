/**
 * Random values of every kind that travels, from a seed: nested, shared, cyclic.
 *
 * @module
 */

/** Seeded generator: the same seed gives the same run. Returns a number in [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

const primitives: readonly unknown[] = [
  undefined,
  null,
  true,
  false,
  0,
  -0,
  63,
  64,
  -1,
  2 ** 31 - 1,
  -(2 ** 31),
  2 ** 31,
  1.5,
  NaN,
  Infinity,
  -Infinity,
  Number.MIN_VALUE,
  0n,
  -1n,
  2n ** 63n - 1n,
  2n ** 63n,
  -(2n ** 200n),
  "",
  "hello",
  "\ufeffmarked",
  "grün 🦕",
  "\ud800 alone",
  "x".repeat(48),
  "x".repeat(49),
  "ü".repeat(5000),
  "__proto__",
];
const viewTypes = [
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
];
const errorTypes = [Error, TypeError, RangeError, SyntaxError, URIError];

/** Makes values; `made` counts how often each kind came up. */
export class RandomValues {
  readonly made = new Map<string, number>();
  readonly #random: () => number;
  #objects: object[] = [];

  constructor(seed: number) {
    this.#random = seeded(seed);
  }

  /** A new value, unrelated to those before. */
  next(): unknown {
    this.#objects = [];
    return this.#value(this.below(30) === 0 ? 7 : 4);
  }

  /** An integer from 0 to `bound - 1`. */
  below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }

  #value(depth: number): unknown {
    const dice = this.#random();
    if (depth === 0 || dice < 0.35) return this.#pick(primitives);
    if (dice < 0.45 && this.#objects.length > 0) {
      this.#count("shared");
      return this.#pick(this.#objects);
    }
    const kinds = Object.keys(this.#makers);
    const kind = this.#pick(kinds);
    this.#count(kind);
    return this.#makers[kind]!(depth - 1);
  }

  readonly #makers: Record<string, (depth: number) => object> = {
    object: (depth) => this.#fill(this.#keep({}), depth),
    record: (depth) =>
      this.#keep({ id: this.#value(depth), name: this.#value(depth) }),
    array: (depth) => {
      const array = this.#keep([] as unknown[]);
      for (let n = this.below(6); n > 0; n--) array.push(this.#value(depth));
      return array;
    },
    ints: () =>
      this.#keep(
        Array.from({ length: this.below(300) }, () => this.below(1000) - 500),
      ),
    doubles: () =>
      this.#keep(Array.from({ length: this.below(300) }, () => this.#random())),
    sparse: (depth) => {
      const array = this.#keep([] as unknown[]);
      array.length = this.below(2) === 0 ? this.below(10) : this.below(2 ** 31);
      array[this.below(10)] = this.#value(depth);
      if (this.below(2) === 0) Reflect.set(array, "extra", this.#value(depth));
      return array;
    },
    map: (depth) => {
      const map = this.#keep(new Map<unknown, unknown>());
      for (let n = this.below(4); n > 0; n--) {
        map.set(this.#value(depth), this.#value(depth));
      }
      return map;
    },
    set: (depth) => {
      const set = this.#keep(new Set<unknown>());
      for (let n = this.below(4); n > 0; n--) set.add(this.#value(depth));
      return set;
    },
    date: () =>
      this.#keep(new Date(this.below(5) === 0 ? NaN : this.below(1e9))),
    regexp: () => this.#keep(this.#pick([/a\/b/giu, /[\n]/y, new RegExp("")])),
    boxed: () =>
      this.#keep(Object(this.#pick([1, -0, "s", true, 5n])) as object),
    buffer: () => this.#keep(this.#buffer(this.below(6000))),
    resizable: () =>
      this.#keep(new ArrayBuffer(this.below(16), { maxByteLength: 16 })),
    view: () => this.#view(),
    error: (depth) => {
      const error = this.#keep(new (this.#pick(errorTypes))("went wrong"));
      if (this.below(2) === 0) {
        Object.defineProperty(error, "cause", {
          value: this.#value(depth),
          writable: true,
          configurable: true,
        });
      }
      return this.#fill(error, depth);
    },
    aggregate: (depth) =>
      this.#keep(new AggregateError([this.#value(depth)], "several")),
  };

  #view(): object {
    const buffer = this.#keep(this.#buffer(this.below(800) * 8));
    if (this.below(8) === 0) return this.#keep(new DataView(buffer));
    const type = this.#pick(viewTypes);
    const offset = this.below(buffer.byteLength / 8 + 1) * 8;
    return this.#keep(
      new type(
        buffer,
        offset,
        (buffer.byteLength - offset) / type.BYTES_PER_ELEMENT,
      ),
    );
  }

  #buffer(length: number): ArrayBuffer {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.below(256);
    return bytes.buffer;
  }

  #fill<T extends object>(target: T, depth: number): T {
    for (let n = this.below(5); n > 0; n--) {
      const key = this.#pick([
        "a",
        "b",
        "ключ",
        "7",
        "__proto__",
        "a b",
        "id",
        "a\0b",
      ]);
      Object.defineProperty(target, key, {
        value: this.#value(depth),
        writable: true,
        enumerable: true,
        configurable: true,
      });
    }
    return target;
  }

  #keep<T extends object>(object: T): T {
    this.#objects.push(object);
    return object;
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  #count(kind: string): void {
    this.made.set(kind, (this.made.get(kind) ?? 0) + 1);
  }
}
