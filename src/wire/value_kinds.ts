/**
 * What an object is to the codec, judged by its prototype chain: a plain
 * object, a built-in, an instance of a program's class, or something that
 * can't travel and how to call it in an error.
 *
 * A class's `#private` fields can't be seen from outside: whoever reads its
 * text says so, and from then on its instances can't travel.
 *
 * @module
 */
import { errorClasses } from "../base/errors.ts";
import { viewTypes } from "./value_tags.ts";

/** Thrown inside an encode: `culprit` is the part that can't travel. */
export class Untransferable extends Error {
  readonly culprit: unknown;
  constructor(culprit: unknown, reason = "") {
    super(reason);
    this.culprit = culprit;
  }
}

/** Kinds the codec has a form for. */
export type Base =
  | "object"
  | "array"
  | "map"
  | "set"
  | "date"
  | "regexp"
  | "boxed"
  | "buffer"
  | "view"
  | "error"
  | "domException"
  | "refused";

/** What one prototype says about the objects that have it. */
export interface Kind {
  readonly base: Base;
  /** The program's class, if it is one's instance. */
  readonly constructor: Constructor | undefined;
  /** The program's class, if it extends a typed array: only closures keep it. */
  readonly viewConstructor?: Constructor | undefined;
  /** For errors: the nearest class of {@linkcode knownErrors}. */
  readonly errorName: string;
}

/** Any class. */
// deno-lint-ignore ban-types
export type Constructor = Function & { readonly prototype: object };

/** Error classes that every process has, by their name on the wire. */
export const knownErrors: ReadonlyMap<string, Constructor> = new Map<
  string,
  Constructor
>([
  ...[
    Error,
    EvalError,
    RangeError,
    ReferenceError,
    SyntaxError,
    TypeError,
    URIError,
    AggregateError,
    SuppressedError,
  ].map((known) => [known.name, known] as const),
  ...errorClasses,
  ...Object.entries(Deno.errors).map(([name, known]) =>
    [`Deno.errors.${name}`, known] as const
  ),
]);

const knownErrorNames = new Map(
  [...knownErrors].map(([name, known]) => [known.prototype as object, name]),
);

const bases = new Map<Base, readonly Constructor[]>([
  ["array", [Array]],
  ["map", [Map]],
  ["set", [Set]],
  ["date", [Date]],
  ["regexp", [RegExp]],
  ["boxed", [Number, String, Boolean, BigInt]],
  ["buffer", [ArrayBuffer]],
  ["view", viewTypes],
  ["error", [...knownErrors.values()]],
  ["domException", [DOMException]],
]);
const baseByPrototype = new Map<object, Base>();
const baseByName = new Map<string, Base>();
for (const [base, constructors] of bases) {
  for (const { prototype, name } of constructors) {
    baseByPrototype.set(prototype, base);
    baseByName.set(name, base);
  }
}
// Generators and iterators: their own prototypes name no native constructor.
const asyncIterator = Object.getPrototypeOf(
  Object.getPrototypeOf(Object.getPrototypeOf((async function* () {})())),
);
for (const prototype of [Iterator.prototype, asyncIterator]) {
  baseByPrototype.set(prototype, "refused");
}

/** What host classes carry on their prototype and no program's class does. */
const hostMarks = new Set([
  "Deno.privateCustomInspect",
  "Deno.core.hostObject",
  "Deno.internal.rid",
  "[[webidl.brand]]",
]);

const kinds = new WeakMap<object, Kind>();
const refusals = new WeakMap<object, string>();

/** From now on a value that holds this very object can't travel, and says so. */
export function refuseValue(value: object, reason: string): void {
  refusals.set(value, reason);
}

/** Throws if an object was refused. */
export function assertNotRefused(value: object): void {
  const reason = refusals.get(value);
  if (reason !== undefined) throw new Untransferable(value, reason);
}

const hidingClasses = new WeakMap<Constructor, string>();

/** From now on an instance of this class, or of one that extends it, can't travel, and says so. */
export function refuseInstances(
  constructor: Constructor,
  hiddenMember: string,
): void {
  hidingClasses.set(constructor, hiddenMember);
}

/** Whether instances of a class, or of one above it, were refused. */
export function areInstancesRefused(constructor: Constructor): boolean {
  return hiddenMemberOf(constructor) !== undefined;
}

/** Throws if instances of the object's class were refused. */
export function assertNothingHidden(
  value: object,
  constructor: Constructor,
): void {
  const hidden = hiddenMemberOf(constructor);
  if (hidden === undefined) return;
  throw new Untransferable(
    value,
    `it has ${hidden}, which only its class ${constructor.name} can read. ` +
      "Send what it is made of, and make it where it is needed",
  );
}

