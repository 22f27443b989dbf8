import { assert, assertEquals } from "@std/assert";
import { ObjectLostError, OwnerDiedError } from "../../src/base/errors.ts";
import {
  newNodeTag,
  newProcessId,
  type ProcessId,
} from "../../src/base/ids.ts";
import {
  entryOfRef,
  type ObjectEntry,
  type ObjectRef,
  Status,
} from "../../src/owner/object_ref.ts";
import { References } from "../../src/owner/references.ts";
import type { ObjectKey } from "../../src/wire/messages.ts";
import type { Peer } from "../../src/wire/peer.ts";

/** An owner that writes down what it is told, and answers when it is let. */
class FakeOwner {
  readonly id = newProcessId(newNodeTag());
  readonly heard: string[] = [];
  missing: ObjectKey[] = [];
  gate: Promise<void> = Promise.resolve();
  isGone = false;

  readonly peer = {
    notify: (kind: string, notice: { objects: ObjectKey[] }) => {
      this.heard.push(`${kind} ${names(notice.objects)}`);
    },
    request: async (kind: string, ask: { objects: ObjectKey[] }) => {
      this.heard.push(`${kind} ${names(ask.objects)}`);
      await this.gate;
      return { missing: this.missing };
    },
  } as unknown as Peer;
}

function names(keys: ObjectKey[]): string {
  return keys.map(({ ordinal, index }) => `${ordinal}.${index}`).join(" ");
}

function world() {
  const self = newProcessId(newNodeTag());
  const owner = new FakeOwner();
  const letGo: ObjectEntry[] = [];
  const references = new References(self, {
    peer: (processId) =>
      processId === owner.id && !owner.isGone
        ? Promise.resolve(owner.peer)
        : Promise.reject(new Error("nobody there")),
  }, (entry) => letGo.push(entry));
  return { self, owner, letGo, references };
}

const key = (ref: ObjectRef<unknown>): ObjectKey => {
  const { ordinal, index } = entryOfRef(ref);
  return { ordinal, index };
};

const word = (turn: number, ...objects: ObjectKey[]) => ({ turn, objects });

const value = { stored: { bytes: new Uint8Array(1) }, refs: [] };
const holder = "1122334455667788" as ProcessId;

Deno.test("an object that never left is let go with its one handle", () => {
  const { references, letGo } = world();
  const ref = references.create(1, 0);
  entryOfRef(ref).resolve(value);
  ref[Symbol.dispose]();
  assertEquals(letGo.length, 1);
  assertEquals(references.sharedCount, 0);
});

Deno.test("a pending object that nobody asked for is let go when it comes", () => {
  const { references, letGo } = world();
  const ref = references.create(1, 0);
  ref[Symbol.dispose]();
  assertEquals(letGo.length, 0);
  entryOfRef(ref).resolve(value);
  assertEquals(letGo.length, 1);
});

Deno.test("disposing a ref leaves other handles on its object alone", () => {
  const { references, letGo } = world();
  const ref = references.create(1, 0);
  entryOfRef(ref).resolve(value);
  const inside = references.hold(ref);
  ref[Symbol.dispose]();
  ref[Symbol.dispose]();
  assertEquals([letGo.length, references.sharedCount], [0, 1]);
  references.letGo(inside);
  references.letGo(inside);
  assertEquals([letGo.length, references.sharedCount], [1, 0]);
});

Deno.test("References.borrowedBy() and releasedBy() may come twice", () => {
  const { references, letGo } = world();
  const ref = references.create(1, 0);
  entryOfRef(ref).resolve(value);
  references.share(ref);
  assertEquals(references.borrowedBy(holder, word(1, key(ref))), []);
  assertEquals(references.borrowedBy(holder, word(1, key(ref))), []);
  ref[Symbol.dispose]();
  assertEquals([letGo.length, references.isNeeded], [0, true]);
  references.releasedBy(holder, word(2, key(ref)));
  references.releasedBy(holder, word(2, key(ref)));
  assertEquals([letGo.length, references.isNeeded], [1, false]);
});

Deno.test("what was let go is missing for whoever borrows it then", () => {
  const { references } = world();
  const wanted = { ordinal: 9, index: 0 };
  assertEquals(references.borrowedBy(holder, word(1, wanted)), [wanted]);
  assertEquals(references.isNeeded, false);
});

Deno.test("a holder that ended holds nothing, also when its word comes late", () => {
  const { references, letGo } = world();
  const ref = references.create(1, 0);
  entryOfRef(ref).resolve(value);
  references.share(ref);
  references.borrowedBy(holder, word(1, key(ref)));
  ref[Symbol.dispose]();
  references.processEnded(holder);
  references.processEnded(holder);
  assertEquals(letGo.length, 1);
  const other = references.create(2, 0);
  references.share(other);
  assertEquals(references.borrowedBy(holder, word(2, key(other))), [
    key(other),
  ]);
  other[Symbol.dispose]();
  assertEquals(references.isNeeded, false);
});

