/**
 * The simulated node: leases and workers. Mirrors `src/node/node.ts`; the head
 * beside it is `head.ts`.
 *
 * @module
 */
import type { LeaseId, ProcessId } from "../../src/base/ids.ts";
import type { LeaseNeeds } from "../../src/base/spec.ts";
import type { LeaseCommand } from "../../src/state/lease_events.ts";
import type { LeaseTable } from "../../src/state/leases.ts";
import type { Company } from "../../src/state/worker_choice.ts";
import { Head } from "./head.ts";
import type { Answering, Link } from "./network.ts";
import { Process } from "./process.ts";
import type { World } from "./world.ts";

/** What a lease request comes to. */
export type LeaseAnswer =
  | { kind: "granted"; processId: ProcessId }
  | { kind: "failed" }
  | { kind: "withdrawn" };

const cpus = 2;

/** Grants leases, starts workers, keeps the directory of actors. */
export class Node {
  readonly process: Process;
  readonly leases: LeaseTable;
  readonly head: Head;
  readonly #world: World;
  readonly #workers = new Map<number, Process | undefined>();
  readonly #numbers = new Map<ProcessId, number>();
  readonly #asking = new Map<LeaseId, Answering<LeaseAnswer>>();
  readonly #holders = new Map<LeaseId, ProcessId>();
  #isTrimming = false;

  constructor(world: World) {
    this.#world = world;
    this.process = new Process(world, 1, "node");
    this.process.onLinkEnded = (link) => this.#linkEnded(link);
    this.leases = world.rooms.leases(cpus, {
      waitingMax: 24,
      workersMax: 6,
      workersKept: cpus,
    });
    this.head = new Head(world, this);
  }

  start(): void {
    this.#carryOut(this.leases.prestarted());
  }

  leaseRequested(
    { leaseId, ownerId, needs }: {
      leaseId: LeaseId;
      ownerId: ProcessId;
      needs: LeaseNeeds;
    },
    answering: Answering<LeaseAnswer>,
  ): void {
    this.#world.ledger.asked(leaseId);
    this.#asking.set(leaseId, answering);
    this.#holders.set(leaseId, ownerId);
    this.#carryOut(this.leases.requested(leaseId, { ownerId, needs }));
  }

  leaseReturned(leaseId: LeaseId): void {
    this.#asking.get(leaseId)?.give({ kind: "withdrawn" });
    this.#asking.delete(leaseId);
    this.#holders.delete(leaseId);
    this.#carryOut(this.leases.returned(leaseId));
    this.head.place();
    this.#scheduleTrim();
  }

  leasesWithdrawn(leaseIds: readonly LeaseId[]): void {
    for (const leaseId of leaseIds) {
      if (this.#asking.has(leaseId)) this.leaseReturned(leaseId);
    }
  }

  leaseRests(leaseId: LeaseId): void {
    this.#carryOut(this.leases.rested(leaseId));
  }

  workerBlocked(processId: ProcessId, company: Company): void {
    const no = this.#numbers.get(processId);
    if (no !== undefined) {
      this.#carryOut(this.leases.workerBlocked(no, company));
    }
  }

  workerUnblocked(processId: ProcessId): void {
    const no = this.#numbers.get(processId);
    if (no !== undefined) this.#carryOut(this.leases.workerUnblocked(no));
  }

  /** SIGKILL, some time after it was decided. */
  kill(processId: ProcessId, reason: string): void {
    const { kernel } = this.#world;
    this.process.after(
      kernel.delay(2),
      "kills",
      () => this.#world.process(processId)?.die(reason),
    );
  }

  /** Resources came back from an actor. */
  resourcesGiven(): void {
    this.#carryOut(this.leases.resourcesGiven());
  }

  validate(): void {
    this.leases.validate();
    this.head.table.validate();
  }

  /** Processes that may be killed. */
  get mortals(): Process[] {
    const workers = this.#workers.values().filter((one) => one !== undefined);
    return [...workers, ...this.head.living];
  }

  /** What is still kept when all should be over. */
  leftovers(): string[] {
    const left: string[] = [];
    const { leases } = this;
    if (leases.waitingCount > 0) left.push(`${leases.waitingCount} waiting`);
    for (const no of this.#workers.keys()) {
      const count = leases.leasesOf(no).length;
      if (count > 0) left.push(`${count} leases of worker ${no}`);
    }
    const total = JSON.stringify(leases.pool.total());
    const free = JSON.stringify(leases.pool.available());
    if (free !== total) left.push(`${free} free of ${total}`);
    return [...left, ...this.head.leftovers()];
  }

  #linkEnded(link: Link): void {
    const { id } = link.other(this.process);
    const { orphans } = this.leases.ownerEnded(id);
    for (const leaseId of orphans) {
      this.#world.kernel.reach("lease orphaned");
      this.#holders.delete(leaseId);
      const worker = [...this.#workers].find(([no]) =>
        this.leases.leasesOf(no).includes(leaseId)
      )?.[1];
      if (worker !== undefined) {
        this.kill(worker.id, "its task's owner is gone");
      }
    }
    this.head.processEnded(id);
  }

