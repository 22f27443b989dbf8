/**
 * The lease table of one node: which requests wait, and who holds which worker.
 *
 * Which worker a request is given is told by `worker_choice.ts`.
 * Pure. A method is told what happened and returns what to do; `node/node.ts`
 * does it.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import type { LeaseId, ProcessId } from "../base/ids.ts";
import type { LeaseNeeds } from "../base/spec.ts";
import {
  cpuOf,
  isCpu,
  type ResourcePool,
  type ResourceUnits,
  toUnits,
} from "./resources.ts";
import type { LeaseCommand, LeaseLimits } from "./lease_events.ts";
import {
  chooseWorker,
  type Company,
  isIdle,
  isOpenTo,
  mayStartFor,
  type WorkerNo,
  type WorkerState,
} from "./worker_choice.ts";

interface Waiting {
  leaseId: LeaseId;
  ownerId: ProcessId;
  needs: LeaseNeeds;
  units: ResourceUnits;
}

interface Granted extends Waiting {
  workerNo: WorkerNo;
  /** Its CPU is given back while its worker waits. */
  isCpuReleased: boolean;
  isReclaimed: boolean;
}

/** Grants workers to owners, the more deeply nested first, then first come first served. */
export class LeaseTable {
  readonly #limits: LeaseLimits;
  readonly #pool: ResourcePool;
  readonly #waiting: Waiting[] = [];
  readonly #granted = new Map<LeaseId, Granted>();
  /** Ended, but a late retry of the request may still come; the oldest are forgotten. */
  readonly #ended = new Set<LeaseId>();
  readonly #workers = new Map<WorkerNo, WorkerState>();
  #nextWorkerNo = 1;

  /** Of a machine's pool, which may have other tables beside this one. */
  constructor(pool: ResourcePool, limits: LeaseLimits) {
    this.#pool = pool;
    this.#limits = limits;
  }

  get pool(): ResourcePool {
    return this.#pool;
  }

  get grantedCount(): number {
    return this.#granted.size;
  }

