/**
 * The head's rooms beside its node: who is a member, the directory of actors
 * and where they run, the states of durable ones.
 *
 * Decides nothing: puts together what `cluster_node.ts` calls.
 *
 * @module
 */
import type { ClusterNode, HeadPart } from "./cluster_node.ts";
import type { Contents } from "./base/program_code.ts";
import { batchesOf, pick } from "./node/program_code.ts";
import { nodeProcessIdOf, type NodeTag, nodeTagOf } from "./base/ids.ts";
import type { ResourceAmounts } from "./base/spec.ts";
import type { ActorPlace, ClusterStatus } from "./wire/facts.ts";
import { afterMs } from "./base/clock.ts";
import { limits } from "./base/limits.ts";
import { ActorRows } from "./head/actor_rows.ts";
import { ClusterPlaces } from "./head/actor_places.ts";
import type { Directory } from "./head/directory.ts";
import { Groups } from "./head/groups.ts";
import { Head } from "./head/head.ts";
import { Members } from "./head/members.ts";
import { groupOf } from "./state/placement_groups.ts";
import type { SubmittedJobs } from "./head/submitted_jobs.ts";
import { DurableStates } from "./node/durable_states.ts";
import { lineageNotices, lineageRequests } from "./node/lineage_desk.ts";
import type { LineagePort } from "./node/lineage_port.ts";

/** What a head is made of. */
export interface ClusterHeadOptions {
  clusterId: string;
  node: ClusterNode;
  lineage: Promise<LineagePort>;
  /** What an earlier head of this cluster knew. */
  directory: Directory;
  /** Programs that it runs itself. */
  submitted: SubmittedJobs;
  /** Where its dashboard is, if it has one. */
  dashboardUrl(): string | undefined;
  /** The whole cluster is to end. */
  stopped(reason: string): void;
}

/** Equal ones counted. */
function tallied(all: ResourceAmounts[]): ClusterStatus["waiting"] {
  const counts = new Map<string, { needs: ResourceAmounts; count: number }>();
  for (const needs of all) {
    const key = JSON.stringify(Object.entries(needs).sort());
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { needs, count: 1 });
    else known.count++;
  }
  return [...counts.values()];
}

