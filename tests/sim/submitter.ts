/**
 * Leases, pushes, claims and replies of one simulated owner: mirrors
 * `src/owner/submitter.ts` and `lease_holder.ts`.
 *
 * @module
 */
import type { LeaseId, ProcessId } from "../../src/base/ids.ts";
import {
  loadOf,
  type Pipeline,
  recordRun,
  type TaskQueue,
} from "../../src/state/pipelines.ts";
import type { Progress } from "../../src/state/retries.ts";
import { ClaimPage, ClaimSlots, ClaimState } from "../../src/wire/claims.ts";
import { noSlot } from "../../src/wire/task_frames.ts";
import type { Link } from "./network.ts";
import type { LeaseAnswer } from "./node.ts";
import type { Process } from "./process.ts";
import type { Frame, Reply, Task } from "./things.ts";
import type { World } from "./world.ts";

/** A worker as an owner knows it. */
interface WorkerLink {
  readonly process: Process;
  readonly link: Link;
  readonly revokedSlots: Set<number>;
  isKilled: boolean;
}

interface LeaseLink {
  readonly worker: WorkerLink;
  readonly pipeline: Pipeline<Task>;
  leaseNo: number;
  stopLinger: (() => void) | undefined;
}

interface Class {
  readonly key: string;
  readonly cpus: number;
  readonly queue: TaskQueue<Task>;
  latest: Task;
  readonly leases: Map<LeaseId, LeaseLink>;
  readonly requests: LeaseId[];
}

const slotCount = 48;
const shortMs = 10;
const lingerMs = 15;

/** Gets one owner's tasks onto workers. */
export class Submitter {
  readonly page = new ClaimPage(new ArrayBuffer(slotCount * 4));
  readonly #slots = new ClaimSlots(slotCount);
  readonly #world: World;
  readonly #process: Process;
  readonly #classes = new Map<string, Class>();
  readonly #leaseClasses = new Map<LeaseId, Class>();
  readonly #workers = new Map<ProcessId, WorkerLink>();
  readonly #inFlight = new Map<number, Task>();
  readonly #reclaimedEarly = new Set<LeaseId>();
  readonly #dirty = new Set<Class>();
  #isPumpScheduled = false;
  #nextLeaseNo = 1;
  #takenSlotCount = 0;

  constructor(world: World, process: Process) {
    this.#world = world;
    this.#process = process;
  }

  submit(task: Task): void {
    task.phase = "queued";
    const its = this.#classOf(task);
    its.latest = task;
    its.queue.submitted(task);
    this.#wake(its);
  }

  requeue(task: Task): void {
    task.phase = "queued";
    const its = this.#classOf(task);
    its.queue.requeued(task);
    this.#wake(its);
  }

  withdraw(task: Task): boolean {
    const isTaken = task.phase === "queued"
      ? this.#classOf(task).queue.withdrawn(task)
      : task.phase === "pushed" && this.#takeBack(task);
    if (isTaken) this.#wake(this.#classOf(task));
    return isTaken;
  }

  workerOf(task: Task): WorkerLink | undefined {
    const { pipeline } = task;
    if (pipeline === undefined) return undefined;
    return this.#classOf(task).leases.get(pipeline.leaseId)?.worker;
  }