  /** How many requests wait. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  leasesOf(workerNo: WorkerNo): LeaseId[] {
    return [...this.#workers.get(workerNo)?.leases ?? []];
  }

  prestarted(): LeaseCommand[] {
    const commands: LeaseCommand[] = [];
    const { workersKept, workersPrestarted = workersKept } = this.#limits;
    while (this.#workers.size < Math.min(workersKept, workersPrestarted)) {
      commands.push(this.#startWorker());
    }
    return commands;
  }

  /** An owner asks for a worker. Idempotent: a retry gets the first answer. */
  requested(
    leaseId: LeaseId,
    { ownerId, needs }: { ownerId: ProcessId; needs: LeaseNeeds },
  ): LeaseCommand[] {
    const granted = this.#granted.get(leaseId);
    if (granted !== undefined) return [grantOf(granted)];
    // A retry may also come while the first still waits, or when its lease ended:
    // a grant would lease a worker to nobody, silence let its owner wait for ever.
    if (this.#ended.has(leaseId)) {
      return [{ kind: "reject", leaseId, reason: "ended" }];
    }
    if (this.#waiting.some((request) => request.leaseId === leaseId)) return [];
    const units = toUnits(needs.resources);
    const resource = this.#pool.lacks(units);
    if (resource !== undefined) {
      return [{ kind: "unschedulable", leaseId, resource }];
    }
    if (this.#waiting.length >= this.#limits.waitingMax) {
      return [{ kind: "reject", leaseId, reason: "queue_full" }];
    }
    const at = this.#waiting.findIndex((other) =>
      other.needs.depth < needs.depth
    );
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, {
      leaseId,
      ownerId,
      needs,
      units,
    });
    return this.#advance();
  }

  /** The owner is done with its worker, or gives up waiting for one; a spent worker is replaced once it is idle. */
  returned(leaseId: LeaseId, isSpent = false): LeaseCommand[] {
    this.#remember(leaseId);
    const workerNo = this.#granted.get(leaseId)?.workerNo;
    const at = this.#waiting.findIndex((one) => one.leaseId === leaseId);
    if (at >= 0) this.#waiting.splice(at, 1);
    this.#release(leaseId);
    const worker = isSpent ? this.#workers.get(workerNo!) : undefined;
    if (worker?.leases.size !== 0) return this.#advance();
    this.#workers.delete(workerNo!);
    const then = [...this.prestarted(), ...this.#advance()];
    return [{ kind: "stop_worker", workerNo: workerNo! }, ...then];
  }

  /** All tasks of a lease wait: its CPU is free until one goes on. */
  rested(leaseId: LeaseId): LeaseCommand[] {
    if (!this.#granted.has(leaseId)) return [];
    this.#releaseCpu(leaseId);
    return this.#advance();
  }

  /** A worker process finished starting and is ready for work. */
  workerStarted(workerNo: WorkerNo, processId: ProcessId): LeaseCommand[] {
    const worker = this.#workers.get(workerNo);
    assert(worker !== undefined, "Worker started unasked");
    worker.processId = processId;
    return this.#advance();
  }

  /** A worker process ended, or could not start: its leases end with it. */
  workerEnded(workerNo: WorkerNo): LeaseCommand[] {
    const worker = this.#workers.get(workerNo);
    if (worker === undefined) return [];
    for (const leaseId of worker.leases) {
      this.#remember(leaseId);
      this.#release(leaseId);
    }
    this.#workers.delete(workerNo);
    return [...this.prestarted(), ...this.#advance()];
  }

  /** All started tasks of a worker wait inside the runtime. */
  workerBlocked(workerNo: WorkerNo, company: Company): LeaseCommand[] {
    const worker = this.#workers.get(workerNo);
    if (worker === undefined) return [];
    worker.blocked = company;
    for (const leaseId of worker.leases) this.#releaseCpu(leaseId);
    return this.#advance();
  }

  /** A task of the worker computes again: it takes a CPU back, free or not. */
  workerUnblocked(workerNo: WorkerNo): LeaseCommand[] {
    const worker = this.#workers.get(workerNo);
    if (worker?.blocked === undefined) return [];
    worker.blocked = undefined;
    const held = [...worker.leases].map((id) => this.#granted.get(id)!);
    if (held.every((lease) => lease.isCpuReleased)) {
      const resumed = held[0];
      if (resumed !== undefined) this.#retakeCpu(resumed);
    }
    return [];
  }

  /** An owner is gone: its requests with it. What its leases run is stopped by the node. */
  ownerEnded(ownerId: ProcessId): { orphans: LeaseId[] } {
    for (let at = this.#waiting.length - 1; at >= 0; at--) {
      if (this.#waiting[at]!.ownerId !== ownerId) continue;
      const [request] = this.#waiting.splice(at, 1);
      this.#remember(request!.leaseId);
    }
    const orphans = [...this.#granted.values()]
      .filter((lease) => lease.ownerId === ownerId)
      .map((lease) => lease.leaseId);
    return { orphans };
  }

  /** Somebody waits for what this table's leases hold: one is asked to give way. */
  wanted(): LeaseCommand[] {
    for (const lease of this.#granted.values()) {
      if (lease.isReclaimed) continue;
      lease.isReclaimed = true;
      return [{ kind: "reclaim", leaseId: lease.leaseId }];
    }
    return [];
  }

  /** Resources came back from elsewhere (an actor, a bundle). */
  resourcesGiven(): LeaseCommand[] {
    return this.#advance();
  }

  /** Time has passed: idle workers above the kept number leave. */
  trimmed(): LeaseCommand[] {
    const idle = [...this.#workers].filter(([, worker]) => isIdle(worker));
    const surplus = this.#workers.size - this.#limits.workersKept;
    return idle.slice(0, Math.max(0, surplus)).map(([workerNo]) => {
      this.#workers.delete(workerNo);
      return { kind: "stop_worker", workerNo };
    });
  }

  /** A worker that was to leave is still needed by others. */
  workerStayed(workerNo: WorkerNo, processId: ProcessId): LeaseCommand[] {
    if (this.#workers.has(workerNo)) return [];
    this.#workers.set(workerNo, {
      processId,
      leases: new Set(),
      blocked: undefined,
    });
    return this.#advance();
  }

  /** Whether {@linkcode trimmed} would find something to do. */
  hasSurplus(): boolean {
    return this.#workers.size > this.#limits.workersKept &&
      [...this.#workers.values()].some(isIdle);
  }

  /** Asserts every invariant. */
  validate(): void {
    let servedCount = 0;
    const taken = new Map<string, number>();
    for (const worker of this.#workers.values()) {
      servedCount += worker.leases.size;
    }
    assert(servedCount === this.#granted.size, "Lease without worker");
    for (const lease of this.#granted.values()) {
      const worker = this.#workers.get(lease.workerNo);
      assert(
        worker?.leases.has(lease.leaseId),
        "Worker does not know its lease",
      );
      assert(!this.#ended.has(lease.leaseId), "Ended lease is granted");
      for (const [name, amount] of lease.units) {
        if (isCpu(name) && lease.isCpuReleased) continue;
        taken.set(name, (taken.get(name) ?? 0) + amount);
      }
    }
    for (const [name, amount] of taken) {
      const free = this.#pool.freeUnits(name);
      assert(
        free + amount <= this.#pool.totalUnits(name),
        `${name} given twice`,
      );
    }
    for (const { leaseId } of this.#waiting) {
      assert(!this.#granted.has(leaseId), "Granted lease waits");
      assert(!this.#ended.has(leaseId), "Ended lease waits");
    }
    for (const request of this.#waiting) {
      const isIdleThere = this.#workers.values().some((worker) =>
        isIdle(worker) && isOpenTo(worker, request)
      );
      const isOverlooked = isIdleThere && this.#pool.fits(request.units);
      assert(!isOverlooked, "Request waits while a worker is idle");
    }
  }

  #advance(): LeaseCommand[] {
    const commands: LeaseCommand[] = [];
    let startingCount = 0;
    for (const worker of this.#workers.values()) {
      if (worker.processId === undefined) startingCount++;
    }
    for (let at = 0; at < this.#waiting.length;) {
      const request = this.#waiting[at]!;
      if (!this.#pool.fits(request.units)) {
        at++;
        continue;
      }
      const workerNo = this.#workerFor(request);
      if (workerNo !== undefined) {
        this.#waiting.splice(at, 1);
        commands.push(grantOf(this.#grant(request, workerNo)));
        continue;
      }
      if (startingCount > 0) startingCount--;
      else if (mayStartFor(this.#workers, request, this.#limits)) {
        commands.push(this.#startWorker());
      }
      at++;
    }
    if (this.#waiting.length > 0) this.#reclaim(commands);
    return commands;
  }

  /** A guest that was granted but has not begun counts as its worker's computation. */
  #workerFor(request: Waiting): WorkerNo | undefined {
    return chooseWorker(this.#workers, request, {
      isCpuFreeAt: ({ leases }) =>
        leases.values().every((id) => this.#granted.get(id)!.isCpuReleased),
      mayStart: mayStartFor(this.#workers, request, this.#limits),
    });
  }

  /** Asks holders of other kinds of work to give way, once each. */
  #reclaim(commands: LeaseCommand[]): void {
    let wantedCount = this.#waiting.length;
    for (const lease of this.#granted.values()) {
      if (wantedCount === 0) return;
      if (lease.isReclaimed) continue;
      const isOther = this.#waiting.some((request) =>
        request.ownerId !== lease.ownerId ||
        request.needs.classKey !== lease.needs.classKey
      );
      if (!isOther) continue;
      lease.isReclaimed = true;
      wantedCount--;
      commands.push({ kind: "reclaim", leaseId: lease.leaseId });
    }
  }

  #grant(request: Waiting, workerNo: WorkerNo): Granted {
    const worker = this.#workers.get(workerNo)!;
    const lease: Granted = {
      ...request,
      workerNo,
      isCpuReleased: false,
      isReclaimed: false,
    };
    this.#pool.take(request.units);
    worker.leases.add(request.leaseId);
    this.#granted.set(request.leaseId, lease);
    return lease;
  }

  #release(leaseId: LeaseId): void {
    const lease = this.#granted.get(leaseId);
    if (lease === undefined) return;
    this.#granted.delete(leaseId);
    const worker = this.#workers.get(lease.workerNo)!;
    worker.leases.delete(leaseId);
    if (worker.leases.size === 0) worker.blocked = undefined;
    if (lease.isCpuReleased) this.#pool.take(cpuOf(lease.units));
    this.#pool.give(lease.units);
  }

  #releaseCpu(leaseId: LeaseId): void {
    const lease = this.#granted.get(leaseId)!;
    if (lease.isCpuReleased) return;
    lease.isCpuReleased = true;
    this.#pool.give(cpuOf(lease.units));
  }

  #retakeCpu(lease: Granted): void {
    lease.isCpuReleased = false;
    this.#pool.take(cpuOf(lease.units));
  }

  #startWorker(): LeaseCommand {
    const workerNo = this.#nextWorkerNo++;
    this.#workers.set(workerNo, {
      processId: undefined,
      leases: new Set(),
      blocked: undefined,
    });
    return { kind: "start_worker", workerNo };
  }

  #remember(leaseId: LeaseId): void {
    this.#ended.add(leaseId);
    if (this.#ended.size <= 4096) return;
    const [oldest] = this.#ended;
    this.#ended.delete(oldest!);
  }
}

function grantOf({ leaseId, workerNo }: Granted): LeaseCommand {
  return { kind: "grant", leaseId, workerNo };
}
