/**
 * The simulated node and the head beside it: leases, workers, actors. Mirrors
 * `src/node/node.ts`, `actor_hosts.ts` and `src/head/head.ts`.
 *
 * @module
 */
import type { ActorId, LeaseId, ProcessId } from "../../src/base/ids.ts";
import type { ActorSpec, LeaseNeeds } from "../../src/base/spec.ts";
import type { ActorCommand, ActorTable } from "../../src/state/actors.ts";
import type { ActorNews } from "../../src/state/call_order.ts";
import type { LeaseCommand, LeaseTable } from "../../src/state/leases.ts";
import { toUnits } from "../../src/state/resources.ts";
import type { Company } from "../../src/state/worker_choice.ts";
import { nameOf } from "./calls.ts";
import type { Answering, Link } from "./network.ts";
import { Process } from "./process.ts";
import type { World } from "./world.ts";

/** What a lease request comes to. */
export type LeaseAnswer =
  | { kind: "granted"; processId: ProcessId }
  | { kind: "failed" }
  | { kind: "withdrawn" };

/** What the head is told of a new actor. */
export interface NewActor {
  readonly actorId: ActorId;
  readonly ownerId: ProcessId;
  readonly maxRestarts: number;
  readonly maxTaskRetries: number;
  readonly name: string | undefined;
}

const cpus = 2;
const actorResources = { place: 1 };