/** Makes a node the head of its cluster. */
export function leadCluster(
  { clusterId, node, lineage, directory, submitted, dashboardUrl, stopped }:
    ClusterHeadOptions,
): Members {
  const actorRows = new ActorRows({
    nodeIdOf: (actorId) => {
      const tag = places.tagOf(actorId);
      return tag && node.member.nodeIdOf(tag);
    },
    send: (batch) => lineage.then((port) => port.send(batch), () => {}),
  });
  const durable = new DurableStates({
    lineage,
    identity: (...which) => head.durableIdentity(...which),
  });
  const places: ClusterPlaces = new ClusterPlaces({
    view: node.view,
    network: node.network,
    ended: (actorId, how) => head.actorEnded(actorId, how),
    missed: (actorId, how) => head.actorMissed(actorId, how),
    keep: (actorId, tag) => directory.placed(actorId, tag),
    durable,
  });
  const head: Head = new Head(places, {
    told: (view, pid, error) => {
      directory.told(view, error);
      actorRows.told(view, pid);
    },
  });
  const groups = new Groups({
    nodes: () =>
      [...node.view.all()].filter((one) => !one.isDriver && !one.isDraining),
    reserve: async (tag, bundle) => {
      const peer = await node.network.peer(nodeProcessIdOf(tag));
      return (await peer.request("bundle.reserve", bundle)).isReserved;
    },
    release: (tag, bundle) =>
      node.network.tell(nodeProcessIdOf(tag), "bundle.release", bundle),
    removed: (groupId) => {
      for (const { tag } of node.view.all()) {
        tellRemoved(tag, [groupId]);
      }
      head.groupRemoved(groupId);
    },
    isAlone: false,
    keeper: directory,
  });
  const tellRemoved = (tag: NodeTag, groupIds = groups.removedIds()) => {
    if (groupIds.length === 0) return;
    node.network.tell(nodeProcessIdOf(tag), "groups.removed", { groupIds });
  };
  const known = restored(directory, node.describe().tag);
  const members: Members = new Members({
    clusterId,
    view: node.view,
    dead: directory.dead(),
    rejoinGraceMs: limits.rejoinGraceMs,
    expected: known.tags,
    joined: (tag, actors, bundles) => {
      const isPresent = ({ actorId, incarnation }: ActorPlace) =>
        head.present(actorId, incarnation) !== undefined;
      for (const place of actors) {
        if (!isPresent(place)) {
          places.halt(tag, place, "the head knows it no more");
        }
      }
      places.joined(tag, actors.filter(isPresent));
      groups.joined(tag, bundles);
      tellRemoved(tag);
    },
    changed: () => {
      places.changed();
      groups.changed();
    },
    gone: (tag, reason) => {
      places.nodeGone(tag, reason);
      groups.nodeGone(tag);
    },
    buried: (tag, reason) => directory.buried(tag, reason),
  });
  const headRequests = head.requests();
  const part: HeadPart = {
    requests: {
      ...headRequests,
      ...members.requests(),
      ...groups.requests(),
      ...durable.requests(),
      ...submitted.requests(),
      "cluster.tags": () => ({
        tags: [...node.view.all()].map(({ tag }) => tag),
      }),
      "dashboard.url": () => {
        const url = dashboardUrl();
        return url === undefined ? {} : { url };
      },
      "job.kept": ({ jobId }) => {
        const kept = directory.job(jobId);
        if (kept === undefined) return {};
        const { contents: _, ...description } = kept;
        return { description };
      },
      "job.files": ({ jobId, hashes }) => ({
        contents: pick(directory.job(jobId)?.contents ?? {}, hashes),
      }),
      "actor.create": async (ask, peer) => {
        const { spec } = ask;
        if (spec.isDetached && directory.job(spec.jobId) === undefined) {
          const home = await node.network.peer(spec.home);
          const { jobId } = spec;
          const description = await home.request("job.describe", { jobId });
          const contents: Contents = {};
          for (const batch of batchesOf(description.code?.files ?? [])) {
            const ask = { jobId, hashes: batch };
            const got = await home.request("job.files", ask);
            Object.assign(contents, got.contents);
          }
          directory.keepJob(jobId, { ...description, contents });
        }
        return await headRequests["actor.create"]!(ask, peer);
      },
      "cluster.status": () => ({
        clusterId,
        nodes: members.rows().map((row) => ({
          ...row,
          isDraining: node.view.byId(row.nodeId)?.isDraining ?? false,
        })),
        driverCount: [...node.view.all()].filter((one) => one.isDriver).length,
        actorCount: [...head.living()].length,
        waiting: tallied([
          ...members.infeasible(),
          ...node.infeasible(),
          ...places.waiting().map(({ resources }) => resources),
        ]),
      }),
      "cluster.stop": () => {
        const reason = "its cluster was stopped";
        for (const tag of members.others()) members.stop(tag, reason);
        stopped(reason);
        return {};
      },
      ...lineageRequests(lineage),
    },
    notices: {
      ...head.notices(),
      ...members.notices(),
      ...places.notices(),
      ...lineageNotices(lineage),
    },
    ownChanged: (view) => members.ownChanged(view),
    viewChanged: () => {
      places.changed();
      groups.changed();
    },
    lost: (tag: NodeTag, reason) => members.lost(tag, reason),
    ownerEnded: (processId) => {
      head.ownerEnded(processId);
      groups.ownerEnded(processId);
    },
    processEnded: (peer) => {
      const processId = peer.remote?.processId;
      if (processId === undefined) return;
      head.processEnded(processId, peer);
      groups.ownerEnded(processId);
    },
  };
  head.restore(known.actors, directory.deadActors());
  groups.restore(known.groups, directory.removedGroupIds());
  node.lead(part);
  const reason = "its node did not come back with the head";
  for (const { spec: { actorId }, phase, incarnation, tag } of known.actors) {
    // Of one that lives it is known where, but for files of an earlier version.
    if (tag !== undefined) places.expect(tag, { actorId, incarnation });
    else if (phase !== "alive") {
      head.actorMissed(actorId, { incarnation, reason });
    }
  }
  for (const [tag, reason] of directory.dead()) {
    if (!known.tags.has(tag)) continue;
    places.nodeGone(tag, reason);
    groups.nodeGone(tag);
  }
  const removedIds = new Set(groups.removedIds());
  for (const { spec: { ownerId, resources } } of known.actors) {
    if (directory.dead().has(nodeTagOf(ownerId))) head.ownerEnded(ownerId);
    const groupId = groupOf(resources);
    if (groupId && removedIds.has(groupId)) head.groupRemoved(groupId);
  }
  tellRemoved(node.describe().tag);
  afterMs(limits.rejoinGraceMs, () => {
    for (const { spec: { actorId }, incarnation } of [...head.living()]) {
      if (places.has({ actorId, incarnation })) continue;
      head.actorEnded(actorId, { incarnation, reason });
    }
    for (const { spec } of [...head.living()]) {
      if (!spec.isDetached) node.watch(spec.ownerId);
    }
    for (const ownerId of groups.owners()) node.watch(ownerId);
  });
  return members;
}

/** What an earlier head of this cluster knew, and which nodes that takes; its own is no more. */
function restored(directory: Directory, self: NodeTag) {
  const before = directory.begun(self);
  if (before !== undefined) {
    directory.buried(before, "it was the head, which was started again");
  }
  const actors = directory.actors();
  const groups = directory.groups();
  const tags = new Set([
    ...actors.map(({ tag }) => tag),
    ...groups.flatMap(({ places, ownerId }) => [...places, nodeTagOf(ownerId)]),
  ].filter((tag) => tag !== undefined));
  return { actors, groups, tags };
}
