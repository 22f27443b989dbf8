/**
 * The owner in a simulated process: objects, tasks on their way in, outcomes.
 *
 * Mirrors `src/owner/objects.ts`, `intake.ts` and `outcomes.ts`: it carries
 * out, the rooms decide.
 *
 * @module
 */
import type { RunStats } from "../../src/state/pipelines.ts";
import { mayRetry, type Progress } from "../../src/state/retries.ts";
import { Calls } from "./calls.ts";
import type { RefKey } from "../../src/base/stored.ts";
import type { Answering, Link } from "./network.ts";
import type { Process } from "./process.ts";
import type { Run } from "./run.ts";
import { Recovery } from "./recovery.ts";
import { nameOf, References } from "./references.ts";
import { Submitter } from "./submitter.ts";
import {
  type Entry,
  type Handle,
  type Held,
  type Plan,
  type Reply,
  type Segment,
  type SentRef,
  Task,
} from "./things.ts";
import type { World } from "./world.ts";

/** A task to be submitted, or a call. */
export interface Submission {
  readonly plan: Plan;
  readonly callerNo: number;
  readonly depth: number;
  readonly maxRetries: number;
  readonly isRetryable: boolean;
  readonly dependencies: readonly Held[];
  readonly args: readonly Held[];
  readonly parent: Run;
}

/** A value as it travels; undefined if there is none. */
export type Fetched = {
  refs: SentRef[];
  segment: Segment | undefined;
  pinToken: number;
} | undefined;

/** All that one process owns and awaits. */
export class Owner {
  readonly references: References;
  readonly submitter: Submitter;
  readonly calls: Calls;
  readonly recovery: Recovery;
  readonly open = new Set<Task>();
  readonly #world: World;
  readonly #process: Process;
  readonly #stats = new Map<string, RunStats>();
  #nextOrdinal = 1;
  #nextCallerNo = 1;

  constructor(world: World, process: Process) {
    this.#world = world;
    this.#process = process;
    this.references = new References(world, process);
    this.submitter = new Submitter(world, process);
    this.calls = new Calls(world, process);
    this.recovery = new Recovery(world, process);
  }

  nextOrdinal(): number {
    return this.#nextOrdinal++;
  }

  nextCallerNo(): number {
    return this.#nextCallerNo++;
  }

  /** Stores a value with refs inside. */
  put(held: readonly Held[]): Handle {
    const handle = this.references.create(this.nextOrdinal());
    handle.entry.settle("ready", { value: this.holdAll(held) });
    return handle;
  }

  holdAll(held: readonly Held[]): Held[] {
    return held.map(({ handle, isForeign }) => ({
      handle: this.references.hold(handle),
      isForeign,
    }));
  }

  submit(what: Submission): Handle {
    const { task, handle } = this.prepare(what, undefined);
    this.whenPrepared(task, () => this.submitter.submit(task));
    return handle;
  }

  prepare(
    what: Submission,
    actor: Task["actor"],
  ): { task: Task; handle: Handle } {
    const { plan } = what;
    let stats = this.#stats.get(plan.name);
    if (stats === undefined) {
      this.#stats.set(plan.name, stats = { meanRunMs: undefined });
    }
    const dependencies = this.holdAll(what.dependencies);
    const args = this.holdAll(what.args);
    const ordinal = this.nextOrdinal();
    const handle = this.references.create(ordinal);
    const task = new Task(
      ordinal,
      what.callerNo,
      what.depth,
      plan,
      stats,
      handle.entry,
      what.maxRetries,
      what.isRetryable,
      dependencies,
      args,
      actor,
      what.parent,
    );
    handle.entry.producer = task;
    this.open.add(task);
    this.#world.ledger.submitted(this.#process, task);
    return { task, handle };
  }

  /** A task runs again whose value is gone. */
  again(task: Task): void {
    this.open.add(task);
    this.whenPrepared(task, () => this.submitter.submit(task));
  }

  whenPrepared(task: Task, go: () => void): void {
    let missingCount = 1;
    const arrived = () => {
      if (--missingCount === 0 && task.phase === "preparing") go();
    };
    for (const { handle: { entry } } of task.dependencies) {
      missingCount++;
      this.demand(entry);
      entry.whenSettled(() => {
        if (entry.status === "ready") arrived();
        else this.fail(task, entry.why);
      });
    }
    // What a function is made of is captured in a turn of its own, at first.
    missingCount++;
    this.#process.after(this.#world.kernel.delay(1), "", arrived);
    arrived();
  }

