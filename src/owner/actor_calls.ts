/**
 * Calls to actors: sent when the actor is there, settled or sent again when it
 * dies.
 *
 * In which order, and what goes again, is decided by `state/call_order.ts`;
 * whether an actor starts again is the head's decision: here it is heard of.
 *
 * @module
 */
import { afterMs, type Timer } from "../base/clock.ts";
import { ActorDiedError, PendingCallsLimitExceeded } from "../base/errors.ts";
import type { ActorId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import { mayTake, recordRun } from "../state/pipelines.ts";
import type { ActorState } from "../wire/messages.ts";
import type { Network } from "../wire/network.ts";
import type { Peer } from "../wire/peer.ts";
import type { ReplyFrame } from "../wire/task_frames.ts";
import type { ActorInfo, Callee, Expected, OpenCall } from "./callee.ts";
import { Callees } from "./callees.ts";
import { goneArgument, writeCallTo } from "./lease_link.ts";
import type { ObjectRef } from "./object_ref.ts";
import { CallIds } from "./call_ids.ts";
import type { OwnerPort } from "./owner_port.ts";
import type { StreamSink, TaskRecord, TaskTemplate } from "./task_record.ts";
import { ActorBirths, type Birth } from "./actor_births.ts";
import { ActorDirectory } from "./actor_directory.ts";
import { ActorDeaths } from "./actor_deaths.ts";

/** All calls of one process. */
export class ActorCalls {
  readonly births: ActorBirths;
  readonly directory: ActorDirectory;
  readonly #owner: OwnerPort;
  readonly #network: Network;
  readonly #deaths: ActorDeaths;
  readonly #callIds: CallIds;
  readonly #callees = new Callees();
  readonly #open = new Map<number, OpenCall>();
  readonly #redials = new Set<Timer>();
  #onBorn: (() => unknown) | undefined;
  #isClosed = false;

  constructor(owner: OwnerPort, network: Network) {
    this.#owner = owner;
    this.#network = network;
    this.#callIds = new CallIds(owner, network.self.role);
    this.#deaths = new ActorDeaths(owner);
    this.births = new ActorBirths(owner);
    this.directory = new ActorDirectory(owner, {
      network,
      births: this.births,
      callees: this.#callees,
    });
  }

  /** Creates an actor: its calls wait until it is there. */
  create(info: ActorInfo, birth: Birth): void {
    const expected = birth.spec.getIfExists
      ? this.#callees.expect(info)
      : undefined;
    const callee = expected?.callee ?? this.#callees.add(info);
    callee.isBeingBorn ||= expected === undefined;
    this.births.create(birth).then(
      (existing) => {
        if (expected === undefined) return this.#watch(callee);
        const isKnown = existing !== undefined &&
          this.#callees.get(existing.actorId) !== undefined;
        const real = this.#identified(expected, existing ?? info);
        if (!isKnown) this.#watch(real);
      },
      (error) =>
        this.#stillborn(
          expected === undefined ? callee : this.#identified(expected, info),
          error,
        ),
    );
  }

  /** Submits a call; its refs are there at once. */
  call(
    info: ActorInfo,
    { template, args, sink, handle }: {
      template: TaskTemplate;
      args: unknown[];
      sink: StreamSink | undefined;
      handle: object;
    },
  ): { refs: ObjectRef<unknown>[]; record: TaskRecord } {
    const { actorId } = info;
    const known = this.#callees.get(actorId);
    const expected = known === undefined ? this.#expected(info) : undefined;
    const callee = known ?? expected!.callee;
    const { maxPendingCalls } = callee.info;
    if (
      maxPendingCalls >= 0 && callee.order.pendingCount >= maxPendingCalls
    ) {
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
    if (info.isDurable) record.callId = this.#callIds.next(info);
    const open: OpenCall = { callee, record, handle, expected };
    this.#callees.queued(open);
    this.#open.set(record.ordinal, open);
    this.#owner.intake.whenPrepared(record, ready, () => {
      if (this.#callees.holds(open)) return;
      open.callee.order.prepared(record);
      this.#advance(open.callee, record.callerNo);
    });
    return { refs, record };
  }

  /** Nothing more is called. Waits a moment for actors that nobody called: that one could not be made only this process tells. */
  async close(): Promise<void> {
    this.births.close();
    await this.#lastBirths();
    this.#isClosed = true;
    for (const timer of this.#redials) clearTimeout(timer);
  }

  async #lastBirths(): Promise<void> {
    const isAnyBeingBorn = () =>
      this.#callees.living().some((one) => one.isBeingBorn && !one.isCalled);
    if (!isAnyBeingBorn()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onBorn = () => isAnyBeingBorn() || resolve();
    const timer = setTimeout(resolve, limits.stopGraceMs);
    await promise;
    clearTimeout(timer);
    await this.#deaths.told();
  }

  /** The id of the actor that calls by this one go to, as far as it is known. */
  realId(actorId: ActorId): ActorId {
    return this.#callees.realId(actorId);
  }

  /** No handle of an actor that this process made, or found instead, is left anywhere. */
  released(actorId: ActorId): void {
    this.births.release(actorId);
    this.#callees.released(actorId);
  }

  /** The head says how an actor is. */
  onState(state: ActorState): void {
    const callee = this.#callees.get(state.actorId);
    if (callee === undefined) return this.#callees.heardEarly(state);
    if (!callee.order.heard(state)) return;
    if (state.phase === "dead") {
      this.births.forget(state.actorId);
      this.#callees.buried(callee);
      this.#bury(callee, state);
      if (!callee.isCalled) this.#deaths.tell(callee, state);
    }
    const { phase } = state;
    if (callee.isBeingBorn && (phase === "alive" || phase === "dead")) {
      callee.isBeingBorn = false;
      this.#onBorn?.();
    }
    this.#connect(callee);
  }

  /** The head is a new one: it is asked again for what this process wants to hear of. */
  watchAgain(): void {
    for (const one of this.#callees.living()) {
      this.births.created(one.info.actorId).then(() => this.#watch(one));
    }
  }

  /** An actor answered; false if no call has that number. */
  onReply(reply: ReplyFrame, from: Peer): boolean {
    const open = this.#open.get(reply.ordinal);
    if (open === undefined) return false;
    const { callee, record } = open;
    recordRun(record.stats, reply.runMs);
    callee.order.answered(record);
    this.#open.delete(reply.ordinal);
    this.#owner.outcomes.replied(record, reply, from);
    return true;
  }

  /** The call of that number. */
  inFlight(ordinal: number): TaskRecord | undefined {
    return this.#open.get(ordinal)?.record;
  }

  /** The connection to the actor that has a sent call. */
  peerOf(record: TaskRecord): Peer | undefined {
    return this.#open.get(record.ordinal)?.callee.order.connection;
  }

  /** Takes a call out that was not sent, and lets those behind it go; false if it was sent, or is no call. */
  withdraw(record: TaskRecord): boolean {
    const open = this.#open.get(record.ordinal);
    if (open === undefined || !open.callee.order.withdrawn(record)) {
      return false;
    }
    this.#open.delete(record.ordinal);
    this.#callees.left(open);
    // Not now: whoever settles many must not see those behind sent meanwhile.
    queueMicrotask(() => this.#advance(open.callee, record.callerNo));
    return true;
  }

  /** Ends the actor if it runs a sent call now; false if none has it any more. */
  abort(record: TaskRecord, reason: string): boolean {
    const open = this.#open.get(record.ordinal);
    const processId = open?.callee.order.connection?.remote?.processId;
    if (open === undefined || processId === undefined) return false;
    const { actorId } = open.callee.info;
    const ask = { actorId, processId, ordinal: record.ordinal, reason };
    this.#owner.head.notify("actor.abort", ask);
    // It may wait its turn now, and start before it hears that it is not to.
    clearTimeout(record.timer);
    record.timer = afterMs(
      limits.abortGraceMs,
      () => this.abort(record, reason),
    );
    return true;
  }

  /** What an actor is doing, in words. */
  describe(record: TaskRecord): string | undefined {
    const open = this.#open.get(record.ordinal);
    if (open === undefined) return undefined;
    const { order } = open.callee;
    const phase = order.news?.phase ?? "starting";
    return order.isSent(record)
      ? `was sent to its actor, which is ${phase}`
      : `waits for its actor, which is ${phase}`;
  }

  /** What is to become known of an id that is used for the first time. */
  #expected(info: ActorInfo): Expected {
    const known = this.#callees.expected(info.actorId);
    if (known !== undefined) return known;
    const expected = this.#callees.expect(info);
    this.#discover(expected);
    return expected;
  }

  async #discover(expected: Expected): Promise<void> {
    const { info } = expected;
    try {
      const state = await this.directory.stateOf(info.actorId);
      this.#identified(expected, { ...info, actorId: state.actorId });
      for (const news of this.#callees.newsSince(state)) this.onState(news);
    } catch (error) {
      this.#stillborn(this.#identified(expected, info), error);
    }
  }

  #identified(expected: Expected, real: ActorInfo): Callee {
    const before = expected.callee;
    const callee = this.#callees.identified(expected, real);
    for (const one of new Set([before, callee])) this.#advanceAll(one);
    return callee;
  }

  async #watch(callee: Callee): Promise<void> {
    try {
      this.onState(await this.directory.stateOf(callee.info.actorId));
    } catch (error) {
      this.#stillborn(callee, error);
    }
  }

  /** It never came to be: its calls are told why. */
  #stillborn(callee: Callee, error: unknown): void {
    // Whoever ended it knows.
    const isEnded = error instanceof ActorDiedError;
    if (!isEnded) callee.deathCause = error;
    this.onState({
      actorId: callee.info.actorId,
      phase: "dead",
      incarnation: 0,
      reason: isEnded
        ? error.reason
        : error instanceof Error
        ? error.message
        : "it could not be created",
    });
  }

  async #connect(callee: Callee): Promise<void> {
    if (this.#isClosed) return;
    const { order } = callee;
    const processId = order.connecting();
    if (processId === undefined) return;
    try {
      const peer = await this.#network.peer(processId);
      callee.failedDialCount = 0;
      if (order.connected(processId, peer)) {
        peer.closed.then(() => this.#disconnected(callee, peer));
        this.#advanceAll(callee);
      }
    } catch (error) {
      order.notConnected();
      if (order.news?.processId === processId) {
        this.#connectLater(callee, error);
        return;
      }
    }
    // What was heard meanwhile had to wait for this.
    if (order.news?.processId !== processId) this.#connect(callee);
  }

  /** Most likely it died before it could be greeted, and the head tells; if it lives, it is tried again. */
  #connectLater(callee: Callee, error: unknown): void {
    if (this.#isClosed) return;
    log.debug(`actor ${callee.info.className} did not answer: ${error}`);
    const delayMs = limits.redialMs *
      2 ** Math.min(callee.failedDialCount++, 7);
    const timer = afterMs(delayMs, () => {
      this.#redials.delete(timer);
      this.#connect(callee);
    });
    this.#redials.add(timer);
  }

  #advanceAll(callee: Callee): void {
    for (const callerNo of callee.order.callers) {
      this.#advance(callee, callerNo);
    }
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
      const gone = goneArgument(record);
      if (gone === undefined) this.#send(order, record);
      else {
        order.answered(record);
        this.#open.delete(record.ordinal);
        this.#owner.outcomes.fail(record, gone.error);
      }
    }
  }

  #send(order: Callee["order"], record: TaskRecord): void {
    const peer = order.connection!;
    record.place = peer.remote;
    this.#owner.outcomes.pushed(record);
    writeCallTo(peer, record);
    // Whoever calls may compute on before its turn ends.
    const isAwaited = mayTake(limits.briefRunMs, record.stats);
    if (isAwaited && order.pendingCount === 1) peer.sendNow();
  }

  /** The connection ended with calls unanswered: each may have run. */
  #disconnected(callee: Callee, peer: Peer): void {
    const { processId } = peer.remote!;
    const { abandoned, failed, again } = callee.order.disconnected(
      peer,
      processId,
    );
    for (const record of abandoned) this.#open.delete(record.ordinal);
    for (const record of again) {
      this.#owner.lineage.attempted(record, "crashed", {});
    }
    for (const record of failed) {
      this.#open.delete(record.ordinal);
      this.#deaths.failWhenKnown(callee, record, processId);
    }
    const { news } = callee.order;
    if (news?.phase === "dead") this.#bury(callee, news);
    else this.#connect(callee);
  }

  /** Rejects all that still waits for a dead actor. */
  #bury(callee: Callee, state: ActorState): void {
    const waiting = callee.order.buried();
    for (const record of waiting) this.#open.delete(record.ordinal);
    this.#deaths.fail(callee, waiting, state);
  }
}
