/**
 * What really happened in a simulated cluster, kept apart from what its rooms
 * believe, and the rules of design.md that it must obey.
 *
 * @module
 */
import type { LeaseId, NodeTag, ProcessId } from "../../../src/base/ids.ts";
import type { Kernel } from "../kernel.ts";
import type { Owner } from "./owner.ts";
import type { Grant, Task } from "./things.ts";

/** Checks one simulation. */
export class ClusterLedger {
  taskCount = 0;
  readonly #kernel: Kernel;
  readonly #asked = new Set<LeaseId>();
  /** Which worker a lease is, on each machine that granted it. */
  readonly #leased = new Map<string, ProcessId>();
  readonly #granted = new Map<LeaseId, ProcessId>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  asked(leaseId: LeaseId): void {
    this.#asked.add(leaseId);
  }

  /** A machine grants; a retry gets the same worker. */
  leased(leaseId: LeaseId, tag: NodeTag, workerId: ProcessId): void {
    const isAsked = this.#asked.has(leaseId);
    this.#kernel.check(isAsked, `Lease ${leaseId} is granted to nobody`);
    const key = `${leaseId} ${tag}`;
    const before = this.#leased.get(key);
    const isSame = before === undefined || before === workerId;
    this.#kernel.check(
      isSame,
      `Lease ${leaseId} is granted ${before} and ${workerId} by one node`,
    );
    this.#leased.set(key, workerId);
  }

  /** A machine gives back: what its program does not use. */
  givenBack(owner: Owner, leaseId: LeaseId, tag: NodeTag): void {
    this.#kernel.check(
      owner.holds(leaseId) !== tag,
      `Lease ${leaseId} is given back while its owner has it`,
    );
  }

  /** An owner is told of a grant: of one, whoever granted beside. */
  granted({ leaseId, workerId }: Grant): void {
    const before = this.#granted.get(leaseId);
    this.#kernel.check(
      before === undefined || before === workerId,
      `The owner of lease ${leaseId} is given ${before} and ${workerId}`,
    );
    this.#granted.set(leaseId, workerId);
  }

  /** A task goes to a worker: as the attempt that its losses make it. */
  pushed(owner: Owner, task: Task): void {
    this.#check(
      task.outcome === undefined,
      owner,
      task,
      "runs when it is over",
    );
    this.#check(
      task.attempt === 1 + task.lostCount,
      owner,
      task,
      `is at attempt ${task.attempt}, and lost ${task.lostCount} workers`,
    );
    this.#check(
      task.maxRetries < 0 || task.attempt <= task.maxRetries + 1,
      owner,
      task,
      `runs as attempt ${task.attempt} of ${task.maxRetries + 1}`,
    );
    this.#kernel.reach("task pushed");
  }

  /** An answer comes, over a connection that has not ended. */
  replied(
    owner: Owner,
    task: Task,
    { attempt, isEnded }: { attempt: number; isEnded: boolean },
  ): void {
    this.#check(!isEnded, owner, task, "is answered by a worker that is gone");
    this.#check(
      task.attempt === attempt,
      owner,
      task,
      `is answered by attempt ${attempt}, and is at ${task.attempt}`,
    );
  }

  failed(owner: Owner, task: Task): void {
    const isSpent = task.maxRetries >= 0 && task.lostCount > task.maxRetries;
    this.#check(isSpent, owner, task, "fails with retries left");
  }

  settled(owner: Owner, task: Task, outcome: string): void {
    this.#check(
      task.outcome === undefined,
      owner,
      task,
      `has two outcomes, ${task.outcome} and ${outcome}`,
    );
    this.taskCount++;
    this.#kernel.reach(`task ${outcome}`);
  }

  #check(isSo: boolean, owner: Owner, { no }: Task, what: string): void {
    this.#kernel.check(isSo, `Task ${no} of ${owner.id} ${what}`);
  }
}
