/**
 * The head: the directory of actors, and what is told to whom about them.
 *
 * Decides by `state/actors.ts`; where an incarnation runs is up to the port it
 * is given, which on one machine is the node beside it.
 *
 * @module
 */
import { unreachable } from "../base/errors.ts";
import type { ActorId, ProcessId } from "../base/ids.ts";
import type { ActorSpec } from "../base/spec.ts";
import type { StoredValue } from "../base/stored.ts";
import { type ActorCommand, ActorTable } from "../state/actors.ts";
import type { ActorHandleFields, ActorState } from "../wire/messages.ts";
import type { NoticeHandlers, Peer, RequestHandlers } from "../wire/peer.ts";

/** Where actors run. */
export interface ActorPlaces {
  /** Starts an incarnation; what becomes of it is told to the head. */
  start(spec: ActorSpec, incarnation: number): void;
  /** Ends an actor's present incarnation. */
  stop(
    actorId: ActorId,
    how: { isGraceful: boolean; reason: string },
  ): void;
  /** Why it could never run here, if so. */
  refusal(spec: ActorSpec): string | undefined;
  /** Its process's id at the system. */
  pidOf(processId: ProcessId): number | undefined;
}

interface Watcher {
  readonly peer: Peer;
  /** The id it asked by. */
  readonly as: ActorId;
}

interface FateWaiter {
  readonly incarnation: number;
  resolve(state: ActorState): void;
}

/** Keeps the actors of one cluster. */
export class Head {
  readonly #table = new ActorTable();
  readonly #places: ActorPlaces;
  readonly #watchers = new Map<ActorId, Watcher[]>();
  readonly #fates = new Map<ActorId, FateWaiter[]>();
  /** Ids of actors that were not made, because one of that name was there. */
  readonly #aliases = new Map<ActorId, ActorId>();
  /** What constructors threw. */
  readonly #errors = new Map<ActorId, StoredValue>();

  constructor(places: ActorPlaces) {
    this.#places = places;
  }

  /** What it answers. */
  requests(): RequestHandlers {
    return {
      "actor.create": ({ spec }) => this.#create(spec),
      "actor.find": ({ name, namespace }) => {
        const actorId = this.#table.find(namespace, name);
        return actorId === undefined ? {} : { handle: this.#handle(actorId) };
      },
      "actor.watch": ({ actorId: as }, peer) => {
        const actorId = this.#real(as);
        const watchers = this.#watchers.get(actorId) ?? [];
        watchers.push({ peer, as });
        this.#watchers.set(actorId, watchers);
        return { ...this.#state(actorId), actorId: as };
      },
      "actor.fate": ({ actorId }, peer) =>
        this.#fate(this.#real(actorId), peer),
      "actor.kill": ({ actorId, noRestart }) => {
        const real = this.#real(actorId);
        this.#carryOut(this.#table.killed(real, { noRestart }));
        return {};
      },
    };
  }

  /** What it hears. */
  notices(): NoticeHandlers {
    return {
      "actor.release": ({ actorId }) =>
        this.#carryOut(this.#table.released(actorId)),
      "actor.ready": ({ actorId, incarnation }, peer) => {
        const { processId } = peer.remote!;
        this.#carryOut(
          this.#table.started(actorId, { incarnation, processId }),
        );
      },
      "actor.failed": ({ actorId, incarnation, error }) => {
        this.#errors.set(actorId, error);
        this.#carryOut(this.#table.constructorFailed(actorId, incarnation));
        this.#places.stop(actorId, {
          isGraceful: false,
          reason: "its constructor threw",
        });
      },
      "actor.exiting": ({ actorId, incarnation }) =>
        this.#carryOut(this.#table.exiting(actorId, incarnation)),
    };
  }

  /** An incarnation ended. */
  actorEnded(
    actorId: ActorId,
    how: { incarnation: number; reason: string },
  ): void {
    this.#carryOut(this.#table.ended(actorId, how));
  }

  /** A process is gone. */
  processEnded(processId: ProcessId, peer: Peer): void {
    for (const [actorId, watchers] of this.#watchers) {
      const others = watchers.filter((watcher) => watcher.peer !== peer);
      this.#watchers.set(actorId, others);
    }
    this.#carryOut(this.#table.ownerEnded(processId));
  }

  #create(spec: ActorSpec) {
    const refusal = this.#places.refusal(spec);
    if (refusal !== undefined) {
      return { kind: "refused" as const, reason: refusal };
    }
    const creation = this.#table.created(spec);
    switch (creation.kind) {
      case "created":
        this.#carryOut(creation.commands);
        return { kind: "created" as const };
      case "exists":
        this.#aliases.set(spec.actorId, creation.actorId);
        return { kind: "created" as const };
      case "taken":
        return {
          kind: "refused" as const,
          reason:
            `an actor named "${spec.name}" is alive in namespace "${spec.namespace}": ` +
            "choose another name, or pass getIfExists: true",
        };
      default:
        return unreachable(creation);
    }
  }

  #real(actorId: ActorId): ActorId {
    return this.#aliases.get(actorId) ?? actorId;
  }

  #handle(actorId: ActorId): ActorHandleFields {
    const { className, methods, maxTaskRetries, maxPendingCalls } = this.#table
      .view(actorId)!.spec;
    return { actorId, className, methods, maxTaskRetries, maxPendingCalls };
  }

  #state(actorId: ActorId): ActorState {
    const view = this.#table.view(actorId);
    if (view === undefined) {
      const reason = "it is long gone, or never was";
      return { actorId, phase: "dead", incarnation: 0, reason };
    }
    const { phase, incarnation, processId, reason } = view;
    const error = this.#errors.get(actorId);
    const pid = processId && this.#places.pidOf(processId);
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

  /** Answers once the incarnation that the asker lost has been noticed here too. */
  #fate(actorId: ActorId, peer: Peer): ActorState | Promise<ActorState> {
    const state = this.#state(actorId);
    if (state.phase !== "alive") return state;
    const waiters = this.#fates.get(actorId) ?? [];
    this.#fates.set(actorId, waiters);
    return new Promise((resolve) => {
      waiters.push({ incarnation: state.incarnation, resolve });
      peer.closed.then(() => resolve(state));
    });
  }

  #carryOut(commands: ActorCommand[]): void {
    for (const command of commands) {
      switch (command.kind) {
        case "start": {
          const { spec } = this.#table.view(command.actorId)!;
          this.#places.start(spec, command.incarnation);
          break;
        }
        case "stop":
          this.#places.stop(command.actorId, command);
          break;
        case "announce":
          this.#announce(command.actorId);
          break;
        default:
          unreachable(command);
      }
    }
  }

  #announce(actorId: ActorId): void {
    const state = this.#state(actorId);
    for (const { peer, as } of this.#watchers.get(actorId) ?? []) {
      peer.notify("actor.state", { ...state, actorId: as });
    }
    if (state.phase === "alive") return;
    for (const waiter of this.#fates.get(actorId) ?? []) waiter.resolve(state);
    this.#fates.delete(actorId);
    if (state.phase === "dead") this.#watchers.delete(actorId);
  }
}