function hiddenMemberOf(constructor: Constructor): string | undefined {
  let at: unknown = constructor;
  while (typeof at === "function") {
    const hidden = hidingClasses.get(at as Constructor);
    if (hidden !== undefined) return hidden;
    at = Object.getPrototypeOf(at);
  }
  return undefined;
}

/** The kind of every object whose prototype is this. */
export function kindOf(prototype: object): Kind {
  let kind = kinds.get(prototype);
  if (kind === undefined) {
    kind = judge(prototype);
    kinds.set(prototype, kind);
  }
  return kind;
}

function judge(prototype: object): Kind {
  let constructor: Constructor | undefined;
  let isHost = false;
  let at: object | null = prototype;
  for (; at !== null && at !== Object.prototype; at = above(at)) {
    const own = ownConstructor(at);
    const known = baseByPrototype.get(at) ?? foreignBase(own);
    if (known === "refused") return refused;
    if (known !== undefined) {
      // Buffer and the errors of node: come as the built-in that they extend.
      const isPrograms = !isHost && known !== "view";
      const errorName = knownErrorNames.get(at) ?? own?.name ?? "Error";
      return {
        base: known,
        constructor: isPrograms ? constructor : undefined,
        viewConstructor: known === "view" && !isHost ? constructor : undefined,
        errorName: knownErrors.has(errorName) ? errorName : "Error",
      };
    }
    if (own === undefined) continue;
    if (own.name === "Object" && isNative(own)) break;
    if (isHostClass(own)) isHost = true;
    else constructor ??= own;
  }
  if (isHost || holdsResource(prototype)) return refused;
  return { base: "object", constructor, errorName: "" };
}

const refused: Kind = {
  base: "refused",
  constructor: undefined,
  errorName: "",
};

/** A built-in of another realm (a `node:vm` context) goes by its name. */
function foreignBase(own: Constructor | undefined): Base | undefined {
  if (own === undefined || !baseByName.has(own.name)) return undefined;
  return isNative(own) ? baseByName.get(own.name) : undefined;
}

function above(prototype: object): object | null {
  return Object.getPrototypeOf(prototype);
}

function ownConstructor(prototype: object): Constructor | undefined {
  const found = Object.getOwnPropertyDescriptor(prototype, "constructor");
  const isClass = typeof found?.value === "function" &&
    found.value.prototype === prototype;
  return isClass ? found.value : undefined;
}

function isNative(constructor: Constructor): boolean {
  const source = Function.prototype.toString.call(constructor);
  return /\{\s*\[native code\]\s*\}$/.test(source);
}

function isHostClass(constructor: Constructor): boolean {
  const { name, prototype } = constructor;
  for (const home of [globalThis, Deno]) {
    const found = Object.getOwnPropertyDescriptor(home, name);
    if (found?.value === constructor) return true;
    // Lazily loaded: reading it is cheap once an instance exists.
    if (found?.get && Reflect.get(home, name) === constructor) return true;
  }
  const symbols = Object.getOwnPropertySymbols(prototype);
  return symbols.some((symbol) => hostMarks.has(symbol.description ?? "")) ||
    isNative(constructor);
}

/** Sockets, timers, child processes: whatever can keep the event loop alive. */
function holdsResource(prototype: object): boolean {
  return "ref" in prototype && "unref" in prototype;
}

/** How an error calls a value that can't travel, with what to do about it. */
export function describe(culprit: unknown): string {
  if (typeof culprit === "symbol") return "is a Symbol, which can't travel";
  const name = nameOf(culprit);
  const article = /^[AEIO]/.test(name) ? "an" : "a";
  const advice = advices[name] ?? "";
  return `is ${article} ${name}, which can't travel${advice}`;
}

const advices: Readonly<Record<string, string>> = {
  Promise: ": await it first",
  SharedArrayBuffer: ": copy it into an ArrayBuffer",
  URL: ": send its href",
  Generator: ": send an array of its items",
  AsyncGenerator: ": send an array of its items",
};

function nameOf(culprit: unknown): string {
  if (typeof culprit !== "object" || culprit === null) return typeof culprit;
  const tagged = Object.prototype.toString.call(culprit).slice(8, -1);
  const named = (culprit as { constructor?: { name?: unknown } }).constructor
    ?.name;
  const buffer = ArrayBuffer.isView(culprit) ? culprit.buffer : culprit;
  if (buffer instanceof ArrayBuffer && buffer.detached) {
    return `${tagged} that was transferred away`;
  }
  if (ArrayBuffer.isView(culprit)) return `${tagged} over shared memory`;
  const isNamed = typeof named === "string" && named !== "";
  const name = tagged === "Object" && isNamed ? named : tagged;
  // Supported kinds get here only as proxies and as bare prototypes.
  return baseByName.has(name) ? `${name} in name only` : name;
}
