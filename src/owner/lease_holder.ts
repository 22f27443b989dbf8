/**
 * The leases of one owner: asked for, linked to their workers, kept while
 * there is work, given back.
 *
 * How many are wanted is known to each class's queue (`state/pipelines.ts`);
 * what is pushed over them is `submitter.ts`.
 *
 * @module
 */
import { afterMs } from "../base/clock.ts";
import { type LeaseId, nodeTagOf, type ProcessId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import type { ResourceAmounts } from "../base/spec.ts";
import { loadOf, mayTake, type TaskQueue } from "../state/pipelines.ts";
import type { LeaseRefusal } from "../wire/facts.ts";
import type { Requests } from "../wire/messages.ts";
import type { Network } from "../wire/network.ts";
import type { Peer } from "../wire/peer.ts";
import {
  type LeaseLink,
  wantsNoCompany,
  type WorkerLink,
} from "./lease_link.ts";
import { nearestOf } from "./nearest.ts";
import type { TaskRecord } from "./task_record.ts";

/** Tasks that may ride the same leases. */
export interface SchedulingClass {
  readonly key: string;
  readonly resources: ResourceAmounts;
  readonly queue: TaskQueue<TaskRecord>;
  /** What its lease requests are judged by. */
  latest: TaskRecord;
  readonly leases: Map<LeaseId, LeaseLink>;
  /** Lease requests under way. */
  readonly requests: LeaseId[];
}

/** What the holder tells the submitter of. */
export interface LeaseEvents {
  /** A class has leases more, or fewer requests. */
  changed(schedulingClass: SchedulingClass): void;
  /** A worker was connected to for the first time. */
  connected(worker: WorkerLink): void;
  /** A connection ended, and all that came over it was handled. */
  workerEnded(worker: WorkerLink): void;
  /** No node will ever run tasks of this class. */
  refused(schedulingClass: SchedulingClass, refusal: LeaseRefusal): void;
  /** Whether a class has more requests under way than work. */
  isSurplus(schedulingClass: SchedulingClass): boolean;
}

type Grant = Extract<Requests["lease.request"]["answer"], { kind: "granted" }>;

/** Holds the leases of one process. */
export class LeaseHolder {
  readonly #self: ProcessId;
  readonly #node: Peer;
  readonly #network: Network;
  readonly #events: LeaseEvents;
  readonly #workers = new Map<ProcessId, WorkerLink>();
  readonly #classes = new Map<LeaseId, SchedulingClass>();
  /** Wanted back before they were linked. */
  readonly #reclaimedEarly = new Set<LeaseId>();
  #nextLeaseNo = 1;

  constructor(
    self: ProcessId,
    rooms: { node: Peer; network: Network },
    events: LeaseEvents,
  ) {
    this.#self = self;
    this.#node = rooms.node;
    this.#network = rooms.network;
    this.#events = events;
  }

  /** The worker behind a process id, while connected. */
  worker(processId: ProcessId): WorkerLink | undefined {
    return this.#workers.get(processId);
  }

  /** Asks for one more lease. */
  request(schedulingClass: SchedulingClass): void {
    const { queue, resources, key, latest, requests } = schedulingClass;
    const leaseNo = this.#nextLeaseNo++;
    const leaseId = this.#self + leaseNo.toString(16) as LeaseId;
    const { strategy, env } = latest.template.settings;
    queue.requested();
    requests.push(leaseId);
    this.#node.request("lease.request", {
      leaseId,
      needs: {
        classKey: key,
        resources,
        ...(strategy === undefined ? {} : { strategy }),
        ...(env === undefined ? {} : { env }),
        ...nearestOf(latest),
        depth: latest.depth,
        isRetryable: latest.template.settings.maxRetries !== 0,
        isAlone: wantsNoCompany(latest),
        isTimed: latest.template.settings.timeoutMs !== undefined,
        isShort: !mayTake(limits.shortTaskMs, latest.stats),
      },
    }).then((answer) => {
      const at = requests.indexOf(leaseId);
      if (at >= 0) requests.splice(at, 1);
      // One that was withdrawn may have been granted just before.
      else if (answer.kind === "granted") return this.#giveBack(leaseId);
      else return;
      if (answer.kind === "granted") {
        return this.#granted(schedulingClass, { leaseId, leaseNo, ...answer });
      }
      queue.refused();
      const isRefused = answer.kind === "unschedulable" ||
        answer.kind === "setup_failed";
      if (isRefused) this.#events.refused(schedulingClass, answer);
      else this.#events.changed(schedulingClass);
    }).catch((error) => {
      // Without a node all that is open is failed by the session.
      if (!this.#node.isEnded) log.error(`lease ${leaseId} was lost: ${error}`);
    });
  }

  /** Takes back requests that no work is left for. */
  withdraw({ requests, queue }: SchedulingClass, count: number): void {
    const leaseIds = requests.splice(Math.max(0, requests.length - count));
    for (let left = leaseIds.length; left > 0; left--) queue.refused();
    if (leaseIds.length > 0) this.#node.notify("lease.withdraw", { leaseIds });
  }

  /** The node wants a lease back. */
  reclaimed(leaseId: LeaseId): void {
    const schedulingClass = this.#classes.get(leaseId);
    const link = schedulingClass?.leases.get(leaseId);
    if (schedulingClass === undefined || link === undefined) {
      this.#reclaimedEarly.add(leaseId);
      return;
    }
    link.pipeline.isClosing = true;
    if (link.pipeline.inFlight.size > 0) return;
    this.#return(schedulingClass, link);
    this.#events.changed(schedulingClass);
  }

  /** Looks at a lease after pushes and replies: one without work is given back in time. */
  tend(schedulingClass: SchedulingClass, link: LeaseLink): void {
    const { pipeline } = link;
    if (pipeline.inFlight.size > 0) {
      this.busy(link);
      if (loadOf(pipeline) === 0) this.#rest(link);
    } else if (pipeline.isClosing) this.#return(schedulingClass, link);
    else {
      link.idleTimer ??= afterMs(limits.leaseLingerMs, () => {
        link.idleTimer = undefined;
        if (pipeline.inFlight.size === 0) this.#return(schedulingClass, link);
      });
    }
  }

  /** A lease has work. */
  busy(link: LeaseLink): void {
    clearTimeout(link.idleTimer);
    link.idleTimer = undefined;
  }

  /** A lease ended with its worker: what was in flight over it. */
  ended(schedulingClass: SchedulingClass, link: LeaseLink): TaskRecord[] {
    const { leaseId } = link.pipeline;
    this.busy(link);
    this.#classes.delete(leaseId);
    schedulingClass.leases.delete(leaseId);
    return schedulingClass.queue.ended(leaseId);
  }

  /** Leases that ended with their worker: this machine's node may still know of them. */
  giveBack(leaseIds: readonly LeaseId[]): void {
    for (const leaseId of leaseIds) this.#giveBack(leaseId);
  }

  async #granted(
    schedulingClass: SchedulingClass,
    grant: Grant & { leaseId: LeaseId; leaseNo: number },
  ): Promise<void> {
    const { queue, leases } = schedulingClass;
    const { leaseId, leaseNo } = grant;
    const isSurplus = this.#events.isSurplus(schedulingClass);
    const worker = isSurplus ? undefined : await this.#link(grant);
    if (worker === undefined) {
      queue.refused();
      // A worker that lives and can't be reached is of no use: another is started.
      this.#giveBack(leaseId, !isSurplus);
      this.#events.changed(schedulingClass);
      return;
    }
    const old = [...leases.values()].find((link) => link.worker === worker);
    if (old === undefined) {
      const pipeline = queue.granted(leaseId, worker);
      leases.set(leaseId, {
        worker,
        pipeline,
        leaseNo,
        idleTimer: undefined,
        runCount: 0,
        isSpent: false,
      });
    } else this.#renew(schedulingClass, { old, leaseId, leaseNo });
    this.#classes.set(leaseId, schedulingClass);
    this.#events.changed(schedulingClass);
    // Given back unused it would only be asked for again: one load rides first.
    if (this.#reclaimedEarly.delete(leaseId)) {
      queueMicrotask(() => this.reclaimed(leaseId));
    }
  }

  /** A further lease of a worker whose tasks wait: one is enough. */
  #renew(
    { queue, leases }: SchedulingClass,
    { old, leaseId, leaseNo }: {
      old: LeaseLink;
      leaseId: LeaseId;
      leaseNo: number;
    },
  ): void {
    const oldId = old.pipeline.leaseId;
    queue.renewed(oldId, leaseId);
    leases.delete(oldId);
    leases.set(leaseId, old);
    old.leaseNo = leaseNo;
    this.#classes.delete(oldId);
    this.#giveBack(oldId);
  }

  /** The connection to a worker; undefined if it ended meanwhile, or can't be reached. */
  async #link({ processId, pid }: Grant): Promise<WorkerLink | undefined> {
    const known = this.#workers.get(processId);
    if (known !== undefined) return known;
    try {
      const peer = await this.#network.peer(processId);
      const place = peer.remote!;
      const again = this.#workers.get(processId);
      if (again !== undefined) return again;
      const worker: WorkerLink = {
        processId,
        place,
        isFar: nodeTagOf(processId) !== nodeTagOf(this.#self),
        peer,
        functionNos: new Set(),
        revokedSlots: new Set(),
        isKilled: false,
      };
      this.#workers.set(processId, worker);
      this.#events.connected(worker);
      peer.closed.then(() => {
        this.#workers.delete(processId);
        this.#events.workerEnded(worker);
      });
      return worker;
    } catch (error) {
      // Most often it ended between grant and greeting: the node hears of that by itself.
      log.debug(`no way to worker ${pid}: ${error}`);
      return undefined;
    }
  }

  /** All that rides a lease waits, and there is no more: its CPU is free. */
  #rest({ pipeline }: LeaseLink): void {
    if (pipeline.isClosing) return;
    pipeline.isClosing = true;
    this.#node.notify("lease.rest", { leaseId: pipeline.leaseId });
  }

  #return(schedulingClass: SchedulingClass, link: LeaseLink): void {
    const { leaseId } = link.pipeline;
    this.ended(schedulingClass, link);
    this.#giveBack(leaseId, link.isSpent);
  }

  #giveBack(leaseId: LeaseId, isSpent = false): void {
    this.#reclaimedEarly.delete(leaseId);
    const word = { leaseId, ...(isSpent ? { isSpent } : {}) };
    this.#node.notify("lease.return", word);
  }
}
