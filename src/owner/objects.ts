/**
 * The objects of one process: stored, read, fetched from their owners, freed.
 *
 * Who holds what is `references.ts`; how values are stored is `values.ts`;
 * the tasks that make objects are `owner.ts`.
 *
 * @module
 */
import { deadline } from "@std/async";
import { ObjectFreedError, ObjectLostError } from "../base/errors.ts";
import type { ProcessId, SegmentId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import type { HeldValue } from "../base/stored.ts";
import { waiting } from "./context.ts";
import type { FetchedValue, ObjectKey } from "../wire/messages.ts";
import type { Network } from "../wire/network.ts";
import {
  type NoticeHandlers,
  type Peer,
  PeerEndedError,
  type RequestHandlers,
} from "../wire/peer.ts";
import { HeldFailure, openFailure, storeFailure } from "./failures.ts";
import type { StoredObject } from "./lineage_objects.ts";
import {
  entryOfRef,
  type ObjectEntry,
  type ObjectRef,
  Status,
} from "./object_ref.ts";
import type { References } from "./references.ts";
import type { Values } from "./values.ts";

/** What objects need of their owner. */
export interface ObjectsPort {
  owe(): void;
  settle(): void;
  nextOrdinal(): number;
  release(from: Peer, pinToken: number): void;
  /** The value of an object of this process's own is gone. */
  lost(entry: ObjectEntry, cause: ObjectLostError | undefined): void;
  /** Nobody holds an object of this process's own; or the program gave it back. */
  dropped(entry: ObjectEntry): void;
  freed(entry: ObjectEntry): void;
  readonly lineage: {
    stored(origin: "put", object: StoredObject): void;
    freed(entry: ObjectEntry): void;
  };
}

/** Keeps the objects of one process. */
export class Objects {
  readonly #self: ProcessId;
  readonly #network: Network;
  readonly #references: References;
  readonly #values: Values;
  readonly #port: ObjectsPort;
  readonly #fetching = new WeakSet<ObjectEntry>();

  constructor(
    rooms: { network: Network; references: References; values: Values },
    port: ObjectsPort,
  ) {
    this.#self = rooms.network.self.processId;
    this.#network = rooms.network;
    this.#references = rooms.references;
    this.#values = rooms.values;
    this.#port = port;
  }

  /** Stores a value; its ref is there at once. */
  put(value: unknown): ObjectRef<unknown> {
    const { held, ready } = this.#values.store(value, { label: "value" });
    const ref = this.#references.create(this.#port.nextOrdinal(), 0);
    const entry = entryOfRef(ref);
    entry.origin = "put";
    this.#port.lineage.stored("put", {
      ordinal: entry.ordinal,
      index: 0,
      held,
    });
    if (ready === undefined) {
      entry.resolve(held);
      return ref;
    }
    this.#port.owe();
    ready.then(
      () => entry.resolve(held),
      (error) => entry.reject(error),
    ).finally(() => this.#port.settle());
    return ref;
  }

  /** The value of a settled object; throws or rejects with why there is none. */
  read(entry: ObjectEntry): unknown {
    entry.isAsked = true;
    if (entry.status === Status.ready) {
      const { segment, code } = entry.value!.stored;
      return segment === undefined && code === undefined
        ? this.#values.open(entry.value!)
        : this.#owing(this.#open(entry));
    }
    return this.#owing(this.#failure(entry)).then((error) => {
      throw error;
    });
  }

  /** Resolves once an object has its value here; rejects with why it has none. */
  settled(ref: ObjectRef<unknown>): Promise<void> {
    const entry = entryOfRef(ref);
    this.demand(entry);
    return new Promise((resolve, reject) => {
      entry.whenSettled(() => {
        if (entry.status === Status.ready) resolve();
        else this.#failure(entry).then(reject, reject);
      });
    });
  }

  /** Makes sure that an object of another process is on its way here. */
  demand(entry: ObjectEntry): void {
    entry.isAsked = true;
    if (entry.ownerId === this.#self || entry.isSettled) return;
    if (this.#fetching.has(entry)) return;
    this.#fetching.add(entry);
    this.#fetch(entry);
  }

  /** What the owner of another process's object says of it; undefined if it does not in time. */
  async explained(entry: ObjectEntry): Promise<string | undefined> {
    this.#port.owe();
    try {
      const peer = await this.#network.peer(entry.ownerId);
      const answer = peer.request("object.why", keyOf(entry));
      return (await deadline(answer, limits.factsWaitMs)).line;
    } catch (error) {
      log.debug(`owner ${entry.ownerId} did not explain: ${error}`);
      return undefined;
    } finally {
      this.#port.settle();
    }
  }

  /** Gives the memory of objects back now. */
  free(refs: ObjectRef<unknown>[]): void {
    for (const ref of refs) {
      const entry = entryOfRef(ref);
      if (entry.ownerId === this.#self) this.#free(entry);
      else {
        const word = { objects: [keyOf(entry)] };
        this.#network.tell(entry.ownerId, "object.free", word);
        entry.free(freedError(entry));
      }
    }
  }

  #free(entry: ObjectEntry): void {
    this.#port.lineage.freed(entry);
    if (entry.value !== undefined) this.#values.discard(entry.value);
    entry.free(freedError(entry));
    this.#port.freed(entry);
    // A holder has the value, or a mapping of it, and would go on reading.
    for (const holder of entry.holders ?? []) {
      this.#network.tell(holder, "object.freed", { objects: [keyOf(entry)] });
    }
  }

  async #fetch(entry: ObjectEntry): Promise<void> {
    this.#port.owe();
    // The program may have no handle left, and still await the value.
    const handle = this.#references.borrow(entry);
    try {
      const peer = await this.#network.peer(entry.ownerId);
      const answer = await peer.request("object.fetch", {
        ...keyOf(entry),
      });
      const { held, failure } = await this.#received(answer, peer);
      if (held !== undefined) entry.resolve(held);
      else entry.reject(failure);
    } catch (error) {
      if (error instanceof PeerEndedError || isGone(error)) {
        this.#references.processEnded(entry.ownerId);
      }
      entry.reject(
        new ObjectLostError(
          `Cannot get object ${entry.id}: ${
            error instanceof Error ? error.message : error
          }`,
          { objectId: entry.id, cause: error },
        ),
      );
    } finally {
      this.#port.settle();
      // Whoever awaits it reads it in this turn, and holds it for that.
      setImmediate(() => this.#references.letGo(handle));
    }
  }

  /** Opens a value, and another copy of it where that is gone. */
  async #open(entry: ObjectEntry): Promise<unknown> {
    // Another's segment must stay until it is mapped.
    const handle = entry.ownerId === this.#self
      ? undefined
      : this.#references.borrow(entry);
    try {
      for (;;) {
        const held = entry.value;
        if (held === undefined) throw await this.#failure(entry);
        try {
          return await this.#values.open(held);
        } catch (error) {
          const lost = held.stored.segment?.segmentId;
          const isLost = error instanceof ObjectLostError &&
            error.objectId === lost;
          if (!isLost) throw error;
          await waiting(this.recovered(entry, lost, error));
        }
      }
    } finally {
      if (handle !== undefined) this.#references.letGo(handle);
    }
  }

  /** Resolves once an object whose segment is gone has another value, or none. */
  async recovered(
    entry: ObjectEntry,
    lost: SegmentId,
    cause?: ObjectLostError,
  ): Promise<void> {
    const isLost = () => entry.value?.stored.segment?.segmentId === lost;
    if (isLost()) {
      if (entry.ownerId === this.#self) this.#port.lost(entry, cause);
      else {
        const peer = await this.#network.peer(entry.ownerId);
        const answer = await peer.request("object.fetch", {
          ...keyOf(entry),
          lost,
        });
        const { held, failure } = await this.#received(answer, peer);
        if (isLost()) {
          if (held === undefined) entry.lose(failure);
          else entry.replace(held);
        }
      }
    }
    await new Promise<void>((resolve) => entry.whenSettled(() => resolve()));
  }

  async #received(
    answer: FetchedValue,
    peer: Peer,
  ): Promise<{ held?: HeldValue; failure?: HeldFailure }> {
    const stored = answer.kind === "value" ? answer.value : answer.error;
    const held = this.#values.hold(stored);
    const ready = this.#values.ensureCode(held, peer);
    if (answer.kind === "value") this.#port.release(peer, answer.pinToken);
    await ready;
    return answer.kind === "value"
      ? { held }
      : { failure: new HeldFailure(held) };
  }

  #failure(entry: ObjectEntry): Promise<unknown> {
    return openFailure(entry.error, this.#values);
  }

  /** A promise that is owed to the program. */
  async #owing<T>(promise: Promise<T>): Promise<T> {
    this.#port.owe();
    try {
      return await promise;
    } finally {
      this.#port.settle();
    }
  }

  /** Nothing holds an object of this process any more. */
  letGo(entry: ObjectEntry): void {
    entry.onUnreferenced?.();
    if (entry.status !== Status.ready) return;
    this.#port.lineage.freed(entry);
    this.#values.discard(entry.value!);
    entry.free(freedError(entry));
    this.#port.dropped(entry);
  }

  #onFetch(
    { lost, ...key }: ObjectKey & { lost?: SegmentId },
    peer: Peer,
  ): Promise<FetchedValue> {
    const entry = this.#references.find(key);
    if (entry !== undefined) return this.serve(entry, { lost, peer });
    const error = new ObjectLostError(
      "Cannot get object: its owner has let it go",
      { objectId: "" },
    );
    const { stored } = this.#values.store(error).held;
    return Promise.resolve({ kind: "failed", error: stored });
  }

  /** Gives another process the value of an object once it is there, or why there is none. */
  async serve(
    entry: ObjectEntry,
    { lost, peer }: { lost: SegmentId | undefined; peer: Peer },
  ): Promise<FetchedValue> {
    if (lost !== undefined) await this.recovered(entry, lost);
    await new Promise<void>((resolve) => entry.whenSettled(() => resolve()));
    entry.isAsked = true;
    if (entry.status === Status.ready) {
      const { stored, refs } = entry.value!;
      const pinToken = refs.length > 0 ? this.#references.pin(peer, refs) : 0;
      return { kind: "value", value: stored, pinToken };
    }
    const { stored } = await storeFailure(entry.error, this.#values);
    return { kind: "failed", error: stored };
  }

  /** What the process answers about its objects. */
  requests(): RequestHandlers {
    return {
      "object.fetch": (ask, peer) => this.#onFetch(ask, peer),
      "object.borrow": (word, peer) => ({
        missing: this.#references.borrowedBy(peer.remote!.processId, word),
      }),
    };
  }

  /** What the process hears about its objects. */
  notices(): NoticeHandlers {
    return {
      "object.release": (word, peer) =>
        this.#references.releasedBy(peer.remote!.processId, word),
      "object.free": ({ objects }) => {
        for (const key of objects) {
          const entry = this.#references.find(key);
          if (entry !== undefined) this.#free(entry);
        }
      },
      "object.freed": ({ objects }, peer) => {
        for (const key of objects) {
          const ownerId = peer.remote!.processId;
          const entry = this.#references.borrowed(ownerId, key);
          entry?.free(freedError(entry));
        }
      },
    };
  }
}
function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound ||
    error instanceof Deno.errors.ConnectionRefused;
}

function keyOf({ ordinal, index }: ObjectEntry): ObjectKey {
  return { ordinal, index };
}

/** A lost segment is known by a name of its own; whoever reads knows the object's. */
function freedError(entry: ObjectEntry): ObjectFreedError {
  return new ObjectFreedError(`Cannot get object ${entry.id}: it was freed`, {
    objectId: entry.id,
  });
}
