/**
 * The head's table of actors: names, lives, deaths and restarts.
 *
 * An incarnation is one start of an actor; what is told of an older one is
 * late and changes nothing. Pure: where actors run, and what restarting
 * takes, is the node's.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import type { ActorId, ProcessId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import type { ActorSpec } from "../base/spec.ts";

/** Where an actor stands. */
export type ActorPhase = "starting" | "alive" | "restarting" | "dead";

/** What the head must do after an event, in order. */
export type ActorCommand =
  /** Start the incarnation somewhere. */
  | { kind: "start"; actorId: ActorId; incarnation: number }
  /** End it: gracefully (its own clean-up first), or at once. */
  | { kind: "stop"; actorId: ActorId; isGraceful: boolean; reason: string }
  /** Tell everybody who asked how it is. */
  | { kind: "announce"; actorId: ActorId }
  /** A durable one is dead for good: its state goes, or stays for the next of its name. */
  | { kind: "leave"; actorId: ActorId; isForgotten: boolean };

/** What a creation came to. */
export type Creation =
  | { kind: "created"; commands: ActorCommand[] }
  | { kind: "exists"; actorId: ActorId }
  | { kind: "taken" };

/** One actor as the head knows it. */
export interface ActorView {
  readonly spec: ActorSpec;
  readonly phase: ActorPhase;
  readonly incarnation: number;
  readonly processId: ProcessId | undefined;
  readonly reason: string | undefined;
}

interface Actor {
  /** Once it is dead, without what starting it took. */
  spec: ActorSpec;
  phase: ActorPhase;
  incarnation: number;
  processId: ProcessId | undefined;
  reason: string | undefined;
  /** It was asked to end, and why: its end is no crash. */
  stopReason: string | undefined;
  /** Whether its next end may be followed by a restart although it was asked for. */
  mayRestart: boolean;
  /** It was asked to end together with its state. */
  isForgotten: boolean;
}

const noValue = { bytes: new Uint8Array(0) };

/** Keeps the actors of one cluster. */
export class ActorTable {
  readonly #actors = new Map<ActorId, Actor>();
  readonly #names = new Map<string, ActorId>();
  readonly #dead = new Set<ActorId>();

