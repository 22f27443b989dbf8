import { assertEquals } from "@std/assert";
import type { ActorId, ProcessId } from "../../src/base/ids.ts";
import { limits } from "../../src/base/limits.ts";
import type { ActorInfo, OpenCall } from "../../src/owner/callee.ts";
import { Callees } from "../../src/owner/callees.ts";
import type { TaskRecord } from "../../src/owner/task_record.ts";
import type { Peer } from "../../src/wire/peer.ts";

const peer = {} as Peer;
const process = "process" as ProcessId;

function infoOf(actorId: string, name?: string): ActorInfo {
  return {
    actorId: actorId as ActorId,
    className: "Clock",
    ...(name === undefined ? {} : { name }),
    namespace: "default",
    maxTaskRetries: 0,
    maxPendingCalls: -1,
    isDurable: false,
  };
}

let nextOrdinal = 1;

/** A call by the handle with that id. */
function called(callees: Callees, actorId: string): OpenCall {
  const id = actorId as ActorId;
  const expected = callees.expected(id);
  const record = {
    ordinal: nextOrdinal++,
    callerNo: 0,
    isAbandoned: false,
    phase: "preparing",
    attempt: 1,
  } as TaskRecord;
  const callee = callees.get(id) ?? expected!.callee;
  const call = { record, handle: {}, callee, expected };
  callees.queued(call);
  if (!callees.holds(call)) call.callee.order.prepared(record);
  return call;
}

/** Ordinals of what may be sent to an actor now. */
function sent(callees: Callees, actorId: string): number[] {
  const { order } = callees.get(actorId as ActorId)!;
  if (order.connection === undefined) {
    order.heard({
      actorId: actorId as ActorId,
      phase: "alive",
      incarnation: 0,
      processId: process,
    });
    order.connecting();
    order.connected(process, peer);
  }
  const ordinals: number[] = [];
  for (;;) {
    const record = order.next(0);
    if (record === undefined) break;
    ordinals.push(record.ordinal);
  }
  order.validate();
  return ordinals;
}

const ordinals = (...calls: OpenCall[]) =>
  calls.map(({ record }) => record.ordinal);

Deno.test("Callees holds back calls behind one that may be to the same actor", () => {
  const callees = new Callees();
  callees.add(infoOf("real", "big"));
  const expected = callees.expect(infoOf("alias", "big"));
  const first = called(callees, "real");
  const second = called(callees, "alias");
  const third = called(callees, "real");
  assertEquals(sent(callees, "real"), ordinals(first));
  callees.identified(expected, infoOf("real", "big"));
  assertEquals(sent(callees, "real"), ordinals(second, third));
  assertEquals(callees.realId("alias" as ActorId), "real");
  const fourth = called(callees, "alias");
  assertEquals(sent(callees, "real"), ordinals(fourth));
});

Deno.test("Callees lets calls go their own way that turn out to be to another actor", () => {
  const callees = new Callees();
  const old = callees.add(infoOf("old", "big"));
  const expected = callees.expect(infoOf("new", "big"));
  const first = called(callees, "new");
  const second = called(callees, "old");
  assertEquals(sent(callees, "old"), []);
  callees.identified(expected, infoOf("new", "big"));
  assertEquals(sent(callees, "old"), ordinals(second));
  assertEquals(sent(callees, "new"), ordinals(first));
  assertEquals(old.order.pendingCount, 1);
});

Deno.test("Callees takes calls that may be to another out of a dead actor's queue", () => {
  const callees = new Callees();
  const old = callees.add(infoOf("old", "big"));
  const expected = callees.expect(infoOf("new", "big"));
  const call = called(callees, "new");
  callees.buried(old);
  assertEquals(old.order.buried(), []);
  callees.identified(expected, infoOf("new", "big"));
  assertEquals(sent(callees, "new"), ordinals(call));
});

Deno.test("Callees orders calls by several handles before any of them is known", () => {
  const callees = new Callees();
  const one = callees.expect(infoOf("one", "big"));
  const two = callees.expect(infoOf("two", "big"));
  const calls = ["one", "two", "one", "two"].map((id) => called(callees, id));
  callees.identified(one, infoOf("real", "big"));
  assertEquals(sent(callees, "real"), ordinals(calls[0]!));
  callees.identified(two, infoOf("real", "big"));
  assertEquals(sent(callees, "real"), ordinals(...calls.slice(1)));
});

Deno.test("Callees keeps news of an actor that comes before the answer which actor an id is", () => {
  const callees = new Callees();
  const state = (phase: "starting" | "alive") => ({
    actorId: "real" as ActorId,
    phase,
    incarnation: 0,
  });
  callees.heardEarly(state("alive"));
  assertEquals(callees.newsSince(state("starting")), [state("starting")]);
  const expected = callees.expect(infoOf("alias", "big"));
  callees.heardEarly(state("alive"));
  callees.identified(expected, infoOf("real", "big"));
  const both = [state("starting"), state("alive")];
  assertEquals(callees.newsSince(state("starting")), both);
  assertEquals(callees.newsSince(state("starting")), [state("starting")]);
});

Deno.test("Callees keeps of dead actors and of ids that are not used any more so many only", () => {
  const callees = new Callees();
  for (let count = 0; count < limits.rememberedMax + 100; count++) {
    const callee = callees.add(infoOf(`actor-${count}`, "big"));
    callees.identified(
      callees.expect(infoOf(`alias-${count}`, "big")),
      callee.info,
    );
    callees.released(`alias-${count}` as ActorId);
    callees.buried(callee);
    callees.buried(callee);
  }
  assertEquals(callees.size, limits.rememberedMax);
  assertEquals(callees.living(), []);
});

Deno.test("Callees leaves a name to the actor that has it when another was refused it", () => {
  const callees = new Callees();
  callees.add(infoOf("real", "big"));
  const refused = callees.add(infoOf("refused", "big"));
  callees.buried(refused);
  const expected = callees.expect(infoOf("alias", "big"));
  const call = called(callees, "alias");
  const behind = called(callees, "real");
  assertEquals(sent(callees, "real"), []);
  callees.identified(expected, infoOf("real", "big"));
  assertEquals(sent(callees, "real"), ordinals(call, behind));
});
