/**
 * The objects of one process: stored, read, fetched from their owners, freed.
 *
 * Who holds what is `references.ts`; how values are stored is `values.ts`;
 * the tasks that make objects are `owner.ts`.
 *
 * @module
 */
import { ObjectFreedError, ObjectLostError } from "../base/errors.ts";
import type { ProcessId } from "../base/ids.ts";
import type { ObjectKey } from "../wire/messages.ts";
import type { Network } from "../wire/network.ts";
import {
  type NoticeHandlers,
  type Peer,
  PeerEndedError,
  type RequestHandlers,
} from "../wire/peer.ts";
import { HeldFailure, openFailure, storeFailure } from "./failures.ts";
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
      if (segment === undefined && code === undefined) {
        return this.#values.open(entry.value!);
      }
      const isBorrowed = entry.ownerId !== this.#self;
      const opened = isBorrowed
        ? this.#readBorrowed(entry)
        : this.#values.open(entry.value!) as Promise<unknown>;
      return this.#owing(opened.catch((error) => {
        throw namingObject(error, entry);
      }));
    }
    return this.#owing(openFailure(entry.error, this.#values)).then((error) => {
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
        else openFailure(entry.error, this.#values).then(reject, reject);
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

  /** Gives the memory of objects back now. */
  free(refs: ObjectRef<unknown>[]): void {
    for (const ref of refs) {
      const entry = entryOfRef(ref);
      if (entry.ownerId === this.#self) this.#free(entry);
      else {
        this.#network.peer(entry.ownerId).then((peer) =>
          peer.notify("object.free", { objects: [keyOf(entry)] })
        ).catch(() => {}); // Its owner is gone, and it with it.
        entry.free(freedError(entry));
      }
    }
  }

  #free(entry: ObjectEntry): void {
    if (entry.value !== undefined) this.#values.discard(entry.value);
    entry.free(freedError(entry));
    // A holder has the value, or a mapping of it, and would go on reading.
    for (const holder of entry.holders ?? []) {
      this.#network.peer(holder).then((peer) =>
        peer.notify("object.freed", { objects: [keyOf(entry)] })
      ).catch(() => {}); // A holder that is gone reads nothing.
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
        isValueWanted: true,
      });
      if (answer.kind === "value") {
        const held = this.#values.hold(answer.value);
        this.#port.release(peer, answer.pinToken);
        await this.#values.ensureCode(answer.value, peer);
        entry.resolve(held);
      } else if (answer.kind === "failed") {
        const held = this.#values.hold(answer.error);
        await this.#values.ensureCode(answer.error, peer);
        entry.reject(new HeldFailure(held));
      }
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

  /** The segment is its owner's: it must stay until it is mapped, or the owner says why not. */
  async #readBorrowed(entry: ObjectEntry): Promise<unknown> {
    const handle = this.#references.borrow(entry);
    try {
      return await this.#values.open(entry.value!);
    } catch (error) {
      if (!(error instanceof ObjectLostError)) throw error;
      const peer = await this.#network.peer(entry.ownerId);
      const answer = await peer.request("object.fetch", {
        ...keyOf(entry),
        isValueWanted: true,
      });
      if (answer.kind !== "failed") throw error;
      throw await this.#values.open(this.#values.hold(answer.error), peer);
    } finally {
      this.#references.letGo(handle);
    }
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
    this.#values.discard(entry.value!);
    entry.free(freedError(entry));
  }

  onFetch(key: ObjectKey, peer: Peer) {
    const entry = this.#references.find(key);
    if (entry === undefined) {
      const error = new ObjectLostError(
        "Cannot get object: its owner has let it go",
        { objectId: "" },
      );
      return {
        kind: "failed" as const,
        error: this.#values.store(error).held.stored,
      };
    }
    const { promise, resolve } = Promise.withResolvers<
      Awaited<
        ReturnType<NonNullable<RequestHandlers["object.fetch"]>>
      >
    >();
    entry.whenSettled(() => {
      entry.isAsked = true;
      if (entry.status === Status.ready) {
        const { stored, refs } = entry.value!;
        const pinToken = refs.length > 0 ? this.#references.pin(peer, refs) : 0;
        resolve({ kind: "value", value: stored, pinToken });
      } else {
        const { stored } = storeFailure(entry.error, this.#values);
        resolve({ kind: "failed", error: stored });
      }
    });
    return promise;
  }
  /** What the process answers about its objects. */
  requests(): RequestHandlers {
    return {
      "object.fetch": (ask, peer) => this.onFetch(ask, peer),
      "object.borrow": ({ objects }, peer) => ({
        missing: this.#references.borrowedBy(peer.remote!.processId, objects),
      }),
    };
  }

  /** What the process hears about its objects. */
  notices(): NoticeHandlers {
    return {
      "object.release": ({ objects }, peer) =>
        this.#references.releasedBy(peer.remote!.processId, objects),
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
function namingObject(error: unknown, { id, value }: ObjectEntry): unknown {
  const isItsOwn = error instanceof ObjectLostError &&
    error.objectId === value?.stored.segment?.segmentId;
  if (!isItsOwn) return error;
  const message = error.message.replace("object:", `object ${id}:`);
  return new ObjectLostError(message, { objectId: id, cause: error.cause });
}

function freedError(entry: ObjectEntry): ObjectFreedError {
  return new ObjectFreedError(`Cannot get object ${entry.id}: it was freed`, {
    objectId: entry.id,
  });
}