  /** Makes sure that an object of another process is on its way here. */
  demand(entry: Entry): void {
    entry.isAsked = true;
    if (entry.ownerId === this.#process.id || entry.isSettled) return;
    if (entry.isFetching) return;
    entry.isFetching = true;
    const handle = this.references.borrow(entry);
    this.#world.dial(this.#process, entry.ownerId, (link) => {
      if (link === undefined) this.#notFetched(handle);
      else this.#fetch(handle, link);
    });
  }

  #fetch(handle: Handle, link: Link): void {
    const { entry } = handle;
    const lender = this.#world.process(entry.ownerId)!;
    link.request<Fetched>(`object.fetch ${nameOf(entry)}`, {
      ask: (answering) =>
        lender.owner.serve(entry, { lost: undefined, link, answering }),
      answered: (fetched) => {
        this.#world.kernel.reach("object fetched");
        const taken = this.taken(fetched, link);
        if (taken === undefined) {
          entry.settle("failed", { why: "its owner says it failed" });
        } else if (!entry.settle("ready", taken)) {
          this.references.letAllGo(taken.value);
        }
        this.references.letGo(handle);
      },
      ended: () => this.#notFetched(handle),
    });
  }

  #notFetched(handle: Handle): void {
    const { entry } = handle;
    this.references.processEnded(entry.ownerId);
    entry.settle("failed", { why: "owner died" });
    this.references.letGo(handle);
  }

  /** Takes a value that came from elsewhere. */
  taken(
    fetched: Fetched,
    link: Link,
  ): { value: Held[]; segment: Segment | undefined } | undefined {
    if (fetched === undefined) return undefined;
    const value = this.references.borrowAll(fetched.refs);
    this.release(link, fetched.pinToken);
    return { value, segment: fetched.segment };
  }

  /** Gives another process an object's value once it is there, or says that there is none. */
  serve(
    key: RefKey,
    { lost, link, answering }: {
      lost: Segment | undefined;
      link: Link;
      answering: Answering<Fetched>;
    },
  ): void {
    const entry = this.references.table.known(key);
    if (entry === undefined) return answering.give(undefined);
    const answer = () =>
      entry.whenSettled(() => {
        entry.isAsked = true;
        if (!answering.isOpen || !this.#process.isAlive) return;
        if (entry.status !== "ready") return answering.give(undefined);
        const pinToken = this.references.pin(link, entry.value);
        const { segment } = entry;
        answering.give(
          { refs: this.sent(entry.value), segment, pinToken },
          () => this.references.unpin(link, pinToken),
        );
      });
    if (lost === undefined) answer();
    else this.recovered(entry, lost, answer);
  }

  /** Calls back once an object whose memory is gone has another value, or none. */
  recovered(entry: Entry, lost: Segment, then: () => void): void {
    if (entry.segment !== lost) return entry.whenSettled(then);
    if (entry.ownerId === this.#process.id) {
      this.recovery.lost(entry);
      return entry.whenSettled(then);
    }
    const handle = this.references.borrow(entry);
    const done = (lose: string | undefined) => {
      if (lose !== undefined && entry.segment === lost) this.lose(entry, lose);
      this.references.letGo(handle);
      entry.whenSettled(then);
    };
    this.#world.dial(this.#process, entry.ownerId, (link) => {
      if (link === undefined) return done("owner died");
      const lender = this.#world.process(entry.ownerId)!;
      link.request<Fetched>(`object.fetch ${nameOf(entry)}, lost`, {
        ask: (answering) =>
          lender.owner.serve(entry, { lost, link, answering }),
        answered: (fetched) => {
          const taken = this.taken(fetched, link);
          if (taken === undefined) return done("its owner can't remake it");
          const unused = entry.segment === lost ? entry.value : taken.value;
          if (entry.segment === lost) Object.assign(entry, taken);
          this.references.letAllGo(unused);
          done(undefined);
        },
        ended: () => done("owner died"),
      });
    });
  }

  /** A value is gone, and can't be made again. */
  lose(entry: Entry, why: string): void {
    const { value } = entry;
    Object.assign(entry, {
      status: "failed",
      value: [],
      segment: undefined,
      why,
    });
    this.references.letAllGo(value);
  }

  /** Refs as they travel. */
  sent(held: readonly Held[]): SentRef[] {
    return held.map(({ handle, isForeign }) => ({
      key: this.references.share(handle),
      isForeign,
    }));
  }

  /** Tells a sender that its refs are registered with their owners. */
  release(link: Link, pinToken: number): void {
    if (pinToken === 0) return;
    const sender = link.other(this.#process) as Process;
    this.references.registeredAll(() => {
      const say = (back: Link | undefined) =>
        back?.notify(
          `pins.release ${pinToken}`,
          () => sender.owner.references.unpin(link, pinToken),
          true,
        );
      this.#world.dial(this.#process, sender.id, say);
    });
  }

  /** A worker or an actor answered. */
  replied(task: Task, reply: Reply, link: Link): void {
    const value = this.references.borrowAll(reply.refs);
    this.release(link, reply.pinToken);
    if (task.isAbandoned) {
      this.references.letAllGo(value);
      return;
    }
    const { maxRetries, attempt } = task;
    if (reply.outcome === "finished") {
      const { segment } = reply;
      this.recovery.finished(task, segment !== undefined);
      this.#world.ledger.settled(this.#process, task, "finished");
      if (!task.entry.settle("ready", { value, segment })) {
        this.references.letAllGo(value);
      }
      this.#close(task);
      return;
    }
    this.references.letAllGo(value);
    if (!task.isRetryable || !mayRetry({ attempt, maxRetries })) {
      this.fail(task, "its function threw");
      return;
    }
    this.#world.kernel.reach("own error tried again");
    this.#world.ledger.chargedOwnError(this.#process, task);
    task.attempt++;
    this.submitter.requeue(task);
  }

  /** A task lost its worker. */
  workerEnded(task: Task, progress: Progress, isOwnDoing: boolean): void {
    if (task.isAbandoned) return;
    const { attempt, maxRetries } = task;
    const verdict = this.#world.rooms.afterWorkerEnded(
      { progress, attempt, maxRetries },
      isOwnDoing,
    );
    this.#world.kernel.reach(`${progress} task of an ended worker: ${verdict}`);
    if (verdict === "fail") {
      this.#world.ledger.crashed(this.#process, task);
      this.fail(task, "its worker crashed");
      return;
    }
    if (verdict !== "requeue") task.isAlone = true;
    if (verdict === "retry") task.attempt++;
    this.submitter.requeue(task);
  }

  fail(task: Task, why: string): void {
    if (task.phase === "done") return;
    this.recovery.failed(task);
    this.#world.ledger.settled(this.#process, task, why);
    this.#close(task);
    task.entry.settle("failed", { why });
    this.references.settled(task.entry);
  }

  /** Settles a task now, and stops what runs for it. */
  cancel(task: Task, isForced: boolean): void {
    if (task.phase === "done") return;
    const isIdle = task.phase === "preparing" || this.calls.withdraw(task) ||
      this.submitter.withdraw(task);
    if (isIdle) {
      this.#world.kernel.reach("idle task cancelled");
      this.fail(task, "cancelled");
      return;
    }
    this.#world.kernel.reach("running task cancelled");
    const worker = this.submitter.workerOf(task);
    worker?.link.notify(
      `task.cancel ${task.ordinal}`,
      () => worker.process.executor.cancel(worker.link, task.ordinal),
    );
    task.isAbandoned = true;
    this.fail(task, "cancelled");
    if (isForced && worker !== undefined) this.submitter.kill(worker);
  }

  linkEnded(link: Link): void {
    this.references.linkEnded(link);
    this.references.processEnded(link.other(this.#process).id);
    this.submitter.linkEnded(link);
    this.calls.linkEnded(link);
  }

  /** Whether others would miss this process. */
  get isNeeded(): boolean {
    return this.open.size > 0 || this.references.table.isNeeded;
  }

  validate(): void {
    this.references.table.validate();
    this.submitter.validate();
    this.recovery.table.validate();
    this.calls.validate();
  }

  #close(task: Task): void {
    task.phase = "done";
    task.entry.producer = undefined;
    this.open.delete(task);
    if (task.actor !== undefined) this.calls.withdraw(task);
    this.references.letAllGo(task.dependencies);
    this.references.letAllGo(task.args);
    this.references.settled(task.entry);
    if (task.actor !== undefined) this.references.letGo(task.actor.life);
  }
}
