/**
 * The leases of one simulated owner: mirrors `src/owner/lease_holder.ts`.
 *
 * @module
 */
import type { LeaseId, ProcessId } from "../../src/base/ids.ts";
import {
  loadOf,
  type Pipeline,
  type TaskQueue,
} from "../../src/state/pipelines.ts";
import type { Link } from "./network.ts";
import type { LeaseAnswer } from "./node.ts";
import type { Process } from "./process.ts";
import { shortMs, type Task, wantsNoCompany } from "./things.ts";
import type { World } from "./world.ts";

/** A worker as an owner knows it. */
export interface WorkerLink {
  readonly process: Process;
  readonly link: Link;
  readonly revokedSlots: Set<number>;
  isKilled: boolean;
}

/** A held lease. */
export interface LeaseLink {
  readonly worker: WorkerLink;
  readonly pipeline: Pipeline<Task>;
  leaseNo: number;
  stopLinger: (() => void) | undefined;
}

/** Tasks that may ride the same leases. */
export interface Class {
  readonly key: string;
  readonly cpus: number;
  readonly queue: TaskQueue<Task>;
  latest: Task;
  readonly leases: Map<LeaseId, LeaseLink>;
  readonly requests: LeaseId[];
}

/** What the holder tells the submitter of. */
export interface LeaseEvents {
  changed(its: Class): void;
  isSurplus(its: Class): boolean;
}

const lingerMs = 15;

/** Holds the leases of one process. */
export class LeaseHolder {
  readonly #world: World;
  readonly #process: Process;
  readonly #events: LeaseEvents;
  readonly #classes = new Map<LeaseId, Class>();
  readonly #workers = new Map<ProcessId, WorkerLink>();
  readonly #reclaimedEarly = new Set<LeaseId>();
  #nextLeaseNo = 1;

  constructor(world: World, process: Process, events: LeaseEvents) {
    this.#world = world;
    this.#process = process;
    this.#events = events;
  }

  /** The worker behind a process id, while connected. */
  worker(processId: ProcessId): WorkerLink | undefined {
    return this.#workers.get(processId);
  }