/** Grants leases, starts workers, keeps the directory of actors. */
export class Node {
  readonly process: Process;
  readonly leases: LeaseTable;
  readonly actors: ActorTable;
  readonly #world: World;
  readonly #workers = new Map<number, Process | undefined>();
  readonly #numbers = new Map<ProcessId, number>();
  readonly #asking = new Map<LeaseId, Answering<LeaseAnswer>>();
  readonly #holders = new Map<LeaseId, ProcessId>();
  readonly #watchers = new Map<ActorId, Set<ProcessId>>();
  readonly #fates = new Map<ActorId, (() => void)[]>();
  readonly #living = new Map<ActorId, Process>();
  readonly #queued: { actorId: ActorId; incarnation: number }[] = [];
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
    this.actors = world.rooms.actors();
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
    this.#asking.set(leaseId, answering);
    this.#holders.set(leaseId, ownerId);
    this.#carryOut(this.leases.requested(leaseId, { ownerId, needs }));
  }

  leaseReturned(leaseId: LeaseId): void {
    this.#asking.get(leaseId)?.give({ kind: "withdrawn" });
    this.#asking.delete(leaseId);
    this.#holders.delete(leaseId);
    this.#carryOut(this.leases.returned(leaseId));
    this.#placeActors();
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

  createActor(what: NewActor): "created" | "taken" {
    const creation = this.actors.created(specOf(what));
    if (creation.kind !== "created") return "taken";
    this.#direct(creation.commands);
    return "created";
  }

  watchActor(actorId: ActorId, watcher: ProcessId): ActorNews {
    const watchers = this.#watchers.get(actorId) ?? new Set();
    this.#watchers.set(actorId, watchers.add(watcher));
    return this.#news(actorId);
  }

  fateOfActor(
    actorId: ActorId,
    processId: ProcessId,
    then: (news: ActorNews) => void,
  ): void {
    const tell = () => then(this.#news(actorId));
    if (this.actors.view(actorId)?.processId === processId) {
      this.#whenOver(actorId, tell);
    } else tell();
  }

  killActor(actorId: ActorId, noRestart: boolean, then: () => void): void {
    const commands = this.actors.killed(actorId, { noRestart });
    if (commands.length === 0) then();
    else this.#whenOver(actorId, then);
    this.#direct(commands);
  }

  releaseActor(actorId: ActorId): void {
    this.#world.kernel.reach("actor released");
    this.#direct(this.actors.released(actorId));
  }

  actorReady(
    actorId: ActorId,
    incarnation: number,
    processId: ProcessId,
  ): void {
    this.#direct(this.actors.started(actorId, { incarnation, processId }));
  }

  actorFailed(actorId: ActorId, incarnation: number): void {
    this.#direct(this.actors.constructorFailed(actorId, incarnation));
    this.#stopActor(actorId, false);
  }

  validate(): void {
    this.leases.validate();
    this.actors.validate();
  }

  /** Processes that may be killed. */
  get mortals(): Process[] {
    const workers = this.#workers.values().filter((one) => one !== undefined);
    return [...workers, ...this.#living.values()];
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
    if (this.#living.size > 0) left.push(`${this.#living.size} actors`);
    if (this.#queued.length > 0) left.push(`${this.#queued.length} queued`);
    return left;
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
    for (const watchers of this.#watchers.values()) watchers.delete(id);
    this.#direct(this.actors.ownerEnded(id));
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

  #direct(commands: ActorCommand[]): void {
    for (const { kind, actorId, ...more } of commands) {
      if (kind === "announce") this.#announce(actorId);
      if ("incarnation" in more) {
        const { incarnation } = more;
        this.#queued.push({ actorId, incarnation });
        this.#placeActors();
      }
      if ("isGraceful" in more) this.#stopActor(actorId, more.isGraceful);
    }
  }

  #placeActors(): void {
    const units = toUnits(actorResources);
    const { pool } = this.leases;
    while (this.#queued.length > 0 && pool.fits(units)) {
      pool.take(units);
      this.#place(this.#queued.shift()!);
    }
  }

  #place(life: { actorId: ActorId; incarnation: number }): void {
    const { actorId, incarnation } = life;
    const { kernel } = this.#world;
    const host = this.#world.start("actor");
    kernel.say(`${host.name} is ${nameOf(actorId)}, life ${incarnation}`);
    if (incarnation > 0) kernel.reach("actor restarted");
    this.#living.set(actorId, host);
    const { spec } = this.actors.view(actorId)!;
    host.actor.construct(spec, incarnation);
    host.onDied = () =>
      this.process.after(kernel.delay(4), `hears of ${host.name}`, () => {
        this.#living.delete(actorId);
        this.leases.pool.give(toUnits(actorResources));
        this.#ended(actorId, incarnation);
        this.#placeActors();
        this.#carryOut(this.leases.resourcesGiven());
      });
  }

  #ended(actorId: ActorId, incarnation: number): void {
    const reason = "its process ended";
    this.#direct(this.actors.ended(actorId, { incarnation, reason }));
  }

  #stopActor(actorId: ActorId, isGraceful: boolean): void {
    const at = this.#queued.findIndex((life) => life.actorId === actorId);
    if (at >= 0) {
      const [queued] = this.#queued.splice(at, 1);
      return this.#ended(actorId, queued!.incarnation);
    }
    const host = this.#living.get(actorId);
    if (host === undefined) return;
    this.#world.dial(
      this.process,
      host.id,
      (link) => link?.notify("actor.stop", () => host.actor.leave(isGraceful)),
    );
    this.process.after(isGraceful ? 40 : 4, "", () => {
      if (this.#living.get(actorId) === host) host.die("it did not leave");
    });
  }

  #news(actorId: ActorId): ActorNews {
    const view = this.actors.view(actorId);
    if (view === undefined) return { phase: "dead", incarnation: 0 };
    const { phase, incarnation, processId } = view;
    return {
      phase,
      incarnation,
      ...(processId === undefined ? {} : { processId }),
    };
  }

  #whenOver(actorId: ActorId, then: () => void): void {
    const waiting = this.#fates.get(actorId);
    if (waiting === undefined) this.#fates.set(actorId, [then]);
    else waiting.push(then);
  }

  #announce(actorId: ActorId): void {
    const news = this.#news(actorId);
    for (const id of this.#watchers.get(actorId) ?? []) {
      const watcher = this.#world.process(id)!;
      this.#world.dial(this.process, id, (link) =>
        link?.notify(
          `actor.state ${nameOf(actorId)} ${news.phase}`,
          () => watcher.owner.calls.onState(actorId, news),
          true,
        ));
    }
    if (news.phase === "alive") return;
    const waiting = this.#fates.get(actorId) ?? [];
    this.#fates.delete(actorId);
    for (const then of waiting) then();
    if (news.phase === "dead") this.#watchers.delete(actorId);
  }
}

function specOf({ name, ...what }: NewActor): ActorSpec {
  return {
    ...what,
    ...(name === undefined ? {} : { name }),
    className: "Simulated",
    methods: {},
    code: { hash: "" as never, index: 0 },
    bundles: [],
    args: { bytes: new Uint8Array(0) },
    dependencies: [],
    namespace: "sim",
    getIfExists: false,
    isDetached: false,
    maxConcurrency: 1,
    maxPendingCalls: -1,
    isolation: "isolate",
    resources: actorResources,
  };
}
