/**
 * Values between a program and the wire: stored at once, opened when asked for.
 *
 * Storing copies: the skeleton by the codec, large arrays into a segment (or
 * along in the frame). What can't be known at once (code to capture, room in
 * the store) is a promise beside the stored value. Opening is synchronous
 * where neither code nor a segment is involved: that is the hot path.
 *
 * @module
 */
import type { AnyFunction } from "../base/functions.ts";
import { SerializationError } from "../base/errors.ts";
import type { Captured } from "../code/capture.ts";
import type { ProcessId } from "../base/ids.ts";
import type {
  CodeBundle,
  CodeRef,
  HeldValue,
  RefKey,
  StoredValue,
} from "../base/stored.ts";
import {
  areInstancesRefused,
  type Encoded,
  refuseInstances,
  type RootLabel,
  type ValueCodec,
} from "../wire/values.ts";
import type { Peer } from "../wire/peer.ts";
import {
  CodeTable,
  type EncodedCapture,
  type NamedFunction,
} from "./code_table.ts";
import {
  entryOfRef,
  isObjectRef,
  type ObjectEntry,
  ObjectRef,
} from "./object_ref.ts";
import { newCodec } from "./extensions.ts";
import type { References } from "./references.ts";
import type { SegmentClient } from "./segments.ts";
import { assertNoThenable } from "./thenables.ts";

/** A stored value, and what must happen before anybody is told of it. */
export interface Storing {
  readonly held: HeldValue;
  /** Its code is captured and the store has taken its arrays; undefined if it is ready. */
  readonly ready: Promise<void> | undefined;
}

/** How a value is stored. */
export interface StoreOptions {
  /** What errors call the value, or each item of a list. */
  label?: RootLabel;
  /** Whose object it becomes; this process's own unless told otherwise. */
  ownerId?: ProcessId;
  /** Functions that have an index already. */
  functions?: AnyFunction[];
}

