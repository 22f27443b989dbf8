/**
 * The head: the directory of actors, and what is told to whom about them.
 *
 * Decides by `state/actors.ts`; where an incarnation runs is up to the port it
 * is given, which on one machine is the node beside it.
 *
 * @module
 */
import type { DurableIdentity } from "../base/durable.ts";
import { unreachable } from "../base/errors.ts";
import type { ActorId, ProcessId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import type { ActorSpec } from "../base/spec.ts";
import type { StoredValue } from "../base/stored.ts";
import {
  type ActorCommand,
  ActorTable,
  type ActorView,
} from "../state/actors.ts";
import { groupOf } from "../state/placement_groups.ts";
import type { ActorHandleFields, ActorState } from "../wire/messages.ts";
import type { NoticeHandlers, Peer, RequestHandlers } from "../wire/peer.ts";
import { listActors } from "./actor_list.ts";
import type { DeadActor } from "./directory.ts";

/** Where actors run. */
export interface ActorPlaces {
  /** Starts an incarnation; what becomes of it is told to the head. */
  start(spec: ActorSpec, incarnation: number): void;
  /** Ends an actor's present incarnation. */
  stop(
    actorId: ActorId,
    how: { isGraceful: boolean; reason: string },
  ): void;
  /** Whether an actor runs a call now; rejects never. */
  runs(
    call: { actorId: ActorId; callerId: ProcessId; ordinal: number },
  ): Promise<boolean>;
  /** Why it could never run here, if so. */
  refusal(spec: ActorSpec): string | undefined;
  readonly durable?: DurableStore;
}

/** Where the states of durable actors are kept. */
export interface DurableStore {
  /** What starts the actor of that name, if a state of it is kept. */
  find(namespace: string, name: string): Promise<Uint8Array | undefined>;
  /** An actor is dead for good, and its state forgotten or left for the next of its name. */
  left(actorId: ActorId, isForgotten: boolean): Promise<void>;
}

/** What hears of every change of an actor. */
export interface ActorListener {
  /** `error` is what its constructor threw, if it did. */
  told(
    view: ActorView,
    pid: number | undefined,
    error: StoredValue | undefined,
  ): void;
}

/** Keeps the actors of one cluster. */
export class Head {
  readonly #table = new ActorTable();
  readonly #places: ActorPlaces;
  readonly #listener: ActorListener;
  readonly #watchers = new Map<ActorId, Set<Peer>>();
  /** Who waits for the end of an actor's present incarnation. */
  readonly #fates = new Map<ActorId, PromiseWithResolvers<void>>();
  /** Ids of actors that were not made, because one of that name was there. */
  readonly #aliases = new Map<ActorId, ActorId>();
  /** Durable actors whose end is on its way to the file. */
  readonly #leaving = new Map<ActorId, Promise<void>>();
  /** The processes that they were last alive in. */
  readonly #pids = new Map<ActorId, { processId: ProcessId; pid: number }>();
  /** What constructors threw. */
  readonly #errors = new Map<ActorId, StoredValue>();
  #pruneAtCount: number = limits.rememberedMax;

  constructor(places: ActorPlaces, listener: ActorListener) {
    this.#places = places;
    this.#listener = listener;
  }

  /** What it answers. */
  requests(): RequestHandlers {
    return {
      "actor.create": ({ spec }) => this.#create(spec),
      "actor.find": async ({ name, namespace }) => {
        const actorId = this.#table.find(namespace, name);
        if (actorId !== undefined) return { handle: this.#handle(actorId) };
        const kept = await this.#places.durable?.find(namespace, name);
        return kept === undefined ? {} : { kept };
      },
      "actor.list": ({ rowsMax }) =>
        listActors(this.#table.views(), { rowsMax, pids: this.#pids }),
      "actor.watch": ({ actorId }, peer) => {
        const state = this.#state(this.#real(actorId));
        if (state.phase !== "dead") this.#watch(state.actorId, peer);
        return state;
      },
      "actor.fate": async ({ actorId, processId }) => {
        const real = this.#real(actorId);
        // The asker may notice a death before this side does, or long after.
        if (this.#table.view(real)?.processId === processId) {
          await this.#over(real);
        }
        return this.#state(real);
      },
      "actor.kill": async ({ actorId, noRestart }) => {
        const real = this.#real(actorId);
        if (this.#table.view(real) === undefined) return { isUnknown: true };
        const commands = this.#table.killed(real, { noRestart });
        const over = commands.length === 0 ? undefined : this.#over(real);
        this.#carryOut(commands);
        await over;
        await this.#leaving.get(real);
        return {};
      },
      "actor.release": ({ actorId }) => {
        const isAlias = this.#aliases.delete(actorId);
        if (!isAlias) this.#carryOut(this.#table.released(actorId));
        return {};
      },
    };
  }

  /** What it hears. */
  notices(): NoticeHandlers {
    return {
      "actor.abort": async ({ processId, ordinal, reason, ...ask }, peer) => {
        const actorId = this.#real(ask.actorId);
        const callerId = peer.remote!.processId;
        // One that waits its turn is passed over when that comes.
        if (!await this.#places.runs({ actorId, callerId, ordinal })) return;
        this.#carryOut(this.#table.aborted(actorId, { processId, reason }));
      },
      "actor.ready": ({ actorId, incarnation }, peer) => {
        const { processId, pid } = peer.remote!;
        this.#pids.set(actorId, { processId, pid });
        this.#carryOut(
          this.#table.started(actorId, { incarnation, processId }),
        );
      },
      "actor.failed": ({ actorId, incarnation, error }) => {
        this.#errors.set(actorId, error);
        this.#carryOut(this.#table.constructorFailed(actorId, incarnation));
        this.#prune();
        this.#places.stop(actorId, {
          isGraceful: false,
          reason: "its constructor threw",
        });
      },
      "actor.exiting": ({ actorId, incarnation, reason }) =>
        this.#carryOut(this.#table.exiting(actorId, incarnation, reason)),
    };
  }

  /** The actor of an incarnation, if that is its present one. */
  present(actorId: ActorId, incarnation: number): ActorSpec | undefined {
    const view = this.#table.view(actorId);
    const isPresent = view?.incarnation === incarnation &&
      view.phase !== "dead";
    return isPresent ? view.spec : undefined;
  }

  /** Whose state a durable actor's incarnation asks for, if that is its present one. */
  durableIdentity(
    actorId: ActorId,
    incarnation: number,
  ): DurableIdentity | undefined {
    const spec = this.present(actorId, incarnation);
    if (spec?.isDurable !== true) return undefined;
    const { className, namespace, name, jobId } = spec;
    const identity = { actorId, jobId, className, namespace };
    return name === undefined ? identity : { ...identity, name };
  }

  /** Actors that this head knew before it was killed, and those that were dead. */
  restore(
    actors: Iterable<Omit<ActorView, "reason">>,
    dead: Iterable<DeadActor>,
  ): void {
    for (const actor of actors) this.#table.restored(actor);
    for (const { error, ...actor } of dead) {
      this.#table.restoredDead(actor);
      if (error !== undefined) this.#errors.set(actor.spec.actorId, error);
    }
  }

  /** All that are not dead. */
  *living(): Iterable<ActorView> {
    for (const view of this.#table.views()) {
      if (view.phase !== "dead") yield view;
    }
  }

  /** A process is gone that may have made actors. */
  ownerEnded(processId: ProcessId): void {
    this.#carryOut(this.#table.ownerEnded(processId));
  }

  /** An incarnation ended. */
  actorEnded(
    actorId: ActorId,
    how: { incarnation: number; reason: string },
  ): void {
    this.#carryOut(this.#table.ended(actorId, how));
  }

  /** The head came back, and an incarnation is not where it was to be. */
  actorMissed(
    actorId: ActorId,
    how: { incarnation: number; reason: string },
  ): void {
    this.#carryOut(this.#table.missed(actorId, how));
  }

  /** A process is gone. */
  processEnded(processId: ProcessId, peer: Peer): void {
    for (const watchers of this.#watchers.values()) watchers.delete(peer);
    this.#carryOut(this.#table.ownerEnded(processId));
  }

  #create(spec: ActorSpec) {
    const refusal = this.#places.refusal(spec);
    if (refusal !== undefined) {
      return {
        kind: "refused" as const,
        reason: refusal,
        isUnschedulable: true,
      };
    }
    const creation = this.#table.created(spec);
    switch (creation.kind) {
      case "created":
        this.#carryOut(creation.commands);
        return { kind: "created" as const };
      case "exists": {
        const { actorId } = creation;
        this.#aliases.set(spec.actorId, actorId);
        this.#prune();
        return { kind: "exists" as const, handle: this.#handle(actorId) };
      }
      case "taken":
        return {
          kind: "refused" as const,
          reason:
            `an actor named "${spec.name}" is alive in namespace "${spec.namespace}": ` +
            "choose another name, or pass getIfExists: true",
          isUnschedulable: false,
        };
      default:
        return unreachable(creation);
    }
  }

  /** A placement group is no more, and the actors in it. */
  groupRemoved(groupId: string): void {
    const reason = "its placement group was removed";
    for (const { spec: { actorId, resources } } of [...this.living()]) {
      if (groupOf(resources) !== groupId) continue;
      this.#carryOut(this.#table.killed(actorId, { noRestart: true, reason }));
    }
  }

  #watch(actorId: ActorId, peer: Peer): void {
    const watchers = this.#watchers.get(actorId);
    if (watchers === undefined) this.#watchers.set(actorId, new Set([peer]));
    else watchers.add(peer);
  }

  #real(actorId: ActorId): ActorId {
    return this.#aliases.get(actorId) ?? actorId;
  }

  #handle(actorId: ActorId): ActorHandleFields {
    return handleFields(this.#table.view(actorId)!.spec);
  }

  #state(actorId: ActorId): ActorState {
    const view = this.#table.view(actorId);
    if (view === undefined) {
      const reason = "it is long gone, or never was";
      return {
        actorId,
        phase: "dead",
        incarnation: 0,
        reason,
        isUnknown: true,
      };
    }
    const { phase, incarnation, processId, reason } = view;
    const error = this.#errors.get(actorId);
    const known = this.#pids.get(actorId);
    const pid = known?.processId === processId ? known?.pid : undefined;
    return {
      actorId,
      phase,
      incarnation,
      ...(processId === undefined ? {} : { processId }),
      ...(pid === undefined ? {} : { pid }),
      ...(reason === undefined ? {} : { reason }),
      ...(error === undefined ? {} : { error }),
    };
  }

  /** Lets go, now and then, of what belongs to actors that are forgotten. */
  #prune(): void {
    if (this.#errors.size + this.#aliases.size < this.#pruneAtCount) return;
    const isGone = (id: ActorId) => this.#table.view(id) === undefined;
    for (const actorId of this.#errors.keys()) {
      if (isGone(actorId)) this.#errors.delete(actorId);
    }
    for (const [alias, actorId] of this.#aliases) {
      if (isGone(actorId)) this.#aliases.delete(alias);
    }
    const keptCount = this.#errors.size + this.#aliases.size;
    this.#pruneAtCount = limits.rememberedMax + 2 * keptCount;
  }

  /** Resolves once an actor's present incarnation is over. */
  #over(actorId: ActorId): Promise<void> {
    let fate = this.#fates.get(actorId);
    if (fate === undefined) {
      this.#fates.set(actorId, fate = Promise.withResolvers<void>());
    }
    return fate.promise;
  }

  #carryOut(commands: ActorCommand[]): void {
    for (const command of commands) {
      switch (command.kind) {
        case "start": {
          const view = this.#table.view(command.actorId)!;
          this.#listener.told(view, undefined, undefined);
          this.#places.start(view.spec, command.incarnation);
          break;
        }
        case "stop":
          this.#places.stop(command.actorId, command);
          break;
        case "announce":
          this.#announce(command.actorId);
          break;
        case "leave":
          this.#leave(command.actorId, command.isForgotten);
          break;
        default:
          unreachable(command);
      }
    }
  }

  #leave(actorId: ActorId, isForgotten: boolean): void {
    const left = this.#places.durable?.left(actorId, isForgotten);
    if (left === undefined) return;
    this.#leaving.set(actorId, left);
    left.finally(() => this.#leaving.delete(actorId));
  }

  #announce(actorId: ActorId): void {
    const state = this.#state(actorId);
    const view = this.#table.view(actorId);
    if (view !== undefined) {
      this.#listener.told(view, state.pid, state.error);
    }
    for (const peer of this.#watchers.get(actorId) ?? []) {
      peer.notify("actor.state", state);
    }
    if (state.phase === "alive") return;
    this.#fates.get(actorId)?.resolve();
    this.#fates.delete(actorId);
    if (state.phase !== "dead") return;
    this.#watchers.delete(actorId);
    this.#pids.delete(actorId);
  }
}

/** What of an actor its handles are made of. */
function handleFields(spec: ActorSpec): ActorHandleFields {
  const { actorId, className, name, namespace, methods } = spec;
  const { isDetached, maxTaskRetries, maxPendingCalls, isDurable } = spec;
  return {
    actorId,
    className,
    ...(name === undefined ? {} : { name }),
    namespace,
    methods,
    isDetached,
    isDurable,
    maxTaskRetries,
    maxPendingCalls,
  };
}
