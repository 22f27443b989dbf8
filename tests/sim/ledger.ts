/**
 * What really happened, kept apart from what the rooms believe: who ran what
 * when, what was answered, what is owed. Each rule of design.md, "Invariants",
 * that can be broken is checked here as things happen.
 *
 * @module
 */
import type { ActorId, LeaseId, ProcessId } from "../../src/base/ids.ts";
import type { Kernel } from "./kernel.ts";
import type { Process } from "./process.ts";
import { nameOf } from "./references.ts";
import type { Entry, Frame, Task } from "./things.ts";
import type { World } from "./world.ts";

interface Attempt {
  readonly worker: Process;
  /** Found out when its worker dies. */
  wasComputing: boolean;
}

interface Row {
  readonly owner: Process;
  readonly task: Task;
  /** The run that was started last, unless it is over. */
  attempt: Attempt | undefined;
  /** The number of the last attempt that was started. */
  startedAttempt: number;
  /** How many attempts it was rightly charged. */
  chargeCount: number;
  isReceived: boolean;
  outcome: string | undefined;
}

/** Checks one simulation. */
export class Ledger {
  readonly #world: World;
  readonly #kernel: Kernel;
  readonly #rows = new Map<string, Row>();
  /** The ordinal of the last call begun, by incarnation and caller. */
  readonly #lastCalls = new Map<string, number>();
  readonly #asked = new Set<LeaseId>();
  readonly #granted = new Map<LeaseId, number>();
  /** Nobody was killed or cancelled so far: then nothing may be lost. */
  #isCalm = true;

  constructor(world: World) {
    this.#world = world;
    this.#kernel = world.kernel;
  }

  get taskCount(): number {
    return this.#rows.size;
  }