/** Stores and opens values for one process. */
export class Values {
  readonly codec: ValueCodec = newCodec();
  readonly code: CodeTable;
  readonly #self: ProcessId;
  readonly #references: References;
  readonly #segments: SegmentClient;
  readonly #nextOrdinal: () => number;
  /** Values that are being opened, and how often. */
  readonly #opening = new Map<HeldValue, number>();
  /** The refs met, while a value is written for a key. */
  #keyed: ObjectEntry[] | undefined;
  readonly #discardedEarly = new Set<HeldValue>();
  readonly #dropped = new FinalizationRegistry<string>((segmentId) =>
    this.#segments.free(segmentId as never)
  );

  constructor(
    self: ProcessId,
    rooms: {
      references: References;
      segments: SegmentClient;
      mainModule: string;
      nextOrdinal(): number;
    },
  ) {
    this.#self = self;
    this.#nextOrdinal = rooms.nextOrdinal;
    this.#references = rooms.references;
    this.#segments = rooms.segments;
    this.code = new CodeTable({
      functionsIn: (value) => [
        ...this.codec.encode(value, { symbols: [] }).functions,
      ],
      refuseInstances,
      encode: (captured) => this.#encodeCaptured(captured),
      open: (held, from) => this.#openCaptured(held, from),
      hold: (stored) => this.hold(stored),
    }, rooms.mainModule);
    this.codec.register({
      tag: "ref",
      constructor: ObjectRef,
      tracked: true,
      toFields: (ref: ObjectRef<unknown>) => {
        const entry = entryOfRef(ref);
        this.#references.assertKnown(entry);
        // Ids are of this run: its place among the refs is what is written.
        if (this.#keyed !== undefined) return this.#keyed.push(entry);
        const { ownerId, ordinal, index } = entry;
        return [ownerId, ordinal, index];
      },
      fromFields: (fields: unknown) => {
        const [ownerId, ordinal, index] = fields as [ProcessId, number, number];
        return this.#references.borrow({ ownerId, ordinal, index });
      },
    });
  }

  /** Stores a value now: later changes to it are not seen. */
  store(value: unknown, options: StoreOptions = {}): Storing {
    assertNoThenable(value, options.label ?? "value");
    const encoded = this.codec.encode(value, {
      ...(options.label === undefined ? {} : { label: options.label }),
      ...(options.functions === undefined
        ? {}
        : { functions: options.functions }),
    });
    if (
      encoded.buffers.length === 0 && encoded.functions.length === 0 &&
      encoded.refs.length === 0
    ) {
      return {
        held: { stored: { bytes: encoded.bytes }, refs: [] },
        ready: undefined,
      };
    }
    return this.#storeRich(encoded, options, value);
  }

  /** A value without what is of this run alone, and the refs and functions in it apart. */
  encodeForKey(
    value: unknown,
    own: { functions?: AnyFunction[]; symbols?: symbol[] } = {},
  ): { parts: Uint8Array[]; entries: ObjectEntry[]; functions: AnyFunction[] } {
    const entries: ObjectEntry[] = [];
    this.#keyed = entries;
    try {
      const { bytes, buffers, functions } = this.codec.encode(value, own);
      return {
        parts: [bytes, ...buffers],
        entries,
        functions: own.functions === undefined ? [...functions] : [],
      };
    } finally {
      this.#keyed = undefined;
    }
  }

  /** A value that was kept as bytes becomes one of this process's own. */
  async restore(stored: StoredValue): Promise<HeldValue> {
    const { bytes, buffers = [] } = stored;
    const placement = this.#segments.place(buffers, this.#self);
    if (placement === undefined) return { stored, refs: [] };
    await placement.admitted;
    return this.#own({ stored: { bytes, segment: placement.slice }, refs: [] });
  }

  /** The bytes that a stored value consists of. */
  async partsOf({ stored }: HeldValue): Promise<Uint8Array[]> {
    const { bytes, buffers = [], segment } = stored;
    if (segment === undefined) return [bytes, ...buffers];
    return [bytes, ...await this.#segments.open(segment)];
  }

  /** The value itself; a promise where code or a segment must come first. */
  open(held: HeldValue, from?: Peer): unknown {
    const { stored } = held;
    if (stored.segment === undefined && stored.code === undefined) {
      return this.codec.decode(
        stored.bytes,
        stored.buffers === undefined ? {} : { buffers: copiesOf(stored) },
      );
    }
    // Until it is mapped the value must not be let go: not by the collector,
    // which sees only what the opening still reads, nor by its last handle.
    this.#opening.set(held, (this.#opening.get(held) ?? 0) + 1);
    return this.#openRich(stored, from).finally(() => this.#opened(held));
  }

  /** Takes a value that came from elsewhere: its refs are held from now on. */
  hold(stored: StoredValue): HeldValue {
    const refs = stored.refs?.map((key) => this.#references.borrow(key)) ?? [];
    return { stored, refs };
  }

  /** Takes a value that was made for this process: its segment goes when the value does. */
  adopt(stored: StoredValue): HeldValue {
    return this.#own(this.hold(stored));
  }

  /** The same value with its large arrays inside: it needs no segment. */
  async embedded(stored: StoredValue): Promise<StoredValue> {
    const { segment, ...rest } = stored;
    if (segment === undefined) return stored;
    const arrays = await this.#segments.open(segment);
    return { ...rest, buffers: arrays.map((array) => array.slice()) };
  }

  /** Fetches the code that a value from elsewhere needs, so that it can be passed on; the value keeps it. */
  ensureCode(held: HeldValue, from: Peer): Promise<unknown> | undefined {
    const { stored, refs } = held;
    if (stored.code === undefined) return undefined;
    const hashes = new Set(
      stored.code.filter((ref) => ref !== null).map((ref) => ref.hash),
    );
    return Promise.all([...hashes].map(async (hash) => {
      refs.push(await this.code.ensure(hash, from));
    }));
  }

  /** The code that a function and some values need, all of it known here. */
  bundlesOf(code: CodeRef, values: StoredValue[]): CodeBundle[] {
    const refs = [code, ...values.flatMap((value) => value.code ?? [])];
    const hashes = new Set(
      refs.filter((ref) => ref !== null).map((ref) => ref.hash),
    );
    return [...hashes].map((hash) => this.code.bundle(hash)!);
  }

  /** Gives a value's segment back now. */
  discard(held: HeldValue, isUnreadable = false): void {
    const segmentId = held.stored.segment?.segmentId;
    if (segmentId === undefined) return;
    if (this.#opening.has(held)) {
      this.#discardedEarly.add(held);
      return;
    }
    this.#dropped.unregister(held);
    this.#segments.free(segmentId, isUnreadable);
  }

  #storeRich(
    encoded: Encoded,
    options: StoreOptions,
    value?: unknown,
  ): Storing {
    const waits: Promise<unknown>[] = [];
    const ownerId = options.ownerId ?? this.#self;
    const placement = this.#segments.place(encoded.buffers, ownerId);
    if (placement !== undefined) waits.push(placement.admitted);
    const handles = encoded.refs.filter(isObjectRef)
      .map((ref) => this.#references.hold(ref));
    const keys = handles.map(keyOf);
    const refs: object[] = [...handles];
    const code: (CodeRef | null)[] = [];
    // A bundle's own functions are named by their place in it.
    if (options.functions === undefined) {
      encoded.functions.forEach((fn, at) => {
        this.#nameFunction(fn, { at, code, refs, waits });
      });
    }
    const stored: StoredValue = {
      bytes: encoded.bytes,
      ...(placement
        ? { segment: placement.slice }
        : encoded.buffers.length > 0
        ? { buffers: encoded.buffers.map((buffer) => buffer.slice()) }
        : {}),
      ...(code.length > 0 ? { code } : {}),
      ...(keys.length > 0 ? { refs: keys } : {}),
    };
    const held = { stored, refs };
    // One that is made for an owner is its own once it arrives there, also
    // where that is this very process.
    if (options.ownerId === undefined) this.#own(held);
    const ready = waits.length === 0
      ? undefined
      : Promise.all(waits).then(() => {
        // Only a class's text tells that its instances hide something.
        if (!encoded.functions.some(areInstancesRefused)) return;
        this.codec.encode(value, { label: options.label ?? "value" });
      });
    ready?.catch(() => {}); // Whoever uses the value awaits it too.
    return { held, ready };
  }

  #nameFunction(
    fn: AnyFunction,
    { at, code, refs, waits }: {
      at: number;
      code: (CodeRef | null)[];
      refs: object[];
      waits: Promise<unknown>[];
    },
  ): void {
    const named = ({ ref, bundle }: NamedFunction) => {
      code[at] = ref;
      refs.push(bundle);
    };
    const known = this.code.known(fn);
    code.push(null);
    if (known !== undefined) named(known);
    else waits.push(this.code.name(fn).then(named));
  }

  /** The segment of a value of this process's own goes when the value does. */
  #own(held: HeldValue): HeldValue {
    const segmentId = held.stored.segment?.segmentId;
    if (segmentId !== undefined) this.#dropped.register(held, segmentId, held);
    return held;
  }

  #opened(held: HeldValue): void {
    const count = this.#opening.get(held)! - 1;
    if (count > 0) this.#opening.set(held, count);
    else {
      this.#opening.delete(held);
      if (this.#discardedEarly.delete(held)) this.discard(held);
    }
  }

  async #openRich(
    stored: StoredValue,
    from: Peer | undefined,
  ): Promise<unknown> {
    const [functions, buffers] = await Promise.all([
      Promise.all(
        (stored.code ?? []).map((ref) =>
          ref === null ? undefined : this.code.functionOf(ref, from)
        ),
      ),
      stored.segment === undefined
        ? copiesOf(stored)
        : this.#segments.open(stored.segment),
    ]);
    return this.codec.decode(stored.bytes, {
      buffers,
      functions: functions as AnyFunction[],
    });
  }

  #encodeCaptured(captured: Captured): EncodedCapture {
    const { values, functions, symbols } = captured;
    const encoded = this.codec.encode(values, { functions, symbols });
    return {
      parts: [encoded.bytes, ...encoded.buffers],
      store: async () => {
        const { held, ready } = this.#storeRich(encoded, { functions });
        await ready;
        return this.#lend(held);
      },
    };
  }

  /** Captured values in a segment become an object, which whoever has the bundle borrows. */
  #lend(held: HeldValue): HeldValue {
    const { stored } = held;
    if (stored.segment === undefined) return held;
    const ref = this.#references.create(this.#nextOrdinal(), 0);
    entryOfRef(ref).resolve(held);
    this.#references.share(ref);
    const refs = [...stored.refs ?? [], keyOf(ref)];
    return { stored: { ...stored, refs }, refs: [...held.refs, ref] };
  }

  async #openCaptured(
    held: HeldValue,
    _from: Peer | undefined,
  ): Promise<
    (functions: AnyFunction[], symbols: Map<number, symbol>) => unknown[]
  > {
    const { stored } = held;
    const buffers = stored.segment === undefined
      ? copiesOf(stored)
      : await this.#segments.open(stored.segment);
    return (functions, symbols) => {
      const parts = { buffers, functions, symbols };
      const values = this.codec.decode(stored.bytes, parts);
      if (!Array.isArray(values)) {
        throw new SerializationError(
          "Cannot revive function: its captured values are no list",
          { path: "" },
        );
      }
      return values;
    };
  }
}

function keyOf(ref: ObjectRef<unknown>): RefKey {
  const { ownerId, ordinal, index } = entryOfRef(ref);
  return { ownerId, ordinal, index };
}

/** Whoever opens a value may write to its arrays: each has copies of its own. */
function copiesOf({ buffers = [] }: StoredValue): Uint8Array[] {
  return buffers.map((buffer) => buffer.slice());
}
