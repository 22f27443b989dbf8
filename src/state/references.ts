/**
 * Who holds what: the decisions about the objects that one process owns or
 * borrows. Pure: refs, connections and values are opaque.
 *
 * 1. An object that never left its process has no row here: its entry dies
 *    with its one handle.
 * 2. Once a ref travels, its entry is in a table and its handles are counted;
 *    each borrower tells the owner (`borrows.ts`) when it takes the first
 *    handle and when the last is gone.
 * 3. Whoever sends a ref pins it until the receiver says that the owner knows
 *    the receiver; so a ref on its way is never without a holder.
 *
 * Holders are a set of process ids, never a count, and each word of a holder
 * has a number: one that comes twice, or after a later one, changes nothing.
 * A process id is drawn for one life of a process: it is its own epoch, and
 * one that ended is remembered.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import type { ProcessId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import type { RefKey } from "../base/stored.ts";
import { Borrows, keyOf, type ObjectName, type Telling } from "./borrows.ts";

/** One object as its process knows it. Only the table writes what can be written. */
export interface Referable extends RefKey {
  /** It has its outcome. */
  readonly isSettled: boolean;
  /** Somebody waits for its outcome. */
  readonly isAsked: boolean;
  /** It may be let go without an outcome: it stands for something else. */
  readonly isOutcomeNeedless: boolean;
  /** Another process may know it: kept in the table, its handles counted. */
  isShared: boolean;
  /** Live handles, where they are counted. */
  handleCount: number;
  /** Processes that hold it, where this one owns it. */
  holders: Set<ProcessId> | undefined;
}

/** What to do with an object after a handle or a holder went. */
export type Verdict =
  /** Nothing holds it: its value is given back. */
  | "let_go"
  /** The same, as soon as its task is done. */
  | "let_go_when_settled"
  /** It was borrowed: its owner is to be told, at the end of the turn. */
  | "tell_owner";

/** What came of a process's end. */
export interface Ended<Entry> {
  /** Its holding was the last: each with what to do. */
  readonly unheld: readonly (readonly [Entry, Verdict])[];
  /** It owned them: there will be no value. */
  readonly orphaned: readonly Entry[];
}

/** The objects of one process that others know, and those it borrows. */
export class ReferenceTable<
  Entry extends Referable,
  Connection,
  Handle = object,
