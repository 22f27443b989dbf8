/**
 * The owner in a process: its tasks and objects, from submission to outcome.
 *
 * Facade over the rooms beside it: `submitter.ts` gets tasks onto workers,
 * `references.ts` knows who holds what, `values.ts` stores and opens,
 * `actor_calls.ts` talks to actors. Drivers, workers and actors each have one.
 *
 * @module
 */
import {
  type ObjectLostError,
  RuntimeClosedError,
  TaskCancelledError,
} from "../base/errors.ts";
import { type ProcessId, taskIdOf } from "../base/ids.ts";
import type { HeldValue, StoredValue } from "../base/stored.ts";
import type { ClaimPage, ClaimSlots } from "../wire/claims.ts";
import type { Network } from "../wire/network.ts";
import type { NoticeHandlers, Peer, RequestHandlers } from "../wire/peer.ts";
import type { Asker } from "../wire/standing_peer.ts";
import type { Requests } from "../wire/messages.ts";
import type { JobInfo } from "../wire/facts.ts";
import { FrameKind } from "../wire/frame.ts";
import {
  Outcome,
  readItem,
  readProgress,
  readReply,
  type ReplyFrame,
} from "../wire/task_frames.ts";
import { ActorCalls } from "./actor_calls.ts";
import { fetchArgument } from "./argument_fetch.ts";
import { UnaskedFailures } from "./failures.ts";
import { progressTold } from "./extensions.ts";
import { entryOfRef, type ObjectEntry, type ObjectRef } from "./object_ref.ts";
import { Objects } from "./objects.ts";
import { Outcomes } from "./outcomes.ts";
import { Intake } from "./intake.ts";
import type { OwnerPort } from "./owner_port.ts";
import { collectGarbage } from "../store/segment.ts";
import { Recovery } from "./recovery.ts";
import { References } from "./references.ts";
import { Results } from "./results.ts";
import { TaskKeys } from "./task_keys.ts";
import { SegmentClient } from "./segments.ts";
import { Submitter } from "./submitter.ts";
import {
  type StreamSink,
  TaskRecord,
  type TaskTemplate,
} from "./task_record.ts";
import { KeptValues } from "./kept_values.ts";
import { LineageFeed } from "./lineage_feed.ts";
import { Values } from "./values.ts";

/** Where an owner stands. */
export interface OwnerRooms {
  network: Network;
  node: Peer;
  /** Who keeps the directory, and who the program's lineage: without a cluster, the node. */
  head: Asker;
  home: Asker;
  claims: { page: ClaimPage; slots: ClaimSlots; path: string } | undefined;
  job: JobInfo;
  /** Called when this process begins and ceases to be owed anything. */
  onOwedChanged(isOwed: boolean): void;
}

/** All that one process owns and awaits. */
export class Owner implements OwnerPort {
  readonly self: ProcessId;
  readonly job: JobInfo;
  readonly node: Peer;
  readonly head: Asker;
  readonly home: Asker;
  readonly references: References;
  readonly segments: SegmentClient;
  readonly values: Values;
  readonly objects: Objects;
  readonly submitter: Submitter;
  readonly actors: ActorCalls;
  readonly lineage: LineageFeed;
  readonly outcomes: Outcomes;
  readonly intake: Intake;
  readonly recovery: Recovery;
  readonly keys: TaskKeys;
  readonly results: Results;
  readonly kept: KeptValues;
  readonly #network: Network;
  readonly #unasked: UnaskedFailures;
  readonly #onOwedChanged: (isOwed: boolean) => void;
  #heldBack: (() => Promise<unknown> | undefined) | undefined;
  #nextOrdinal = 1;
  #nextCallerNo = 1;
  #owedCount = 0;
  #failure: Error | undefined;
  #isEnding = false;
  #isClosed = false;

