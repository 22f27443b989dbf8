import { assertEquals } from "@std/assert";
import {
  type ActorId,
  type NodeTag,
  nodeTagOf,
  type ProcessId,
} from "../../src/base/ids.ts";
import type { ActorSpec } from "../../src/base/spec.ts";
import { ClusterPlaces } from "../../src/head/actor_places.ts";
import { ClusterView } from "../../src/state/cluster_view.ts";
import type { Network } from "../../src/wire/network.ts";
import { nodeView } from "../support/cluster_rooms.ts";
import { until } from "../support/notes.ts";

const [head, near, far] = ["headhead", "nearnear", "farfarfa"] as NodeTag[];
const place = (actorId: string, incarnation = 0) => ({
  actorId: actorId as ActorId,
  incarnation,
});

/** Places of a head that came back, and what it told of what. */
function cameBack(
  answerOf: (tag: NodeTag) => { refusal?: string } = () => ({}),
) {
  const view = new ClusterView(head!, () => 0);
  const told: string[] = [];
  const network = {
    peer: (id: ProcessId) => {
      const request = (kind: string, ask: { spec: ActorSpec }) => {
        told.push(`${id.slice(0, 4)} ${kind} ${ask.spec.actorId}`);
        return Promise.resolve(answerOf(nodeTagOf(id)));
      };
      return Promise.resolve({ request });
    },
    tell: (id: ProcessId, kind: string, { actorId, incarnation }: {
      actorId: ActorId;
      incarnation: number;
    }) => told.push(`${id.slice(0, 4)} ${kind} ${actorId} ${incarnation}`),
  } as unknown as Network;
  const places = new ClusterPlaces({
    view,
    network,
    ended: (actorId, { reason }) => told.push(`ended ${actorId}: ${reason}`),
    missed: (actorId, { reason }) => told.push(`missed ${actorId}: ${reason}`),
    keep: (actorId, tag) => told.push(`keep ${actorId} at ${tag.slice(0, 4)}`),
    durable: { find: () => Promise.resolve(undefined), left: async () => {} },
  });
  const heard = () => told.splice(0);
  return { places, view, heard };
}

Deno.test("A head that came back finds actors where they are, and misses those that are not there", () => {
  const { places, heard } = cameBack();
  for (const id of ["kept", "lost"]) places.expect(near!, place(id));
  places.expect(far!, place("elsewhere"));
  places.joined(near!, [place("kept"), place("unexpected")]);
  assertEquals(heard(), [
    "keep unexpected at near",
    "missed lost: it ended while the head was away",
  ]);
  assertEquals(places.tagOf("kept" as ActorId), near);
  // Heard twice: what was placed meanwhile is on its way there.
  places.joined(near!, []);
  assertEquals(heard(), []);
  places.nodeGone(near!, "killed");
  places.nodeGone(far!, "it did not come back");
  assertEquals(heard(), [
    "ended kept: its node is gone (killed)",
    "ended unexpected: its node is gone (killed)",
    "missed elsewhere: its node is gone (it did not come back)",
  ]);
});

Deno.test("A head that came back hears why an actor ended meanwhile, before its node has joined", () => {
  const { places, heard } = cameBack();
  places.expect(near!, place("crashed"));
  const ended = { ...place("crashed"), reason: "it crashed" };
  places.notices()["actor.ended"]!(ended, undefined as never);
  places.joined(near!, []);
  assertEquals(heard(), ["ended crashed: it crashed"]);
});

Deno.test("An actor that waits for a node is not started where it is found to run", async () => {
  const { places, view, heard } = cameBack();
  const spec = { actorId: "one" as ActorId, resources: {} } as ActorSpec;
  places.start(spec, 0);
  places.joined(near!, [place("one")]);
  view.updated(nodeView(far!));
  places.changed();
  assertEquals(heard(), ["keep one at near"]);
  const other = { ...spec, actorId: "two" as ActorId };
  places.start(other, 0);
  await Promise.resolve();
  assertEquals(heard(), ["keep two at farf", "farf actor.place two"]);
  places.joined(near!, [place("two")]);
  assertEquals(heard(), ["near actor.halt two 0"]);
});

Deno.test("An actor whose node can't set its program up goes to another, and ends where none can", async () => {
  const refusal = "its disk is full";
  const { places, view, heard } = cameBack(() => ({ refusal }));
  view.updated(nodeView(near!));
  view.updated(nodeView(far!));
  const spec = { actorId: "one" as ActorId, resources: {} };
  places.start(spec as ActorSpec, 0);
  const words: string[] = [];
  await until(() => {
    words.push(...heard());
    return words.length >= 5;
  }, "it has ended");
  assertEquals(words, [
    "keep one at near",
    "near actor.place one",
    "keep one at farf",
    "farf actor.place one",
    "ended one: its disk is full",
  ]);
});
