import { assert, assertEquals } from "@std/assert";
import type { LeaseId, NodeTag } from "../../src/base/ids.ts";
import type { NodeView } from "../../src/base/nodes.ts";
import { ClusterView } from "../../src/state/cluster_view.ts";
import {
  LeaseRoutes,
  type RouteCommand,
} from "../../src/state/lease_routes.ts";
import { nodeView } from "../support/cluster_rooms.ts";
import { withSeed } from "../support/random.ts";

const tag = (n: number) => `node-${n}` as NodeTag;
const lease = (n: number) => `lease-${n}` as LeaseId;
const needs = { resources: { CPU: 1 } };

function node(n: number, free: number): NodeView {
  return nodeView(tag(n), {
    resources: { CPU: 2 },
    available: { CPU: free },
  });
}

function routesOver(...free: number[]) {
  const view = new ClusterView(tag(99), () => 0);
  free.forEach((cpus, n) => view.updated(node(n, cpus)));
  return { view, routes: new LeaseRoutes(view) };
}

Deno.test("LeaseRoutes asks one node that has room, and answers a retry with silence", () => {
  const { routes } = routesOver(0, 2);
  const ask = { kind: "ask", leaseId: lease(1), tag: tag(1) } as const;
  assertEquals(routes.requested(lease(1), needs), [ask]);
  assertEquals(routes.requested(lease(1), needs), []);
  assertEquals(routes.granted(lease(1), tag(1)), [{ ...ask, kind: "granted" }]);
  assertEquals(routes.requested(lease(1), needs), []);
  routes.validate();
});

Deno.test("LeaseRoutes hears of a grant twice and keeps it; a second node's goes back", () => {
  const { routes } = routesOver(0, 0);
  const asks = routes.requested(lease(1), needs);
  assertEquals(asks.map(({ kind }) => kind), ["ask", "ask"]);
  assertEquals(routes.granted(lease(1), tag(0)).map(({ kind }) => kind), [
    "granted",
    "withdraw",
  ]);
  assertEquals(routes.granted(lease(1), tag(0)), []);
  const back = { kind: "give_back", leaseId: lease(1), tag: tag(1) } as const;
  assertEquals(routes.granted(lease(1), tag(1)), [back]);
  assertEquals(routes.grantedBy(lease(1)), tag(0));
  assertEquals(routes.returned(lease(1)), [{ ...back, tag: tag(0) }]);
  assertEquals(routes.returned(lease(1)), []);
  assertEquals(routes.granted(lease(1), tag(0)), [{ ...back, tag: tag(0) }]);
  assertEquals(routes.validate().routeCount, 0);
});

Deno.test("LeaseRoutes asks anew when a node is gone, and waits where there is none", () => {
  const { view, routes } = routesOver(2);
  routes.requested(lease(1), needs);
  view.gone(tag(0));
  assertEquals(routes.nodeGone(tag(0)), []);
  assertEquals(routes.infeasible(), [needs]);
  view.updated(node(1, 2));
  const ask = { kind: "ask", leaseId: lease(1), tag: tag(1) } as const;
  assertEquals(routes.viewChanged(), [ask]);
  routes.validate();
});

Deno.test("LeaseRoutes asks a node again that broke off, for nothing else may ever change", () => {
  const { routes } = routesOver(2);
  const ask = { kind: "ask", leaseId: lease(1), tag: tag(0) } as const;
  assertEquals(routes.requested(lease(1), needs), [ask]);
  assertEquals(routes.unanswered(lease(1), tag(0)), [ask]);
  assertEquals(routes.granted(lease(1), tag(0)), [{ ...ask, kind: "granted" }]);
  // Heard late, or of a request that is over.
  assertEquals(routes.unanswered(lease(1), tag(0)), []);
  assertEquals(routes.unanswered(lease(2), tag(0)), []);
  routes.validate();
});

