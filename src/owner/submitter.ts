/**
 * Gets this process's tasks onto workers: leases, pushes, claims, replies.
 *
 * What to push where is decided by `state/pipelines.ts`, blame by
 * `state/retries.ts`; here it is carried out. A turn's submissions are pushed
 * together at its end.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import type { LeaseId, ProcessId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import type { CodeRef } from "../base/stored.ts";
import { mayTake, recordRun, TaskQueue } from "../state/pipelines.ts";
import { type ClaimPage, type ClaimSlots, ClaimState } from "../wire/claims.ts";
import type { LeaseRefusal } from "../wire/facts.ts";
import type { Fate } from "../wire/messages.ts";
import type { Network } from "../wire/network.ts";
import type { Peer } from "../wire/peer.ts";
import { noSlot, type ReplyFrame } from "../wire/task_frames.ts";
import { LeaseHolder, type SchedulingClass } from "./lease_holder.ts";
import {
  goneArgument,
  type LeaseLink,
  type WorkerLink,
  writeTaskTo,
} from "./lease_link.ts";
import type { RunPlace, TaskRecord } from "./task_record.ts";
import type { Progress } from "../state/retries.ts";

/** What the submitter tells the owner of. */
export interface SubmitterEvents {
  /** The worker answered; the task is not in flight any more. */
  replied(record: TaskRecord, reply: ReplyFrame, from: Peer): void;
  /** The worker ended with the task in flight. */
  workerEnded(record: TaskRecord, ending: WorkerEnding): void;
  /** It was sent to a worker, which will start it. */
  pushed(record: TaskRecord): void;
  /** There will be no value. */
  fail(record: TaskRecord, error: unknown): void;
  /** No node will ever run it. */
  refused(record: TaskRecord, refusal: LeaseRefusal): void;
  /** Which code a pushed task runs; known by then. */
  codeOf(record: TaskRecord): CodeRef;
}

/** How a task lost its worker. */
export interface WorkerEnding {
  progress: Progress;
  isOwnDoing: boolean;
  place: RunPlace;
  fate: Promise<Fate>;
}

/** The claims of one owner: its page, and where workers find it. */
export interface Claims {
  readonly page: ClaimPage;
  readonly slots: ClaimSlots;
  /** Where a worker opens the page. */
  readonly path: string;
}

/** Submits the tasks of one process. */
export class Submitter {
  readonly #node: Peer;
  readonly #leases: LeaseHolder;
  readonly #events: SubmitterEvents;
  readonly #claims: Claims | undefined;
  readonly #classes = new Map<string, SchedulingClass>();
  readonly #inFlight = new Map<number, TaskRecord>();
  readonly #dirty = new Set<SchedulingClass>();
  #isPumpScheduled = false;
  #isClosed = false;

