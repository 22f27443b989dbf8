import { assert, assertEquals } from "@std/assert";
import type { NodeId, NodeTag } from "../../src/base/ids.ts";
import type { NodeView } from "../../src/base/nodes.ts";
import type { ResourceAmounts } from "../../src/base/spec.ts";
import { ClusterView } from "../../src/state/cluster_view.ts";
import { nodeView } from "../support/cluster_rooms.ts";
import { withSeed } from "../support/random.ts";

const tag = (n: number) => `node-${n}` as NodeTag;
const nobody: ReadonlySet<NodeTag> = new Set();

function node(
  n: number,
  resources: ResourceAmounts = { CPU: 2 },
  more: Partial<NodeView> = {},
): NodeView {
  return nodeView(tag(n), {
    nodeId: `id-${n}` as NodeId,
    isHead: n === 0,
    resources,
    available: resources,
    ...more,
  });
}

/** The first draw of each choice, from the first node on. */
const first = () => 0;

Deno.test("ClusterView forgets a resource that a node has no more, and one that nobody has", () => {
  const view = new ClusterView(tag(0), first);
  for (let group = 0; group < 100; group++) {
    view.updated(node(1, { CPU: 2, [`group-${group}`]: 1 }));
    const needs = { resources: { [`group-${group}`]: 1 } };
    assertEquals(view.choose(needs, nobody).tags, [tag(1)]);
    view.validate();
  }
  view.updated(node(1));
  const late = { resources: { "group-99": 1 } };
  assertEquals(view.choose(late, nobody), { tags: [], hasRoom: false });
  view.validate();
});

Deno.test("ClusterView counts room as taken by what it sent there", () => {
  const view = new ClusterView(tag(9), first);
  view.updated(node(1));
  const needs = { resources: { CPU: 2 } };
  assertEquals(view.choose(needs, nobody), { tags: [tag(1)], hasRoom: true });
  view.asked(tag(1), needs.resources);
  assertEquals(view.choose(needs, nobody), { tags: [tag(1)], hasRoom: false });
  view.updated(node(1));
  assertEquals(view.choose(needs, nobody).hasRoom, true);
});

Deno.test("ClusterView takes the latest of two nodes of one id, and the other when that is gone", () => {
  const view = new ClusterView(tag(0), first);
  const same = { nodeId: "same" as NodeId };
  view.updated(node(1, { CPU: 1 }, same));
  view.updated(node(2, { CPU: 1 }, same));
  view.updated(node(1, { CPU: 1 }, same));
  assertEquals(view.byId("same")?.tag, tag(2));
  view.gone(tag(2));
  assertEquals(view.byId("same")?.tag, tag(1));
  view.gone(tag(1));
  assertEquals(view.byId("same"), undefined);
});

Deno.test("ClusterView keeps its invariants under any order of events, and chooses only who can", () =>
  withSeed((random) => {
    const view = new ClusterView(tag(0), random);
    const int = (count: number) => Math.floor(random() * count);
    const names = ["CPU", "GPU", "group-1", "group-2"];
    const counts = { room: 0, wait: 0, none: 0, named: 0, label: 0 };
    const someResources = () =>
      Object.fromEntries(
        names.filter(() => random() < 0.6).map((name) => [name, int(4)]),
      );
    const someNeeds = () => {
      const resources = Object.fromEntries(
        names.filter(() => random() < 0.35).map((name) => [name, int(3)]),
      );
      const dice = random();
      if (dice < 0.15) {
        const soft = random() < 0.5;
        return { resources, strategy: { nodeId: `id-${int(12)}`, soft } };
      }
      if (dice < 0.3) {
        return { resources, strategy: { labels: { zone: `${int(3)}` } } };
      }
      return dice < 0.5
        ? { resources, strategy: "SPREAD" as const }
        : { resources };
    };
    const some = (needs: ReturnType<typeof someNeeds>) => {
      const except = new Set([tag(int(12)), tag(int(12))]);
      const { tags, hasRoom } = view.choose(needs, except);
      for (const one of tags) {
        const chosen = view.get(one)!;
        assert(!except.has(one) && !chosen.isDriver && !chosen.isDraining);
        for (const [name, amount] of Object.entries(needs.resources)) {
          assert((chosen.resources[name] ?? 0) >= amount, "It never can");
          const free = chosen.available[name] ?? 0;
          assert(!hasRoom || free >= amount, "It has no room");
        }
        const { strategy } = needs;
        if (typeof strategy !== "object") continue;
        if ("labels" in strategy) {
          counts.label++;
          assertEquals(chosen.labels["zone"], strategy.labels["zone"]);
        } else if (!strategy.soft) {
          counts.named++;
          assertEquals(chosen.nodeId as string, strategy.nodeId);
        }
      }
      counts[hasRoom ? "room" : tags.length > 0 ? "wait" : "none"]++;
      if (random() < 0.5) {
        for (const one of tags) view.asked(one, needs.resources);
      }
    };
    for (let step = 0; step < 20_000; step++) {
      const n = int(12);
      if (random() < 0.1) view.gone(tag(n));
      else if (random() < 0.5) {
        const resources = someResources();
        const available = Object.fromEntries(
          Object.entries(resources).map(([name, amount]) =>
            [name, int(amount + 1)] as const
          ),
        );
        view.updated(node(n, resources, {
          available,
          isDriver: n === 11,
          isDraining: random() < 0.1,
          labels: { zone: `${n % 3}` },
          waitingCount: int(5),
        }));
      } else some(someNeeds());
      view.validate();
    }
    for (const [what, count] of Object.entries(counts)) {
      assert(count > 100, `Only ${count} of ${what} in the walk`);
    }
  }));
