import { assert, assertEquals } from "@std/assert";
import { RuntimeEnvSetupError } from "../../src/base/errors.ts";
import {
  type JobId,
  type LeaseId,
  newProcessId,
  type NodeId,
  type NodeTag,
  nodeTagOf,
  type ProcessId,
} from "../../src/base/ids.ts";
import { limits } from "../../src/base/limits.ts";
import { LeaseRouter } from "../../src/node/lease_router.ts";
import { Processes } from "../../src/node/processes.ts";
import { ClusterView } from "../../src/state/cluster_view.ts";
import type { Peer } from "../../src/wire/peer.ts";
import { leaseNeeds, nodeView } from "../support/cluster_rooms.ts";
import { until } from "../support/notes.ts";

const self = "aaaaaaaa" as NodeTag;
const far = ["bbbbbbbb", "cccccccc"] as NodeTag[];
const jobId = "11111111" as JobId;
const processId = newProcessId(self);
const peer = { remote: { processId } } as Peer;

/** A router of a machine whose one process is that peer, beside two other nodes. */
function routerWith(
  ask: (tag: NodeTag) => Promise<Peer>,
  nodeOf: () => Promise<never> = () =>
    Promise.reject(new Error("nothing runs here")),
): LeaseRouter {
  const view = new ClusterView(self, Math.random);
  for (const tag of far) view.updated(nodeView(tag, { address: "h:1" }));
  const processes = new Processes();
  processes.joined({
    ...{ processId, jobId, home: processId },
    ...{ role: "driver", pid: 1 },
  }, peer);
  return new LeaseRouter({
    ...{ self, view, processes },
    network: {
      peer: (id: ProcessId) => ask(nodeTagOf(id)),
      tell: () => {},
    } as never,
    nodeOf,
    knownNodes: () => [],
    knownNodeOf: () => undefined,
    nodeIdOf: (tag) => tag as string as NodeId,
    reasonOf: () => undefined,
    watch: () => {},
  });
}

const leaseId = `${processId}00000001` as LeaseId;

Deno.test("LeaseRouter does not ask without end where nobody can be reached, and not at all once it leaves", async () => {
  let askedCount = 0;
  const router = routerWith(() => {
    askedCount++;
    return Promise.reject(new Error("this process is leaving"));
  });
  router.requests()["lease.request"]!({ leaseId, needs: leaseNeeds() }, peer);
  const startMs = performance.now();
  await until(() => askedCount >= 4, "four attempts");
  const tookMs = performance.now() - startMs;
  assert(tookMs >= limits.redialMs - 5, `${askedCount} in ${tookMs} ms`);
  router.close();
  const before = askedCount;
  await new Promise((resolve) => setTimeout(resolve, 3 * limits.redialMs));
  assertEquals(askedCount, before);
});

/** A node that answers each lease request so. */
const answering = (answer: object): Promise<Peer> =>
  Promise.resolve({ request: () => Promise.resolve(answer) } as never);

Deno.test("A lease that one node can't set up its program for is granted by another, and refused where none can", async () => {
  const asked: NodeTag[] = [];
  const refusal = { kind: "setup_failed", reason: "its disk is full" };
  const granted = { kind: "granted", processId, pid: 1 };
  const answerOf = (isLast: (tag: NodeTag) => boolean) =>
    routerWith((tag) => {
      asked.push(tag);
      return answering(isLast(tag) ? granted : refusal);
    }).requests()["lease.request"]!({ leaseId, needs: leaseNeeds() }, peer);
  assertEquals(await answerOf(() => asked.length === 2), granted as never);
  assertEquals(new Set(asked.splice(0)), new Set(far));
  assertEquals(await answerOf(() => false), refusal as never);
  assertEquals(new Set(asked), new Set(far));
  assertEquals(asked.length, 2);
});

Deno.test("A machine that can't set up a program says so, and which it is", async () => {
  const router = routerWith(
    () => answering({}),
    () => Promise.reject(new RuntimeEnvSetupError("its disk is full")),
  );
  const ask = { leaseId, jobId, home: processId, ownerId: processId };
  const answer = router.requests()["lease.ask"]!(
    { ...ask, needs: leaseNeeds() },
    peer,
  );
  assertEquals(await answer, {
    kind: "setup_failed",
    reason: `node ${self} could not: its disk is full`,
  });
});
