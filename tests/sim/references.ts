/**
 * Handles, holders and pins of one simulated process: what
 * `src/owner/references.ts` does, with handles that are let go by hand.
 *
 * @module
 */
import type { ProcessId } from "../../src/base/ids.ts";
import type { RefKey } from "../../src/base/stored.ts";
import { keyOf, type ObjectName, type Word } from "../../src/state/borrows.ts";
import type { ReferenceTable, Verdict } from "../../src/state/references.ts";
import type { Link } from "./network.ts";
import type { Process } from "./process.ts";
import { Entry, type Handle, type Held, type SentRef } from "./things.ts";
import type { World } from "./world.ts";

/** The objects of one process, and those it borrows. */
export class References {
  readonly table: ReferenceTable<Entry, Link, Handle>;
  /** What an owner has confirmed that this process holds, by the word that said so. */
  readonly registered = new Map<string, { turn: number; isSure: boolean }>();
  readonly #world: World;
  readonly #process: Process;
  readonly #telling = new Set<ProcessId>();
  readonly #registrations = new Set<object>();
  readonly #waiting = new Set<{ left: Set<object>; then: () => void }>();

  constructor(world: World, process: Process) {
    this.#world = world;
    this.#process = process;
    this.table = world.rooms.references(process.id);
  }

  create(ordinal: number): Handle {
    return {
      entry: new Entry(this.#process.id, ordinal),
      isLive: true,
    };
  }

  share(handle: Handle): RefKey {
    const { entry } = handle;
    if (this.table.shared(entry)) this.table.handleMade(entry);
    return { ownerId: entry.ownerId, ordinal: entry.ordinal, index: 0 };
  }

  hold(handle: Handle): Handle {
    this.#world.kernel.check(handle.isLive, "A dead handle is passed on");
    this.share(handle);
    this.table.handleMade(handle.entry);
    return { entry: handle.entry, isLive: true };
  }

  /** A handle on an object of this process's own that may have none left. */
  holdEntry(entry: Entry): Handle {
    this.table.shared(entry);
    this.table.handleMade(entry);
    entry.isGarbage = false;
    return { entry, isLive: true };
  }

  letGo(handle: Handle): void {
    if (!handle.isLive) return;
    handle.isLive = false;
    const { entry } = handle;
    const verdict = this.table.handleGone(entry);
    if (verdict !== undefined) this.#carryOut(entry, verdict);
    const isUnheld = entry.handleCount === 0 &&
      (entry.holders?.size ?? 0) === 0;
    if (isUnheld) this.#collect(entry);
  }

  letAllGo(held: readonly Held[]): void {
    for (const { handle } of held) this.letGo(handle);
  }

  borrow(key: RefKey): Handle {
    const entry = this.table.known(key) ?? this.#newEntry(key);
    this.table.handleMade(entry);
    entry.isGarbage = false;
    return { entry, isLive: true };
  }

  borrowAll(refs: readonly SentRef[]): Held[] {
    return refs.map(({ key, isForeign }) => ({
      handle: this.borrow(key),
      isForeign,
    }));
  }

  /** Calls back once every owner knows what is borrowed so far. */
  registeredAll(then: () => void): void {
    if (this.#registrations.size === 0) then();
    else this.#waiting.add({ left: new Set(this.#registrations), then });
  }

  /** Refs go out over a connection: held until the other side lets the pin go. */
  pin(link: Link, held: readonly Held[]): number {
    if (held.length === 0) return 0;
    this.#world.kernel.reach("refs pinned");
    return this.table.pinned(
      link,
      held.map(({ handle }) => this.hold(handle)),
    );
  }

  unpin(link: Link, token: number): void {
    for (const handle of this.table.unpinned(link, token)) this.letGo(handle);
  }

  holderCame(holder: ProcessId, word: Word): ObjectName[] {
    const missing = this.table.holderCame(holder, word);
    if (missing.length > 0) this.#world.ledger.missing(this.#process, holder);
    return missing;
  }

  holderWent(holder: ProcessId, word: Word): void {
    for (const [entry, verdict] of this.table.holderWent(holder, word)) {
      this.#carryOut(entry, verdict);
      this.#collect(entry);
    }
  }

  linkEnded(link: Link): void {
    for (const handle of this.table.connectionEnded(link)) this.letGo(handle);
  }

  processEnded(processId: ProcessId): void {
    const { unheld, orphaned } = this.table.processEnded(processId);
    for (const [entry, verdict] of unheld) {
      this.#carryOut(entry, verdict);
      this.#collect(entry);
    }
    for (const entry of orphaned) {
      this.registered.delete(nameOf(entry));
      if (entry.settle("failed", { why: "owner died" })) {
        this.#world.kernel.reach("owner died");
      }
    }
  }

  /** An object has its value: one that nothing refers to goes again. */
  settled(entry: Entry): void {
    if (!entry.isSettled) return; // It was lost and is made again.
    const isUnheld = entry.isShared && entry.handleCount === 0 &&
      (entry.holders?.size ?? 0) === 0;
    if (entry.isGarbage || isUnheld) this.#drop(entry);
  }

  #newEntry({ ownerId, ordinal }: RefKey): Entry {
    const entry = new Entry(ownerId, ordinal);
    if (ownerId === this.#process.id) {
      this.table.shared(entry);
      entry.settle("failed", { why: "it was let go" });
      this.#world.ledger.missing(this.#process, ownerId);
    } else if (this.table.borrowed(entry)) {
      this.#world.kernel.reach("object borrowed");
      this.#tell(ownerId);
    } else entry.settle("failed", { why: "owner died" });
    return entry;
  }

  #carryOut(entry: Entry, verdict: Verdict): void {
    switch (verdict) {
      case "let_go":
        return this.#letGoOf(entry);
      case "let_go_when_settled":
        this.#world.kernel.reach("let go while pending");
        return entry.whenSettled(() => {
          if (entry.handleCount === 0) this.#letGoOf(entry);
        });
      case "tell_owner":
        return this.#tell(entry.ownerId);
    }
  }

