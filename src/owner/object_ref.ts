/**
 * Object refs: what a program holds, and the entry behind each.
 *
 * An entry is one object as one process knows it: its state, its value once
 * there, and who waits. Whether it is the process's own or borrowed, and how
 * long it lives, is kept by `references.ts`.
 *
 * @module
 */
import { objectIdOf, type ProcessId } from "../base/ids.ts";
import { displayLine } from "../base/notebook.ts";
import type { HeldValue } from "../base/stored.ts";
import type { Referable } from "../state/references.ts";

/** Where an object stands. */
export const Status = { pending: 0, ready: 1, failed: 2, freed: 3 } as const;
/** One of {@linkcode Status}. */
export type Status = typeof Status[keyof typeof Status];

/** How an object came to be: `call` is an actor's, `item` a generator's. */
export type Origin = "task" | "put" | "call" | "item";

/** Waiters of what a waiter settled: told after it. */
const due: { waiter: (entry: ObjectEntry) => void; entry: ObjectEntry }[] = [];
let isTelling = false;

/** One object as this process knows it. */
export class ObjectEntry implements Referable {
  readonly ownerId: ProcessId;
  readonly ordinal: number;
  readonly index: number;
  origin: Origin = "task";
  status: Status = Status.pending;
  value: HeldValue | undefined;
  error: unknown;
  /** Somebody looked at the outcome: a failure needs no log line. */
  isAsked = false;
  /** Another process may know it: kept in a table, its handles counted. */
  isShared = false;
  /** The last list of refs in which it was seen: in one it stands once. */
  inList = 0;
  /** Live handles, where they are counted. */
  handleCount = 0;
  /** Processes that hold it, where this one owns it. */
  holders: Set<ProcessId> | undefined;
  /** The task that makes it, for `cancel` and `why`. */
  producer: object | undefined;
  /** What the task that made it is called in every run, where that is known. */
  key: Promise<string | undefined> | string | undefined;
  /** Called once when nothing holds it any more. */
  onUnreferenced: (() => void) | undefined;
  #waiters: ((entry: ObjectEntry) => void)[] | undefined;

  constructor(ownerId: ProcessId, ordinal: number, index: number) {
    this.ownerId = ownerId;
    this.ordinal = ordinal;
    this.index = index;
  }

  /** Its id in hex. */
  get id(): string {
    return objectIdOf(this.ownerId, this.ordinal, this.index);
  }

  /** Whether it has its outcome. */
  get isSettled(): boolean {
    return this.status !== Status.pending;
  }

  /** Whether it may be let go without one. */
  get isOutcomeNeedless(): boolean {
    return this.onUnreferenced !== undefined;
  }

  /** Calls `waiter` once it is settled; at once if it is. */
  whenSettled(waiter: (entry: ObjectEntry) => void): void {
    if (this.status !== Status.pending) waiter(this);
    else (this.#waiters ??= []).push(waiter);
  }

  /** Takes a waiter back. */
  forget(waiter: (entry: ObjectEntry) => void): void {
    const at = this.#waiters?.indexOf(waiter) ?? -1;
    if (at >= 0) this.#waiters!.splice(at, 1);
  }

  /** The value is there. A second outcome changes nothing. */
  resolve(value: HeldValue): void {
    if (this.status !== Status.pending) return;
    this.status = Status.ready;
    this.value = value;
    this.#settle();
  }

  /** There will be no value. A second outcome changes nothing. */
  reject(error: unknown): void {
    if (this.status !== Status.pending) return;
    this.status = Status.failed;
    this.value = undefined;
    this.error = error;
    this.#settle();
  }

  /**
   * Its value is gone and made again: it is pending as before. The old one
   * stays until then, so that whoever was given it knows what it is without.
   */
  reopen(): void {
    this.status = Status.pending;
    this.error = undefined;
  }

  /** Another copy of its value takes the place of one that is gone. */
  replace(value: HeldValue): void {
    this.value = value;
  }

  /** Its value is gone and can't be made again. */
  lose(error: unknown): void {
    this.status = Status.failed;
    this.value = undefined;
    this.error = error;
  }

  /** Gives the value back; later reads fail with `error`. */
  free(error: unknown): void {
    this.status = Status.freed;
    this.value = undefined;
    this.error = error;
    this.#settle();
  }

  /**
   * Tells whoever waits. What a waiter settles in turn is told after it and not
   * inside it, so that a chain of tasks may be of any length.
   */
  #settle(): void {
    const waiters = this.#waiters;
    if (waiters === undefined) return;
    this.#waiters = undefined;
    this.isAsked = true;
    if (isTelling) {
      for (const waiter of waiters) due.push({ waiter, entry: this });
      return;
    }
    isTelling = true;
    let toldCount = 0;
    try {
      for (const waiter of waiters) waiter(this);
      while (toldCount < due.length) {
        const { waiter, entry } = due[toldCount++]!;
        waiter(entry);
      }
    } finally {
      due.splice(0, toldCount);
      isTelling = false;
    }
  }
}

