/**
 * Pushes, claims and replies of one simulated owner: mirrors
 * `src/owner/submitter.ts`.
 *
 * @module
 */
import type { LeaseId } from "../../src/base/ids.ts";
import { recordRun } from "../../src/state/pipelines.ts";
import type { Progress } from "../../src/state/retries.ts";
import { ClaimPage, ClaimSlots, ClaimState } from "../../src/wire/claims.ts";
import { noSlot } from "../../src/wire/task_frames.ts";
import {
  type Class,
  LeaseHolder,
  type LeaseLink,
  type WorkerLink,
} from "./lease_holder.ts";
import type { Link } from "./network.ts";
import type { Process } from "./process.ts";
import {
  type Frame,
  type Reply,
  shortMs,
  type Task,
  wantsNoCompany,
} from "./things.ts";
import type { World } from "./world.ts";

const slotCount = 48;

/** Gets one owner's tasks onto workers. */
export class Submitter {
  readonly page = new ClaimPage(new ArrayBuffer(slotCount * 4));
  readonly #slots = new ClaimSlots(slotCount);
  readonly #world: World;
  readonly #process: Process;
  readonly #classes = new Map<string, Class>();
  readonly #leases: LeaseHolder;
  readonly #inFlight = new Map<number, Task>();
  readonly #dirty = new Set<Class>();
  #isPumpScheduled = false;
  #takenSlotCount = 0;

  constructor(world: World, process: Process) {
    this.#world = world;
    this.#process = process;
    this.#leases = new LeaseHolder(world, process, {
      changed: (its) => this.#wake(its),
      isSurplus: ({ queue }) => queue.requestsWanted(this.#isUnstarted) < 0,
    });
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

  /** Ends a worker that has tasks of this owner, as a time limit would. */
  killSome(): void {
    const workers = this.#inFlight.values().map((task) => this.workerOf(task))
      .filter((worker) => worker !== undefined);
    const worker = this.#world.kernel.pick([...workers]);
    if (worker === undefined) return;
    this.#world.kernel.reach("worker ended by its owner");
    this.kill(worker);
  }

  /** The task in flight of that number. */
  inFlight(ordinal: number): Task | undefined {
    return this.#inFlight.get(ordinal);
  }

  /** Whether this owner asked for the end of a worker. */
  hasKilled(worker: Process): boolean {
    return this.#leases.worker(worker.id)?.isKilled ?? false;
  }

  onReply(reply: Reply, worker: Process, link: Link): void {
    if (reply.outcome === "skipped") {
      const known = this.#leases.worker(worker.id);
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

  /** The node wants a lease back. */
  onReclaim(leaseId: LeaseId): void {
    this.#leases.onReclaim(leaseId);
  }

  linkEnded(link: Link): void {
    const worker = this.#leases.linkEnded(link);
    if (worker === undefined) return;
    const { process } = worker;
    for (const slot of worker.revokedSlots) this.#giveSlot(slot);
    this.#world.ledger.workerEnded(this.#process, process, worker.isKilled);
    for (const its of this.#classes.values()) {
      for (const one of [...its.leases.values()]) {
        if (one.worker !== worker) continue;
        for (const task of this.#leases.ended(its, one).reverse()) {
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
    if (wanted < 0) this.#leases.withdraw(its, -wanted);
    for (; wanted > 0; wanted--) this.#leases.request(its);
    if (queue.queuedCount === 0) this.#balance(its);
    for (const { leaseId } of queue.changed()) {
      const link = leases.get(leaseId);
      if (link !== undefined) this.#leases.tend(its, link);
    }
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
    this.#leases.busy(lease);
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
}
