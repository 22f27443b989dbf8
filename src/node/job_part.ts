/**
 * One job on one machine: its subprocesses, its leases, its actors.
 *
 * In a local run there is one; a node of a cluster has one for each program
 * that something runs of there.
 *
 * @module
 */
import type { ActorId, ProcessId } from "../base/ids.ts";
import { afterMs, type Timer } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { CollectionPace } from "../state/collection_pace.ts";
import type { JobInfo } from "../wire/facts.ts";
import type { Network } from "../wire/network.ts";
import type { NoticeHandlers, RequestHandlers } from "../wire/peer.ts";
import { ActorHosts } from "./actor_hosts.ts";
import type { Children, Kept } from "./children.ts";
import type { LineSink } from "./recent_lines.ts";
import type { Machine } from "./machine.ts";
import { EnvNodes } from "./env_nodes.ts";
import type { Joined } from "./processes.ts";

/** What a job's part is made of. */
export interface JobPartOptions {
  machine: Machine;
  job: JobInfo;
  children: Children;
  printer: LineSink;
  memoryLimitBytes: number | undefined;
  workerCount: number;
  prestartCount: number;
}

/** What a job's part tells. */
export interface JobPartEvents {
  actorEnded(
    actorId: ActorId,
    how: { incarnation: number; reason: string },
  ): void;
  /** Something waits here for what other jobs may hold. */
  waits(): void;
  /** Processes of the job on other machines are to collect their garbage. */
  garbage(): void;
  /** Other jobs of the machine may have what is free now. */
  resourcesGiven(): void;
}

/** Runs one job on one machine. */
export class JobPart {
  readonly job: JobInfo;
  readonly node: EnvNodes;
  readonly hosts: ActorHosts;
  readonly #machine: Machine;
  readonly #events: JobPartEvents;
  readonly #pace = new CollectionPace({
    firstMs: limits.collectForActorsMs,
    longestMs: limits.collectForActorsMsMax,
  });
  readonly #notices: NoticeHandlers;
  #paceTimer: Timer | undefined;

  constructor(options: JobPartOptions, events: JobPartEvents) {
    const { machine, printer } = options;
    this.job = options.job;
    this.#machine = machine;
    this.#events = events;
    this.hosts = new ActorHosts(
      {
        childrenFor: (env) => this.node.childrenFor(env),
        printer,
        pool: () => machine.pool,
      },
      {
        actorEnded: (actorId, how) => {
          this.#pace.gaveBack();
          events.actorEnded(actorId, how);
        },
        waits: () => this.#waits(),
        resourcesGiven: () => {
          this.node.resourcesGiven();
          events.resourcesGiven();
        },
      },
    );
    this.node = new EnvNodes({
      ...options,
      waits: () => this.#waits(),
      resourcesGiven: () => {
        this.hosts.resourcesGiven();
        events.resourcesGiven();
      },
    });
    this.#notices = {
      ...this.node.notices(),
      "isolate.ended": ({ actorId, incarnation, reason }) =>
        this.hosts.isolateEnded(actorId, incarnation, reason),
    };
  }

  /** What it answers to the job's processes here. */
  requests(): RequestHandlers {
    return this.node.requests();
  }

  /** What it hears from them. */
  notices(): NoticeHandlers {
    return this.#notices;
  }

  /** A process of the job joined its machine's node. */
  joined(process: Joined): void {
    const { role, childNo, processId, actorId, peer } = process;
    if (role === "worker") this.node.workerJoined(process);
    if (role === "host" && childNo !== undefined) {
      for (const children of this.node.children()) {
        children.registered(childNo, processId);
      }
      this.hosts.hostRegistered(childNo, peer);
    }
    if (role === "actor" && actorId !== undefined) {
      this.hosts.actorRegistered(actorId, processId);
    }
  }

  /** A process is gone, here or elsewhere. */
  processEnded(processId: ProcessId): void {
    this.node.ownerEnded(processId);
    this.hosts.actorProcessEnded(processId);
  }

  /** Other jobs gave something back. */
  resourcesGiven(): void {
    this.hosts.resourcesGiven();
    this.node.resourcesGiven();
  }

  /** Starts nothing more, asks all to leave, and ends those that don't. */
  async close(network: Network, reason: string): Promise<void> {
    clearTimeout(this.#paceTimer);
    this.node.close();
    this.hosts.close();
    for (const { processId } of this.#all()) {
      if (processId === undefined) continue;
      network.tell(processId, "leave", { reason });
    }
    await Promise.all(
      this.#all().map(async (kept) => {
        const timer = setTimeout(
          () => kept.child.kill("it did not leave"),
          kept.processId === undefined ? 0 : limits.stopGraceMs,
        );
        await kept.child.fate;
        clearTimeout(timer);
      }),
    );
  }

  /** Its driver is gone: only actors that are to outlive that stay. */
  keepDetached(reason: string): void {
    this.node.close();
    for (const { role, child } of this.#all()) {
      if (role === "worker") child.kill(reason);
    }
  }

  #all(): Kept[] {
    return this.node.children().flatMap((children) => children.all());
  }

  /** Somebody waits here, perhaps for what an actor holds whose handles are garbage. */
  #waits(): void {
    this.#events.waits();
    this.#look();
  }

  #look(): void {
    const delayMs = this.#pace.waits();
    if (delayMs === undefined) return;
    this.#paceTimer = afterMs(delayMs, () => {
      const isAnyWaiting = this.node.isAnyAsked || this.hosts.isAnyQueued;
      const isWanted = isAnyWaiting && this.hosts.holdsResources;
      if (this.#pace.due(isWanted)) {
        for (const { peer } of this.#machine.processes.ofJob(this.job.jobId)) {
          peer.notify("garbage", {});
        }
        this.#events.garbage();
      }
      if (isAnyWaiting) this.#look();
    });
  }
}