  constructor(
    self: ProcessId,
    rooms: { node: Peer; network: Network; claims: Claims | undefined },
    events: SubmitterEvents,
  ) {
    this.#node = rooms.node;
    this.#leases = new LeaseHolder(self, rooms, {
      changed: (schedulingClass) => this.#wake(schedulingClass),
      connected: (worker) => this.#greet(worker),
      workerEnded: (worker) => this.#workerEnded(worker),
      refused: (schedulingClass, refusal) =>
        this.#dropAll(schedulingClass, refusal),
      isSurplus: ({ queue }) => queue.requestsWanted(this.#isUnstarted) < 0,
    });
    this.#claims = rooms.claims;
    this.#events = events;
  }

  /** A task is ready to run. */
  submit(record: TaskRecord): void {
    record.phase = "queued";
    const schedulingClass = this.#classOf(record);
    schedulingClass.latest = record;
    schedulingClass.queue.submitted(record);
    const isNow = mayTake(limits.briefRunMs, record.stats) &&
      schedulingClass.queue.hasIdle;
    if (!isNow) return this.#wake(schedulingClass);
    // Whoever submits may compute on before its turn ends.
    this.#pump(schedulingClass);
    this.workerOf(record)?.peer.sendNow();
  }

  /** A task goes again, before those never pushed. */
  requeue(record: TaskRecord): void {
    record.phase = "queued";
    record.place = undefined;
    const schedulingClass = this.#classOf(record);
    schedulingClass.queue.requeued(record);
    this.#wake(schedulingClass);
  }

  /** Takes a task out if it has not started. False: a worker runs it. */
  withdraw(record: TaskRecord): boolean {
    const isTaken = record.phase === "queued"
      ? this.#classOf(record).queue.withdrawn(record)
      : record.phase === "pushed" && this.#takeBack(record);
    // What was leased or asked for to run it may be needed no more.
    if (isTaken) this.#wake(this.#classOf(record));
    return isTaken;
  }

  /** Whether a worker has begun a pushed task; without claims it is taken to have. */
  hasStarted(record: TaskRecord): boolean {
    return record.phase === "pushed" && !this.#isUnstarted(record);
  }

  /** The connection to the worker that has a pushed task. */
  workerOf(record: TaskRecord): WorkerLink | undefined {
    const { pipeline } = record;
    if (pipeline === undefined) return undefined;
    return this.#classOf(record).leases.get(pipeline.leaseId)?.worker;
  }

  /** Ends a worker at once; its other tasks go again uncharged. */
  kill(worker: WorkerLink, reason: string): void {
    worker.isKilled = true;
    this.#node.notify("worker.kill", { processId: worker.processId, reason });
  }

  /** The task in flight of that number. */
  inFlight(ordinal: number): TaskRecord | undefined {
    return this.#inFlight.get(ordinal);
  }

  /** A worker answered. */
  onReply(reply: ReplyFrame, from: Peer): void {
    const record = this.#inFlight.get(reply.ordinal);
    if (record === undefined) return;
    recordRun(record.stats, reply.runMs);
    this.#freeSlot(record);
    this.#leave(record);
    this.#wake(this.#classOf(record));
    this.#events.replied(record, reply, from);
  }

  /** The frame of a task taken back was consumed: its slot is free. */
  onSkipped(slot: number, from: Peer): void {
    const worker = this.#leases.worker(from.remote!.processId);
    if (worker?.revokedSlots.delete(slot)) this.#claims?.slots.give(slot);
  }

  /** The node wants a lease back. */
  onReclaim(leaseId: LeaseId): void {
    this.#leases.reclaimed(leaseId);
  }

  /** How many tasks wait to be pushed. */
  get queuedCount(): number {
    let count = 0;
    for (const { queue } of this.#classes.values()) count += queue.queuedCount;
    return count;
  }

  /** Returns what is held and asks for nothing more. */
  close(): void {
    this.#isClosed = true;
    for (const schedulingClass of this.#classes.values()) {
      for (const link of schedulingClass.leases.values()) {
        this.#leases.busy(link);
      }
    }
  }

  #classOf(record: TaskRecord): SchedulingClass {
    const { settings } = record.template;
    const classKey = record.isAlone
      ? `${record.template.classKey} alone`
      : record.template.classKey;
    let schedulingClass = this.#classes.get(classKey);
    if (schedulingClass === undefined) {
      schedulingClass = {
        key: classKey,
        resources: settings.resources,
        latest: record,
        queue: new TaskQueue({
          // One at a time, where a worker's runs are counted.
          depthMax: settings.maxCalls === undefined
            ? limits.pipelineDepthMax
            : 1,
          windowMs: limits.pipelineWindowMs,
          requestsMax: limits.leaseRequestsMax,
        }),
        leases: new Map(),
        requests: [],
      };
      this.#classes.set(classKey, schedulingClass);
    }
    return schedulingClass;
  }

  #wake(schedulingClass: SchedulingClass): void {
    this.#dirty.add(schedulingClass);
    if (this.#isPumpScheduled) return;
    this.#isPumpScheduled = true;
    queueMicrotask(() => {
      this.#isPumpScheduled = false;
      const dirty = [...this.#dirty];
      this.#dirty.clear();
      for (const one of dirty) this.#pump(one);
    });
  }

  #pump(schedulingClass: SchedulingClass): void {
    if (this.#isClosed) return;
    const { queue, leases } = schedulingClass;
    for (;;) {
      const next = queue.push();
      if (next === undefined) break;
      const gone = goneArgument(next.task);
      if (gone !== undefined) {
        queue.left(next.task, next.pipeline);
        this.#events.fail(next.task, gone.error);
        continue;
      }
      const link = leases.get(next.pipeline.leaseId);
      assert(link !== undefined, "Lease without link");
      this.#push(next.task, link);
    }
    let wanted = queue.requestsWanted(this.#isUnstarted);
    if (wanted < 0) this.#leases.withdraw(schedulingClass, -wanted);
    for (; wanted > 0; wanted--) this.#leases.request(schedulingClass);
    if (queue.queuedCount === 0) this.#balance(schedulingClass);
    for (const { leaseId } of queue.changed()) {
      const link = leases.get(leaseId);
      if (link !== undefined) this.#leases.tend(schedulingClass, link);
    }
  }

  #push(record: TaskRecord, link: LeaseLink): void {
    record.phase = "pushed";
    record.pipeline = link.pipeline;
    // Only who shares this machine's memory can claim.
    const slot = link.worker.isFar ? -1 : this.#claims?.slots.take() ?? -1;
    record.slot = slot < 0 ? noSlot : slot;
    if (slot >= 0) {
      record.generation = this.#claims!.slots.generation(slot);
      this.#claims!.page.open(slot, record.generation);
    }
    this.#inFlight.set(record.ordinal, record);
    this.#leases.busy(link);
    const { maxCalls } = record.template.settings;
    if (maxCalls !== undefined && ++link.runCount >= maxCalls) {
      link.pipeline.isClosing = link.isSpent = true;
    }
    writeTaskTo(link, record, this.#events.codeOf(record));
    record.place = link.worker.place;
    this.#events.pushed(record);
  }

  /** Without claims nobody knows, and nothing can be taken back. */
  readonly #isUnstarted = (record: TaskRecord): boolean =>
    record.slot !== noSlot &&
    this.#claims?.page.state(record.slot, record.generation) ===
      ClaimState.pushed;

  /** Takes unstarted tasks back for an idle worker. */
  #balance(schedulingClass: SchedulingClass): void {
    if (this.#claims === undefined) return;
    const candidates = schedulingClass.queue.candidatesToTakeBack(
      this.#isUnstarted,
    );
    for (const record of candidates) {
      if (!this.#takeBack(record)) continue;
      record.phase = "queued";
      schedulingClass.queue.submitted(record);
      this.#wake(schedulingClass);
    }
  }

  /** Takes an unstarted task from its worker; its slot stays taken until its frame was consumed. */
  #takeBack(record: TaskRecord): boolean {
    const { slot, generation } = record;
    if (slot === noSlot || this.#claims === undefined) return false;
    if (!this.#claims.page.revoke(slot, generation)) return false;
    this.workerOf(record)?.revokedSlots.add(slot);
    this.#leave(record);
    record.place = undefined;
    return true;
  }

  /** The task is not in flight any more. */
  #leave(record: TaskRecord): void {
    this.#inFlight.delete(record.ordinal);
    const { pipeline } = record;
    if (pipeline !== undefined) {
      this.#classOf(record).queue.left(record, pipeline);
    }
    record.pipeline = undefined;
    record.slot = noSlot;
  }

  #freeSlot(record: TaskRecord): void {
    if (record.slot === noSlot) return;
    this.#claims?.slots.give(record.slot);
    record.slot = noSlot;
  }

  /** The first words to a worker: where its claims are. */
  #greet(worker: WorkerLink): void {
    if (this.#claims === undefined || worker.isFar) return;
    const { path, page } = this.#claims;
    worker.peer.notify("owner.page", { path, slots: page.slotCount });
  }

  #workerEnded(worker: WorkerLink): void {
    for (const slot of worker.revokedSlots) this.#claims?.slots.give(slot);
    if (this.#isClosed) return;
    const fate = this.#node.request("worker.fate", {
      processId: worker.processId,
    });
    const ended: LeaseId[] = [];
    // Not before its node knows: it would lease the worker again. Without a
    // node nobody waits for it; whoever needs the fate awaits it.
    fate.then(() => this.#leases.giveBack(ended), () => {});
    for (const schedulingClass of this.#classes.values()) {
      for (const link of [...schedulingClass.leases.values()]) {
        if (link.worker !== worker) continue;
        ended.push(link.pipeline.leaseId);
        const tasks = this.#leases.ended(schedulingClass, link);
        for (const record of tasks.reverse()) {
          this.#lost(record, { worker, fate });
        }
        this.#wake(schedulingClass);
      }
    }
  }

  #lost(
    record: TaskRecord,
    { worker, fate }: { worker: WorkerLink; fate: Promise<Fate> },
  ): void {
    const progress = this.#progressOf(record);
    this.#inFlight.delete(record.ordinal);
    record.pipeline = undefined;
    this.#freeSlot(record);
    this.#events.workerEnded(record, {
      progress,
      isOwnDoing: worker.isKilled,
      place: worker.place,
      fate,
    });
  }

  /** Without claims a pushed task must be taken for a running one. */
  #progressOf(record: TaskRecord): Progress {
    if (record.slot === noSlot || this.#claims === undefined) return "running";
    switch (this.#claims.page.state(record.slot, record.generation)) {
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

  #dropAll(schedulingClass: SchedulingClass, refusal: LeaseRefusal): void {
    for (;;) {
      const record = schedulingClass.queue.peek();
      if (record === undefined) return;
      schedulingClass.queue.withdrawn(record);
      this.#events.refused(record, refusal);
    }
  }
}
