/**
 * A node: starts, watches and ends its machine's workers, grants leases, keeps
 * shared objects, hands lineage to its writer.
 *
 * Decisions are made in `state/leases.ts` and `state/segments.ts`; here they
 * are carried out. In a local run it lives in a thread of the driver.
 *
 * @module
 */
import { afterMs, type Timer } from "../base/clock.ts";
import { unreachable } from "../base/errors.ts";
import type { LeaseId, ProcessId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import type { ResourceAmounts } from "../base/spec.ts";
import { type LeaseCommand, LeaseTable } from "../state/leases.ts";
import { type StartCommand, WorkerStarts } from "../state/worker_starts.ts";
import type {
  Fate,
  JobInfo,
  Registration,
  Requests,
} from "../wire/messages.ts";
import type { NoticeHandlers, Peer, RequestHandlers } from "../wire/peer.ts";
import type { Children, Kept } from "./children.ts";
import type { LineagePort } from "./lineage_port.ts";
import type { LogPrinter } from "./log_printer.ts";
import { ObjectManager } from "./object_manager.ts";

/** What a node is made of and told. */
export interface NodeOptions {
  job: JobInfo;
  resources: ResourceAmounts;
  labels: Record<string, string>;
  capacityBytes: number;
  /** Workers that are kept, and of those how many are started in advance. */
  workerCount: number;
  prestartCount: number;
  children: Children;
  printer: LogPrinter;
  /** Where rows go, once the file is open; the session ends if it can't be. */
  lineage: Promise<LineagePort>;
  /** Another role of this process hears of processes too. */
  events: NodeEvents;
}

/** What a node tells the roles beside it. */
export interface NodeEvents {
  registered(peer: Peer, ask: Registration): void;
  processEnded(processId: ProcessId, peer: Peer): void;
  resourcesGiven(): void;
}

type LeaseAnswer = Requests["lease.request"]["answer"];

/** Runs one machine. */
export class Node {
  readonly #options: NodeOptions;
  readonly #leases: LeaseTable;
  readonly #objects: ObjectManager;
  readonly #workers = new Map<number, Kept>();
  readonly #numbers = new Map<ProcessId, number>();
  readonly #asking = new Map<LeaseId, PromiseWithResolvers<LeaseAnswer>>();
  readonly #holders = new Map<LeaseId, Peer>();
  readonly #roles = new Map<
    ProcessId,
    { role: string; pid: number; peer: Peer }
  >();
  #trimTimer: Timer | undefined;
  /** Longer each time that a worker had to stay. */
  #trimDelayMs: number = limits.workerIdleMs;
  readonly #starts = new WorkerStarts(limits.startFailuresMax);
  #retryTimer: Timer | undefined;
  /** Why the last worker that could not be started was not. */
  #startFailure = "";
  #isClosed = false;

  constructor(options: NodeOptions) {
    this.#options = options;
    const { resources, workerCount, prestartCount, capacityBytes } = options;
    this.#leases = new LeaseTable(resources, {
      waitingMax: limits.leaseWaitingMax,
      workersMax: limits.workersMax,
      workersKept: workerCount,
      workersPrestarted: prestartCount,
    });
    this.#objects = new ObjectManager(
      capacityBytes,
      (processId) => {
        const known = this.#roles.get(processId);
        return known === undefined ? "a process" : `${known.role} ${known.pid}`;
      },
    );
  }

  /** The machine's resources. */
  get pool(): LeaseTable["pool"] {
    return this.#leases.pool;
  }

  /** Starts workers in advance. */
  start(): void {
    this.#carryOut(this.#leases.prestarted());
  }

  /** What it answers. */
  requests(): RequestHandlers {
    const { children, lineage } = this.#options;
    return {
      ...this.#objects.requests(),
      "node.rows": () => ({ nodes: [this.#row()] }),
      "lease.request": ({ leaseId, needs }, peer) => {
        const answer = Promise.withResolvers<LeaseAnswer>();
        this.#asking.set(leaseId, answer);
        this.#holders.set(leaseId, peer);
        const ownerId = peer.remote!.processId;
        this.#carryOut(this.#leases.requested(leaseId, { ownerId, needs }));
        if (this.#asking.has(leaseId)) this.#start(this.#starts.needed());
        return answer.promise;
      },
      "worker.fate": ({ processId }) => children.fate(processId),
      "lineage.flush": async () => {
        await (await lineage).flush();
        return {};
      },
    };
  }

  /** What it hears. */
  notices(): NoticeHandlers {
    return {
      ...this.#objects.notices(),
      "node.register": (registration, peer) =>
        this.#registered(registration, peer),
      "lease.return": ({ leaseId }) => this.#returned(leaseId),
      "lease.rest": ({ leaseId }) =>
        this.#carryOut(this.#leases.rested(leaseId)),
      "lease.withdraw": ({ leaseIds }) => {
        for (const leaseId of leaseIds) {
          // One that was granted meanwhile comes back as a return.
          if (this.#asking.has(leaseId)) this.#returned(leaseId);
        }
      },
      "worker.blocked": (company, peer) => {
        const no = this.#numbers.get(peer.remote!.processId);
        if (no !== undefined) {
          this.#carryOut(this.#leases.workerBlocked(no, company));
        }
      },
      "worker.unblocked": (_, peer) => {
        const no = this.#numbers.get(peer.remote!.processId);
        if (no !== undefined) this.#carryOut(this.#leases.workerUnblocked(no));
      },
      "worker.kill": ({ processId, reason }) =>
        this.#options.children.find(processId)?.child.kill(reason),
      "lineage.rows": ({ batch }) => {
        this.#options.lineage.then((port) => port.send(batch), () => {});
      },
    };
  }

  /** A connection ended. */
  onPeerEnded(peer: Peer): void {
    const remote = peer.remote;
    if (remote === undefined || !this.#roles.delete(remote.processId)) return;
    this.#objects.processEnded(remote.processId);
    const { orphans } = this.#leases.ownerEnded(remote.processId);
    for (const leaseId of orphans) this.#orphaned(leaseId);
    this.#options.events.processEnded(remote.processId, peer);
  }

  /** Resources came back from an actor. */
  resourcesGiven(): void {
    this.#carryOut(this.#leases.resourcesGiven());
  }

  /** Starts no more and lets go of what it keeps; the children are ended by the session. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#trimTimer);
    clearTimeout(this.#retryTimer);
    this.#objects.close();
  }

  #registered(ask: Registration, peer: Peer): void {
    const { processId, pid, role, childNo } = ask;
    this.#roles.set(processId, { role, pid, peer });
    this.#objects.processStarted(processId, peer);
    const kept = role === "worker" && childNo !== undefined
      ? this.#options.children.registered(childNo, processId)
      : undefined;
    this.#options.events.registered(peer, ask);
    if (kept === undefined) return;
    const no = this.#workerNo(kept);
    if (no === undefined) return;
    this.#numbers.set(processId, no);
    this.#carryOut(this.#leases.workerStarted(no, processId));
    this.#start(this.#starts.ready(no));
  }

  #workerNo(kept: Kept): number | undefined {
    for (const [no, worker] of this.#workers) {
      if (worker === kept) return no;
    }
    return undefined;
  }

  #returned(leaseId: LeaseId): void {
    this.#asking.get(leaseId)?.resolve({ kind: "withdrawn" });
    this.#asking.delete(leaseId);
    this.#holders.delete(leaseId);
    this.#carryOut(this.#leases.returned(leaseId));
    this.#options.events.resourcesGiven();
    this.#trimDelayMs = limits.workerIdleMs;
    this.#scheduleTrim();
  }

  /** The owner of a lease is gone: its worker may still compute for it. */
  #orphaned(leaseId: LeaseId): void {
    this.#holders.delete(leaseId);
    const worker = [...this.#workers].find(([no]) =>
      this.#leases.leasesOf(no).includes(leaseId)
    );
    if (worker === undefined) return;
    const [, kept] = worker;
    kept.child.kill("the owner of its task is gone");
  }

  #carryOut(commands: LeaseCommand[]): void {
    if (this.#isClosed) return;
    for (const command of commands) this.#do(command);
  }

  #do(command: LeaseCommand): void {
    switch (command.kind) {
      case "grant": {
        const kept = this.#workers.get(command.workerNo)!;
        return this.#answer(command.leaseId, {
          kind: "granted",
          processId: kept.processId!,
          pid: kept.child.pid,
        });
      }
      case "reject":
        return this.#answer(command.leaseId, {
          kind: "failed",
          reason: "too many lease requests wait",
        });
      case "unschedulable": {
        const { resource } = command;
        const total = this.pool.total()[resource] ?? 0;
        return this.#answer(command.leaseId, {
          kind: "unschedulable",
          reason: `this machine has ${total} ${resource} in all`,
        });
      }
      case "start_worker":
        return this.#start(this.#starts.asked(command.workerNo));
      case "stop_worker":
        this.#dismiss(command.workerNo);
        return;
      case "reclaim":
        return this.#holders.get(command.leaseId)?.notify("lease.reclaim", {
          leaseId: command.leaseId,
        });
      default:
        unreachable(command);
    }
  }

  #answer(leaseId: LeaseId, answer: LeaseAnswer): void {
    this.#asking.get(leaseId)?.resolve(answer);
    this.#asking.delete(leaseId);
    if (answer.kind !== "granted") this.#holders.delete(leaseId);
  }

  #start(commands: StartCommand[]): void {
    if (this.#isClosed) return;
    for (const command of commands) {
      switch (command.kind) {
        case "start":
          this.#startWorker(command.workerNo);
          break;
        case "give_up":
          this.#giveUp();
          break;
        default:
          unreachable(command);
      }
    }
  }

  #startWorker(workerNo: number): void {
    try {
      const kept = this.#options.children.start("worker", (kept, fate) => {
        this.#workers.delete(workerNo);
        this.#options.printer.forget(kept.child.pid);
        if (kept.processId !== undefined) this.#numbers.delete(kept.processId);
        else {
          this.#startFailure = fate.stderrTail ?? JSON.stringify(fate);
          this.#tellStartFailure(`worker ${kept.child.pid}`, fate);
        }
        this.#workerEnded(workerNo);
      });
      this.#workers.set(workerNo, kept);
    } catch (error) {
      // The system gives no process now. Heard of later, as of one that ended.
      this.#startFailure = String(error);
      this.#tellStartFailure("a worker", {});
      queueMicrotask(() => this.#workerEnded(workerNo));
    }
  }

  #tellStartFailure(who: string, { exitCode }: Fate): void {
    if (this.#isClosed) return;
    const text = `${who} ended before it was ready: ${this.#startFailure}`;
    // One that leaves in order found its session gone: the program is ending.
    if (exitCode === 0) log.debug(text);
    else log.error(text);
  }

  #workerEnded(workerNo: number): void {
    this.#start(this.#starts.ended(workerNo));
    this.#carryOut(this.#leases.workerEnded(workerNo));
    if (this.#asking.size === 0 || !this.#starts.isStuck) return;
    // Workers live, and others can't be started: whoever waits may need one.
    this.#retryTimer ??= afterMs(limits.startRetryMs, () => {
      this.#retryTimer = undefined;
      if (this.#asking.size > 0) this.#start(this.#starts.needed());
    });
  }

  /** Ends an idle worker, unless others hold what it owns. */
  async #dismiss(workerNo: number): Promise<void> {
    const kept = this.#workers.get(workerNo);
    const processId = kept?.processId;
    const peer = this.#roles.get(processId!)?.peer;
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
      this.#carryOut(this.#leases.workerStayed(workerNo, processId));
      this.#trimDelayMs = Math.min(this.#trimDelayMs * 2, limits.trimMsMax);
      this.#scheduleTrim();
    } catch (error) {
      // It ended by itself: how is told by its process.
      log.debug(`worker ${kept.child.pid} was not asked to leave: ${error}`);
    }
  }

  /** No worker can be started: whoever waits is told why. */
  #giveUp(): void {
    const reason = `no worker could be started: ${this.#startFailure}`;
    const asking = [...this.#asking];
    this.#asking.clear();
    for (const [leaseId, answer] of asking) {
      this.#holders.delete(leaseId);
      answer.resolve({ kind: "unschedulable", reason });
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

  #row() {
    const { job, labels } = this.#options;
    return {
      nodeId: job.nodeId,
      labels,
      address: "local",
      alive: true,
      resources: this.pool.total(),
      available: this.pool.available(),
      pid: Deno.pid,
    };
  }
}
