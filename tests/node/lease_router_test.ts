import { assert, assertEquals } from "@std/assert";
import type { JobId, LeaseId, NodeId, NodeTag } from "../../src/base/ids.ts";
import { newProcessId } from "../../src/base/ids.ts";
import { limits } from "../../src/base/limits.ts";
import { LeaseRouter } from "../../src/node/lease_router.ts";
import { Processes } from "../../src/node/processes.ts";
import { ClusterView } from "../../src/state/cluster_view.ts";
import type { Peer } from "../../src/wire/peer.ts";
import { leaseNeeds, nodeView } from "../support/cluster_rooms.ts";
import { until } from "../support/notes.ts";

const self = "aaaaaaaa" as NodeTag;

Deno.test("LeaseRouter does not ask without end where nobody can be reached, and not at all once it leaves", async () => {
  const view = new ClusterView(self, Math.random);
  for (const tag of ["bbbbbbbb", "cccccccc"] as NodeTag[]) {
    view.updated(nodeView(tag, { address: "h:1" }));
  }
  const processes = new Processes();
  const processId = newProcessId(self);
  const peer = { remote: { processId } } as Peer;
  const jobId = "11111111" as JobId;
  processes.joined({
    ...{ processId, jobId, home: processId },
    ...{ role: "driver", pid: 1 },
  }, peer);
  let askedCount = 0;
  const router = new LeaseRouter({
    ...{ self, view, processes },
    network: {
      peer: () => {
        askedCount++;
        return Promise.reject(new Error("this process is leaving"));
      },
      tell: () => {},
    } as never,
    nodeOf: () => Promise.reject(new Error("nothing runs here")),
    knownNodes: () => [],
    knownNodeOf: () => undefined,
    nodeIdOf: (tag) => tag as string as NodeId,
    reasonOf: () => undefined,
    watch: () => {},
  });
  router.requests()["lease.request"]!({
    leaseId: `${processId}00000001` as LeaseId,
    needs: leaseNeeds(),
  }, peer);
  const startMs = performance.now();
  await until(() => askedCount >= 4, "four attempts");
  const tookMs = performance.now() - startMs;
  assert(tookMs >= limits.redialMs - 5, `${askedCount} in ${tookMs} ms`);
  router.close();
  const before = askedCount;
  await new Promise((resolve) => setTimeout(resolve, 3 * limits.redialMs));
  assertEquals(askedCount, before);
});