  submitted(owner: Process, task: Task): void {
    this.#rows.set(rowKey(owner.id, task.ordinal), {
      owner,
      task,
      attempt: undefined,
      startedAttempt: 0,
      chargeCount: 0,
      isReceived: false,
      outcome: undefined,
    });
  }

  pushed(owner: Process, task: Task): void {
    const row = this.#row(owner.id, task.ordinal);
    this.#check(row.outcome === undefined, row, "is pushed after its outcome");
  }

  /** A worker begins a task. */
  started(frame: Frame, worker: Process): void {
    const row = this.#row(frame.ownerId, frame.ordinal);
    this.#check(row.attempt === undefined, row, "runs twice");
    this.#check(!row.isReceived, row, "runs after its answer");
    this.#check(
      frame.attempt === 1 + row.chargeCount,
      row,
      `is at attempt ${frame.attempt}, and was charged ${row.chargeCount}`,
    );
    this.#check(
      row.task.maxRetries !== 0 || row.startedAttempt === 0,
      row,
      "may not run again, and does",
    );
    row.startedAttempt = frame.attempt;
    this.#kernel.reach("task started");
    if (row.chargeCount > 0) this.#kernel.reach("charged task started again");
    row.attempt = { worker, wasComputing: false };
  }

  /** An owner has the answer of a task or call. */
  received(owner: Process, ordinal: number): void {
    const row = this.#row(owner.id, ordinal);
    row.isReceived = true;
    row.attempt = undefined;
  }

  /** A process is about to die: what computes there is to blame. */
  died(process: Process): void {
    this.#isCalm = false;
    const { executor } = process;
    if (executor.queued.length > 0) this.#kernel.reach("killed: unclaimed");
    for (const run of executor.open) {
      const { ownerId, ordinal } = run.frame!;
      const row = this.#row(ownerId, ordinal);
      if (row.attempt?.worker === process) {
        row.attempt.wasComputing = run.isComputing;
      }
      this.#kernel.reach(
        run.isComputing ? "killed: computing" : "killed: suspended",
      );
    }
    for (const { attempt } of this.#rows.values()) {
      const isAnswered = attempt?.worker === process &&
        !executor.open.values().some((run) => run.isComputing);
      if (isAnswered) this.#kernel.reach("killed: unreceived");
    }
    if (process.owner.open.size > 0) this.#kernel.reach("killed: an owner");
    if (process.kind === "actor") this.#kernel.reach("killed: an actor");
  }

  /** An owner hears of a worker's end: who is charged? */
  workerEnded(owner: Process, worker: Process, isOwnDoing: boolean): void {
    for (const row of this.#rows.values()) {
      const { attempt } = row;
      if (row.owner !== owner || attempt?.worker !== worker) continue;
      row.attempt = undefined;
      const { maxRetries } = row.task;
      const isCharged = attempt.wasComputing && !isOwnDoing &&
        maxRetries !== 0;
      if (isCharged) row.chargeCount++;
    }
  }

  /** Its own code threw, and it is tried again. */
  chargedOwnError(owner: Process, task: Task): void {
    const row = this.#row(owner.id, task.ordinal);
    row.chargeCount++;
    row.isReceived = false;
  }

  /** A task fails of its worker's crash. */
  crashed(owner: Process, task: Task): void {
    const row = this.#row(owner.id, task.ordinal);
    const { maxRetries } = task;
    const isSpent = maxRetries >= 0 && row.chargeCount > maxRetries;
    this.#check(maxRetries === 0 || isSpent, row, "fails with retries left");
  }

  settled(owner: Process, task: Task, outcome: string): void {
    const row = this.#row(owner.id, task.ordinal);
    this.#check(
      row.outcome === undefined,
      row,
      `has two outcomes, ${row.outcome} and ${outcome}`,
    );
    row.outcome = outcome;
    this.#kernel.reach(`task ended: ${outcome}`);
  }

  /** A value that is gone is to be made again. */
  reopened(owner: Process, entry: Entry): void {
    const isGone = entry.status !== "ready" || entry.segment?.isLost;
    this.#kernel.check(
      isGone ?? false,
      `Object ${nameOf(entry)} of ${owner.name} is made again and was not lost`,
    );
  }

  /** Its task is about to run again. */
  remade(owner: Process, task: Task): void {
    const row = this.#row(owner.id, task.ordinal);
    this.#check(row.outcome !== undefined, row, "is made again while it runs");
    const { maxRetries, attempt } = task;
    this.#check(
      maxRetries < 0 || attempt <= maxRetries + 1,
      row,
      `is made again as attempt ${attempt} of ${maxRetries + 1}`,
    );
    this.#kernel.reach("object remade");
    this.#rows.set(rowKey(owner.id, task.ordinal), {
      owner,
      task,
      attempt: undefined,
      startedAttempt: 0,
      chargeCount: attempt - 1,
      isReceived: false,
      outcome: undefined,
    });
  }

  /** A dependency has no value. */
  dependencyFailed(owner: Process, task: Task, entry: Entry): void {
    const row = this.#row(owner.id, task.ordinal);
    const what = `takes object ${nameOf(entry)}, which was let go`;
    // One that nobody remembers can't be made again: it was a call's, or put.
    const isRemembered = owner.owner.recovery.table.has(entry.ordinal);
    this.#check(entry.status !== "freed" || !isRemembered, row, what);
  }

  cancelled(): void {
    this.#isCalm = false;
  }

  /** An incarnation begins a call. */
  callStarted(frame: Frame, actor: Process): void {
    const row = this.#row(frame.ownerId, frame.ordinal);
    const { actorId } = row.task.actor!;
    const before = row.attempt;
    this.#check(
      before === undefined || !before.worker.isAlive,
      row,
      "runs twice as a call",
    );
    this.#check(!row.isReceived, row, "runs again after it was answered");
    const { maxRetries } = row.task;
    this.#check(
      frame.attempt > row.startedAttempt &&
        (maxRetries < 0 || frame.attempt <= maxRetries + 1),
      row,
      `starts as attempt ${frame.attempt}, after ${row.startedAttempt}`,
    );
    row.startedAttempt = frame.attempt;
    const caller = callerKey(actorId, actor.id, frame);
    const last = this.#lastCalls.get(caller) ?? 0;
    this.#check(
      frame.ordinal > last,
      row,
      `starts after call ${last} of its caller`,
    );
    this.#lastCalls.set(caller, frame.ordinal);
    this.#kernel.reach("call started");
    row.attempt = { worker: actor, wasComputing: false };
  }

  /** An owner lets an object go: nobody may hold it. */
  freed(owner: Process, entry: Entry): void {
    const name = nameOf(entry);
    this.#kernel.check(
      entry.handleCount === 0,
      `Object ${name} is freed while its owner has a handle`,
    );
    for (const process of this.#world.processes) {
      if (!process.isAlive || process === owner) continue;
      const { registered, table } = process.owner.references;
      const isSure = registered.get(name)?.isSure ?? false;
      const handleCount = table.known(entry)?.handleCount ?? 0;
      this.#kernel.check(
        !isSure || handleCount === 0,
        `Object ${name} is freed while ${process.name} holds it`,
      );
    }
    this.#kernel.reach("object freed");
  }

  /** An owner asks for a lease. */
  asked(leaseId: LeaseId): void {
    this.#asked.add(leaseId);
  }

  /** A lease request is granted; its retries get the same worker. */
  granted(leaseId: LeaseId, workerNo: number): void {
    const isAsked = this.#asked.has(leaseId);
    this.#kernel.check(isAsked, `Lease ${leaseId} is granted to nobody`);
    const before = this.#granted.get(leaseId);
    this.#kernel.check(
      before === undefined || before === workerNo,
      `Lease ${leaseId} is granted worker ${before} and worker ${workerNo}`,
    );
    this.#granted.set(leaseId, workerNo);
  }

  /** Somebody asks for an object that its owner does not have. */
  missing(owner: Process, holder: ProcessId): void {
    this.#kernel.check(
      !this.#isCalm,
      `An object of ${owner.name} is lost to ${holder}, and nobody was killed`,
    );
  }

  /** All is over: each task of a living owner has its outcome. */
  validateEnd(): void {
    for (const row of this.#rows.values()) {
      if (!row.owner.isAlive) continue;
      this.#check(row.outcome !== undefined, row, "has no outcome");
    }
  }

  #row(ownerId: ProcessId, ordinal: number): Row {
    return this.#rows.get(rowKey(ownerId, ordinal))!;
  }

  #check(condition: boolean, { owner, task }: Row, what: string): void {
    const { ordinal, plan } = task;
    this.#kernel.check(
      condition,
      `Task ${ordinal} (${plan.name}) of ${owner.name} ${what}`,
    );
  }
}

function rowKey(ownerId: ProcessId, ordinal: number): string {
  return `${ownerId}.${ordinal}`;
}

function callerKey(
  actorId: ActorId,
  incarnation: ProcessId,
  { ownerId, callerNo }: Frame,
): string {
  return `${actorId} ${incarnation} ${ownerId} ${callerNo}`;
}
