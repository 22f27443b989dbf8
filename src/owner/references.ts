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
 * changes nothing. What an owner is told is the state at the end of a turn,
 * not each change: one that was borrowed and let go meanwhile needs no word.
 *
 * @module
 */
import {
  ObjectFreedError,
  ObjectLostError,
  OwnerDiedError,
} from "../base/errors.ts";
import type { ProcessId } from "../base/ids.ts";
import { log } from "../base/log.ts";
import type { RefKey } from "../base/stored.ts";
import type { ObjectKey } from "../wire/messages.ts";
import type { Peer } from "../wire/peer.ts";
import {
  entryOfRef,
  ObjectEntry,
  type ObjectRef,
  onDisposed,
  refOfEntry,
  Status,
} from "./object_ref.ts";

/** Where owners are found. */
export interface Owners {
  peer(processId: ProcessId): Promise<Pick<Peer, "notify" | "request">>;
}

/** The table of shared and borrowed objects of one process. */
export class References {
  readonly #self: ProcessId;
  readonly #owners: Owners;
  readonly #onLetGo: (entry: ObjectEntry) => void;
  readonly #shared = new Map<string, ObjectEntry>();
  readonly #borrowed = new Map<ProcessId, Map<string, ObjectEntry>>();
  readonly #heldBy = new Map<ProcessId, Set<ObjectEntry>>();
  readonly #pins = new Map<Peer, Map<number, readonly object[]>>();
  /** What changed since an owner was told. */
  readonly #changed = new Map<ProcessId, Map<string, ObjectKey>>();
  /** What an owner knows this process to hold. */
  readonly #told = new Map<ProcessId, Set<string>>();
  /** Nothing that still comes from one of these counts. */
  readonly #ended = new Set<ProcessId>();
  readonly #registrations = new Set<Promise<void>>();
  readonly #handles = new FinalizationRegistry<ObjectEntry>((entry) =>
    this.#handleGone(entry)
  );
  #nextPinToken = 1;
  #isClosed = false;

  /** `onLetGo`: an object of this process's own has no handle and no holder any more. */
  constructor(
    self: ProcessId,
    owners: Owners,
    onLetGo: (entry: ObjectEntry) => void = () => {},
  ) {
    this.#self = self;
    this.#owners = owners;
    this.#onLetGo = onLetGo;
    onDisposed((ref) => this.letGo(ref));
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
      this.#count(ref, entry);
    }
    if (entry.ownerId === this.#self) this.#shared.set(keyOf(entry), entry);
    return entry;
  }

  /** A further handle on the same object: the program may dispose of its own. */
  hold(ref: ObjectRef<unknown>): ObjectRef<unknown> {
    this.share(ref);
    return this.holdEntry(entryOfRef(ref));
  }

  /** A handle on an object of this process's own that may have none left. */
  holdEntry(entry: ObjectEntry): ObjectRef<unknown> {
    const ref = refOfEntry(entry);
    const isCounted = !entry.isShared;
    this.share(ref);
    if (!isCounted) this.#count(ref, entry);
    return ref;
  }

  /** A handle is needed no more. Twice is as good as once. */
  letGo(ref: ObjectRef<unknown>): void {
    const entry = entryOfRef(ref);
    if (!entry.isShared) this.#unreferenced(entry);
    else if (this.#handles.unregister(ref)) this.#handleGone(entry);
    else return;
    const isBorrowed = entry.ownerId !== this.#self;
    if (isBorrowed && entry.handleCount === 0 && entry.isSettled) {
      entry.free(disposedError(entry));
    }
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
    if (entry.status === Status.freed) throw entry.error;
    if (this.#borrowed.get(entry.ownerId)?.get(keyOf(entry)) === entry) return;
    throw new TypeError(
      `Cannot use ref ${entry.id}: it belongs to another or an ended runtime`,
    );
  }

  /** An object of another process, if this one holds it. */
  borrowed(ownerId: ProcessId, key: ObjectKey): ObjectEntry | undefined {
    return this.#borrowed.get(ownerId)?.get(keyOf(key));
  }

  /** A process took its first handle on these. Answers which are not there. */
  borrowedBy(holder: ProcessId, keys: ObjectKey[]): ObjectKey[] {
    // The connection that says so may be slower than the one that ended.
    if (this.#ended.has(holder)) return keys;
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
    this.#ended.add(processId);
    this.#told.delete(processId);
    const held = this.#heldBy.get(processId);
    this.#heldBy.delete(processId);
    for (const entry of held ?? []) this.#holderGone(entry, processId);
    for (const entry of this.#borrowed.get(processId)?.values() ?? []) {
      entry.reject(ownerDiedError(entry));
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

  /** Whether others may come for what this process owns: it must not be ended for idleness. */
  get isNeeded(): boolean {
    if (this.#heldBy.size > 0) return true;
    return this.#pins.values().some((pins) => pins.size > 0);
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
      this.#tell(entry);
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
    this.#tell(entry);
  }

  #holderGone(entry: ObjectEntry, holder: ProcessId): void {
    entry.holders?.delete(holder);
    const held = this.#heldBy.get(holder);
    held?.delete(entry);
    if (held?.size === 0) this.#heldBy.delete(holder);
    if (entry.handleCount === 0) this.#unreferenced(entry);
  }

  #unreferenced(entry: ObjectEntry): void {
    if ((entry.holders?.size ?? 0) > 0 || this.#isClosed) return;
    this.#shared.delete(keyOf(entry));
    if (entry.isSettled || entry.onUnreferenced !== undefined) {
      this.#onLetGo(entry);
    } else if (!entry.isAsked) {
      // Its task runs on; whoever asked has no handle but wants the value.
      entry.whenSettled(() => {
        if (entry.handleCount === 0) this.#onLetGo(entry);
      });
    }
  }

  /** The owner is told at the end of the turn whether the object is held. */
  #tell(entry: ObjectEntry): void {
    const { ownerId, ordinal, index } = entry;
    if (this.#ended.has(ownerId)) {
      entry.reject(ownerDiedError(entry));
      return;
    }
    let changed = this.#changed.get(ownerId);
    if (changed === undefined) {
      this.#changed.set(ownerId, changed = new Map());
      const flushed = this.#flush(ownerId);
      this.#registrations.add(flushed);
      flushed.finally(() => this.#registrations.delete(flushed));
    }
    changed.set(keyOf(entry), { ordinal, index });
  }

  async #flush(ownerId: ProcessId): Promise<void> {
    await undefined; // One message for all of this turn.
    try {
      const peer = await this.#owners.peer(ownerId);
      const { released, borrowed } = this.#changesOf(ownerId);
      if (released.length > 0) {
        peer.notify("object.release", { objects: released });
      }
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
      this.#changed.delete(ownerId);
      this.processEnded(ownerId);
    }
  }

  /** What an owner knows differently from how it is; it is about to be told. */
  #changesOf(
    ownerId: ProcessId,
  ): { released: ObjectKey[]; borrowed: ObjectKey[] } {
    const changed = this.#changed.get(ownerId) ?? new Map<string, ObjectKey>();
    this.#changed.delete(ownerId);
    let told = this.#told.get(ownerId);
    if (told === undefined) this.#told.set(ownerId, told = new Set());
    const released: ObjectKey[] = [];
    const borrowed: ObjectKey[] = [];
    for (const [id, key] of changed) {
      const isHeld = this.#borrowed.get(ownerId)?.has(id) ?? false;
      if (isHeld === told.has(id)) continue;
      if (isHeld) told.add(id);
      else told.delete(id);
      (isHeld ? borrowed : released).push(key);
    }
    return { released, borrowed };
  }
}

function keyOf(key: ObjectKey): string {
  return `${key.ordinal}.${key.index}`;
}

function lostError(entry: ObjectEntry, why: string): ObjectLostError {
  return new ObjectLostError(`Cannot get object ${entry.id}: ${why}`, {
    objectId: entry.id,
  });
}

function ownerDiedError(entry: ObjectEntry): OwnerDiedError {
  return new OwnerDiedError(
    `Cannot get object ${entry.id}: the process that owned it is gone`,
    { objectId: entry.id },
  );
}

function disposedError(entry: ObjectEntry): ObjectFreedError {
  return new ObjectFreedError(
    `Cannot get object ${entry.id}: its ref was disposed of`,
    { objectId: entry.id },
  );
}