Deno.test("one message a turn tells an owner what is borrowed", async () => {
  const { references, owner } = world();
  const refs = [1, 2, 3].map((ordinal) =>
    references.borrow({ ownerId: owner.id, ordinal, index: 0 })
  );
  const again = references.borrow({ ownerId: owner.id, ordinal: 1, index: 0 });
  assertEquals(entryOfRef(again), entryOfRef(refs[0]!));
  await references.registered();
  assertEquals(owner.heard, ["object.borrow 1.0 2.0 3.0"]);
  refs[0]![Symbol.dispose]();
  await references.registered();
  assertEquals(owner.heard.length, 1);
  again[Symbol.dispose]();
  await references.registered();
  assertEquals(owner.heard.at(-1), "object.release 1.0");
});

Deno.test("a ref that was borrowed and let go within a turn needs no word", async () => {
  const { references, owner } = world();
  const name = { ownerId: owner.id, ordinal: 1, index: 0 };
  references.borrow(name)[Symbol.dispose]();
  await references.registered();
  assertEquals(owner.heard, []);
  const ref = references.borrow(name);
  await references.registered();
  ref[Symbol.dispose]();
  const kept = references.borrow(name);
  await references.registered();
  assertEquals(owner.heard, ["object.borrow 1.0"]);
  assert(kept !== ref);
});

Deno.test("a ref let go before its owner answered is released after", async () => {
  const { references, owner } = world();
  const gate = Promise.withResolvers<void>();
  owner.gate = gate.promise;
  const name = { ownerId: owner.id, ordinal: 1, index: 0 };
  const ref = references.borrow(name);
  await Promise.resolve();
  await Promise.resolve();
  await Promise.resolve();
  assertEquals(owner.heard, ["object.borrow 1.0"]);
  ref[Symbol.dispose]();
  gate.resolve();
  await references.registered();
  assertEquals(owner.heard, ["object.borrow 1.0", "object.release 1.0"]);
});

Deno.test("registered() waits until every owner has answered", async () => {
  const { references, owner } = world();
  const gate = Promise.withResolvers<void>();
  owner.gate = gate.promise;
  const ref = references.borrow({ ownerId: owner.id, ordinal: 1, index: 0 });
  let isRegistered = false;
  const registered = references.registered()!.then(() => isRegistered = true);
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  assertEquals(isRegistered, false);
  gate.resolve();
  await registered;
  assertEquals(references.registered(), undefined);
  assertEquals(entryOfRef(ref).status, Status.pending);
});

Deno.test("a borrowed object that its owner lacks is lost", async () => {
  const { references, owner } = world();
  owner.missing = [{ ordinal: 1, index: 0 }];
  const ref = references.borrow({ ownerId: owner.id, ordinal: 1, index: 0 });
  await references.registered();
  assert(entryOfRef(ref).error instanceof ObjectLostError);
});

Deno.test("an owner that is gone, or goes, takes its objects along", async () => {
  const { references, owner } = world();
  const ref = references.borrow({ ownerId: owner.id, ordinal: 1, index: 0 });
  await references.registered();
  references.processEnded(owner.id);
  assert(entryOfRef(ref).error instanceof OwnerDiedError);
  const late = references.borrow({ ownerId: owner.id, ordinal: 2, index: 0 });
  assert(entryOfRef(late).error instanceof OwnerDiedError);
  const unknown = references.borrow({
    ownerId: newProcessId(newNodeTag()),
    ordinal: 1,
    index: 0,
  });
  await references.registered();
  assert(entryOfRef(unknown).error instanceof OwnerDiedError);
});

Deno.test("a pin keeps its process needed until it is released, twice too", () => {
  const { references } = world();
  const peer = {} as Peer;
  const ref = references.create(1, 0);
  const token = references.pin(peer, [ref]);
  assertEquals(references.isNeeded, true);
  references.unpin(peer, token);
  references.unpin(peer, token);
  assertEquals(references.isNeeded, false);
  references.pin(peer, [ref]);
  references.peerEnded(peer);
  references.peerEnded(peer);
  assertEquals(references.isNeeded, false);
});

Deno.test("what goes to a peer that has ended is not pinned for ever", () => {
  const { references } = world();
  const ref = references.create(1, 0);
  const peer = { isEnded: true } as Peer;
  references.peerEnded(peer);
  assertEquals(references.pin(peer, [ref]), 0);
  assertEquals(references.isNeeded, false);
});

Deno.test("a handle on what others know keeps its process needed", () => {
  const { references } = world();
  const ref = references.create(1, 0);
  references.share(ref);
  assertEquals(references.isNeeded, true);
  ref[Symbol.dispose]();
  assertEquals(references.isNeeded, false);
});

Deno.test("an object of one's own that comes home is the same object", () => {
  const { self, references } = world();
  const ref = references.create(1, 0);
  const { ordinal, index } = references.share(ref);
  const home = references.borrow({ ownerId: self, ordinal, index });
  assertEquals(entryOfRef(home), entryOfRef(ref));
  const gone = references.borrow({ ownerId: self, ordinal: 7, index: 0 });
  assert(entryOfRef(gone).error instanceof ObjectLostError);
});