> {
  readonly #self: ProcessId;
  readonly #shared = new Map<string, Entry>();
  readonly #heldBy = new Map<ProcessId, Set<Entry>>();
  /** The number of the last word of each holder. */
  readonly #heard = new Map<ProcessId, number>();
  readonly #pins = new Map<Connection, Map<number, readonly Handle[]>>();
  readonly #borrows = new Borrows<Entry>();
  /** Nothing that still comes from one of these counts; the oldest are forgotten. */
  readonly #ended = new Set<ProcessId>();
  #nextPinToken = 1;

  constructor(self: ProcessId) {
    this.#self = self;
  }

  /** A ref is about to leave the process. False if its handles were counted before. */
  shared(entry: Entry): boolean {
    if (entry.ownerId === this.#self) this.#shared.set(keyOf(entry), entry);
    if (entry.isShared) return false;
    entry.isShared = true;
    return true;
  }

  /** A handle on a shared entry was made. */
  handleMade(entry: Entry): void {
    assert(entry.isShared, "Handle of an unshared entry is counted");
    entry.handleCount++;
  }

  /** A handle went; the one handle, where they are not counted. */
  handleGone(entry: Entry): Verdict | undefined {
    if (entry.isShared) {
      assert(entry.handleCount > 0, "More handles went than were made");
      if (--entry.handleCount > 0) return undefined;
    }
    if (entry.ownerId === this.#self) return this.#unreferenced(entry);
    const isOwnerGone = this.#ended.has(entry.ownerId);
    return this.#borrows.letGo(entry, isOwnerGone) ? "tell_owner" : undefined;
  }

  /** The entry of an object named by another process, if there is one. */
  known(key: RefKey): Entry | undefined {
    return key.ownerId === this.#self
      ? this.#shared.get(keyOf(key))
      : this.#borrows.find(key.ownerId, key);
  }

  /** A new entry of somebody else's object. False: its owner is gone. */
  borrowed(entry: Entry): boolean {
    entry.isShared = true;
    return this.#borrows.taken(entry, this.#ended.has(entry.ownerId));
  }

  /** What an owner is to be told now; each part is a message of its own. */
  telling(ownerId: ProcessId): Telling {
    return this.#borrows.telling(ownerId);
  }

  /** An owner answered: these it does not have. */
  missing(ownerId: ProcessId, keys: readonly ObjectName[]): Entry[] {
    return keys.map((key) => this.#borrows.find(ownerId, key))
      .filter((entry) => entry !== undefined);
  }

  /** A process took its first handle on these. Answers which are not there. */
  holderCame(
    holder: ProcessId,
    { turn, objects }: { turn: number; objects: readonly ObjectName[] },
  ): ObjectName[] {
    // The connection that says so may be slower than the one that ended.
    if (this.#ended.has(holder)) return [...objects];
    const isNews = this.#isNews(holder, turn);
    const missing: ObjectName[] = [];
    for (const key of objects) {
      const entry = this.#shared.get(keyOf(key));
      if (entry === undefined) missing.push(key);
      else if (isNews) this.#held(entry, holder);
    }
    return missing;
  }

  /** A process let its last handle on these go: each with what to do. */
  holderWent(
    holder: ProcessId,
    { turn, objects }: { turn: number; objects: readonly ObjectName[] },
  ): (readonly [Entry, Verdict])[] {
    if (this.#ended.has(holder) || !this.#isNews(holder, turn)) return [];
    const unheld: (readonly [Entry, Verdict])[] = [];
    for (const key of objects) {
      const entry = this.#shared.get(keyOf(key));
      const verdict = entry && this.#holderGone(entry, holder);
      if (verdict !== undefined) unheld.push([entry!, verdict]);
    }
    return unheld;
  }

  /** Refs leave over a connection: they live until the receiver has registered them. */
  pinned(connection: Connection, handles: readonly Handle[]): number {
    let pins = this.#pins.get(connection);
    if (pins === undefined) this.#pins.set(connection, pins = new Map());
    const token = this.#nextPinToken++;
    pins.set(token, handles);
    return token;
  }

  /** The receiver has registered them: what need not be kept for it any more. */
  unpinned(connection: Connection, token: number): readonly Handle[] {
    const pins = this.#pins.get(connection);
    const handles = pins?.get(token) ?? [];
    pins?.delete(token);
    if (pins?.size === 0) this.#pins.delete(connection);
    return handles;
  }

  /** A connection ended: what was pinned for it is not on its way any more. */
  connectionEnded(connection: Connection): readonly Handle[] {
    const pins = this.#pins.get(connection);
    this.#pins.delete(connection);
    return pins === undefined ? [] : [...pins.values()].flat();
  }

  /** A process is gone: it holds nothing, and what it owned is lost. */
  processEnded(processId: ProcessId): Ended<Entry> {
    this.#remember(processId);
    this.#heard.delete(processId);
    const held = this.#heldBy.get(processId) ?? new Set<Entry>();
    this.#heldBy.delete(processId);
    const unheld: (readonly [Entry, Verdict])[] = [];
    for (const entry of held) {
      const verdict = this.#holderGone(entry, processId);
      if (verdict !== undefined) unheld.push([entry, verdict]);
    }
    return { unheld, orphaned: this.#borrows.ownerEnded(processId) };
  }

  /** Shared objects of this process. */
  get sharedCount(): number {
    return this.#shared.size;
  }

  /** The same one by one. */
  shareds(): Iterable<Entry> {
    return this.#shared.values();
  }

  /** Whether others may come for what this process owns: it must not be ended for idleness. */
  get isNeeded(): boolean {
    if (this.#pins.size > 0) return true;
    return this.#shared.values().some(({ handleCount, holders }) =>
      handleCount > 0 || (holders?.size ?? 0) > 0
    );
  }

  /** Asserts every invariant; tests call it after each event. Gives how many objects of others are held. */
  validate(): { borrowedCount: number } {
    let heldCount = 0;
    for (const [id, entry] of this.#shared) {
      assert(entry.ownerId === this.#self, "Shared object is another's");
      assert(entry.isShared && keyOf(entry) === id, "Shared object misplaced");
      for (const holder of entry.holders ?? []) {
        heldCount++;
        assert(this.#heldBy.get(holder)?.has(entry), "Holder holds nothing");
        assert(!this.#ended.has(holder), "Holder has ended");
      }
      const isHeld = entry.handleCount > 0 || (entry.holders?.size ?? 0) > 0;
      assert(isHeld, "Object is kept that nothing holds");
    }
    let holdingCount = 0;
    for (const held of this.#heldBy.values()) holdingCount += held.size;
    assert(heldCount === holdingCount, "Holder of an object let go");
    this.#borrows.validate();
    return { borrowedCount: this.#borrows.count };
  }

  #held(entry: Entry, holder: ProcessId): void {
    (entry.holders ??= new Set()).add(holder);
    let held = this.#heldBy.get(holder);
    if (held === undefined) this.#heldBy.set(holder, held = new Set());
    held.add(entry);
  }

  #holderGone(entry: Entry, holder: ProcessId): Verdict | undefined {
    const wasHeld = entry.holders?.delete(holder) ?? false;
    const held = this.#heldBy.get(holder);
    held?.delete(entry);
    if (held?.size === 0) this.#heldBy.delete(holder);
    const isUnreferenced = wasHeld && entry.handleCount === 0;
    return isUnreferenced ? this.#unreferenced(entry) : undefined;
  }

  #unreferenced(entry: Entry): Verdict | undefined {
    if ((entry.holders?.size ?? 0) > 0) return undefined;
    this.#shared.delete(keyOf(entry));
    if (entry.isSettled || entry.isOutcomeNeedless) return "let_go";
    // Its task runs on; whoever asked has no handle but wants the value.
    return entry.isAsked ? undefined : "let_go_when_settled";
  }

  /** Whether a holder's word comes for the first time. */
  #isNews(holder: ProcessId, turn: number): boolean {
    if (turn <= (this.#heard.get(holder) ?? 0)) return false;
    this.#heard.set(holder, turn);
    return true;
  }

  #remember(processId: ProcessId): void {
    this.#ended.add(processId);
    if (this.#ended.size <= limits.rememberedMax) return;
    for (const oldest of this.#ended) {
      this.#ended.delete(oldest);
      return;
    }
  }
}