  #letGoOf(entry: Entry): void {
    this.#world.ledger.freed(this.#process, entry);
    entry.onUnreferenced?.();
    this.#collect(entry);
  }

  /** What the garbage collector does to an entry without a handle. */
  #collect(entry: Entry): void {
    entry.isGarbage = true;
    if (entry.isSettled) this.#drop(entry);
  }

  #drop(entry: Entry): void {
    const { value } = entry;
    entry.value = [];
    entry.segment = undefined;
    if (entry.status === "ready") entry.status = "freed";
    this.letAllGo(value);
    if (entry.ownerId !== this.#process.id) return;
    this.#process.owner.recovery.dropped(entry);
  }

  #tell(ownerId: ProcessId): void {
    if (this.#telling.has(ownerId)) return;
    this.#telling.add(ownerId);
    const flush = {};
    this.#registrations.add(flush);
    const world = this.#world;
    this.#process.after(0, "", () => {
      world.dial(this.#process, ownerId, (link) => {
        this.#telling.delete(ownerId);
        if (link === undefined) {
          this.processEnded(ownerId);
          return this.#flushed(flush);
        }
        this.#flush(link, ownerId, flush);
      });
    });
  }

  #flush(link: Link, ownerId: ProcessId, flush: object): void {
    const { released, borrowed } = this.table.telling(ownerId);
    const owner = this.#world.process(ownerId)!;
    const { id } = this.#process;
    if (released !== undefined) {
      for (const key of released.objects) {
        this.registered.delete(nameOf({ ownerId, ...key }));
      }
      link.notify(
        `object.release ${wordsOf(released)}`,
        () => owner.owner.references.holderWent(id, released),
        true,
      );
    }
    if (borrowed === undefined) return this.#flushed(flush);
    const { turn } = borrowed;
    for (const key of borrowed.objects) {
      this.registered.set(nameOf({ ownerId, ...key }), { turn, isSure: false });
    }
    link.request<ObjectName[]>(`object.borrow ${wordsOf(borrowed)}`, {
      ask: (answering) =>
        answering.give(owner.owner.references.holderCame(id, borrowed)),
      answered: (missing) => {
        this.#answered(ownerId, borrowed, missing);
        this.#flushed(flush);
      },
      ended: () => {
        this.processEnded(ownerId);
        this.#flushed(flush);
      },
    });
  }

  #answered(ownerId: ProcessId, word: Word, missing: ObjectName[]): void {
    const gone = new Set(missing.map(keyOf));
    for (const key of word.objects) {
      const row = this.registered.get(nameOf({ ownerId, ...key }));
      if (row?.turn === word.turn) row.isSure = !gone.has(keyOf(key));
    }
    for (const entry of this.table.missing(ownerId, missing)) {
      this.#world.kernel.reach("object missing");
      entry.settle("failed", { why: "its owner had let it go" });
    }
  }

  #flushed(flush: object): void {
    this.#registrations.delete(flush);
    for (const waiting of [...this.#waiting]) {
      waiting.left.delete(flush);
      if (waiting.left.size > 0) continue;
      this.#waiting.delete(waiting);
      waiting.then();
    }
  }
}

/** An object's name among all. */
export function nameOf({ ownerId, ordinal }: RefKey): string {
  return `${ownerId.slice(-4)}.${ordinal}`;
}

function wordsOf({ turn, objects }: Word): string {
  return `#${turn} ${objects.map(keyOf).join(" ")}`;
}