Deno.test("LeaseRoutes keeps its invariants under any order of events, and grants each request once", () =>
  withSeed((random) => {
    const view = new ClusterView(tag(0), random);
    const routes = new LeaseRoutes(view);
    const int = (count: number) => Math.floor(random() * count);
    const present = new Set<number>();
    /** What is asked where, by lease. */
    const open = new Map<LeaseId, Set<NodeTag>>();
    const held = new Map<LeaseId, NodeTag>();
    const ended: LeaseId[] = [];
    const counts = new Map<string, number>();
    let nextNo = 1;

    function carryOut(commands: RouteCommand[]): void {
      for (const { kind, leaseId, tag } of commands as TaggedCommand[]) {
        counts.set(kind, (counts.get(kind) ?? 0) + 1);
        const asked = open.get(leaseId);
        if (kind === "ask") {
          assert(view.get(tag) !== undefined, "A node that is gone is asked");
          assert(asked !== undefined && !asked.has(tag), "Asked twice");
          asked.add(tag);
        } else if (kind === "granted") {
          assert(!held.has(leaseId), "Granted twice");
          assert(asked?.delete(tag), "Granted unasked");
          held.set(leaseId, tag);
        } else if (kind === "withdraw") asked?.delete(tag);
        else if (kind === "give_back") {
          assert(held.get(leaseId) !== tag, "What is held is given back");
        } else close(leaseId);
      }
    }

    function close(leaseId: LeaseId): void {
      open.delete(leaseId);
      held.delete(leaseId);
      ended.push(leaseId);
    }

    function someEvent(): void {
      const ids = [...open.keys()];
      const leaseId = ids[int(ids.length)];
      const at = [...open.get(leaseId!) ?? []];
      const asked = at[int(at.length)];
      const dice = random();
      if (dice < 0.25 && open.size < 30) {
        const id = lease(nextNo++);
        open.set(id, new Set());
        return carryOut(routes.requested(id, needs));
      }
      if (dice < 0.32) {
        const n = int(4);
        present.add(n);
        view.updated(node(n, int(3)));
        return carryOut(routes.viewChanged());
      }
      if (dice < 0.42) {
        const n = int(4);
        if (!present.delete(n)) return;
        view.gone(tag(n));
        for (const [id, from] of [...held]) if (from === tag(n)) close(id);
        for (const tags of open.values()) tags.delete(tag(n));
        return carryOut(routes.nodeGone(tag(n)));
      }
      if (leaseId === undefined) return;
      if (dice < 0.5) return carryOut(routes.requested(leaseId, needs));
      if (dice < 0.6) {
        const grantedBy = held.get(leaseId);
        close(leaseId);
        if (grantedBy === undefined) return carryOut(routes.returned(leaseId));
        const expected = {
          kind: "give_back",
          leaseId,
          tag: grantedBy,
        } as const;
        return assertEquals(routes.returned(leaseId), [expected]);
      }
      if (dice < 0.65) {
        const late = ended[int(ended.length)];
        return late && carryOut(routes.granted(late, tag(int(4))));
      }
      if (dice < 0.7) {
        const from = held.get(leaseId);
        return from && carryOut(routes.granted(leaseId, from));
      }
      if (asked === undefined) return;
      if (dice < 0.9) return carryOut(routes.granted(leaseId, asked));
      at.forEach((one) => one === asked && open.get(leaseId)!.delete(one));
      const kind = int(3);
      carryOut(
        kind === 0
          ? routes.refused(leaseId, asked)
          : kind === 1
          ? routes.unanswered(leaseId, asked)
          : routes.refused(leaseId, asked, "it can't"),
      );
    }

    for (let step = 0; step < 20_000; step++) {
      someEvent();
      view.validate();
      assertEquals(routes.validate().routeCount, open.size);
    }
    for (const kind of ["ask", "granted", "withdraw", "give_back", "failed"]) {
      const count = counts.get(kind) ?? 0;
      assert(count > 50, `Only ${count} of ${kind} in the walk`);
    }
  }));

type TaggedCommand = RouteCommand & { tag: NodeTag };
