/**
 * Calls to actors: kept in the order of their caller, sent when the actor is
 * there, settled or sent again when it dies.
 *
 * A call with a pending argument holds back later calls of its own caller
 * only. Whether an actor starts again is the head's decision; here it is
 * heard of.
 *
 * @module
 */
import {
  ActorUnavailableError,
  PendingCallsLimitExceeded,
} from "../base/errors.ts";
import type { ActorId, ProcessId } from "../base/ids.ts";
import { mayRetry } from "../state/retries.ts";
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
import { currentContext } from "./context.ts";
import { dependencyValues } from "./lease_link.ts";
import type { ObjectRef } from "./object_ref.ts";
import type { OwnerPort } from "./owner_port.ts";
import type { StreamSink, TaskRecord, TaskTemplate } from "./task_record.ts";
import { ActorBirths, type Birth } from "./actor_births.ts";
import { deathError, tellDeath } from "./actor_deaths.ts";

/** What a caller must know of an actor. */
export interface ActorInfo {
  readonly actorId: ActorId;
  readonly className: string;
  readonly maxTaskRetries: number;
  readonly maxPendingCalls: number;
}

/** One actor as this process's calls see it. */
interface Callee {
  readonly info: ActorInfo;
  state: ActorState | undefined;
  peer: Peer | undefined;
  /** To an incarnation that is over: what was sent there comes before what is sent next. */
  leaving: Peer | undefined;
  /** Not yet sent, by caller; in order, the first may wait for its arguments. */
  readonly waiting: Map<number, TaskRecord[]>;
  readonly prepared: Set<TaskRecord>;
  /** Sent and unanswered, in order. */
  readonly sent: Map<number, TaskRecord>;
  isConnecting: boolean;
  /** The last incarnation's process: a late word that it lives is not believed. */
  endedProcessId: ProcessId | undefined;
  /** Why it could not be created. */
  deathCause: unknown;
  /** Somebody will be told of its death. */
  isCalled: boolean;
}

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
    if (maxPendingCalls >= 0 && pendingCount(callee) >= maxPendingCalls) {
      throw new PendingCallsLimitExceeded(
        `Cannot call ${template.settings.name}: its maxPendingCalls of ${maxPendingCalls} calls are under way`,
        { actorId, maxPendingCalls },
      );
    }
    callee.isCalled = true;
    const { record, refs, ready } = this.#owner.prepare(template, args, sink);
    currentContext()?.children.add(record);
    const queue = callee.waiting.get(record.callerNo) ?? [];
    callee.waiting.set(record.callerNo, queue);
    queue.push(record);
    this.#byOrdinal.set(record.ordinal, { callee, record, handle });
    this.#owner.whenPrepared(record, ready, () => {
      record.phase = "queued";
      callee.prepared.add(record);
      this.#advance(callee, record.callerNo);
    });
    return { refs, record };
  }

  /** The head says how an actor is. */
  onState(state: ActorState): void {
    const callee = this.#callees.get(state.actorId);
    if (callee === undefined) return;
    const known = callee.state;
    if (known !== undefined && state.incarnation < known.incarnation) return;
    callee.state = state;
    // Its connection may end later than its head says so.
    if (state.phase !== "alive" && callee.peer !== undefined) {
      callee.leaving = callee.peer;
      callee.peer = undefined;
    }
    if (state.phase === "dead") {
      this.births.forget(state.actorId);
      this.#bury(callee, state);
      if (!callee.isCalled) this.#tellUncalled(callee, state);
    }
    if (state.phase === "alive") this.#connect(callee, state.processId!);
  }

  /** An actor answered; false if no call has that number. */
  onReply(reply: ReplyFrame, from: Peer): boolean {
    const open = this.#byOrdinal.get(reply.ordinal);
    if (open === undefined) return false;
    const { callee, record } = open;
    callee.sent.delete(reply.ordinal);
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
    return this.#byOrdinal.get(record.ordinal)?.callee.peer;
  }

  /** Takes a call out that was not sent; false if it was, or is no call. */
  withdraw(record: TaskRecord): boolean {
    const open = this.#byOrdinal.get(record.ordinal);
    if (open === undefined || open.callee.sent.has(record.ordinal)) {
      return false;
    }
    this.#remove(open.callee, record);
    this.#advance(open.callee, record.callerNo);
    return true;
  }

  /** What an actor is doing, in words. */
  describe(record: TaskRecord): string | undefined {
    const open = this.#byOrdinal.get(record.ordinal);
    if (open === undefined) return undefined;
    const phase = open.callee.state?.phase ?? "starting";
    return open.callee.sent.has(record.ordinal)
      ? `was sent to its actor, which is ${phase}`
      : `waits for its actor, which is ${phase}`;
  }

  #calleeOf(info: ActorInfo): Callee {
    const known = this.#callees.get(info.actorId);
    if (known !== undefined) return known;
    const callee = this.#newCallee(info);
    this.#watch(callee);
    return callee;
  }

  #newCallee(info: ActorInfo): Callee {
    const callee: Callee = {
      info,
      state: undefined,
      peer: undefined,
      leaving: undefined,
      waiting: new Map(),
      prepared: new Set(),
      sent: new Map(),
      isConnecting: false,
      endedProcessId: undefined,
      deathCause: undefined,
      isCalled: false,
    };
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
      reason: error instanceof Error ? error.message : String(error),
    });
  }

  async #connect(callee: Callee, processId: ProcessId): Promise<void> {
    const { peer, leaving, isConnecting } = callee;
    if (peer !== undefined || leaving !== undefined || isConnecting) return;
    if (processId === callee.endedProcessId) return;
    callee.isConnecting = true;
    try {
      const peer = await this.#network.peer(processId);
      // Meanwhile it may have ended again; the head said so.
      if (callee.state?.processId !== processId) return;
      callee.peer = peer;
      peer.closed.then(() => this.#disconnected(callee, peer));
      for (const callerNo of [...callee.waiting.keys()]) {
        this.#advance(callee, callerNo);
      }
    } catch {
      // It died before it could be greeted: the head tells what comes next.
    } finally {
      callee.isConnecting = false;
      const now = callee.state?.processId;
      if (now !== undefined && now !== processId) this.#connect(callee, now);
    }
  }

  /** Sends a caller's calls as far as they are ready. */
  #advance(callee: Callee, callerNo: number): void {
    const queue = callee.waiting.get(callerNo);
    if (queue === undefined) return;
    if (callee.state?.phase === "dead") {
      return void this.#bury(callee, callee.state);
    }
    let sentCount = 0;
    for (const record of queue) {
      if (record.phase !== "done") {
        if (callee.peer === undefined || !callee.prepared.delete(record)) break;
        this.#send(callee, callee.peer, record);
      }
      sentCount++;
    }
    queue.splice(0, sentCount);
    if (queue.length === 0) callee.waiting.delete(callerNo);
  }

  #send(callee: Callee, peer: Peer, record: TaskRecord): void {
    const { settings } = record.template;
    record.phase = "pushed";
    record.workerPid = peer.remote?.pid;
    this.#owner.outcomes.pushed(record);
    callee.sent.set(record.ordinal, record);
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
    if (callee.peer === peer) callee.peer = undefined;
    if (callee.leaving === peer) callee.leaving = undefined;
    callee.endedProcessId = peer.remote?.processId;
    const lost = [...callee.sent.values()];
    callee.sent.clear();
    const again = new Map<number, TaskRecord[]>();
    for (const record of lost) {
      const { attempt } = record;
      const { maxTaskRetries: maxRetries, className, actorId } = callee.info;
      if (record.isAbandoned) {
        this.#byOrdinal.delete(record.ordinal);
        this.#owner.settle();
      } else if (mayRetry({ attempt, maxRetries })) {
        this.#owner.lineage.attempted(record, "crashed", {});
        record.attempt++;
        record.phase = "queued";
        callee.prepared.add(record);
        const queue = again.get(record.callerNo) ?? [];
        again.set(record.callerNo, [...queue, record]);
      } else {
        this.#failWhenKnown(callee, record, {
          className,
          ask: { actorId, processId: peer.remote!.processId },
        });
      }
    }
    for (const [callerNo, records] of again) {
      const queue = callee.waiting.get(callerNo) ?? [];
      callee.waiting.set(callerNo, [...records, ...queue]);
    }
    if (callee.state?.phase === "alive") this.onState(callee.state);
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
    const state = await this.#owner.node.request("actor.fate", ask)
      .catch(() => undefined);
    if (state?.phase === "dead") {
      const error = await this.#deathError(callee, state);
      return this.#owner.outcomes.fail(record, error);
    }
    const { name } = record.template.settings;
    this.#owner.outcomes.fail(
      record,
      new ActorUnavailableError(
        `Cannot finish call "${name}": actor ${className} died during it and is starting again; the call may have run`,
        { actorId: ask.actorId },
      ),
    );
  }

  /** Rejects all that still waits for a dead actor. */
  async #bury(callee: Callee, state: ActorState): Promise<void> {
    const waiting = [...callee.waiting.values()].flat();
    callee.waiting.clear();
    const error = await this.#deathError(callee, state);
    for (const record of waiting) {
      this.#byOrdinal.delete(record.ordinal);
      callee.prepared.delete(record);
      this.#owner.outcomes.fail(record, error);
    }
  }

  #deathError(callee: Callee, state: ActorState): Promise<Error> {
    const { info: { className }, deathCause } = callee;
    return deathError({ className, state, deathCause }, this.#owner.values);
  }

  /** Nobody has called it: nobody else would say why it never lived. */
  async #tellUncalled(callee: Callee, state: ActorState): Promise<void> {
    const { deathCause } = callee;
    const isFailure = state.error !== undefined || deathCause !== undefined;
    if (!isFailure || deathCause instanceof PeerEndedError) return;
    tellDeath(await this.#deathError(callee, state));
  }

  #remove(callee: Callee, record: TaskRecord): void {
    this.#byOrdinal.delete(record.ordinal);
    callee.prepared.delete(record);
    const queue = callee.waiting.get(record.callerNo);
    const at = queue?.indexOf(record) ?? -1;
    if (at >= 0) queue!.splice(at, 1);
  }
}

function pendingCount({ sent, waiting }: Callee): number {
  let count = sent.size;
  for (const queue of waiting.values()) count += queue.length;
  return count;
}