  kill(worker: WorkerLink): void {
    worker.isKilled = true;
    const { node } = this.#world;
    this.#process.nodeLink.notify(
      `worker.kill ${worker.process.name}`,
      () => node.kill(worker.process.id, "its owner asked for it"),
      true,
    );
  }

  /** The task in flight of that number. */
  inFlight(ordinal: number): Task | undefined {
    return this.#inFlight.get(ordinal);
  }

  /** Whether this owner asked for the end of a worker. */
  hasKilled(worker: Process): boolean {
    return this.#workers.get(worker.id)?.isKilled ?? false;
  }

  onReply(reply: Reply, worker: Process, link: Link): void {
    if (reply.outcome === "skipped") {
      const known = this.#workers.get(worker.id);
      if (known?.revokedSlots.delete(reply.slot)) this.#giveSlot(reply.slot);
      return;
    }
    const task = this.#inFlight.get(reply.ordinal);
    if (task === undefined) return;
    this.#world.ledger.received(this.#process, task.ordinal);
    recordRun(task.stats, reply.runMs);
    this.#freeSlot(task);
    this.#leave(task);
    this.#wake(this.#classOf(task));
    this.#process.owner.replied(task, reply, link);
  }

  onReclaim(leaseId: LeaseId): void {
    const its = this.#leaseClasses.get(leaseId);
    const link = its?.leases.get(leaseId);
    if (its === undefined || link === undefined) {
      this.#reclaimedEarly.add(leaseId);
      return;
    }
    this.#world.kernel.reach("lease reclaimed");
    link.pipeline.isClosing = true;
    if (link.pipeline.inFlight.size > 0) return;
    this.#return(its, link);
    this.#wake(its);
  }

  linkEnded(link: Link): void {
    const process = link.other(this.#process) as Process;
    const worker = this.#workers.get(process.id);
    if (worker?.link !== link) return;
    this.#workers.delete(process.id);
    for (const slot of worker.revokedSlots) this.#giveSlot(slot);
    this.#world.ledger.workerEnded(this.#process, process, worker.isKilled);
    for (const its of this.#classes.values()) {
      for (const one of [...its.leases.values()]) {
        if (one.worker !== worker) continue;
        for (const task of this.#ended(its, one).reverse()) {
          const progress = this.#progressOf(task);
          this.#inFlight.delete(task.ordinal);
          task.pipeline = undefined;
          this.#freeSlot(task);
          this.#process.owner.workerEnded(task, progress, worker.isKilled);
        }
        this.#wake(its);
      }
    }
  }

  validate(): void {
    for (const { queue } of this.#classes.values()) queue.validate();
  }

  /** What is still kept when all should be over. */
  leftovers(): string[] {
    const left: string[] = [];
    if (this.#inFlight.size > 0) left.push(`${this.#inFlight.size} in flight`);
    if (this.#takenSlotCount > 0) left.push(`${this.#takenSlotCount} slots`);
    for (const { queue, leases, requests } of this.#classes.values()) {
      if (queue.queuedCount > 0) left.push(`${queue.queuedCount} queued`);
      if (leases.size > 0) left.push(`${leases.size} leases`);
      if (requests.length > 0) left.push(`${requests.length} lease requests`);
    }
    return left;
  }

  #classOf(task: Task): Class {
    const { cpus, isTimed } = task.plan;
    const key = `${cpus}${isTimed ? " timed" : ""}${
      task.isAlone ? " alone" : ""
    }`;
    let its = this.#classes.get(key);
    if (its === undefined) {
      its = {
        key,
        cpus,
        queue: this.#world.rooms.queue({
          depthMax: 6,
          windowMs: 10,
          requestsMax: 3,
        }),
        latest: task,
        leases: new Map(),
        requests: [],
      };
      this.#classes.set(key, its);
    }
    return its;
  }

  #wake(its: Class): void {
    this.#dirty.add(its);
    if (this.#isPumpScheduled) return;
    this.#isPumpScheduled = true;
    this.#process.after(0, "", () => {
      this.#isPumpScheduled = false;
      const dirty = [...this.#dirty];
      this.#dirty.clear();
      for (const one of dirty) this.#pump(one);
    });
  }

  #pump(its: Class): void {
    const { queue, leases } = its;
    for (;;) {
      const next = queue.push();
      if (next === undefined) break;
      this.#push(next.task, leases.get(next.pipeline.leaseId)!);
    }
    let wanted = queue.requestsWanted(this.#isUnstarted);
    if (wanted < 0) this.#withdrawRequests(its, -wanted);
    for (; wanted > 0; wanted--) this.#request(its);
    if (queue.queuedCount === 0) this.#balance(its);
    for (const link of leases.values()) this.#tend(its, link);
  }

  #push(task: Task, lease: LeaseLink): void {
    task.phase = "pushed";
    task.pipeline = lease.pipeline;
    const slot = this.#slots.take();
    task.slot = slot < 0 ? noSlot : slot;
    if (slot >= 0) {
      this.#takenSlotCount++;
      task.generation = this.#slots.generation(slot);
      this.page.open(slot, task.generation);
    } else this.#world.kernel.reach("pushed without a claim");
    this.#inFlight.set(task.ordinal, task);
    this.#busy(lease);
    const { link, process } = lease.worker;
    const frame = this.frameOf(task, link, lease.leaseNo);
    this.#world.ledger.pushed(this.#process, task);
    link.notify(
      `task ${task.ordinal} (${task.plan.name}, attempt ${task.attempt})`,
      () => process.executor.onTask(frame),
    );
  }

  /** A task or call as it travels. */
  frameOf(task: Task, link: Link, leaseNo: number): Frame {
    const { owner } = this.#process;
    const { meanRunMs } = task.stats;
    return {
      link,
      ownerId: this.#process.id,
      ordinal: task.ordinal,
      slot: task.slot,
      generation: task.generation,
      leaseNo,
      attempt: task.attempt,
      depth: task.depth,
      callerNo: task.callerNo,
      isShort: meanRunMs !== undefined && meanRunMs <= shortMs,
      isAlone: wantsNoCompany(task),
      plan: task.plan,
      refs: owner.sent(task.args),
      values: task.dependencies.map(({ handle: { entry } }) => ({
        refs: owner.sent(entry.value),
        segment: entry.segment,
      })),
    };
  }

  readonly #isUnstarted = (task: Task): boolean =>
    task.slot !== noSlot &&
    this.page.state(task.slot, task.generation) === ClaimState.pushed;

  #balance(its: Class): void {
    for (const task of its.queue.candidatesToTakeBack(this.#isUnstarted)) {
      if (!this.#takeBack(task)) continue;
      this.#world.kernel.reach("task taken back");
      task.phase = "queued";
      its.queue.submitted(task);
      this.#wake(its);
    }
  }

  #takeBack(task: Task): boolean {
    const { slot, generation } = task;
    if (slot === noSlot || !this.page.revoke(slot, generation)) return false;
    this.workerOf(task)?.revokedSlots.add(slot);
    this.#leave(task);
    return true;
  }

  #leave(task: Task): void {
    this.#inFlight.delete(task.ordinal);
    const { pipeline } = task;
    if (pipeline !== undefined) this.#classOf(task).queue.left(task, pipeline);
    task.pipeline = undefined;
    task.slot = noSlot;
  }

  #freeSlot(task: Task): void {
    if (task.slot === noSlot) return;
    this.#giveSlot(task.slot);
    task.slot = noSlot;
  }

  #giveSlot(slot: number): void {
    this.#takenSlotCount--;
    this.#slots.give(slot);
  }

  #progressOf(task: Task): Progress {
    if (task.slot === noSlot) return "running";
    switch (this.page.state(task.slot, task.generation)) {
      case ClaimState.pushed:
      case ClaimState.revoked:
        return "unstarted";
      case ClaimState.suspended:
        return "suspended";
      case ClaimState.hosting:
        return "hosting";
      case ClaimState.running:
        return "running";
    }
  }

  #request(its: Class): void {
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
        this.#wake(its);
      },
    });
  }

  #withdrawRequests({ requests, queue }: Class, count: number): void {
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
    const { queue } = its;
    if (queue.requestsWanted(this.#isUnstarted) < 0) {
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
    this.#wake(its);
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
      this.#leaseClasses.delete(oldId);
      this.#giveBack(oldId);
    }
    this.#leaseClasses.set(leaseId, its);
    this.#wake(its);
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

  #tend(its: Class, link: LeaseLink): void {
    const { pipeline } = link;
    if (pipeline.inFlight.size > 0) {
      this.#busy(link);
      if (loadOf(pipeline) === 0) this.#rest(link);
    } else if (pipeline.isClosing) this.#return(its, link);
    else {
      link.stopLinger ??= this.#process.after(lingerMs, "", () => {
        link.stopLinger = undefined;
        if (pipeline.inFlight.size === 0) this.#return(its, link);
      });
    }
  }

  #busy(link: LeaseLink): void {
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
    this.#ended(its, link);
    this.#giveBack(leaseId);
  }

  #ended(its: Class, link: LeaseLink): Task[] {
    const { leaseId } = link.pipeline;
    this.#busy(link);
    this.#leaseClasses.delete(leaseId);
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

function wantsNoCompany({ isAlone, maxRetries }: Task): boolean {
  return isAlone || maxRetries === 0;
}
