import { assert, assertEquals, assertMatch } from "@std/assert";
import type { LeaseId, NodeTag } from "../../src/base/ids.ts";
import {
  LeaseRoutes,
  type RouteCommand,
} from "../../src/state/lease_routes.ts";
import { ClusterView } from "../../src/state/cluster_view.ts";
import { ResourcePool } from "../../src/state/resources.ts";
import { afterWorkerEnded } from "../../src/state/retries.ts";
import {
  type ClusterRooms,
  clusterRooms,
  leaseLimits,
} from "./cluster/things.ts";
import { runClusterSeed, tellCluster } from "./cluster/walk.ts";
import { LeasesTwice } from "./planted.ts";
import { scaleTo, unevenness } from "./scale.ts";
import { findBroken } from "./walk.ts";

/** Each must happen in a walk, or it proves little. */
const mustReach = [
  "connection broke",
  "driver killed",
  "frame came twice",
  "head killed",
  "lease orphaned",
  "lease reclaimed",
  "lease rejected: ended",
  "link ended",
  "machine cut off",
  "node declared dead",
  "node did not come back",
  "node fenced",
  "node killed",
  "pair cut",
  "request withdrawn",
  "route: give_back",
  "route: withdraw",
  "task of a lost worker: fail",
  "task of a lost worker: retry",
  "told late of a death",
  "word came twice",
];

Deno.test("a simulated cluster under churn settles every ref, keeps every invariant and has nothing left over", () => {
  const reached = new Set<string>();
  let taskCount = 0;
  for (let seed = 61; seed <= 95; seed++) {
    const { world, broken } = runClusterSeed(seed);
    if (broken !== undefined) throw new Error(tellCluster(broken));
    taskCount += world.ledger.taskCount;
    for (const what of world.kernel.reached.keys()) reached.add(what);
  }
  assert(taskCount > 2000, `Only ${taskCount} tasks`);
  assertEquals(mustReach.filter((what) => !reached.has(what)), []);
});

Deno.test("a seed of the simulated cluster replays exactly", () => {
  const [first, second] = [3, 3].map((seed) =>
    runClusterSeed(seed, { storyMax: Infinity }).world.kernel.story
  );
  assertEquals(second, first);
});

Deno.test("a task costs those who decide as many steps on 100 nodes as on 10", () => {
  const steps = [10, 100].map((nodes) => scaleTo(nodes).stepsPerTask);
  assert(unevenness(steps) <= 0.2, `${steps} steps a task`);
});

/** The simulation finds it, by a message like this. */
function plant(
  name: string,
  rooms: Partial<ClusterRooms>,
  foundBy: RegExp,
): void {
  Deno.test(`the simulated cluster finds a planted fault: ${name}`, () => {
    const planted = { ...clusterRooms, ...rooms };
    const broken = findBroken(
      (seed) => runClusterSeed(seed, { rooms: planted }),
      200,
    );
    assert(broken !== undefined, "Nothing found in 200 seeds");
    assertMatch(broken.message, foundBy);
  });
}

plant("a far lease is granted twice after a doubled request", {
  leases: (CPU) => new LeasesTwice(new ResourcePool({ CPU }), leaseLimits),
}, /is granted \w+ and \w+ by one node|Left over: .*lease|to nobody/);

plant("a node's death is not charged", {
  afterWorkerEnded: (task, isOwnDoing) => {
    const verdict = afterWorkerEnded(task, isOwnDoing);
    return verdict === "retry" ? "requeue" : verdict;
  },
}, /is at attempt 1, and lost 1 workers/);

/** The same grant, heard twice, is taken for a second one. */
class GivesBackTwice extends LeaseRoutes {
  override granted(leaseId: LeaseId, tag: NodeTag): RouteCommand[] {
    return this.grantedBy(leaseId) === tag
      ? [{ kind: "give_back", leaseId, tag }]
      : super.granted(leaseId, tag);
  }
}

plant("a grant that is heard twice is given back while it is used", {
  routes: (view) => new GivesBackTwice(view),
}, /is given back while its owner has it/);

/** Grants of nodes that were asked beside the first are kept. */
class KeepsSecondGrants extends LeaseRoutes {
  override granted(leaseId: LeaseId, tag: NodeTag): RouteCommand[] {
    return super.granted(leaseId, tag).filter(({ kind }) =>
      kind !== "give_back" && kind !== "withdraw"
    );
  }
}

plant("a second node's grant is never given back", {
  routes: (view) => new KeepsSecondGrants(view),
}, /Left over: .*granted leases|waiting leases/);

/** A node that is gone is still known. */
class ForgetsNobody extends ClusterView {
  override gone(): void {}
}

plant("a node that is gone is still asked", {
  view: (self, random) => new ForgetsNobody(self, random),
}, /knows|come to rest/);
