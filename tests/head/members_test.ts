import { assertEquals } from "@std/assert";
import type { NodeTag } from "../../src/base/ids.ts";
import { Members } from "../../src/head/members.ts";
import { ClusterView } from "../../src/state/cluster_view.ts";
import type { Peer } from "../../src/wire/peer.ts";
import { nodeView } from "../support/cluster_rooms.ts";
import { until } from "../support/notes.ts";

const [head, near, late, lost] = ["head", "near", "late", "lost"] as NodeTag[];

const viewOf = (tag: NodeTag) =>
  nodeView(tag, { address: "h:1", isHead: tag === head });

/** The members of a head that came back, and what each node hears of the dead. */
function cameBack(
  buried: [NodeTag, string][] = [],
  expected: NodeTag[] = [],
) {
  const dead = new Map(buried);
  const view = new ClusterView(head!, () => 0);
  view.updated(viewOf(head!));
  const members = new Members({
    clusterId: "cluster",
    view,
    dead,
    rejoinGraceMs: 50,
    expected,
    joined: () => {},
    changed: () => {},
    gone: () => {},
    buried: (tag, reason) => dead.set(tag, reason),
  });
  const heard: string[] = [];
  const join = (tag: NodeTag, known: NodeTag[]) => {
    const peer = {
      notify: (kind: string, what: { tags: NodeTag[] }) =>
        kind === "nodes.gone" && heard.push(`${tag}: ${what.tags}`),
    } as unknown as Peer;
    const ask = { view: viewOf(tag), actors: [], bundles: [], known };
    return members.requests()["node.join"]!(ask, peer);
  };
  return { members, dead, heard, join };
}

Deno.test("A head that came back declares dead who was known before and has not joined in time, once and for all", async () => {
  const { members, dead, heard, join } = cameBack();
  join(near!, [head!, near!, late!, lost!]);
  join(late!, [near!, late!, lost!]);
  await until(() => dead.size > 0, "somebody is declared dead");
  assertEquals(heard, ["near: lost", "late: lost"]);
  const reason = "it did not come back";
  assertEquals([...dead], [[lost, reason]]);
  assertEquals(await join(lost!, []), { kind: "fenced", reason });
  members.close();
});

Deno.test("A head that came back declares dead whom it knew itself, where nobody else did", async () => {
  const { members, dead, join } = cameBack(
    [[lost!, "it was killed"]],
    [near!, late!, lost!],
  );
  join(near!, [near!]);
  await until(() => dead.has(late!), "the other is declared dead");
  assertEquals(dead.get(lost!), "it was killed");
  assertEquals(dead.has(near!), false);
  members.close();
});

Deno.test("A node that joins a head is told of those it knows that are dead, also long after the head came back", async () => {
  const { members, dead, heard, join } = cameBack([[lost!, "it was killed"]]);
  join(near!, [lost!, "other" as NodeTag]);
  assertEquals(heard, ["near: lost"]);
  await until(() => dead.has("other" as NodeTag), "the other is declared dead");
  join(late!, ["unheard" as NodeTag]);
  assertEquals(dead.has("unheard" as NodeTag), true);
  assertEquals(heard.slice(1), [
    "near: other",
    "near: unheard",
    "late: unheard",
  ]);
  members.close();
});
