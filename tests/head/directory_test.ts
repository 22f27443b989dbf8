import { assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import type { ActorId, NodeTag, ProcessId } from "../../src/base/ids.ts";
import { limits } from "../../src/base/limits.ts";
import { Directory } from "../../src/head/directory.ts";
import type { ActorView } from "../../src/state/actors.ts";
import type { KeptGroup } from "../../src/state/group_table.ts";
import { actorSpec } from "../support/actor_spec.ts";

const [near, far] = ["near", "far"] as NodeTag[];

/** A directory's file, for several heads one after another. */
class HeadFile implements Disposable {
  readonly #folder = Deno.makeTempDirSync({ prefix: "manta_directory_" });
  readonly path = `${this.#folder}/head.db`;

  open(): Directory {
    return new Directory(this.path);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

function actor(
  actorId: string,
  phase: ActorView["phase"],
  incarnation = 0,
): ActorView {
  const isAlive = phase === "alive";
  return {
    spec: actorSpec(actorId),
    phase,
    incarnation,
    processId: isAlive ? "process" as ProcessId : undefined,
    reason: undefined,
  };
}

const group = (groupId: string, places: KeptGroup["places"]): KeptGroup => ({
  groupId,
  ownerId: "owner" as ProcessId,
  strategy: "SPREAD",
  bundles: places.map(() => ({ CPU: 1, red: 0.5 })),
  places,
});

Deno.test("Directory keeps placement groups, where they lie, and which were removed", () => {
  using file = new HeadFile();
  const waiting = group("waiting", [undefined, undefined]);
  const placed = group("placed", [near, far]);
  {
    using directory = file.open();
    directory.keepGroup(waiting);
    directory.keepGroup(group("placed", [undefined, undefined]));
    directory.keepGroup(placed);
    directory.keepGroup(group("removed", [near]));
    directory.groupRemoved("removed");
    directory.groupRemoved("another");
    directory.groupRemoved("removed");
  }
  using directory = file.open();
  assertEquals(directory.groups(), [placed, waiting]);
  assertEquals(directory.removedGroupIds(), ["removed", "another"]);
});

Deno.test("Directory forgets the oldest removed groups", () => {
  using file = new HeadFile();
  using directory = file.open();
  using database = new DatabaseSync(file.path);
  database.exec(`BEGIN;
    WITH RECURSIVE n(no) AS
      (SELECT 1 UNION ALL SELECT no + 1 FROM n WHERE no < ${limits.rememberedMax})
    INSERT INTO removed_groups SELECT no, 'g' || no FROM n;
    COMMIT`);
  directory.groupRemoved("last");
  const ids = directory.removedGroupIds();
  assertEquals(ids.length, limits.rememberedMax);
  assertEquals([ids[0], ids.at(-1)], ["g2", "last"]);
});

Deno.test("Directory keeps which node is to run an actor, until it is to start anew", () => {
  using file = new HeadFile();
  {
    using directory = file.open();
    for (const id of ["lives", "starts", "again"]) {
      directory.told(actor(id, "starting"));
      directory.placed(id as ActorId, near!);
    }
    directory.told(actor("lives", "alive"));
    directory.told(actor("again", "alive"));
    directory.told(actor("again", "restarting", 1));
    directory.told(actor("dead", "starting"));
    directory.told(actor("dead", "dead"));
    directory.placed("dead" as ActorId, near!);
  }
  using directory = file.open();
  const kept = directory.actors().map(({ spec, phase, incarnation, tag }) => [
    String(spec.actorId),
    phase,
    incarnation,
    tag,
  ]);
  assertEquals(kept, [
    ["again", "restarting", 1, undefined],
    ["lives", "alive", 0, near],
    ["starts", "starting", 0, near],
  ]);
});

Deno.test("Directory keeps why actors died, without what starting them took", () => {
  using file = new HeadFile();
  const error = { bytes: new Uint8Array([1, 2]) };
  const { spec } = actor("one", "dead");
  {
    using directory = file.open();
    for (const id of ["one", "two"]) directory.told(actor(id, "starting"));
    for (const id of ["two", "one", "never"]) {
      const view = { ...actor(id, "dead", 3), reason: `of ${id}` };
      directory.told(view, id === "one" ? error : undefined);
    }
  }
  using directory = file.open();
  const [two, one, ...more] = directory.deadActors();
  assertEquals(one, { spec, incarnation: 3, reason: "of one", error });
  assertEquals([two?.reason, two?.error], ["of two", undefined]);
  assertEquals(more, []);
});

Deno.test("Directory tells each head which one was before it", () => {
  using file = new HeadFile();
  for (const before of [undefined, "1", "2"]) {
    using directory = file.open();
    const own = String(Number(before ?? 0) + 1) as NodeTag;
    assertEquals(directory.begun(own) as string | undefined, before);
  }
});