  /** A connection ended: the worker that was behind it. */
  linkEnded(link: Link): WorkerLink | undefined {
    const { id } = link.other(this.#process);
    const worker = this.#workers.get(id);
    if (worker?.link !== link) return undefined;
    this.#workers.delete(id);
    return worker;
  }

  /** The node wants a lease back. */
  onReclaim(leaseId: LeaseId): void {
    const its = this.#classes.get(leaseId);
    const link = its?.leases.get(leaseId);
    if (its === undefined || link === undefined) {
      this.#reclaimedEarly.add(leaseId);
      return;
    }
    this.#world.kernel.reach("lease reclaimed");
    link.pipeline.isClosing = true;
    if (link.pipeline.inFlight.size > 0) return;
    this.#return(its, link);
    this.#events.changed(its);
  }

  /** Asks for one more lease. */
  request(its: Class): void {
    const leaseNo = this.#nextLeaseNo++;
    const leaseId = this.#process.id + leaseNo.toString(16) as LeaseId;
    const { latest, queue, requests } = its;
    queue.requested();
    requests.push(leaseId);
    const ownerId = this.#process.id;
    const needs = {
      classKey: its.key,
      resources: { CPU: its.cpus },
      depth: latest.depth,
      isAlone: wantsNoCompany(latest),
      isRetryable: !wantsNoCompany(latest),
      isTimed: latest.plan.isTimed,
      isShort: (latest.stats.meanRunMs ?? Infinity) <= shortMs,
    };
    const { node } = this.#world;
    this.#process.nodeLink.request<LeaseAnswer>(`lease.request ${leaseNo}`, {
      ask: (answering) =>
        node.leaseRequested({ leaseId, ownerId, needs }, answering),
      answered: (answer) => {
        const at = requests.indexOf(leaseId);
        if (at >= 0) requests.splice(at, 1);
        else if (answer.kind === "granted") return this.#giveBack(leaseId);
        else return;
        if (answer.kind === "granted") {
          const { processId } = answer;
          return this.#granted(its, { leaseId, leaseNo, processId });
        }
        queue.refused();
        this.#events.changed(its);
      },
    });
  }

  /** Takes back requests that no work is left for. */
  withdraw({ requests, queue }: Class, count: number): void {
    const leaseIds = requests.splice(Math.max(0, requests.length - count));
    for (let left = leaseIds.length; left > 0; left--) queue.refused();
    if (leaseIds.length === 0) return;
    this.#world.kernel.reach("lease request withdrawn");
    const { node } = this.#world;
    this.#process.nodeLink.notify(
      `lease.withdraw ${leaseIds.length}`,
      () => node.leasesWithdrawn(leaseIds),
      true,
    );
  }

  #granted(
    its: Class,
    grant: { leaseId: LeaseId; leaseNo: number; processId: ProcessId },
  ): void {
    if (this.#events.isSurplus(its)) {
      return this.#refused(its, grant.leaseId);
    }
    this.#link(grant.processId, (worker) => {
      if (worker === undefined) return this.#refused(its, grant.leaseId);
      this.#linked(its, worker, grant);
    });
  }

  #refused(its: Class, leaseId: LeaseId): void {
    its.queue.refused();
    this.#giveBack(leaseId);
    this.#events.changed(its);
  }

  #linked(
    its: Class,
    worker: WorkerLink,
    { leaseId, leaseNo }: { leaseId: LeaseId; leaseNo: number },
  ): void {
    const { queue, leases } = its;
    const old = [...leases.values()].find((link) => link.worker === worker);
    if (old === undefined) {
      const pipeline = queue.granted(leaseId);
      leases.set(leaseId, { worker, pipeline, leaseNo, stopLinger: undefined });
    } else {
      this.#world.kernel.reach("lease renewed");
      const oldId = old.pipeline.leaseId;
      queue.renewed(oldId, leaseId);
      leases.delete(oldId);
      leases.set(leaseId, old);
      old.leaseNo = leaseNo;
      this.#classes.delete(oldId);
      this.#giveBack(oldId);
    }
    this.#classes.set(leaseId, its);
    this.#events.changed(its);
    if (this.#reclaimedEarly.delete(leaseId)) {
      this.#process.after(0, "", () => this.onReclaim(leaseId));
    }
  }

  #link(
    processId: ProcessId,
    then: (worker: WorkerLink | undefined) => void,
  ): void {
    const known = this.#workers.get(processId);
    if (known !== undefined) return then(known);
    this.#world.dial(this.#process, processId, (link) => {
      const again = this.#workers.get(processId);
      if (link === undefined || again !== undefined) return then(again);
      const worker: WorkerLink = {
        process: this.#world.process(processId)!,
        link,
        revokedSlots: new Set(),
        isKilled: false,
      };
      this.#workers.set(processId, worker);
      then(worker);
    });
  }

  /** Looks at a lease after pushes and replies. */
  tend(its: Class, link: LeaseLink): void {
    const { pipeline } = link;
    if (pipeline.inFlight.size > 0) {
      this.busy(link);
      if (loadOf(pipeline) === 0) this.#rest(link);
    } else if (pipeline.isClosing) this.#return(its, link);
    else {
      link.stopLinger ??= this.#process.after(lingerMs, "", () => {
        link.stopLinger = undefined;
        if (pipeline.inFlight.size === 0) this.#return(its, link);
      });
    }
  }

  /** A lease has work. */
  busy(link: LeaseLink): void {
    link.stopLinger?.();
    link.stopLinger = undefined;
  }

  #rest({ pipeline }: LeaseLink): void {
    if (pipeline.isClosing) return;
    this.#world.kernel.reach("lease rests");
    pipeline.isClosing = true;
    const { leaseId } = pipeline;
    const { node } = this.#world;
    this.#process.nodeLink.notify("lease.rest", () => node.leaseRests(leaseId));
  }

  #return(its: Class, link: LeaseLink): void {
    const { leaseId } = link.pipeline;
    this.ended(its, link);
    this.#giveBack(leaseId);
  }

  /** A lease ended: what was in flight over it. */
  ended(its: Class, link: LeaseLink): Task[] {
    const { leaseId } = link.pipeline;
    this.busy(link);
    this.#classes.delete(leaseId);
    its.leases.delete(leaseId);
    return its.queue.ended(leaseId);
  }

  #giveBack(leaseId: LeaseId): void {
    this.#reclaimedEarly.delete(leaseId);
    const { node } = this.#world;
    this.#process.nodeLink.notify(
      "lease.return",
      () => node.leaseReturned(leaseId),
      true,
    );
  }
}
