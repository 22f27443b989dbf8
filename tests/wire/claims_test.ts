import { assert, assertEquals, assertThrows } from "@std/assert";
import { InvariantError } from "../../src/base/errors.ts";
import { ClaimPage, ClaimSlots, ClaimState } from "../../src/wire/claims.ts";

function pages(slotCount: number) {
  const buffer = new SharedArrayBuffer(slotCount * 4);
  return { owner: new ClaimPage(buffer), worker: new ClaimPage(buffer) };
}

Deno.test("ClaimPage lets either the worker claim or the owner revoke, never both", () => {
  const { owner, worker } = pages(4);
  owner.open(1, 7);
  assert(worker.claim(1, 7));
  assert(!owner.revoke(1, 7));
  assertEquals(owner.state(1, 7), ClaimState.running);
  owner.open(2, 9);
  assert(owner.revoke(2, 9));
  assert(!worker.claim(2, 9));
  assertEquals(owner.state(2, 9), ClaimState.revoked);
});

Deno.test("ClaimPage refuses a late worker the slot's next tenant", () => {
  const { owner, worker } = pages(1);
  owner.open(0, 1);
  assert(owner.revoke(0, 1));
  owner.open(0, 2);
  assert(!worker.claim(0, 1));
  assert(worker.claim(0, 2));
});

Deno.test("ClaimPage tells what a started task is doing", () => {
  const { owner, worker } = pages(1);
  owner.open(0, 3);
  worker.claim(0, 3);
  worker.mark(0, 3, ClaimState.suspended);
  assertEquals(owner.state(0, 3), ClaimState.suspended);
  worker.mark(0, 3, ClaimState.running);
  assertEquals(owner.state(0, 3), ClaimState.running);
  assertThrows(() => owner.state(0, 4), InvariantError, "another generation");
});

Deno.test("ClaimSlots gives each tenant of a slot a generation of its own, and -1 when full", () => {
  const slots = new ClaimSlots(2);
  const a = slots.take();
  const first = slots.generation(a);
  const b = slots.take();
  assert(a !== b);
  assertEquals(slots.take(), -1);
  slots.give(a);
  assertEquals(slots.take(), a);
  assertEquals(slots.generation(a), first + 1);
});
