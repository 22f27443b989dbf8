import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { ProcessId } from "../../src/base/ids.ts";
import { limits } from "../../src/base/limits.ts";
import type { ActorSpec } from "../../src/base/spec.ts";
import { ActorTable } from "../../src/state/actors.ts";
import { actorSpec } from "../support/actor_spec.ts";

const owner = "owner" as ProcessId;
const first = "process-1" as ProcessId;
const second = "process-2" as ProcessId;
const bytes = new Uint8Array(1000);

let nextNo = 1;

function specOf(fields: Partial<ActorSpec> = {}): ActorSpec {
  return actorSpec(`actor-${nextNo++}`, {
    ownerId: owner,
    methods: { tick: false },
    args: { bytes },
    ...fields,
  });
}

/** A table with one living actor. */
function living(fields: Partial<ActorSpec> = {}) {
  const table = new ActorTable();
  const spec = specOf(fields);
  table.created(spec);
  table.started(spec.actorId, { incarnation: 0, processId: first });
  return { table, actorId: spec.actorId };
}

Deno.test("ActorTable.aborted() ends the incarnation in that process, which may start again", () => {
  const { table, actorId } = living({ maxRestarts: 1 });
  const abort = { processId: first, reason: "its call ran too long" };
  deepStrictEqual(table.aborted(actorId, abort), [{
    kind: "stop",
    actorId,
    isGraceful: false,
    reason: abort.reason,
  }]);
  table.ended(actorId, { incarnation: 0, reason: "killed" });
  strictEqual(table.view(actorId)?.phase, "restarting");
  strictEqual(table.view(actorId)?.reason, abort.reason);
  table.validate();
  table.started(actorId, { incarnation: 1, processId: second });
  strictEqual(table.view(actorId)?.reason, undefined);
  // Late: that process is gone.
  deepStrictEqual(table.aborted(actorId, abort), []);
  table.aborted(actorId, { ...abort, processId: second });
  table.ended(actorId, { incarnation: 1, reason: "killed" });
  strictEqual(table.view(actorId)?.phase, "dead");
  strictEqual(table.view(actorId)?.reason, abort.reason);
  table.validate();
});

Deno.test("ActorTable.missed() starts the same incarnation of one that never lived, and ends one that did", () => {
  const table = new ActorTable();
  const spec = specOf();
  const { actorId } = spec;
  table.created(spec);
  const how = { incarnation: 0, reason: "it ended unheard" };
  deepStrictEqual(table.missed(actorId, how), [{
    kind: "start",
    actorId,
    incarnation: 0,
  }]);
  table.started(actorId, { incarnation: 0, processId: first });
  deepStrictEqual(table.missed(actorId, { ...how, incarnation: 1 }), []);
  table.missed(actorId, how);
  strictEqual(table.view(actorId)?.phase, "dead");
  strictEqual(table.view(actorId)?.reason, how.reason);
  deepStrictEqual(table.missed(actorId, how), []);
  const killed = specOf();
  table.created(killed);
  table.killed(killed.actorId, { noRestart: true });
  table.missed(killed.actorId, how);
  strictEqual(table.view(killed.actorId)?.phase, "dead");
  table.validate();
});

Deno.test("ActorTable tells a name from its namespace, whatever both are made of", () => {
  const table = new ActorTable();
  const one = specOf({ namespace: "a/b", name: "c" });
  const other = specOf({ namespace: "a", name: "b/c" });
  strictEqual(table.created(one).kind, "created");
  strictEqual(table.created(other).kind, "created");
  strictEqual(table.find("a/b", "c"), one.actorId);
  strictEqual(table.find("a", "b/c"), other.actorId);
  table.validate();
});

Deno.test("ActorTable keeps of dead actors what late questions need, and of so many only", () => {
  const { table, actorId } = living({ name: "big" });
  table.ended(actorId, { incarnation: 0, reason: "killed" });
  const { spec, reason } = table.view(actorId)!;
  strictEqual(spec.args.bytes.length, 0);
  strictEqual(spec.className, "Clock");
  strictEqual(reason, "killed");
  for (let count = 0; count < limits.rememberedMax; count++) {
    const next = specOf();
    table.created(next);
    table.ended(next.actorId, { incarnation: 0, reason: "killed" });
  }
  table.validate();
  strictEqual(table.view(actorId), undefined);
  strictEqual([...table.views()].length, limits.rememberedMax);
});
