/**
 * The jobs that something of runs on this machine: each has its part, made
 * when the first of it is to run here, and ended with its driver.
 *
 * What starts a job's processes is asked of its home, the driver's node; a
 * detached actor may outlive that.
 *
 * @module
 */
import { afterMs } from "../base/clock.ts";
import { RuntimeEnvSetupError } from "../base/errors.ts";
import type { ActorId, JobId, NodeId, ProcessId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import type { JobDescription, LogLine } from "../wire/facts.ts";
import type { Notices } from "../wire/messages.ts";
import type { Network } from "../wire/network.ts";
import type { NoticeHandlers, Peer } from "../wire/peer.ts";
import { Children } from "./children.ts";
import { JobPart } from "./job_part.ts";
import { LogForwarder } from "./log_forwarder.ts";
import type { Machine } from "./machine.ts";
import { KeptLog } from "./recent_lines.ts";
import type { EnvNodes } from "./env_nodes.ts";

/** A job, and whether its home could be asked; else the head kept it. */
export interface Described {
  readonly description: JobDescription;
  readonly isHomeGone: boolean;
}

/** What keeping jobs takes. */
export interface JobsRooms {
  readonly machine: Machine;
  readonly nodeId: NodeId;
  readonly folder: string;
  /** Files and folders of the node itself, that no sandbox may see. */
  readonly secrets?: string[];
  readonly nodeProcessId: ProcessId;
  readonly storeBytes: number;
  readonly memoryLimitBytes: number | undefined;
  readonly workerCount: number;
  readonly network: Network;
  /** What a job's processes are started by, ready on this machine. */
  describe(jobId: JobId, home: ProcessId): Promise<Described>;
  /** Nothing of a job is here any more. */
  released(jobId: JobId): void;
  actorEnded(
    actorId: ActorId,
    how: { incarnation: number; reason: string },
  ): void;
  /** Lines that processes of a job printed. */
  printed(home: ProcessId, lines: LogLine[]): void;
  /** Something of this machine's load has changed. */
  loaded(): void;
}

/** Keeps the jobs of one machine. */
export class Jobs {
  readonly #rooms: JobsRooms;
  readonly #parts = new Map<JobId, JobPart>();
  readonly #making = new Map<JobId, Promise<JobPart>>();
  /** Jobs whose part could not be set up just now. */
  readonly #failures = new Map<JobId, RuntimeEnvSetupError>();
  readonly #ending = new Set<Promise<void>>();
  /** Their drivers are gone: why they end with their last detached actor. */
  readonly #orphaned = new Map<JobPart, string>();
  #isGiving = false;
  #isClosed = false;

  constructor(rooms: JobsRooms) {
    this.#rooms = rooms;
  }

  /** All parts that are there. */
  all(): Iterable<JobPart> {
    return this.#parts.values();
  }

  /** The nodes of all parts. */
  *nodes(): Iterable<EnvNodes> {
    for (const { node } of this.#parts.values()) yield node;
  }

  /** A job's part, if it is there. */
  known(jobId: JobId): JobPart | undefined {
    return this.#parts.get(jobId);
  }

  /** A job's part, made if there is none yet. */
  async of(jobId: JobId, home: ProcessId): Promise<JobPart> {
    const known = this.#parts.get(jobId);
    if (known !== undefined) return known;
    const failure = this.#failures.get(jobId);
    if (failure !== undefined) throw failure;
    let making = this.#making.get(jobId);
    if (making === undefined) {
      making = this.#make(jobId, home).finally(() =>
        this.#making.delete(jobId)
      );
      this.#making.set(jobId, making);
      making.catch((error) => this.#failed(jobId, error));
    }
    return await making;
  }

  /** What this machine can't set up now it can't a moment later: its files are not fetched for each who asks. */
  #failed(jobId: JobId, error: unknown): void {
    if (!(error instanceof RuntimeEnvSetupError)) return;
    this.#failures.set(jobId, error);
    afterMs(limits.startRetryMs, () => this.#failures.delete(jobId));
  }

  /** The driver's own job, which has its part from the start. */
  add(part: JobPart): void {
    this.#parts.set(part.job.jobId, part);
  }

  /** A job's driver is gone: its part ends, but for detached actors. */
  homeGone(home: ProcessId, reason: string): void {
    for (const part of [...this.#parts.values()]) {
      if (part.job.home === home) this.#end(part, reason);
    }
  }

  /** What processes of this machine say goes to their job's part. */
  notices(): NoticeHandlers {
    const pass =
      <K extends keyof Notices>(kind: K) => (word: Notices[K], peer: Peer) => {
        const { processId } = peer.remote!;
        const { jobId } = this.#rooms.machine.processes.find(processId) ?? {};
        const part = jobId === undefined ? undefined : this.known(jobId);
        part?.notices()[kind]?.(word, peer);
        this.#rooms.loaded();
      };
    return {
      "worker.blocked": pass("worker.blocked"),
      "worker.unblocked": pass("worker.unblocked"),
      "isolate.ended": pass("isolate.ended"),
    };
  }

  /** Something is free: every job may have it, whoever waited longest first. */
  resourcesGiven(from: JobPart | undefined): void {
    // One that ends is none of them any more: the only one left may be who waits.
    if (this.#isGiving) return;
    this.#isGiving = true;
    for (const part of this.#parts.values()) {
      if (part !== from) part.resourcesGiven();
    }
    this.#isGiving = false;
  }

  /** Ends all. */
  async close(reason: string): Promise<void> {
    this.#isClosed = true;
    await Promise.all(
      [...this.#parts.values()].map((part) =>
        part.close(this.#rooms.network, reason)
      ),
    );
    await Promise.all(this.#ending);
  }

  async #make(jobId: JobId, home: ProcessId): Promise<JobPart> {
    const { machine, nodeId, folder, nodeProcessId, storeBytes } = this.#rooms;
    const { network, secrets = [] } = this.#rooms;
    const described = await this.#rooms.describe(jobId, home);
    const { job, code: _, ...command } = described.description;
    if (this.#isClosed) throw new Error("this node is leaving");
    const session = {
      folder,
      nodeProcessId,
      job: { ...job, nodeId, storeBytes },
      secrets,
    };
    const forwarder = new LogForwarder((lines) =>
      this.#rooms.printed(home, lines)
    );
    const printer = new KeptLog(machine.recent, {
      jobId,
      next: (line) => forwarder.take(line),
    });
    const children = new Children({ session, ...command }, printer);
    const { workerCount, memoryLimitBytes } = this.#rooms;
    const part: JobPart = new JobPart({
      machine,
      job: session.job,
      children,
      printer,
      memoryLimitBytes,
      workerCount,
      prestartCount: 0,
    }, {
      actorEnded: (actorId, how) => {
        this.#rooms.actorEnded(actorId, how);
        const reason = this.#orphaned.get(part);
        if (reason !== undefined) this.#end(part, reason);
      },
      resourcesGiven: () => this.resourcesGiven(part),
      waits: () => {
        for (const other of this.all()) if (other !== part) other.node.wanted();
      },
      garbage: () => network.tell(home, "garbage", {}),
    });
    this.#parts.set(jobId, part);
    if (described.isHomeGone) {
      const reason = "its driver is gone";
      part.keepDetached(reason);
      this.#orphaned.set(part, reason);
    }
    return part;
  }

  #end(part: JobPart, reason: string): void {
    const { jobId } = part.job;
    if (part.hosts.hasDetached) {
      if (!this.#orphaned.has(part)) part.keepDetached(reason);
      this.#orphaned.set(part, reason);
      return;
    }
    this.#orphaned.delete(part);
    this.#parts.delete(jobId);
    const ending = part.close(this.#rooms.network, reason)
      .then(() => this.#rooms.released(jobId))
      .catch((error) => log.error(`job ${jobId} did not end: ${error}`))
      .finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }
}
