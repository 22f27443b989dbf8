import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { ProcessId } from "../../src/base/ids.ts";
import { limits } from "../../src/base/limits.ts";
import { type Referable, ReferenceTable } from "../../src/state/references.ts";

const self = "self" as ProcessId;
const other = "other" as ProcessId;
const third = "third" as ProcessId;

type Entry = Referable & { isSettled: boolean; isAsked: boolean };

function entryOf(ownerId: ProcessId, ordinal: number): Entry {
  return {
    ownerId,
    ordinal,
    index: 0,
    isSettled: true,
    isAsked: false,
    isOutcomeNeedless: false,
    isShared: false,
    handleCount: 0,
    holders: undefined,
  };
}

/** A table, and an object of its own that left the process, with one handle. */
function shared() {
  const table = new ReferenceTable<Entry, string>(self);
  const entry = entryOf(self, 1);
  table.shared(entry);
  table.handleMade(entry);
  const objects = [{ ordinal: 1, index: 0 }];
  return { table, entry, objects };
}

Deno.test("ReferenceTable: an object that never left dies with its one handle", () => {
  const table = new ReferenceTable<Entry, string>(self);
  strictEqual(table.handleGone(entryOf(self, 1)), "let_go");
  strictEqual(table.sharedCount, 0);
});

Deno.test("ReferenceTable: a pending object waits for its task, and for whoever asked", () => {
  const table = new ReferenceTable<Entry, string>(self);
  const pending = { ...entryOf(self, 1), isSettled: false };
  strictEqual(table.handleGone(pending), "let_go_when_settled");
  strictEqual(table.handleGone({ ...pending, isAsked: true }), undefined);
  strictEqual(
    table.handleGone({ ...pending, isOutcomeNeedless: true }),
    "let_go",
  );
});

Deno.test("ReferenceTable: an object lives while a handle or a holder does", () => {
  const { table, entry, objects } = shared();
  table.handleMade(entry);
  deepStrictEqual(table.holderCame(other, { turn: 1, objects }), []);
  deepStrictEqual(table.holderCame(third, { turn: 1, objects }), []);
  strictEqual(table.handleGone(entry), undefined);
  strictEqual(table.handleGone(entry), undefined);
  table.validate();
  deepStrictEqual(table.holderWent(third, { turn: 2, objects }), []);
  deepStrictEqual(table.holderWent(other, { turn: 2, objects }), [
    [entry, "let_go"],
  ]);
  table.validate();
  deepStrictEqual([table.sharedCount, table.isNeeded], [0, false]);
});

Deno.test("ReferenceTable: a holder's word that comes again changes nothing", () => {
  const { table, entry, objects } = shared();
  table.holderCame(other, { turn: 1, objects });
  table.holderWent(other, { turn: 2, objects });
  table.holderCame(other, { turn: 3, objects });
  table.handleGone(entry);
  // All three come again, over a new connection.
  deepStrictEqual(table.holderCame(other, { turn: 1, objects }), []);
  deepStrictEqual(table.holderWent(other, { turn: 2, objects }), []);
  deepStrictEqual(table.holderCame(other, { turn: 3, objects }), []);
  strictEqual(table.isNeeded, true);
  strictEqual(table.holderWent(other, { turn: 4, objects }).length, 1);
  deepStrictEqual(table.holderWent(other, { turn: 4, objects }), []);
  deepStrictEqual(table.holderCame(other, { turn: 3, objects }), objects);
});

Deno.test("ReferenceTable: a process that ended holds nothing, whatever it still says", () => {
  const { table, entry, objects } = shared();
  table.holderCame(other, { turn: 1, objects });
  table.handleGone(entry);
  deepStrictEqual(table.processEnded(other).unheld, [[entry, "let_go"]]);
  deepStrictEqual(table.processEnded(other).unheld, []);
  const again = shared();
  again.table.processEnded(other);
  deepStrictEqual(again.table.holderCame(other, { turn: 1, objects }), objects);
  deepStrictEqual(again.table.holderWent(other, { turn: 2, objects }), []);
  again.table.validate();
});

Deno.test("ReferenceTable: of ended processes the oldest are forgotten", () => {
  const { table, objects } = shared();
  table.processEnded(other);
  for (let n = 0; n < limits.rememberedMax; n++) {
    table.processEnded(`ended-${n}` as ProcessId);
  }
  deepStrictEqual(table.holderCame(other, { turn: 1, objects }), []);
});

Deno.test("ReferenceTable: an owner is told how it is, not what happened", () => {
  const table = new ReferenceTable<Entry, string>(self);
  const none = { released: undefined, borrowed: undefined };
  const first = entryOf(other, 1);
  strictEqual(table.borrowed(first), true);
  table.handleMade(first);
  strictEqual(table.handleGone(first), "tell_owner");
  deepStrictEqual(table.telling(other), none);
  const again = entryOf(other, 1);
  table.borrowed(again);
  table.handleMade(again);
  deepStrictEqual(table.telling(other).borrowed, {
    turn: 1,
    objects: [{ ordinal: 1, index: 0 }],
  });
  deepStrictEqual(table.telling(other), none);
  table.handleGone(again);
  const second = entryOf(other, 2);
  table.borrowed(second);
  deepStrictEqual(table.telling(other), {
    released: { turn: 2, objects: [{ ordinal: 1, index: 0 }] },
    borrowed: { turn: 3, objects: [{ ordinal: 2, index: 0 }] },
  });
  table.validate();
});

Deno.test("ReferenceTable: what an owner lacks, and what it takes along", () => {
  const table = new ReferenceTable<Entry, string>(self);
  const [first, second] = [entryOf(other, 1), entryOf(other, 2)];
  table.borrowed(first);
  table.borrowed(second);
  table.handleMade(first);
  deepStrictEqual(table.missing(other, [first, entryOf(other, 9)]), [first]);
  deepStrictEqual(table.processEnded(other).orphaned, [first, second]);
  strictEqual(table.borrowed(entryOf(other, 3)), false);
  strictEqual(table.handleGone(first), undefined);
  deepStrictEqual(table.telling(other), {
    released: undefined,
    borrowed: undefined,
  });
  table.validate();
});

Deno.test("ReferenceTable: a pin lasts until it is released, or its connection ends", () => {
  const table = new ReferenceTable<Entry, string>(self);
  const [one, two] = [{}, {}];
  const token = table.pinned("a", [one]);
  table.pinned("a", [two]);
  strictEqual(table.isNeeded, true);
  deepStrictEqual(table.unpinned("b", token), []);
  deepStrictEqual(table.unpinned("a", token), [one]);
  deepStrictEqual(table.unpinned("a", token), []);
  deepStrictEqual(table.connectionEnded("a"), [two]);
  deepStrictEqual(table.connectionEnded("a"), []);
  strictEqual(table.isNeeded, false);
});