  constructor(rooms: OwnerRooms) {
    const { network, node, head, home, claims } = rooms;
    this.self = network.self.processId;
    this.job = rooms.job;
    this.node = node;
    this.head = head;
    this.home = home;
    this.#network = network;
    this.#onOwedChanged = rooms.onOwedChanged;
    this.references = new References(
      this.self,
      network,
      (entry) => this.objects.letGo(entry),
    );
    this.segments = new SegmentClient(this.self, {
      node,
      storeBytes: rooms.job.storeBytes,
      onFreed: (segmentId) => this.lineage.segmentFreed(segmentId),
    });
    const { references, segments } = this;
    this.values = new Values(this.self, {
      references,
      segments,
      mainModule: rooms.job.mainModule,
      nextOrdinal: () => this.nextOrdinal(),
    });
    this.kept = new KeptValues(this.values);
    this.objects = new Objects(
      { network, references, values: this.values },
      this,
    );
    this.#unasked = new UnaskedFailures(this.values);
    this.lineage = new LineageFeed(this, home);
    this.intake = new Intake(this);
    this.recovery = new Recovery(this);
    this.keys = new TaskKeys(this);
    this.results = new Results(home, this.values, {
      openCount: () => this.intake.openCount,
      onMany: () => this.lineage.flush(),
    });
    this.outcomes = new Outcomes(this, this.#unasked);
    this.submitter = new Submitter(
      this.self,
      { node, network, claims },
      this.outcomes,
    );
    this.actors = new ActorCalls(this, network);
  }

  /** Whether this process is its program's driver. */
  get isDriver(): boolean {
    return this.#network.self.role === "driver";
  }

  /** Whether it takes nothing more. */
  get isEnding(): boolean {
    return this.#isEnding;
  }

  /** What must be over before anything that is submitted now may leave. */
  heldBack(): Promise<unknown> | undefined {
    return this.#heldBack?.();
  }

  /** From now on what this process submits waits for that, as it is then. */
  holdBack(until: () => Promise<unknown> | undefined): void {
    this.#heldBack = until;
  }

  /** The next number for a task or object of this process. */
  nextOrdinal(): number {
    return this.#nextOrdinal++;
  }

  /** A number for a new caller in this process; 0 is the process's own code. */
  nextCallerNo(): number {
    return this.#nextCallerNo++;
  }

  /** Something is owed to this process: it must not exit before. */
  owe(): void {
    if (this.#owedCount++ === 0) this.#onOwedChanged(true);
  }

  /** It came. */
  settle(): void {
    if (--this.#owedCount === 0) this.#onOwedChanged(false);
  }

  /** Asks the head; meanwhile the answer is owed. */
  async askHead<K extends keyof Requests>(
    kind: K,
    ask: Requests[K]["ask"],
  ): Promise<Requests[K]["answer"]> {
    this.owe();
    try {
      return await this.head.request(kind, ask);
    } finally {
      this.settle();
    }
  }

  /** Submits a task; its refs are there at once. */
  submit(
    template: TaskTemplate,
    args: unknown[],
    sink?: StreamSink,
  ): { refs: ObjectRef<unknown>[]; record: TaskRecord } {
    const { record, refs, ready } = this.intake.prepare(template, args, sink);
    this.outcomes.watchScheduling(record);
    this.intake.whenPrepared(record, ready, () => this.intake.submit(record));
    return { refs, record };
  }

  /** Whether an object waits for something that may never come by itself. */
  isStuck(entry: ObjectEntry): boolean {
    const record = entry.producer;
    return record instanceof TaskRecord && record.phase !== "pushed";
  }

  /** The value of an object of this process's own is gone. */
  lost(entry: ObjectEntry, cause: ObjectLostError | undefined): void {
    this.recovery.lost(entry, cause);
  }

  /** Nobody holds an object of this process's own. */
  dropped(entry: ObjectEntry): void {
    this.recovery.dropped(entry);
  }

  /** The program gave an object of this process's own back. */
  freed(entry: ObjectEntry): void {
    this.recovery.freed(entry);
  }

  /** Stops what makes an object. */
  cancel(
    ref: ObjectRef<unknown>,
    how: { isForced: boolean; isRecursive: boolean },
  ): void {
    const entry = entryOfRef(ref);
    if (entry.ownerId === this.self) {
      if (entry.producer instanceof TaskRecord) {
        this.cancelRecord(entry.producer, how);
      }
      return;
    }
    const { ordinal, index } = entry;
    const word = { ordinal, index, ...how };
    this.#network.tell(entry.ownerId, "object.cancel", word);
  }

  /** Stops a task or call of this process's own. */
  cancelRecord(
    record: TaskRecord,
    how: { isForced: boolean; isRecursive: boolean },
  ): void {
    if (record.phase === "done") return;
    const { name } = record.template.settings;
    const taskId = taskIdOf(this.self, record.ordinal);
    const reason = `Cannot finish task "${name}": it was cancelled`;
    const error = new TaskCancelledError(reason, { taskId });
    this.outcomes.stop(record, error, how);
  }

  /** Whether others would miss this process: tasks and calls are under way, or its objects held. */
  async isNeeded(): Promise<boolean> {
    if (this.intake.openCount > 0) return true;
    if (!this.references.isNeeded) return false;
    collectGarbage(); // Handles that nothing here uses must not keep it.
    await new Promise((resolve) => setImmediate(resolve));
    return this.references.isNeeded;
  }

  /** What the process answers to others about its objects. */
  requests(): RequestHandlers {
    return {
      ...this.objects.requests(),
      ...this.actors.directory.requests(),
      "argument.fetch": (ask, peer) => {
        const record = this.submitter.inFlight(ask.ordinal) ??
          this.actors.inFlight(ask.ordinal);
        return fetchArgument(this, record, { ask, peer });
      },
      ...this.values.code.requests(),
    };
  }

  /** What the process hears from others about its objects and tasks. */
  notices(): NoticeHandlers {
    return {
      ...this.objects.notices(),
      "object.cancel": (key) => {
        const record = this.references.find(key)?.producer;
        if (record instanceof TaskRecord) this.cancelRecord(record, key);
      },
      "pins.release": ({ token }, peer) => this.references.unpin(peer, token),
      "lease.reclaim": ({ leaseId }) => this.submitter.onReclaim(leaseId),
      "segment.recycle": ({ segmentId }) => this.segments.recycle(segmentId),
      "segment.drop": ({ segmentId }) => this.segments.drop(segmentId),
      "collect": ({ round }) => this.segments.collect(round),
      "garbage": () => collectGarbage(),
      "progress": progressTold,
      "actor.state": (state) => this.actors.onState(state),
    };
  }

  /** A frame for the owner; false if it is for another role of the process. */
  onFrame(kind: number, body: Uint8Array, peer: Peer): boolean {
    switch (kind) {
      case FrameKind.reply:
        this.#onReply(readReply(body), peer);
        return true;
      case FrameKind.started:
        this.outcomes.started(readProgress(body).ordinal);
        return true;
      case FrameKind.item:
        this.outcomes.item(readItem(body), peer);
        return true;
      default:
        return false;
    }
  }

  /** A connection ended. */
  onPeerEnded(peer: Peer): void {
    this.references.peerEnded(peer);
    const processId = peer.remote?.processId;
    if (processId !== undefined) this.references.processEnded(processId);
  }

  /** Why nothing can be finished any more, if so. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Nothing can be finished any more: all that is open fails, and all that comes. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#abort(this.#failure);
  }

  #abort(error: Error): void {
    const open = this.intake.open();
    // First all: one that fails takes along those that wait for it.
    for (const record of open) {
      for (const entry of record.returns) entry.isAsked = true;
    }
    // The last first: a call that goes lets its caller's next one be sent.
    for (const record of open.reverse()) this.outcomes.fail(record, error);
  }

  /** Ends the owner's part; what is open fails. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isEnding = true;
    this.#abort(
      new RuntimeClosedError("Cannot finish: the runtime was shut down"),
    );
    await Promise.all([this.#unasked.tell(), this.actors.close()]);
    this.lineage.close();
    this.#isClosed = true;
    this.outcomes.close();
    this.submitter.close();
    this.references.close();
    this.segments.close();
    this.values.code.close();
  }

  /** Takes what a worker sent: refs are registered before it may let them go. */
  receive(
    stored: StoredValue,
    from: Peer,
  ): { held: HeldValue; ready: Promise<unknown> | undefined } {
    const held = this.values.adopt(stored);
    return { held, ready: this.values.ensureCode(held, from) };
  }

  /** Tells a sender that what it sent is here, and its refs are registered with their owners. */
  release(from: Peer, pinToken: number): void {
    if (pinToken === 0) return;
    const tell = () => from.notify("pins.release", { token: pinToken });
    const registered = () => this.references.registered();
    // Code brings refs of its own.
    const arrived = this.values.code.loaded()?.then(registered) ?? registered();
    if (arrived === undefined) tell();
    else arrived.then(tell);
  }

  #onReply(reply: ReplyFrame, peer: Peer): void {
    if (reply.outcome === Outcome.skipped) {
      this.submitter.onSkipped(reply.slot, peer);
    } else if (!this.actors.onReply(reply, peer)) {
      this.submitter.onReply(reply, peer);
    }
  }
}
