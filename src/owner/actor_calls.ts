/**
 * Calls to actors: sent when the actor is there, settled or sent again when it
 * dies.
 *
 * In which order, and what goes again, is decided by `state/call_order.ts`;
 * whether an actor starts again is the head's decision: here it is heard of.
 *
 * @module
 */
import {
  ActorUnavailableError,
  PendingCallsLimitExceeded,
} from "../base/errors.ts";
import type { ActorId, ProcessId } from "../base/ids.ts";
import { FrameKind } from "../wire/frame.ts";
import type { ActorState } from "../wire/messages.ts";
import type { Network } from "../wire/network.ts";
import { type Peer, PeerEndedError } from "../wire/peer.ts";
import {
  noSlot,
  type ReplyFrame,
  TaskFlag,
  writeTask,
} from "../wire/task_frames.ts";
import { type ActorInfo, type Callee, newCallee } from "./callee.ts";
import { dependencyValues } from "./lease_link.ts";
import type { ObjectRef } from "./object_ref.ts";
import type { OwnerPort } from "./owner_port.ts";
import type { StreamSink, TaskRecord, TaskTemplate } from "./task_record.ts";
import { ActorBirths, type Birth } from "./actor_births.ts";
import { deathError, tellDeath } from "./actor_deaths.ts";

/** All calls of one process. */
export class ActorCalls {
  readonly births: ActorBirths;
  readonly #owner: OwnerPort;
  readonly #network: Network;
  readonly #callees = new Map<ActorId, Callee>();
  readonly #byOrdinal = new Map<
    number,
    { callee: Callee; record: TaskRecord; handle: object }
  >();

  constructor(owner: OwnerPort, network: Network) {
    this.#owner = owner;
    this.#network = network;
    this.births = new ActorBirths(owner);
  }

  /** Creates an actor: its calls wait until it is there. */
  create(info: ActorInfo, birth: Birth): void {
    const callee = this.#newCallee(info);
    this.births.create(birth).then(
      () => this.#watch(callee),
      (error) => this.#stillborn(callee, error),
    );
  }

