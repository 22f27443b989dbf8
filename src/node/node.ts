/**
 * A node, as one job sees it: starts, watches and ends workers of one kind on
 * this machine, and grants leases to them (`env_nodes.ts` has one of each kind).
 *
 * Decisions are made in `state/leases.ts`; here they are carried out. What the
 * jobs of a machine share is `machine.ts`. In a local run it lives in a thread
 * of the driver.
 *
 * @module
 */
import { afterMs, type Timer } from "../base/clock.ts";
import { unreachable } from "../base/errors.ts";
import type { LeaseId, ProcessId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import type { LeaseNeeds } from "../base/spec.ts";
import type { LeaseCommand } from "../state/lease_events.ts";
import { LeaseTable } from "../state/leases.ts";
import type { LeaseAnswer } from "../wire/facts.ts";
import type { Fate, Registration } from "../wire/messages.ts";
import type { Company } from "../state/worker_choice.ts";
import type { Children } from "./children.ts";
import type { LineSink } from "./recent_lines.ts";
import type { Machine } from "./machine.ts";
import { MemoryMonitor } from "./memory_monitor.ts";
import { WorkerPool } from "./worker_pool.ts";

/** What a node is made of. */
export interface NodeOptions {
  machine: Machine;
  /** What the program may use of the memory, if it is told. */
  memoryLimitBytes: number | undefined;
  /** Workers that are kept, and of those how many are started in advance. */
  workerCount: number;
  prestartCount: number;
  children: Children;
  printer: LineSink;
  /** Called when a request waits. */
  waits(): void;
  /** Called when others may have what is free now. */
  resourcesGiven(): void;
}

/** Who asks for a lease, and holds it then. */
export interface Leaseholder {
  readonly ownerId: ProcessId;
  /** The node wants the lease back. */
  reclaim(leaseId: LeaseId): void;
}

interface Asking extends PromiseWithResolvers<LeaseAnswer> {
  readonly isRetryable: boolean;
}

/** Runs one job's tasks on one machine. */
export class Node {
  readonly #options: NodeOptions;
  readonly #leases: LeaseTable;
  readonly #memory: MemoryMonitor;
  readonly #workers: WorkerPool;
  readonly #asking = new Map<LeaseId, Asking>();
  readonly #holders = new Map<LeaseId, Leaseholder>();
  #trimTimer: Timer | undefined;
  /** Longer each time that a worker had to stay. */
  #trimDelayMs: number = limits.workerIdleMs;
  #isClosed = false;

  constructor(options: NodeOptions) {
    this.#options = options;
    const { machine, workerCount, prestartCount } = options;
    this.#leases = new LeaseTable(machine.pool, {
      waitingMax: limits.leaseWaitingMax,
      workersMax: limits.workersMax,
      workersKept: workerCount,
      workersPrestarted: prestartCount,
    });
    this.#workers = new WorkerPool(options, {
      ended: (workerNo) => {
        this.#memory.workerEnded(workerNo);
        this.#carryOut(this.#leases.workerEnded(workerNo));
        // What its lease held others may wait for.
        options.resourcesGiven();
      },
      isAnyAsked: () => this.#asking.size > 0,
      failed: (reason) => this.#giveUp(reason),
    });
    this.#memory = new MemoryMonitor({
      children: options.children,
      limitBytes: options.memoryLimitBytes,
      storeBytes: () => machine.objects.usedBytes,
      worker: (workerNo) => this.#workers.get(workerNo),
    });
  }

  /** How many leases are held here. */
  get leaseCount(): number {
    return this.#leases.grantedCount;
  }

  /** Whether a request waits. */
  get isAnyAsked(): boolean {
    return this.#asking.size > 0;
  }

  /** How many requests wait here. */
  get waitingCount(): number {
    return this.#leases.waitingCount;
  }

  /** Starts workers in advance. */
  start(): void {
    this.#carryOut(this.#leases.prestarted());
  }

  /** Somebody asks for a worker. A retry gets the first answer. */
  requested(
    leaseId: LeaseId,
    { needs, holder }: { needs: LeaseNeeds; holder: Leaseholder },
  ): Promise<LeaseAnswer> {
    const { isRetryable } = needs;
    const { ownerId } = holder;
    const known = this.#asking.get(leaseId);
    if (known !== undefined) return known.promise;
    const answer = Promise.withResolvers<LeaseAnswer>();
    this.#asking.set(leaseId, { ...answer, isRetryable });
    this.#holders.set(leaseId, holder);
    this.#carryOut(this.#leases.requested(leaseId, { ownerId, needs }));
    if (this.#asking.has(leaseId)) {
      this.#workers.needed();
      this.#options.waits();
    }
    return answer.promise;
  }

  /** A request is taken back; one that was granted meanwhile comes back as a return. */
  withdrawn(leaseId: LeaseId): void {
    if (this.#asking.has(leaseId)) this.returned(leaseId);
  }

  /** A lease is over. */
  returned(leaseId: LeaseId, isSpent = false): void {
    this.#asking.get(leaseId)?.resolve({ kind: "withdrawn" });
    this.#asking.delete(leaseId);
    this.#holders.delete(leaseId);
    this.#memory.returned(leaseId);
    this.#carryOut(this.#leases.returned(leaseId, isSpent));
    this.#options.resourcesGiven();
    this.#trimDelayMs = limits.workerIdleMs;
    this.#scheduleTrim();
  }

  /** All tasks of a lease wait. */
  rested(leaseId: LeaseId): void {
    this.#carryOut(this.#leases.rested(leaseId));
    this.#options.resourcesGiven();
  }

  /** How a worker of this job ended, once it has. */
  fate(processId: ProcessId): Promise<Fate> | undefined {
    return this.#options.children.fate(processId);
  }

  /** Somebody wants a worker's end. */
  kill(processId: ProcessId, reason: string): void {
    this.#options.children.find(processId)?.child.kill(reason);
  }

  /** All started tasks of a worker wait. */
  workerBlocked(processId: ProcessId, company: Company): void {
    const no = this.#workers.noOf(processId);
    if (no === undefined) return;
    this.#carryOut(this.#leases.workerBlocked(no, company));
    this.#options.resourcesGiven();
  }

  /** A task of a worker computes again. */
  workerUnblocked(processId: ProcessId): void {
    const no = this.#workers.noOf(processId);
    if (no !== undefined) this.#carryOut(this.#leases.workerUnblocked(no));
  }

  /** A worker has registered. */
  workerJoined({ processId, childNo }: Registration): void {
    const kept = childNo === undefined
      ? undefined
      : this.#options.children.registered(childNo, processId);
    const no = kept && this.#workers.registered(kept, processId);
    if (no === undefined) return;
    this.#carryOut(this.#leases.workerStarted(no, processId));
    this.#workers.ready(no);
  }

  /** Others wait for what leases of this kind hold. */
  wanted(): void {
    this.#carryOut(this.#leases.wanted());
  }

  /** A process that may have leases is gone. */
  ownerEnded(ownerId: ProcessId): void {
    const { orphans } = this.#leases.ownerEnded(ownerId);
    for (const leaseId of orphans) this.#orphaned(leaseId);
  }

  /** Resources came back from an actor, or another job. */
  resourcesGiven(): void {
    this.#carryOut(this.#leases.resourcesGiven());
  }

  /** Starts no more and lets go of what it keeps; the children are ended by the session. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#trimTimer);
    this.#workers.close();
    this.#memory.close();
  }

  /** The owner of a lease is gone: its worker may still compute for it. */
  #orphaned(leaseId: LeaseId): void {
    this.#holders.delete(leaseId);
    const worker = this.#workers.find((no) =>
      this.#leases.leasesOf(no).includes(leaseId)
    );
    worker?.child.kill("the owner of its task is gone");
  }

  #carryOut(commands: LeaseCommand[]): void {
    if (this.#isClosed) return;
    for (const command of commands) this.#do(command);
  }

  #do(command: LeaseCommand): void {
    switch (command.kind) {
      case "grant": {
        const kept = this.#workers.get(command.workerNo)!;
        const { leaseId, workerNo } = command;
        const { isRetryable = false } = this.#asking.get(leaseId) ?? {};
        this.#memory.granted(leaseId, { workerNo, isRetryable });
        return this.#answer(command.leaseId, {
          kind: "granted",
          processId: kept.processId!,
          pid: kept.child.pid,
        });
      }
      case "reject":
        return this.#answer(command.leaseId, {
          kind: "failed",
          reason: command.reason === "ended"
            ? "this lease has ended"
            : "too many lease requests wait",
        });
      case "unschedulable": {
        const { resource } = command;
        const total = this.#options.machine.pool.totalOf(resource);
        return this.#answer(command.leaseId, {
          kind: "unschedulable",
          reason: `this machine has ${total} ${resource} in all`,
        });
      }
      case "start_worker":
        return this.#workers.start(command.workerNo);
      case "stop_worker":
        this.#dismiss(command.workerNo);
        return;
      case "reclaim":
        return this.#holders.get(command.leaseId)?.reclaim(command.leaseId);
      default:
        unreachable(command);
    }
  }

  #answer(leaseId: LeaseId, answer: LeaseAnswer): void {
    this.#asking.get(leaseId)?.resolve(answer);
    this.#asking.delete(leaseId);
    if (answer.kind !== "granted") this.#holders.delete(leaseId);
  }

  /** Ends an idle worker, unless others hold what it owns. */
  async #dismiss(workerNo: number): Promise<void> {
    const kept = this.#workers.get(workerNo);
    const processId = kept?.processId;
    const peer = this.#options.machine.processes.find(processId!)?.peer;
    if (kept === undefined || processId === undefined || peer === undefined) {
      return; // It has ended.
    }
    try {
      const { isNeeded } = await peer.request("worker.leave", {});
      if (!isNeeded) {
        peer.notify("leave", { reason: "idle" });
        afterMs(limits.stopGraceMs, () => kept.child.kill("idle"));
        return;
      }
      if (this.#workers.get(workerNo) !== kept) return; // It ended meanwhile.
      this.#carryOut(this.#leases.workerStayed(workerNo, processId));
      this.#trimDelayMs = Math.min(this.#trimDelayMs * 2, limits.trimMsMax);
      this.#scheduleTrim();
    } catch (error) {
      // It ended by itself: how is told by its process.
      log.debug(`worker ${kept.child.pid} was not asked to leave: ${error}`);
    }
  }

  /** No worker can be started: whoever waits is told why. */
  #giveUp(reason: string): void {
    const kind = this.#options.children.hasEnv
      ? "setup_failed"
      : "unschedulable";
    const asking = [...this.#asking];
    this.#asking.clear();
    for (const [leaseId, answer] of asking) {
      this.#holders.delete(leaseId);
      answer.resolve({ kind, reason });
    }
    for (const [leaseId] of asking) {
      this.#carryOut(this.#leases.returned(leaseId));
    }
  }

  #scheduleTrim(): void {
    if (this.#trimTimer !== undefined || !this.#leases.hasSurplus()) return;
    this.#trimTimer = afterMs(this.#trimDelayMs, () => {
      this.#trimTimer = undefined;
      this.#carryOut(this.#leases.trimmed());
    });
  }
}
