import { assertEquals } from "@std/assert";
import type { ActorId } from "../../src/base/ids.ts";
import type { ActorSpec } from "../../src/base/spec.ts";
import { RuntimeEnvSetupError } from "../../src/base/errors.ts";
import { PlacedActors } from "../../src/node/placed_actors.ts";
import type { ActorPlace } from "../../src/wire/facts.ts";

const spec = { actorId: "actor" as ActorId } as ActorSpec;

/** A machine whose job's part is being made. */
function arriving() {
  const told: string[] = [];
  const here: ActorPlace[] = [];
  const hosts = {
    start: ({ actorId }: ActorSpec, incarnation: number) => {
      told.push(`start ${incarnation}`);
      here.push({ actorId, incarnation });
    },
    stop: () => told.push("stop"),
    runs: () => Promise.resolve(false),
    places: () => here,
  };
  const part = Promise.withResolvers<{ hosts: typeof hosts }>();
  const placed = new PlacedActors({
    partOf: () => part.promise,
    parts: () => [{ hosts }],
    ended: (_, { incarnation, reason }) =>
      told.push(`ended ${incarnation}: ${reason}`),
    loaded: () => {},
  });
  const place = (incarnation = 0) =>
    placed.requests()["actor.place"]!(
      { spec, incarnation },
      undefined as never,
    );
  const halt = (incarnation?: number) =>
    placed.notices()["actor.halt"]!({
      actorId: spec.actorId,
      ...(incarnation === undefined ? {} : { incarnation }),
      isGraceful: false,
      reason: "it is not to be",
    }, undefined as never);
  const arrive = () => part.resolve({ hosts });
  return { placed, place, halt, arrive, fail: part.reject, told };
}

const onTheWay = [{ actorId: spec.actorId, incarnation: 0 }];

Deno.test("PlacedActors counts an actor that is on its way, and starts it once", async () => {
  const { placed, place, arrive, told } = arriving();
  const asked = [place(), place()];
  assertEquals(placed.places(), onTheWay);
  arrive();
  await Promise.all(asked);
  assertEquals(told, ["start 0"]);
  assertEquals(placed.places(), onTheWay);
});

Deno.test("PlacedActors does not start an actor that was halted on its way, and tells its end", async () => {
  const { placed, place, halt, arrive, told } = arriving();
  const asked = place();
  halt(7);
  halt(0);
  arrive();
  await asked;
  assertEquals(told, ["stop", "stop", "ended 0: it is not to be"]);
  assertEquals(placed.places(), []);
});

Deno.test("PlacedActors tells the end of an actor whose job's part could not be made", async () => {
  const { place, fail, told } = arriving();
  const asked = place();
  fail(new Error("no room"));
  await asked;
  assertEquals(told, ["ended 0: its node did not start it: no room"]);
});

Deno.test("PlacedActors refuses an actor whose program can't be set up here, unless it was halted", async () => {
  const full = arriving();
  const asked = full.place();
  const error = new RuntimeEnvSetupError("no room");
  full.fail(error);
  const refusal = "its node did not start it: no room";
  assertEquals(await asked, { refusal });
  assertEquals(full.told, []);
  const halted = arriving();
  const late = halted.place();
  halted.halt();
  halted.fail(error);
  assertEquals(await late, {});
  assertEquals(halted.told, ["stop", "ended 0: it is not to be"]);
});
