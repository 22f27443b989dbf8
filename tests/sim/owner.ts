/**
 * The owner in a simulated process: tasks on their way in, outcomes.
 *
 * Mirrors `src/owner/intake.ts` and `outcomes.ts`: it carries
 * out, the rooms decide.
 *
 * @module
 */
import type { RunStats } from "../../src/state/pipelines.ts";
import { mayRetry, type Progress } from "../../src/state/retries.ts";
import { Calls } from "./calls.ts";
import type { Link } from "./network.ts";
import { Objects } from "./objects.ts";
import type { Process } from "./process.ts";
import type { Run } from "./run.ts";
import { Recovery } from "./recovery.ts";
import { References } from "./references.ts";
import { Submitter } from "./submitter.ts";
import {
  type Handle,
  type Held,
  type Plan,
  type Reply,
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

/** All that one process owns and awaits. */
export class Owner {
  readonly references: References;
  readonly submitter: Submitter;
  readonly calls: Calls;
  readonly objects: Objects;
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
    this.objects = new Objects(world, process, this);
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
      this.objects.demand(entry);
      entry.whenSettled(() => {
        if (entry.status === "ready") arrived();
        else if (task.phase === "preparing") {
          this.#world.ledger.dependencyFailed(this.#process, task, entry);
          this.fail(task, entry.why);
        }
      });
    }
    // What a function is made of is captured in a turn of its own, at first.
    missingCount++;
    this.#process.after(this.#world.kernel.delay(1), "", arrived);
    arrived();
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
      this.#close(task);
      if (!task.entry.settle("ready", { value, segment })) {
        this.references.letAllGo(value);
      }
      this.references.settled(task.entry);
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
    if (task.actor !== undefined) this.references.letGo(task.actor.life);
  }
}
