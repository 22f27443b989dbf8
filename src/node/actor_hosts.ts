/**
 * Where actors live on a node: host processes and the isolates inside.
 *
 * While actors are few each has a host of its own; beyond that they share. An
 * isolate that computes can't be stopped, so an actor that does not leave in
 * time is ended with its host, and its neighbours with it.
 *
 * @module
 */
import { afterMs, type Timer } from "../base/clock.ts";
import type { ActorId, ProcessId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import type { ActorSpec, WorkerEnv } from "../base/spec.ts";
import type { ResourcePool } from "../state/resources.ts";
import { toUnits } from "../state/resources.ts";
import type { Fate } from "../wire/messages.ts";
import type { ActorPlace, CallKey } from "../wire/facts.ts";
import type { Peer } from "../wire/peer.ts";
import type { Children, Kept } from "./children.ts";
import type { LineSink } from "./recent_lines.ts";

interface Host {
  readonly kept: Kept;
  readonly peer: PromiseWithResolvers<Peer>;
  readonly isExclusive: boolean;
  readonly actorIds: Set<ActorId>;
  /** How many of its actors may take it along if they do not stop in time. */
  stoppingCount: number;
  /** It is killed: whoever comes now would go with it. */
  isEnding: boolean;
  /** Why it is being ended, and for whom. */
  culprit: { actorId: ActorId; className: string } | undefined;
}

interface Living {
  readonly spec: ActorSpec;
  readonly incarnation: number;
  readonly host: Host;
  processId: ProcessId | undefined;
  /** Runs once it was asked to stop: it is ended by force then. */
  stopTimer: Timer | undefined;
}

/** What actor hosts tell the head. */
export interface HostEvents {
  actorEnded(
    actorId: ActorId,
    how: { incarnation: number; reason: string },
  ): void;
  /** An actor waits for resources. */
  waits(): void;
  /** Resources are free that others may wait for. */
  resourcesGiven(): void;
}

/** What actor hosts take: processes, and the machine's resources. */
export interface HostRooms {
  childrenFor(env: WorkerEnv | undefined): Pick<Children, "start">;
  readonly printer: Pick<LineSink, "name" | "forget">;
  pool(): ResourcePool;
}

/** Starts and ends actors on one node. */
export class ActorHosts {
  readonly #rooms: HostRooms;
  readonly #events: HostEvents;
  readonly #hosts = new Map<number, Host>();
  readonly #living = new Map<ActorId, Living>();
  readonly #byProcess = new Map<ProcessId, ActorId>();
  /** Waiting for resources, in order. */
  readonly #queued: { spec: ActorSpec; incarnation: number }[] = [];
  #isClosed = false;

  constructor(rooms: HostRooms, events: HostEvents) {
    this.#rooms = rooms;
    this.#events = events;
  }

  /** Whether an actor is here that outlives its driver. */
  get hasDetached(): boolean {
    const isDetached = ({ spec }: { spec: ActorSpec }) => spec.isDetached;
    return this.#queued.some(isDetached) ||
      this.#living.values().some(isDetached);
  }

  /** Whether an actor waits for resources. */
  get isAnyQueued(): boolean {
    return this.#queued.length > 0;
  }

  /** Whether an actor holds resources. */
  get holdsResources(): boolean {
    return this.#living.values().some(({ spec }) =>
      toUnits(spec.resources).size > 0
    );
  }

  /** All that run or wait here. */
  places(): ActorPlace[] {
    return [...this.#queued, ...this.#living.values()].map((one) => ({
      actorId: one.spec.actorId,
      incarnation: one.incarnation,
    }));
  }

  /** Why an actor could never run here. */
  refusal(spec: ActorSpec): string | undefined {
    const lacking = this.#rooms.pool().lacks(toUnits(spec.resources));
    if (lacking === undefined) return undefined;
    const total = this.#rooms.pool().totalOf(lacking);
    return `it asks for ${
      spec.resources[lacking]
    } ${lacking}, and this machine has ${total}`;
  }

  /** Starts an incarnation as soon as its resources are free. Idempotent. */
  start(spec: ActorSpec, incarnation: number): void {
    const isHere = (one: { spec: ActorSpec; incarnation: number }) =>
      one.spec.actorId === spec.actorId && one.incarnation === incarnation;
    const living = this.#living.get(spec.actorId);
    const isKnown = living !== undefined && isHere(living);
    if (isKnown || this.#queued.some(isHere)) return;
    this.#queued.push({ spec, incarnation });
    this.resourcesGiven();
    if (this.isAnyQueued) this.#events.waits();
  }

  /** Something was given back. */
  resourcesGiven(): void {
    for (let at = 0; at < this.#queued.length;) {
      const { spec, incarnation } = this.#queued[at]!;
      const units = toUnits(spec.resources);
      if (!this.#rooms.pool().fits(units)) {
        at++;
        continue;
      }
      this.#queued.splice(at, 1);
      this.#rooms.pool().take(units);
      this.#place(spec, incarnation);
    }
  }

  /** Ends an actor: asks first where it may clean up, then by force. */
  stop(
    actorId: ActorId,
    { isGraceful, reason, incarnation: only }: {
      isGraceful: boolean;
      reason: string;
      /** Not another one. */
      incarnation?: number;
    },
  ): void {
    const isMeant = (one: { incarnation: number }) =>
      only === undefined || one.incarnation === only;
    const queued = this.#queued.find((one) =>
      one.spec.actorId === actorId && isMeant(one)
    );
    if (queued !== undefined) {
      this.#queued.splice(this.#queued.indexOf(queued), 1);
      const { incarnation } = queued;
      this.#events.actorEnded(actorId, { incarnation, reason });
      return;
    }
    const living = this.#living.get(actorId);
    if (living === undefined || !isMeant(living)) return;
    const { host } = living;
    host.peer.promise.then(
      (peer) => peer.notify("actor.stop", { actorId, reason, isGraceful }),
      () => {}, // The host ended: so did the actor.
    );
    const graceMs = isGraceful
      ? limits.disposeGraceMs + limits.stopGraceMs
      : host.actorIds.size === 1
      ? 0
      : limits.stopGraceMs;
    // Asked again kindly, it has no more time than before.
    if (living.stopTimer === undefined) host.stoppingCount++;
    else if (isGraceful) return;
    clearTimeout(living.stopTimer);
    living.stopTimer = afterMs(graceMs, () => {
      host.culprit ??= { actorId, className: living.spec.className };
      this.#endHost(host, reason);
    });
  }

  /** Whether an actor runs a call now. */
  async runs(call: CallKey): Promise<boolean> {
    try {
      const peer = await this.#living.get(call.actorId)?.host.peer.promise;
      return (await peer?.request("host.runs", call))?.isRunning ?? false;
    } catch {
      // The host ended, and the call with it.
      return false;
    }
  }

  /** A host process has registered. */
  hostRegistered(no: number, peer: Peer): void {
    this.#hosts.get(no)?.peer.resolve(peer);
  }

  /** An actor's isolate has registered. */
  actorRegistered(actorId: ActorId, processId: ProcessId): void {
    const living = this.#living.get(actorId);
    if (living === undefined) return;
    living.processId = processId;
    this.#byProcess.set(processId, actorId);
  }

  /** An isolate's connection ended; its host may live on. */
  actorProcessEnded(processId: ProcessId): void {
    const actorId = this.#byProcess.get(processId);
    if (actorId === undefined) return;
    this.#byProcess.delete(processId);
    const living = this.#living.get(actorId);
    if (living === undefined) return;
    // The host tells more, or its own end does, if that is what it is.
    afterMs(limits.stopGraceMs, () => {
      if (this.#living.get(actorId) === living) {
        this.#ended(actorId, "its isolate ended");
      }
    });
  }

  /** An isolate ended before or without a connection: its host tells. */
  isolateEnded(actorId: ActorId, incarnation: number, reason: string): void {
    if (this.#living.get(actorId)?.incarnation !== incarnation) return;
    this.#ended(actorId, reason);
  }

  /** Starts no more. */
  close(): void {
    this.#isClosed = true;
  }

  #place(spec: ActorSpec, incarnation: number): void {
    if (this.#isClosed) return;
    const host = this.#hostFor(spec);
    const { actorId } = spec;
    host.actorIds.add(actorId);
    this.#living.set(actorId, {
      spec,
      incarnation,
      host,
      processId: undefined,
      stopTimer: undefined,
    });
    this.#nameHost(host);
    host.peer.promise.then(
      (peer) => peer.request("host.start", { actorId, incarnation, spec }),
    ).catch(() => {}); // The host ended: its fate is told by hostEnded.
  }

  #hostFor(spec: ActorSpec): Host {
    const isExclusive = spec.isolation === "process" ||
      spec.env !== undefined;
    const lasting = [...this.#hosts.values()].filter((host) =>
      !host.isEnding && host.stoppingCount === 0
    );
    if (!isExclusive && lasting.length >= limits.dedicatedHostsMax) {
      const shared = lasting.filter((host) => !host.isExclusive)
        .sort((a, b) => a.actorIds.size - b.actorIds.size);
      if (shared.length > 0) return shared[0]!;
    }
    const kept = this.#rooms.childrenFor(spec.env).start(
      "host",
      (kept, fate) => this.#hostEnded(kept, fate),
    );
    const host: Host = {
      kept,
      peer: Promise.withResolvers(),
      isExclusive,
      actorIds: new Set(),
      stoppingCount: 0,
      isEnding: false,
      culprit: undefined,
    };
    host.peer.promise.catch(() => {}); // Each user handles it.
    this.#hosts.set(kept.no, host);
    return host;
  }

  /** What its lines are marked by: which actor of several printed one can't be told. */
  #nameHost({ kept, actorIds }: Host): void {
    const specs = [...actorIds].map((id) => this.#living.get(id)!.spec);
    const [first] = specs;
    const isSame = specs.every((one) => one.className === first?.className);
    const { className, name } = first!;
    const whole = name === undefined ? className : `${className}:${name}`;
    const one = isSame ? className : "actors";
    this.#rooms.printer.name(kept.child.pid, specs.length === 1 ? whole : one);
  }

  #endHost(host: Host, reason: string): void {
    host.isEnding = true;
    host.kept.child.kill(reason);
  }

  #hostEnded(kept: Kept, fate: Fate): void {
    const host = this.#hosts.get(kept.no);
    if (host === undefined) return;
    this.#hosts.delete(kept.no);
    this.#rooms.printer.forget(kept.child.pid);
    host.peer.reject(new Error("the host ended"));
    for (const actorId of [...host.actorIds]) {
      const { culprit } = host;
      this.#ended(
        actorId,
        culprit !== undefined && culprit.actorId !== actorId
          ? `its host was ended with its neighbour ${culprit.className}, which did not stop`
          : `its process ${kept.child.pid} ended by ${describe(fate)}`,
      );
    }
  }

  #ended(actorId: ActorId, reason: string): void {
    const living = this.#living.get(actorId);
    if (living === undefined) return;
    this.#living.delete(actorId);
    const { host, spec, incarnation, processId, stopTimer } = living;
    if (processId !== undefined) this.#byProcess.delete(processId);
    host.actorIds.delete(actorId);
    if (stopTimer !== undefined) host.stoppingCount--;
    clearTimeout(stopTimer);
    if (host.actorIds.size === 0) this.#endHost(host, "its last actor ended");
    else this.#nameHost(host);
    this.#rooms.pool().give(toUnits(spec.resources));
    this.#events.actorEnded(actorId, { incarnation, reason });
    // Waiting actors first: tasks get their turn again soon.
    this.resourcesGiven();
    this.#events.resourcesGiven();
  }
}

function describe(fate: Fate): string {
  const how = fate.exitSignal !== undefined
    ? `signal ${fate.exitSignal}`
    : `exit code ${fate.exitCode ?? "unknown"}`;
  const tail = fate.stderrTail === undefined
    ? ""
    : `; the last it wrote to stderr: ${fate.stderrTail}`;
  return how + tail;
}
