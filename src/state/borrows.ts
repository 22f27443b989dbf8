/**
 * What one process borrows, and what each owner is told of it.
 *
 * An owner is told the state at the end of a turn, not each change: an object
 * that was borrowed and let go meanwhile needs no word. Words to one owner are
 * numbered, so that the owner knows one that comes twice. Pure.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import type { ProcessId } from "../base/ids.ts";
import type { RefKey } from "../base/stored.ts";

/** Which object of its owner. */
export interface ObjectName {
  ordinal: number;
  index: number;
}

/** One word to an owner. */
export interface Word {
  readonly turn: number;
  readonly objects: ObjectName[];
}

/** What an owner is to be told, in this order. */
export interface Telling {
  readonly released: Word | undefined;
  readonly borrowed: Word | undefined;
}

/** What this process has of one owner's objects. */
interface Lender<Entry> {
  readonly entries: Map<string, Entry>;
  /** What the owner knows this process to hold. */
  readonly told: Set<string>;
  /** What changed since the owner was told. */
  readonly changed: Map<string, ObjectName>;
  turn: number;
}

/** The objects of others that one process holds. */
export class Borrows<Entry extends RefKey> {
  readonly #lenders = new Map<ProcessId, Lender<Entry>>();

  /** The entry of somebody's object, if this process holds it. */
  find(ownerId: ProcessId, key: ObjectName): Entry | undefined {
    return this.#lenders.get(ownerId)?.entries.get(keyOf(key));
  }

  /** A first handle was made. False: its owner is gone, and need not be told. */
  taken(entry: Entry, isOwnerGone: boolean): boolean {
    let lender = this.#lenders.get(entry.ownerId);
    if (lender === undefined) {
      lender = {
        entries: new Map(),
        told: new Set(),
        changed: new Map(),
        turn: 0,
      };
      this.#lenders.set(entry.ownerId, lender);
    }
    const id = keyOf(entry);
    assert(!lender.entries.has(id), "Object is borrowed twice");
    lender.entries.set(id, entry);
    if (!isOwnerGone) lender.changed.set(id, nameOf(entry));
    return !isOwnerGone;
  }

  /** The last handle went. False if there is nothing to tell. */
  letGo(entry: Entry, isOwnerGone: boolean): boolean {
    const lender = this.#lenders.get(entry.ownerId);
    const id = keyOf(entry);
    if (lender?.entries.get(id) !== entry) return false;
    lender.entries.delete(id);
    if (!isOwnerGone) lender.changed.set(id, nameOf(entry));
    else if (lender.entries.size === 0) this.#lenders.delete(entry.ownerId);
    return !isOwnerGone;
  }

  /** What an owner knows differently from how it is; it is about to be told. */
  telling(ownerId: ProcessId): Telling {
    const lender = this.#lenders.get(ownerId);
    if (lender === undefined) {
      return { released: undefined, borrowed: undefined };
    }
    const { entries, told, changed } = lender;
    const released: ObjectName[] = [];
    const borrowed: ObjectName[] = [];
    for (const [id, key] of changed) {
      const isHeld = entries.has(id);
      if (isHeld === told.has(id)) continue;
      if (isHeld) told.add(id);
      else told.delete(id);
      (isHeld ? borrowed : released).push(key);
    }
    changed.clear();
    return {
      released: wordOf(lender, released),
      borrowed: wordOf(lender, borrowed),
    };
  }

  /** An owner is gone: nothing is told to it. Answers what it owned. */
  ownerEnded(ownerId: ProcessId): Entry[] {
    const lender = this.#lenders.get(ownerId);
    if (lender === undefined) return [];
    lender.told.clear();
    lender.changed.clear();
    const orphaned = [...lender.entries.values()];
    if (orphaned.length === 0) this.#lenders.delete(ownerId);
    return orphaned;
  }

  /** How many objects there are. */
  get count(): number {
    let count = 0;
    for (const { entries } of this.#lenders.values()) count += entries.size;
    return count;
  }

  /** Asserts every invariant. */
  validate(): void {
    for (const [ownerId, { entries, told, changed }] of this.#lenders) {
      for (const [id, entry] of entries) {
        assert(entry.ownerId === ownerId, "Borrowed object is another's");
        assert(keyOf(entry) === id, "Borrowed object misplaced");
      }
      for (const id of told) {
        const isKnown = entries.has(id) || changed.has(id);
        assert(isKnown, "Owner will never hear that its object was let go");
      }
    }
  }
}

/** An object's name within its owner. */
export function keyOf(key: ObjectName): string {
  return `${key.ordinal}.${key.index}`;
}

function nameOf({ ordinal, index }: ObjectName): ObjectName {
  return { ordinal, index };
}

function wordOf(
  lender: { turn: number },
  objects: ObjectName[],
): Word | undefined {
  return objects.length === 0 ? undefined : { turn: ++lender.turn, objects };
}
