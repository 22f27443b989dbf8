/**
 * Who holds what: the handles of this process, the holders of its objects,
 * and what it borrows.
 *
 * 1. An object that never left its process has no row here: its entry dies
 *    with its one handle.
 * 2. Once a ref travels, its entry is in a table and its handles are counted
 *    by the garbage collector; each borrower tells the owner when it takes
 *    the first handle and when the last is gone.
 * 3. Whoever sends a ref pins it until the receiver says that the owner knows
 *    the receiver; so a ref on its way is never without a holder.
 *
 * Holders are kept as a set, never a count: a message that comes twice
 * changes nothing.
 *
 * @module
 */
import { ObjectLostError, OwnerDiedError } from "../base/errors.ts";
import type { ProcessId } from "../base/ids.ts";
import { log } from "../base/log.ts";
import type { RefKey } from "../base/stored.ts";
import type { ObjectKey } from "../wire/messages.ts";
import type { Network } from "../wire/network.ts";
import type { Peer } from "../wire/peer.ts";
import {
  entryOfRef,
  ObjectEntry,
  type ObjectRef,
  onDisposed,
  refOfEntry,
} from "./object_ref.ts";

/** The table of shared and borrowed objects of one process. */
export class References {
  readonly #self: ProcessId;
  readonly #network: Network;
  readonly #shared = new Map<string, ObjectEntry>();
  readonly #borrowed = new Map<ProcessId, Map<string, ObjectEntry>>();
  readonly #heldBy = new Map<ProcessId, Set<ObjectEntry>>();
  readonly #pins = new Map<Peer, Map<number, readonly object[]>>();
  readonly #borrows = new Map<ProcessId, ObjectKey[]>();
  readonly #releases = new Map<ProcessId, ObjectKey[]>();
  readonly #registrations = new Set<Promise<void>>();
  readonly #handles = new FinalizationRegistry<ObjectEntry>((entry) =>
    this.#handleGone(entry)
  );
  #nextPinToken = 1;
  #isClosed = false;

  constructor(self: ProcessId, network: Network) {
    this.#self = self;
    this.#network = network;
    onDisposed((ref) => this.#disposed(ref));
  }

  /** An object of this process's own, and its first handle. */
  create(ordinal: number, index: number): ObjectRef<unknown> {
    return refOfEntry(new ObjectEntry(this.#self, ordinal, index));
  }

  /** A ref is about to leave the process: from now on its handles count. */
  share(ref: ObjectRef<unknown>): RefKey {
    const entry = entryOfRef(ref);
    if (!entry.isShared) {
      entry.isShared = true;
      this.#shared.set(keyOf(entry), entry);
      this.#count(ref, entry);
    }
    return entry;
  }

  /** A handle on an object named by another process; tells its owner of the first one. */
  borrow(key: RefKey): ObjectRef<unknown> {
    const entry = key.ownerId === this.#self
      ? this.#shared.get(keyOf(key)) ?? this.#missing(key)
      : this.#borrowedEntry(key);
    const ref = refOfEntry(entry);
    this.#count(ref, entry);
    return ref;
  }

  /** Resolves when every owner knows what this process borrowed so far; undefined if all do. */
  registered(): Promise<unknown> | undefined {
    return this.#registrations.size === 0
      ? undefined
      : Promise.allSettled([...this.#registrations]);
  }

  /** Keeps refs alive until `peer` says it has registered them. */
  pin(peer: Peer, refs: readonly object[]): number {
    let pins = this.#pins.get(peer);
    if (pins === undefined) this.#pins.set(peer, pins = new Map());
    const token = this.#nextPinToken++;
    pins.set(token, refs);
    return token;
  }

  /** The receiver has registered them. */
  unpin(peer: Peer, token: number): void {
    this.#pins.get(peer)?.delete(token);
  }

  /** The entry that a borrower asks for. */
  find(key: ObjectKey): ObjectEntry | undefined {
    return this.#shared.get(keyOf(key));
  }

  /** Throws unless a ref belongs to a process of this run. */
  assertKnown(ref: ObjectRef<unknown>): void {
    const entry = entryOfRef(ref);
    if (entry.ownerId === this.#self) return;
    if (this.#borrowed.get(entry.ownerId)?.get(keyOf(entry)) === entry) return;
    throw new TypeError(
      `Cannot use ref ${entry.id}: it belongs to another or an ended runtime`,
    );
  }

  /** A process took its first handle on these. Answers which are not there. */
  borrowedBy(holder: ProcessId, keys: ObjectKey[]): ObjectKey[] {
    const missing: ObjectKey[] = [];
    for (const key of keys) {
      const entry = this.#shared.get(keyOf(key));
      if (entry === undefined) {
        missing.push(key);
        continue;
      }
      (entry.holders ??= new Set()).add(holder);
      let held = this.#heldBy.get(holder);
      if (held === undefined) this.#heldBy.set(holder, held = new Set());
      held.add(entry);
    }
    return missing;
  }

  /** A process let its last handle on these go. */
  releasedBy(holder: ProcessId, keys: ObjectKey[]): void {
    for (const key of keys) {
      const entry = this.#shared.get(keyOf(key));
      if (entry !== undefined) this.#holderGone(entry, holder);
    }
  }

  /** A connection ended: what was pinned for it is not on its way any more. */
  peerEnded(peer: Peer): void {
    this.#pins.delete(peer);
  }

  /** A process is gone: it holds nothing, and what it owned is lost. */
  processEnded(processId: ProcessId): void {
    const held = this.#heldBy.get(processId);
    this.#heldBy.delete(processId);
    for (const entry of held ?? []) this.#holderGone(entry, processId);
    for (const entry of this.#borrowed.get(processId)?.values() ?? []) {
      entry.reject(
        new OwnerDiedError(
          `Cannot get object ${entry.id}: the process that owned it is gone`,
          { objectId: entry.id },
        ),
      );
    }
  }

  /** Nothing is told to anybody any more. */
  close(): void {
    this.#isClosed = true;
    this.#pins.clear();
  }

  /** Shared objects of this process, for listings and tests. */
  get sharedCount(): number {
    return this.#shared.size;
  }

  #borrowedEntry(key: RefKey): ObjectEntry {
    let entries = this.#borrowed.get(key.ownerId);
    if (entries === undefined) {
      this.#borrowed.set(key.ownerId, entries = new Map());
    }
    let entry = entries.get(keyOf(key));
    if (entry === undefined) {
      entry = new ObjectEntry(key.ownerId, key.ordinal, key.index);
      entry.isShared = true;
      entries.set(keyOf(key), entry);
      this.#queue(this.#borrows, entry);
    }
    return entry;
  }

  #missing(key: RefKey): ObjectEntry {
    const entry = new ObjectEntry(key.ownerId, key.ordinal, key.index);
    entry.isShared = true;
    this.#shared.set(keyOf(key), entry);
    entry.reject(lostError(entry, "it was already let go"));
    return entry;
  }

  #count(ref: ObjectRef<unknown>, entry: ObjectEntry): void {
    entry.handleCount++;
    this.#handles.register(ref, entry, ref);
  }

  #disposed(ref: ObjectRef<unknown>): void {
    const entry = entryOfRef(ref);
    if (!entry.isShared) entry.onUnreferenced?.();
    else if (this.#handles.unregister(ref)) this.#handleGone(entry);
  }

  #handleGone(entry: ObjectEntry): void {
    entry.handleCount--;
    if (entry.handleCount > 0 || this.#isClosed) return;
    if (entry.ownerId === this.#self) {
      this.#unreferenced(entry);
      return;
    }
    const entries = this.#borrowed.get(entry.ownerId);
    if (entries?.get(keyOf(entry)) !== entry) return;
    entries.delete(keyOf(entry));
    if (entries.size === 0) this.#borrowed.delete(entry.ownerId);
    this.#queue(this.#releases, entry);
  }

  #holderGone(entry: ObjectEntry, holder: ProcessId): void {
    entry.holders?.delete(holder);
    this.#heldBy.get(holder)?.delete(entry);
    if (entry.handleCount === 0) this.#unreferenced(entry);
  }

  #unreferenced(entry: ObjectEntry): void {
    if ((entry.holders?.size ?? 0) > 0) return;
    this.#shared.delete(keyOf(entry));
    entry.onUnreferenced?.();
  }

  #queue(queues: Map<ProcessId, ObjectKey[]>, entry: ObjectEntry): void {
    let keys = queues.get(entry.ownerId);
    if (keys === undefined) {
      queues.set(entry.ownerId, keys = []);
      const flushed = this.#flush(entry.ownerId);
      this.#registrations.add(flushed);
      flushed.finally(() => this.#registrations.delete(flushed));
    }
    keys.push({ ordinal: entry.ordinal, index: entry.index });
  }

  /** Releases go before borrows, so that one taken again ends up held. */
  async #flush(ownerId: ProcessId): Promise<void> {
    await undefined; // One message for all of this turn.
    try {
      const peer = await this.#network.peer(ownerId);
      const released = take(this.#releases, ownerId);
      if (released.length > 0) {
        peer.notify("object.release", { objects: released });
      }
      const borrowed = take(this.#borrows, ownerId);
      if (borrowed.length === 0) return;
      const { missing } = await peer.request("object.borrow", {
        objects: borrowed,
      });
      for (const key of missing) {
        const entry = this.#borrowed.get(ownerId)?.get(keyOf(key));
        entry?.reject(lostError(entry, "its owner had let it go"));
      }
    } catch (error) {
      log.debug(`owner ${ownerId} is gone: ${error}`);
      take(this.#releases, ownerId);
      take(this.#borrows, ownerId);
      this.processEnded(ownerId);
    }
  }
}

function keyOf(key: ObjectKey): string {
  return `${key.ordinal}.${key.index}`;
}

function take(
  queues: Map<ProcessId, ObjectKey[]>,
  ownerId: ProcessId,
): ObjectKey[] {
  const keys = queues.get(ownerId) ?? [];
  queues.delete(ownerId);
  return keys;
}

function lostError(entry: ObjectEntry, why: string): ObjectLostError {
  return new ObjectLostError(`Cannot get object ${entry.id}: ${why}`, {
    objectId: entry.id,
  });
}