let entryOf: (ref: ObjectRef<unknown>) => ObjectEntry;
let isRef: (value: object) => boolean;
let makeRef: (entry: ObjectEntry) => ObjectRef<unknown>;
let disposed: (ref: ObjectRef<unknown>) => void = () => {};
declare const valueType: unique symbol;

/**
 * A reference to a value that exists now or will: what `.remote()` and `put`
 * return and `get` takes. Opaque and immutable; may be an argument, stand
 * inside a value, or lie in an actor's state. It is no thenable: awaiting or
 * returning one never unwraps it.
 *
 * @example
 * ```ts
 * import { get, type ObjectRef, put } from "@manta/manta";
 * const ref: ObjectRef<number[]> = put([1, 2, 3]);
 * console.log(await get(ref), ref.id.length); // [ 1, 2, 3 ] 32
 * ```
 */
export class ObjectRef<T> implements Disposable {
  readonly #entry: ObjectEntry;
  /** Carries the value's type; there is nothing at run time. */
  declare readonly [valueType]: T;

  private constructor(entry: ObjectEntry) {
    this.#entry = entry;
    Object.freeze(this);
  }

  static {
    entryOf = (ref) => {
      if (!(#entry in ref)) {
        throw new TypeError("Cannot use value as ObjectRef: it is none");
      }
      return ref.#entry;
    };
    isRef = (value) => #entry in value;
    makeRef = (entry) => new ObjectRef<unknown>(entry);
  }

  /** The object's id: 32 hex digits, its owner and task readable in them. */
  get id(): string {
    return this.#entry.id;
  }

  /** Lets go of the object now, as the garbage collector would later. */
  [Symbol.dispose](): void {
    disposed(this);
  }

  /** How it looks in a log. */
  [Symbol.for("Deno.customInspect")](): string {
    return this.toString();
  }

  /** The same as text. */
  toString(): string {
    return `ObjectRef(${this.#facts()})`;
  }

  /** How it looks in a notebook. */
  [Symbol.for("Jupyter.display")](): Record<string, string> {
    return displayLine("ObjectRef", this.#facts());
  }

  #facts(): string {
    const states = ["pending", "ready", "failed", "freed"];
    return `${this.id}, ${states[this.#entry.status]}`;
  }
}

/** Whether a value is an object ref. */
export function isObjectRef(value: unknown): value is ObjectRef<unknown> {
  // Not by its prototype: reading that of a proxy may throw.
  return typeof value === "object" && value !== null && isRef(value);
}

/** The entry behind a ref. */
export function entryOfRef(ref: ObjectRef<unknown>): ObjectEntry {
  return entryOf(ref);
}

/** A new handle on an entry; `references.ts` counts it. */
export function refOfEntry(entry: ObjectEntry): ObjectRef<unknown> {
  return makeRef(entry);
}

/** Sets what disposing a ref does. */
export function onDisposed(handler: (ref: ObjectRef<unknown>) => void): void {
  disposed = handler;
}