  /** Submits a call; its refs are there at once. */
  call(
    info: ActorInfo,
    { template, args, sink, handle }: {
      template: TaskTemplate;
      args: unknown[];
      sink: StreamSink | undefined;
      /** What keeps the actor alive: the call does, until it is answered. */
      handle: object;
    },
  ): { refs: ObjectRef<unknown>[]; record: TaskRecord } {
    const callee = this.#calleeOf(info);
    const { actorId, maxPendingCalls } = info;
    const { order } = callee;
    if (maxPendingCalls >= 0 && order.pendingCount >= maxPendingCalls) {
      throw new PendingCallsLimitExceeded(
        `Cannot call ${template.settings.name}: its maxPendingCalls of ${maxPendingCalls} calls are under way`,
        { actorId, maxPendingCalls },
      );
    }
    callee.isCalled = true;
    const { record, refs, ready } = this.#owner.intake.prepare(
      template,
      args,
      sink,
    );
    order.called(record);
    this.#byOrdinal.set(record.ordinal, { callee, record, handle });
    this.#owner.intake.whenPrepared(record, ready, () => {
      order.prepared(record);
      this.#advance(callee, record.callerNo);
    });
    return { refs, record };
  }

  /** The head says how an actor is. */
  onState(state: ActorState): void {
    const callee = this.#callees.get(state.actorId);
    if (callee === undefined) return;
    if (!callee.order.heard(state)) return;
    if (state.phase === "dead") {
      this.births.forget(state.actorId);
      this.#bury(callee, state);
      if (!callee.isCalled) this.#tellUncalled(callee, state);
    }
    this.#connect(callee);
  }

  /** An actor answered; false if no call has that number. */
  onReply(reply: ReplyFrame, from: Peer): boolean {
    const open = this.#byOrdinal.get(reply.ordinal);
    if (open === undefined) return false;
    const { callee, record } = open;
    callee.order.answered(record);
    this.#byOrdinal.delete(reply.ordinal);
    this.#owner.outcomes.replied(record, reply, from);
    return true;
  }

  /** The call of that number. */
  inFlight(ordinal: number): TaskRecord | undefined {
    return this.#byOrdinal.get(ordinal)?.record;
  }

  /** The connection to the actor that has a sent call. */
  peerOf(record: TaskRecord): Peer | undefined {
    return this.#byOrdinal.get(record.ordinal)?.callee.order.connection;
  }

  /** Takes a call out that was not sent, and lets those behind it go; false if it was sent, or is no call. */
  withdraw(record: TaskRecord): boolean {
    const open = this.#byOrdinal.get(record.ordinal);
    if (open === undefined || !open.callee.order.withdrawn(record)) {
      return false;
    }
    this.#byOrdinal.delete(record.ordinal);
    // Not now: whoever settles many must not see those behind sent meanwhile.
    queueMicrotask(() => this.#advance(open.callee, record.callerNo));
    return true;
  }

  /** Ends the actor's process that runs a sent call; false if there is none. */
  abort(record: TaskRecord, reason: string): boolean {
    const open = this.#byOrdinal.get(record.ordinal);
    const processId = open?.callee.order.connection?.remote?.processId;
    if (open === undefined || processId === undefined) return false;
    const { actorId } = open.callee.info;
    this.#owner.node.notify("actor.abort", { actorId, processId, reason });
    return true;
  }

  /** What an actor is doing, in words. */
  describe(record: TaskRecord): string | undefined {
    const open = this.#byOrdinal.get(record.ordinal);
    if (open === undefined) return undefined;
    const { order } = open.callee;
    const phase = order.news?.phase ?? "starting";
    return order.isSent(record)
      ? `was sent to its actor, which is ${phase}`
      : `waits for its actor, which is ${phase}`;
  }

  #calleeOf(info: ActorInfo): Callee {
    let callee = this.#callees.get(info.actorId);
    if (callee !== undefined) return callee;
    callee = this.#newCallee(info);
    this.#watch(callee);
    return callee;
  }

  #newCallee(info: ActorInfo): Callee {
    const callee = newCallee(info);
    this.#callees.set(info.actorId, callee);
    return callee;
  }

  async #watch(callee: Callee): Promise<void> {
    const { actorId } = callee.info;
    try {
      this.onState(await this.#owner.node.request("actor.watch", { actorId }));
    } catch (error) {
      this.#stillborn(callee, error);
    }
  }

  /** It never came to be: its calls are told why. */
  #stillborn(callee: Callee, error: unknown): void {
    callee.deathCause = error;
    this.onState({
      actorId: callee.info.actorId,
      phase: "dead",
      incarnation: 0,
      reason: error instanceof Error
        ? error.message
        : "it could not be created",
    });
  }

  async #connect(callee: Callee): Promise<void> {
    const { order } = callee;
    const processId = order.connecting();
    if (processId === undefined) return;
    try {
      const peer = await this.#network.peer(processId);
      if (order.connected(processId, peer)) {
        peer.closed.then(() => this.#disconnected(callee, peer));
        for (const callerNo of order.callers) this.#advance(callee, callerNo);
      }
    } catch {
      // It died before it could be greeted: the head tells what comes next.
      order.notConnected();
    }
    if (order.news?.processId !== processId) this.#connect(callee);
  }

  /** Sends a caller's calls as far as they are ready. */
  #advance(callee: Callee, callerNo: number): void {
    const { order } = callee;
    if (order.news?.phase === "dead") {
      this.#bury(callee, order.news);
      return;
    }
    for (;;) {
      const record = order.next(callerNo);
      if (record === undefined) return;
      this.#send(order.connection!, record);
    }
  }

  #send(peer: Peer, record: TaskRecord): void {
    const { settings } = record.template;
    const out = peer.begin(FrameKind.call);
    writeTask(out, {
      ordinal: record.ordinal,
      slot: noSlot,
      generation: 0,
      leaseNo: 0,
      functionNo: 0,
      method: record.template.method!,
      attempt: record.attempt,
      returnCount: settings.returnCount,
      flags: (settings.timeoutMs === undefined ? 0 : TaskFlag.timed) |
        (settings.isStream ? TaskFlag.stream : 0),
      depth: record.depth,
      callerNo: record.callerNo,
      backpressure: settings.backpressure,
      args: record.args.stored,
      dependencies: dependencyValues(record.dependencies),
    });
    peer.end();
  }

  /** The connection ended with calls unanswered: each may have run. */
  #disconnected(callee: Callee, peer: Peer): void {
    const { processId } = peer.remote!;
    const { abandoned, failed } = callee.order.disconnected(peer, processId);
    for (const record of abandoned) {
      this.#byOrdinal.delete(record.ordinal);
      this.#owner.settle();
    }
    const { className, actorId } = callee.info;
    for (const record of failed) {
      const ask = { actorId, processId };
      this.#failWhenKnown(callee, record, { className, ask });
    }
    const { news } = callee.order;
    if (news?.phase === "dead") this.#bury(callee, news);
    else this.#connect(callee);
  }

  /** Fails a lost call by what the head says next: dead for good, or starting again. */
  async #failWhenKnown(
    callee: Callee,
    record: TaskRecord,
    { className, ask }: {
      className: string;
      ask: { actorId: ActorId; processId: ProcessId };
    },
  ): Promise<void> {
    this.#byOrdinal.delete(record.ordinal);
    const asked = this.#owner.node.request("actor.fate", ask);
    const state = await asked.catch(() => undefined);
    if (state?.phase === "dead") {
      this.#owner.outcomes.fail(record, await this.#deathError(callee, state));
      return;
    }
    const { name } = record.template.settings;
    const why = state?.reason === undefined ? "" : ` (${state.reason})`;
    this.#owner.outcomes.fail(
      record,
      new ActorUnavailableError(
        `Cannot finish call "${name}": actor ${className} died during it${why} and is starting again; the call may have run`,
        { actorId: ask.actorId },
      ),
    );
  }

  /** Rejects all that still waits for a dead actor. */
  async #bury(callee: Callee, state: ActorState): Promise<void> {
    const waiting = callee.order.buried();
    const error = await this.#deathError(callee, state);
    for (const record of waiting) {
      this.#byOrdinal.delete(record.ordinal);
      this.#owner.outcomes.fail(record, error);
    }
  }

  #deathError(callee: Callee, state: ActorState): Promise<Error> {
    const { className } = callee.info;
    const { deathCause } = callee;
    return deathError({ className, state, deathCause }, this.#owner.values);
  }

  /** Nobody has called it: nobody else would say why it never lived. */
  async #tellUncalled(callee: Callee, state: ActorState): Promise<void> {
    const { deathCause } = callee;
    const isFailure = state.error !== undefined || deathCause !== undefined;
    if (!isFailure || deathCause instanceof PeerEndedError) return;
    tellDeath(await this.#deathError(callee, state));
  }
}
