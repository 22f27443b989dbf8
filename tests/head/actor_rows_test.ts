import { assert, assertEquals } from "@std/assert";
import type { ActorId, ProcessId } from "../../src/base/ids.ts";
import type { ActorRow } from "../../src/base/lineage.ts";
import type { ActorSpec } from "../../src/base/spec.ts";
import { ActorRows } from "../../src/head/actor_rows.ts";
import type { ActorView } from "../../src/state/actors.ts";
import { openBatch } from "../../src/store/lineage_batch.ts";
import { jobId, nodeId } from "../support/lineage.ts";

const actorId = "0123456789abcdef000000000001" as ActorId;
const spec = {
  actorId,
  jobId,
  ownerId: "0123456789abcdef" as ProcessId,
  className: "Counter",
  name: "one",
  namespace: "default",
} as ActorSpec;

function view(more: Partial<ActorView>): ActorView {
  return {
    spec,
    phase: "starting",
    incarnation: 0,
    processId: undefined,
    reason: undefined,
    ...more,
  };
}

/** All that was sent, row by row, after the table told `tell` and closed. */
function rowsOf(tell: (rows: ActorRows) => void): ActorRow[] {
  const sent: ActorRow[] = [];
  const rows = new ActorRows({
    nodeIdOf: () => nodeId,
    send: (batch) => sent.push(...openBatch(batch).rows as ActorRow[]),
  });
  tell(rows);
  rows.close();
  return sent;
}

Deno.test("ActorRows keeps an actor's beginning and its place through restarts, to its death", () => {
  const sent = rowsOf((rows) => {
    rows.told(view({}), undefined);
    rows.told(view({ phase: "alive" }), 7);
    rows.told(view({ phase: "restarting", incarnation: 1 }), undefined);
    rows.told(view({ phase: "alive", incarnation: 1 }), 8);
    const reason = "it was killed by kill()";
    rows.told(view({ phase: "dead", incarnation: 1, reason }), undefined);
  });
  assertEquals(
    sent.map((row) => [row.state, row.incarnation, row.workerPid, row.nodeId]),
    [
      ["starting", 0, undefined, undefined],
      ["alive", 0, 7, nodeId],
      ["restarting", 1, undefined, undefined],
      ["alive", 1, 8, nodeId],
      ["dead", 1, 8, nodeId],
    ],
  );
  assertEquals(new Set(sent.map((row) => row.createdAtMs)).size, 1);
  const last = sent.at(-1)!;
  assertEquals(last.reason, "it was killed by kill()");
  assert(last.endedAtMs! >= last.createdAtMs);
  assertEquals([last.name, last.namespace, last.jobId], [
    "one",
    "default",
    jobId,
  ]);
});

Deno.test("ActorRows ends what lives when its program does, and hears no more", () => {
  const sent: ActorRow[] = [];
  const rows = new ActorRows({
    nodeIdOf: () => nodeId,
    send: (batch) => sent.push(...openBatch(batch).rows as ActorRow[]),
  });
  rows.told(view({ phase: "alive" }), 7);
  rows.close();
  rows.told(view({ phase: "dead", reason: "its process ended" }), undefined);
  rows.close();
  assertEquals(sent.map(({ state, reason }) => [state, reason]), [
    ["alive", undefined],
    ["dead", "its program ended"],
  ]);
});