  #carryOut(commands: LeaseCommand[]): void {
    for (const command of commands) {
      switch (command.kind) {
        case "grant": {
          const worker = this.#workers.get(command.workerNo)!;
          this.#world.kernel.reach("lease granted");
          this.#world.ledger.granted(command.leaseId, command.workerNo);
          this.#answer(command.leaseId, {
            kind: "granted",
            processId: worker.id,
          });
          break;
        }
        case "reject":
          this.#world.kernel.reach(`lease rejected: ${command.reason}`);
          this.#answer(command.leaseId, { kind: "failed" });
          break;
        case "unschedulable":
          this.#world.kernel.fail("A task that fits is unschedulable");
          break;
        case "start_worker":
          this.#startWorker(command.workerNo);
          break;
        case "stop_worker":
          this.#dismiss(command.workerNo);
          break;
        case "reclaim":
          this.#reclaim(command.leaseId);
      }
    }
  }

  #answer(leaseId: LeaseId, answer: LeaseAnswer): void {
    const asking = this.#asking.get(leaseId);
    this.#asking.delete(leaseId);
    if (answer.kind !== "granted") this.#holders.delete(leaseId);
    asking?.give(answer);
  }

  #reclaim(leaseId: LeaseId): void {
    const holder = this.#world.process(this.#holders.get(leaseId));
    if (holder === undefined) return;
    this.#world.dial(this.process, holder.id, (link) =>
      link?.notify(
        "lease.reclaim",
        () => holder.owner.submitter.onReclaim(leaseId),
      ));
  }

  #startWorker(workerNo: number): void {
    const { kernel } = this.#world;
    this.#workers.set(workerNo, undefined);
    this.process.after(kernel.delay(5), `starts worker ${workerNo}`, () => {
      const worker = this.#world.start("worker");
      this.#workers.set(workerNo, worker);
      worker.onDied = () =>
        this.process.after(kernel.delay(4), `hears of ${worker.name}`, () => {
          this.#workers.delete(workerNo);
          this.#numbers.delete(worker.id);
          this.#carryOut(this.leases.workerEnded(workerNo));
        });
      worker.nodeLink.notify("node.register", () => {
        if (this.#workers.get(workerNo) !== worker) return;
        this.#numbers.set(worker.id, workerNo);
        this.#carryOut(this.leases.workerStarted(workerNo, worker.id));
      });
    });
  }

  #scheduleTrim(): void {
    if (this.#isTrimming || !this.leases.hasSurplus()) return;
    this.#isTrimming = true;
    this.process.after(25, "trims", () => {
      this.#isTrimming = false;
      this.#carryOut(this.leases.trimmed());
    });
  }

  /** Ends an idle worker, unless others hold what it owns. */
  #dismiss(workerNo: number): void {
    const worker = this.#workers.get(workerNo);
    if (worker === undefined) return;
    this.#world.dial(this.process, worker.id, (link) => {
      link?.request<boolean>("worker.leave", {
        ask: (answering) => answering.give(worker.owner.isNeeded),
        answered: (isNeeded) => {
          if (!isNeeded) {
            this.#world.kernel.reach("idle worker left");
            link.notify("leave", () => worker.die("idle"));
            return;
          }
          if (this.#workers.get(workerNo) !== worker) return;
          this.#world.kernel.reach("idle worker stayed");
          this.#carryOut(this.leases.workerStayed(workerNo, worker.id));
          this.#scheduleTrim();
        },
      });
    });
  }
}