  /** Somebody creates an actor. Idempotent: a retry finds its own. */
  created(spec: ActorSpec): Creation {
    if (this.#actors.has(spec.actorId)) {
      return { kind: "created", commands: [] };
    }
    if (spec.name !== undefined) {
      const key = nameKey(spec.namespace, spec.name);
      const holder = this.#names.get(key);
      if (holder !== undefined) {
        return spec.getIfExists
          ? { kind: "exists", actorId: holder }
          : { kind: "taken" };
      }
      this.#names.set(key, spec.actorId);
    }
    this.#actors.set(spec.actorId, {
      spec,
      phase: "starting",
      incarnation: 0,
      processId: undefined,
      reason: undefined,
      stopReason: undefined,
      mayRestart: false,
      isForgotten: false,
    });
    return {
      kind: "created",
      commands: [{ kind: "start", actorId: spec.actorId, incarnation: 0 }],
    };
  }

  /** The head came back, and knew this actor: it may still run. */
  restored(
    { spec, phase, incarnation, processId }: Omit<ActorView, "reason">,
  ): void {
    assert(phase !== "dead", "A dead actor is restored");
    const { actorId, namespace, name } = spec;
    assert(!this.#actors.has(actorId), "An actor is restored twice");
    if (name !== undefined) this.#names.set(nameKey(namespace, name), actorId);
    this.#actors.set(actorId, {
      spec,
      phase,
      incarnation,
      processId,
      reason: undefined,
      stopReason: undefined,
      mayRestart: false,
      isForgotten: false,
    });
  }

  /** The head came back, and knew that this actor is dead. */
  restoredDead(
    { spec, incarnation, reason }: Omit<ActorView, "phase" | "processId">,
  ): void {
    const actor: Actor = {
      spec,
      phase: "dead",
      incarnation,
      processId: undefined,
      reason,
      stopReason: undefined,
      mayRestart: false,
      isForgotten: false,
    };
    this.#actors.set(spec.actorId, actor);
    this.#bury(actor);
  }

  /** An incarnation's constructor is done: it takes calls. */
  started(
    actorId: ActorId,
    { incarnation, processId }: { incarnation: number; processId: ProcessId },
  ): ActorCommand[] {
    const actor = this.#actors.get(actorId);
    if (actor?.incarnation !== incarnation || actor.phase === "dead") return [];
    if (actor.phase === "alive") return [];
    actor.phase = "alive";
    actor.processId = processId;
    actor.reason = undefined;
    return [{ kind: "announce", actorId }];
  }

  /** An incarnation's constructor threw: it is dead for good. */
  constructorFailed(actorId: ActorId, incarnation: number): ActorCommand[] {
    const actor = this.#actors.get(actorId);
    if (actor?.incarnation !== incarnation || actor.phase === "dead") return [];
    return this.#die(actor, "its constructor threw");
  }

  /** An incarnation's process or isolate ended, however. */
  ended(
    actorId: ActorId,
    { incarnation, reason }: { incarnation: number; reason: string },
  ): ActorCommand[] {
    const actor = this.#actors.get(actorId);
    if (actor?.incarnation !== incarnation || actor.phase === "dead") return [];
    const isAsked = actor.stopReason !== undefined && !actor.mayRestart;
    if (isAsked) return this.#die(actor, actor.stopReason!);
    const { maxRestarts } = actor.spec;
    const isSpent = maxRestarts >= 0 && actor.incarnation >= maxRestarts;
    if (isSpent) return this.#die(actor, actor.stopReason ?? reason);
    actor.phase = "restarting";
    actor.processId = undefined;
    actor.reason = actor.stopReason ?? reason;
    actor.stopReason = undefined;
    actor.mayRestart = false;
    actor.incarnation++;
    return [
      { kind: "announce", actorId },
      { kind: "start", actorId, incarnation: actor.incarnation },
    ];
  }

  /**
   * The head came back, and the node that was to run an incarnation has it not:
   * one that never lived starts there or elsewhere, of one that did the end was
   * not heard.
   */
  missed(
    actorId: ActorId,
    how: { incarnation: number; reason: string },
  ): ActorCommand[] {
    const actor = this.#actors.get(actorId);
    const { incarnation } = how;
    if (actor?.incarnation !== incarnation || actor.phase === "dead") return [];
    const isAwaited = actor.phase !== "alive" && actor.stopReason === undefined;
    return isAwaited
      ? [{ kind: "start", actorId, incarnation }]
      : this.ended(actorId, how);
  }

  /** Somebody kills it. */
  killed(
    actorId: ActorId,
    { noRestart, reason = "it was killed by kill()" }: {
      noRestart: boolean;
      reason?: string;
    },
  ): ActorCommand[] {
    return this.#stop(actorId, {
      reason,
      isGraceful: false,
      mayRestart: !noRestart,
      isForgotten: noRestart,
    });
  }

  /** A call in that process can't be stopped but with its actor, which may start again. */
  aborted(
    actorId: ActorId,
    { processId, reason }: { processId: ProcessId; reason: string },
  ): ActorCommand[] {
    if (this.#actors.get(actorId)?.processId !== processId) return [];
    return this.#stop(actorId, { reason, isGraceful: false, mayRestart: true });
  }

  /** It leaves by its own will. */
  exiting(
    actorId: ActorId,
    incarnation: number,
    reason = "it left by exitActor()",
  ): ActorCommand[] {
    const actor = this.#actors.get(actorId);
    if (actor?.incarnation !== incarnation) return [];
    return this.#stop(actorId, {
      reason,
      isGraceful: true,
      mayRestart: false,
      isForgotten: true,
    });
  }

  /** No handle is left. */
  released(actorId: ActorId): ActorCommand[] {
    if (this.#actors.get(actorId)?.spec.isDetached) return [];
    return this.#stop(actorId, {
      reason: "no handle to it was left",
      isGraceful: true,
      mayRestart: false,
    });
  }

  /** A process is gone: so are the actors whose handles it owned. */
  ownerEnded(ownerId: ProcessId): ActorCommand[] {
    const commands: ActorCommand[] = [];
    for (const [actorId, { spec, phase }] of this.#actors) {
      if (spec.ownerId !== ownerId || spec.isDetached || phase === "dead") {
        continue;
      }
      commands.push(...this.#stop(actorId, {
        reason: "the process that created it is gone",
        isGraceful: false,
        mayRestart: false,
      }));
    }
    return commands;
  }

  /** The living actor of that name. */
  find(namespace: string, name: string): ActorId | undefined {
    return this.#names.get(nameKey(namespace, name));
  }

  /** How an actor is; undefined if there never was one, or it is long dead. */
  view(actorId: ActorId): ActorView | undefined {
    return this.#actors.get(actorId);
  }

  /** All actors that are remembered. */
  views(): Iterable<ActorView> {
    return this.#actors.values();
  }

  /** Asserts every invariant; tests call it after each event. */
  validate(): void {
    for (const [key, actorId] of this.#names) {
      const actor = this.#actors.get(actorId);
      assert(actor !== undefined, "Name of no actor");
      assert(actor.phase !== "dead", "Name of a dead actor");
      const { namespace, name } = actor.spec;
      assert(
        name !== undefined && nameKey(namespace, name) === key,
        "Wrong name",
      );
    }
    for (const actor of this.#actors.values()) {
      const { spec, phase, incarnation, processId } = actor;
      const isDead = phase === "dead";
      assert(isDead === this.#dead.has(spec.actorId), "Death is not counted");
      assert(!isDead || spec.args === noValue, "Dead actor keeps arguments");
      assert(
        (processId !== undefined) === (phase === "alive"),
        "Actor nowhere",
      );
      assert(
        spec.maxRestarts < 0 || incarnation <= spec.maxRestarts,
        "Restarted too often",
      );
    }
  }

  #stop(
    actorId: ActorId,
    { reason, isGraceful, mayRestart, isForgotten = false }: {
      reason: string;
      isGraceful: boolean;
      mayRestart: boolean;
      isForgotten?: boolean;
    },
  ): ActorCommand[] {
    const actor = this.#actors.get(actorId);
    if (actor === undefined || actor.phase === "dead") return [];
    actor.isForgotten ||= isForgotten;
    const isKnown = actor.stopReason !== undefined && !actor.mayRestart;
    if (!isKnown) {
      actor.stopReason = reason;
      actor.mayRestart = mayRestart;
    }
    return [{ kind: "stop", actorId, isGraceful, reason }];
  }

  #die(actor: Actor, reason: string): ActorCommand[] {
    const { actorId, name, namespace } = actor.spec;
    actor.phase = "dead";
    actor.processId = undefined;
    actor.reason = reason;
    if (name !== undefined) this.#names.delete(nameKey(namespace, name));
    this.#bury(actor);
    const { isForgotten } = actor;
    return [
      { kind: "announce", actorId },
      // One without a name is found by nobody again.
      ...(actor.spec.isDurable
        ? [{
          kind: "leave" as const,
          actorId,
          isForgotten: isForgotten || name === undefined,
        }]
        : []),
    ];
  }

  /** It is remembered for late questions. */
  #bury(actor: Actor): void {
    actor.spec = {
      ...actor.spec,
      bundles: [],
      args: noValue,
      dependencies: [],
    };
    this.#dead.add(actor.spec.actorId);
    if (this.#dead.size <= limits.rememberedMax) return;
    const [oldest] = this.#dead;
    this.#dead.delete(oldest!);
    this.#actors.delete(oldest!);
  }
}

function nameKey(namespace: string, name: string): string {
  return JSON.stringify([namespace, name]);
}
