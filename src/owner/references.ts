/**
 * Who holds what: the handles of this process, the holders of its objects,
 * and what it borrows.
 *
 * All of that is decided by `state/references.ts`; here handles are counted by
 * the garbage collector, owners are told, and entries settled.
 *
 * @module
 */
import {
  ObjectFreedError,
  ObjectLostError,
  OwnerDiedError,
  unreachable,
} from "../base/errors.ts";
import type { ProcessId } from "../base/ids.ts";
import { log } from "../base/log.ts";
import type { RefKey } from "../base/stored.ts";
import type { Word } from "../state/borrows.ts";
import { ReferenceTable, type Verdict } from "../state/references.ts";
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

/** The shared and borrowed objects of one process. */
export class References {
  readonly #self: ProcessId;
  readonly #owners: Owners;
  readonly #onLetGo: (entry: ObjectEntry) => void;
  readonly #table: ReferenceTable<ObjectEntry, Peer>;
  /** Owners that are told at the end of this turn. */
  readonly #telling = new Set<ProcessId>();
  readonly #registrations = new Set<Promise<void>>();
  readonly #handles = new FinalizationRegistry<ObjectEntry>((entry) =>
    this.#handleGone(entry)
  );
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
    this.#table = new ReferenceTable(self);
    onDisposed((ref) => this.letGo(ref));
  }

  /** An object of this process's own, and its first handle. */
  create(ordinal: number, index: number): ObjectRef<unknown> {
    return refOfEntry(new ObjectEntry(this.#self, ordinal, index));
  }

  /** A ref is about to leave the process: from now on its handles count. */
  share(ref: ObjectRef<unknown>): RefKey {
    const entry = entryOfRef(ref);
    if (this.#table.shared(entry)) this.#count(ref, entry);
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
    const isCounted = entry.isShared;
    if (isCounted && !this.#handles.unregister(ref)) return;
    this.#handleGone(entry);
    const isBorrowed = entry.ownerId !== this.#self;
    if (isBorrowed && entry.handleCount === 0 && entry.isSettled) {
      entry.free(disposedError(entry));
    }
  }

  /** A handle on an object named by another process; tells its owner of the first one. */
  borrow(key: RefKey): ObjectRef<unknown> {
    const entry = this.#table.known(key) ?? this.#newEntry(key);
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
    if (peer.isEnded) return 0; // Nobody would let it go.
    return this.#table.pinned(peer, refs);
  }

  /** The receiver has registered them. */
  unpin(peer: Peer, token: number): void {
    this.#table.unpinned(peer, token); // The collector finds those handles.
  }

  /** The entry that a borrower asks for. */
  find(key: ObjectKey): ObjectEntry | undefined {
    return this.borrowed(this.#self, key);
  }

  /** Throws unless an object belongs to a process of this run. */
  assertKnown(entry: ObjectEntry): void {
    if (entry.ownerId === this.#self) return;
    if (entry.status === Status.freed) throw entry.error;
    if (this.#table.known(entry) === entry) return;
    throw new TypeError(
      `Cannot use ref ${entry.id}: it belongs to another or an ended runtime`,
    );
  }

  /** An object of a process, if this one holds it. */
  borrowed(
    ownerId: ProcessId,
    { ordinal, index }: ObjectKey,
  ): ObjectEntry | undefined {
    return this.#table.known({ ownerId, ordinal, index });
  }

  /** A process took its first handle on these. Answers which are not there. */
  borrowedBy(holder: ProcessId, word: Word): ObjectKey[] {
    return this.#table.holderCame(holder, word);
  }

  /** A process let its last handle on these go. */
  releasedBy(holder: ProcessId, word: Word): void {
    for (const [entry, verdict] of this.#table.holderWent(holder, word)) {
      this.#carryOut(entry, verdict);
    }
  }

  /** A connection ended: what was pinned for it is not on its way any more. */
  peerEnded(peer: Peer): void {
    this.#table.connectionEnded(peer); // The collector finds those handles.
  }

  /** A process is gone: it holds nothing, and what it owned is lost. */
  processEnded(processId: ProcessId): void {
    const { unheld, orphaned } = this.#table.processEnded(processId);
    for (const [entry, verdict] of unheld) this.#carryOut(entry, verdict);
    for (const entry of orphaned) entry.reject(ownerDiedError(entry));
  }

  /** Nothing is told to anybody any more. */
  close(): void {
    this.#isClosed = true;
  }

  /** Shared objects of this process, for listings and tests. */
  get sharedCount(): number {
    return this.#table.sharedCount;
  }

  /** The same one by one. */
  shareds(): Iterable<ObjectEntry> {
    return this.#table.shareds();
  }

  /** Whether others may come for what this process owns: it must not be ended for idleness. */
  get isNeeded(): boolean {
    return this.#table.isNeeded;
  }

  #newEntry({ ownerId, ordinal, index }: RefKey): ObjectEntry {
    const entry = new ObjectEntry(ownerId, ordinal, index);
    if (ownerId === this.#self) {
      this.#table.shared(entry);
      entry.reject(lostError(entry, "it was already let go"));
    } else if (this.#table.borrowed(entry)) this.#tell(ownerId);
    else entry.reject(ownerDiedError(entry));
    return entry;
  }

  #count(ref: ObjectRef<unknown>, entry: ObjectEntry): void {
    this.#table.handleMade(entry);
    this.#handles.register(ref, entry, ref);
  }

  #handleGone(entry: ObjectEntry): void {
    const verdict = this.#table.handleGone(entry);
    if (verdict !== undefined) this.#carryOut(entry, verdict);
  }

  #carryOut(entry: ObjectEntry, verdict: Verdict): void {
    if (this.#isClosed) return;
    switch (verdict) {
      case "let_go":
        return this.#onLetGo(entry);
      case "let_go_when_settled":
        return entry.whenSettled(() => {
          if (entry.handleCount === 0) this.#onLetGo(entry);
        });
      case "tell_owner":
        return this.#tell(entry.ownerId);
      default:
        unreachable(verdict);
    }
  }

  /** The owner is told at the end of the turn, in one message, what changed. */
  #tell(ownerId: ProcessId): void {
    if (this.#telling.has(ownerId)) return;
    this.#telling.add(ownerId);
    const flushed = this.#flush(ownerId);
    this.#registrations.add(flushed);
    flushed.finally(() => this.#registrations.delete(flushed));
  }

  async #flush(ownerId: ProcessId): Promise<void> {
    await undefined; // One message for all of this turn.
    try {
      const peer = await this.#owners.peer(ownerId);
      this.#telling.delete(ownerId);
      const { released, borrowed } = this.#table.telling(ownerId);
      if (released !== undefined) peer.notify("object.release", released);
      if (borrowed === undefined) return;
      const { missing } = await peer.request("object.borrow", borrowed);
      for (const entry of this.#table.missing(ownerId, missing)) {
        entry.reject(lostError(entry, "its owner had let it go"));
      }
    } catch (error) {
      log.debug(`owner ${ownerId} is gone: ${error}`);
      this.#telling.delete(ownerId);
      this.processEnded(ownerId);
    }
  }
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
