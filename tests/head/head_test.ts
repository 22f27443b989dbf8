import { assertEquals } from "@std/assert";
import type { ActorId, ProcessId } from "../../src/base/ids.ts";
import type { ActorSpec } from "../../src/base/spec.ts";
import { Head } from "../../src/head/head.ts";
import type { ActorState, Requests } from "../../src/wire/messages.ts";
import type { Peer } from "../../src/wire/peer.ts";
import { actorSpec } from "../support/actor_spec.ts";

const process = "process" as ProcessId;

/** A head whose actors start nowhere, and one that asks it. */
function head() {
  const heard: ActorState[] = [];
  const peer = {
    remote: { processId: process, pid: 1, role: "actor" },
    notify: (_: string, state: ActorState) => heard.push(state),
  } as unknown as Peer;
  const own = new Head({
    start: () => {},
    stop: () => {},
    runs: () => Promise.resolve(true),
    refusal: () => undefined,
  }, { told: () => {} });
  const requests = own.requests();
  const notices = own.notices();
  const ask = <K extends keyof Requests>(
    kind: K,
    what: Requests[K]["ask"],
  ): Promise<Requests[K]["answer"]> =>
    Promise.resolve(requests[kind]!(what, peer));
  return { own, ask, notices, peer, heard };
}

/** One that is found by its name. */
function specOf(actorId: string, fields: Partial<ActorSpec> = {}): ActorSpec {
  const named = { getIfExists: true, isDetached: true, name: "big" };
  return actorSpec(actorId, { ...named, ...fields });
}

Deno.test("Head answers by an id that found another actor, until no handle by it is left", async () => {
  const { own, ask, notices, peer, heard } = head();
  await ask("actor.create", { spec: specOf("real") });
  const found = await ask("actor.create", { spec: specOf("alias") });
  assertEquals(String(found.kind === "exists" && found.handle.actorId), "real");
  const alias = "alias" as ActorId;
  const state = await ask("actor.watch", { actorId: alias });
  assertEquals(String(state.actorId), "real");
  notices["actor.ready"]!(
    { actorId: "real" as ActorId, incarnation: 0 },
    peer,
  );
  assertEquals(heard.map(({ actorId, phase }) => [actorId, phase]), [
    ["real", "alive"],
  ]);
  await ask("actor.release", { actorId: alias });
  assertEquals((await ask("actor.watch", { actorId: alias })).isUnknown, true);
  own.actorEnded("real" as ActorId, { incarnation: 0, reason: "killed" });
  assertEquals(heard.at(-1)!.phase, "dead");
});

Deno.test("Head says of an actor that it has not heard of that it has not", async () => {
  const { ask } = head();
  const actorId = "nobody" as ActorId;
  assertEquals(await ask("actor.kill", { actorId, noRestart: true }), {
    isUnknown: true,
  });
  const state = await ask("actor.watch", { actorId });
  assertEquals([state.phase, state.isUnknown], ["dead", true]);
});

Deno.test("A head that came back tells why an actor is dead, and makes none again that was", async () => {
  const { ask, notices, peer } = head();
  const spec = specOf("broken");
  const { actorId } = spec;
  const error = { bytes: new Uint8Array([1]) };
  await ask("actor.create", { spec });
  notices["actor.failed"]!({ actorId, incarnation: 0, error }, peer);
  const before = await ask("actor.watch", { actorId });
  const after = head();
  const { incarnation, reason } = before;
  after.own.restore([], [{ spec, incarnation, reason, error }]);
  assertEquals(await after.ask("actor.watch", { actorId }), before);
  assertEquals(await after.ask("actor.create", { spec }), { kind: "created" });
  assertEquals(await after.ask("actor.watch", { actorId }), before);
});
