/**
 * Runs one actor in this isolate: its mailbox, its calls, its end.
 *
 * Where its instance is is `actor_instance.ts`'s to know. Which call starts
 * when is decided by `state/mailbox.ts`; what one call does is in
 * `invocation.ts`; whether the actor lives again is the head's decision.
 *
 * @module
 */
import { afterMs, monotonicMs, type Timer } from "../base/clock.ts";
import type { ActorDiedError } from "../base/errors.ts";
import type { ActorSpec } from "../base/spec.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import { deadline } from "@std/async";
import type { Owner } from "../owner/owner.ts";
import { storeError } from "../owner/sent_errors.ts";
import { Mailbox } from "../state/mailbox.ts";
import { FrameKind } from "../wire/frame.ts";
import type { Notices } from "../wire/messages.ts";
import type { NoticeHandlers, Peer } from "../wire/peer.ts";
import { readProgress, readTask, type TaskFrame } from "../wire/task_frames.ts";
import type { ActorInstance } from "./actor_instance.ts";
import { DurableActor, type Incarnation } from "./durable_actor.ts";
import { Answered, RunPace } from "./run_pace.ts";
import type { RunningCalls } from "./running_calls.ts";
import { mapErrorStack } from "./error_stacks.ts";
import { exitError } from "./instance.ts";
import { Invocation } from "./invocation.ts";
import type { InvocationEvents, Invoked } from "./invoked.ts";

/** Holds one actor. */
export class ActorRunner implements InvocationEvents<Invocation> {
  readonly #owner: Owner;
  readonly #life: Incarnation;
  readonly #callerNo: number;
  readonly #mailbox: Mailbox<Invocation>;
  readonly #answered = new Answered();
  readonly #paces = new Map<string, RunPace>();
  #isAdvancing = false;
  /** What its host sees of the mailbox, and where each call stands there. */
  readonly #running: RunningCalls;
  readonly #places = new Map<Invocation, number>();
  readonly #left = Promise.withResolvers<void>();
  readonly #durable: DurableActor | undefined;
  readonly #instance: ActorInstance;
  /** It takes calls. */
  #isMade = false;
  #handle: unknown;
  #isLeaving = false;
  /** What the head was told last. */
  #word: (() => void) | undefined;
  #restTimer: Timer | undefined;
  /** What `exitActor` threw. */
  #exitError: ActorDiedError | undefined;

  constructor(
    owner: Owner,
    { life, running, instance }: {
      life: Incarnation;
      running: RunningCalls;
      instance: ActorInstance;
    },
  ) {
    this.#running = running;
    this.#owner = owner;
    this.#life = life;
    this.#instance = instance;
    this.#callerNo = owner.nextCallerNo();
    this.#mailbox = mailboxOf(life.spec);
    this.#rest();
    if (!life.spec.isDurable) return;
    const durable = this.#durable = new DurableActor(owner, life, {
      lost: () => void this.#beginAnew(),
      superseded: (reason) => this.#superseded(reason),
    });
    owner.holdBack(() => durable.settled());
  }

  /** Resolves when the actor has ended and answered. */
  get left(): Promise<void> {
    return this.#left.promise;
  }

  /** Makes the instance; `handle` is the actor's own. Tells the node how it went. */
  async construct(handle: unknown): Promise<void> {
    this.#handle = handle;
    const { spec: { actorId }, incarnation } = this.#life;
    await this.#begin(() =>
      this.#tell("actor.ready", { actorId, incarnation })
    );
  }

  /** The head was away: it may not have heard how this actor is. */
  tellAgain(): void {
    this.#word?.();
  }

  #tell<K extends keyof Notices>(kind: K, notice: Notices[K]): void {
    this.#word = () => this.#owner.head.notify(kind, notice);
    this.#word();
  }

  async #begin(begun: () => void): Promise<void> {
    const { spec: { actorId }, incarnation } = this.#life;
    const { values } = this.#owner;
    try {
      await this.#instance.make();
      await this.#durable?.begin(this.#instance.here!);
      this.#isMade = true;
      begun();
      this.#advance();
    } catch (error) {
      const mapped = mapErrorStack(error);
      const { stored } = await storeError(mapped, values);
      this.#tell("actor.failed", { actorId, incarnation, error: stored });
    }
  }

  /** What a call left can't be kept: the instance is made again from what is. */
  async #beginAnew(): Promise<void> {
    this.#isMade = false;
    await this.#durable!.settled();
    if (!this.#isEnding()) await this.#begin(() => {});
  }

  #superseded(reason: string): void {
    if (this.#isEnding()) return;
    log.warn(`actor ${this.#life.spec.className} ends: ${reason}`);
    this.leave(false);
  }

  /** What it hears. */
  notices(): NoticeHandlers {
    return {
      "task.cancel": (word, peer) => this.#cancel(peer, word),
      "actor.stop": ({ isGraceful }) => this.leave(isGraceful),
    };
  }

  /** A frame for the actor; false if it is for another role. */
  onFrame(kind: number, body: Uint8Array, peer: Peer): boolean {
    switch (kind) {
      case FrameKind.call:
        clearTimeout(this.#restTimer);
        this.#mailbox.arrived(this.#invocation(readTask(body), peer));
        this.#advance();
        return true;
      case FrameKind.consumed: {
        const { ordinal, count } = readProgress(body);
        find(this.#mailbox.running, { peer, ordinal })?.consumed(count);
        return true;
      }
      default:
        return false;
    }
  }

  /** Code of no call threw: one that runs is to blame. */
  onUncaught(error: unknown): boolean {
    const running = [...this.#mailbox.running];
    if (running.length !== 1) return false;
    running[0]!.fail(error);
    return true;
  }

  /** Ends the actor; gracefully, its own clean-up runs first. */
  async leave(isGraceful: boolean): Promise<void> {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    if (isGraceful) await this.#dispose();
    this.#left.resolve();
  }

  /** A method asks to end the actor: gives what it fails with. */
  exiting(): ActorDiedError {
    if (this.#exitError !== undefined) return this.#exitError;
    const { spec, incarnation } = this.#life;
    const error = this.#exitError = exitError(spec);
    const { actorId } = spec;
    const { reason } = error;
    this.#tell("actor.exiting", { actorId, incarnation, reason });
    return error;
  }

  suspended(_invocation: Invocation): void {
    // An actor keeps its place while it waits: its methods run alone.
  }

  resumed(_invocation: Invocation): void {
    // See `suspended`.
  }

  finished(invocation: Invocation): void {
    if (!this.#mailbox.isRunning(invocation)) return; // It was cancelled before.
    this.#mailbox.finished(invocation);
    this.#answered.to(invocation.peer);
    this.#paceOf(invocation).ran(invocation.runMs);
    this.#running.ended(this.#places.get(invocation)!);
    this.#places.delete(invocation);
    this.#advance();
    this.#rest();
  }

  /** A caller is gone: what it still waited for here need not go on. */
  onPeerEnded(peer: Peer): void {
    if (this.#durable !== undefined) return; // Its calls count all the same.
    for (const invocation of [...this.#mailbox.running]) {
      if (invocation.peer === peer) invocation.cancel(false);
    }
  }

  /** An actor with a `ttl` ends when nobody has called it for so long. */
  #rest(): void {
    const { ttlMs } = this.#life.spec;
    if (ttlMs === undefined || !this.#mailbox.isEmpty) return;
    clearTimeout(this.#restTimer);
    this.#restTimer = afterMs(ttlMs, () => {
      const { spec: { actorId }, incarnation } = this.#life;
      const reason = `nobody called it for its ttl of ${ttlMs} ms`;
      this.#tell("actor.exiting", { actorId, incarnation, reason });
    });
  }

  /** Starts what may start; inside a call that is being started, after it. */
  #advance(): void {
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    let turnEndMs: number | undefined;
    let startedCount = 0;
    let isTurnOver = false;
    const isInTurn = ({ frame }: Invocation) => {
      // What was answered leaves before a call that may take long.
      isTurnOver = this.#answered.isBefore(this.#paces.get(frame.method));
      if (startedCount++ > 0) {
        const nowMs = monotonicMs();
        turnEndMs ??= nowMs + limits.turnMs;
        isTurnOver ||= nowMs > turnEndMs;
      }
      return !isTurnOver;
    };
    try {
      while (this.#isMade && !this.#isEnding()) {
        const invocation = this.#mailbox.next(isInTurn);
        if (invocation === undefined) break;
        const { callId } = invocation.frame;
        if (callId === undefined || this.#durable?.isNew(callId) !== false) {
          this.#start(invocation);
        } else this.#startUnlessKept(invocation);
      }
    } finally {
      if (isTurnOver) setImmediate(() => this.#goOn());
      else this.#isAdvancing = false;
    }
  }

  /** Others had their turn. */
  #goOn(): void {
    this.#isAdvancing = false;
    this.#advance();
  }

  #start(invocation: Invocation): void {
    const { peer, frame } = invocation;
    const { processId } = peer.remote!;
    const place = this.#running.started(processId, frame.ordinal);
    this.#places.set(invocation, place);
    invocation.start();
  }

  /** A call that may have been committed before. */
  async #startUnlessKept(invocation: Invocation): Promise<void> {
    try {
      const before = await this.#durable!.remembered(invocation.frame);
      if (before === undefined) this.#start(invocation);
      else invocation.replay(before);
    } catch (error) {
      invocation.refuse(error);
    }
  }

  #paceOf({ frame: { method } }: Invocation): RunPace {
    let pace = this.#paces.get(method);
    if (pace === undefined) this.#paces.set(method, pace = new RunPace());
    return pace;
  }

  #isEnding(): boolean {
    return this.#isLeaving || this.#exitError !== undefined;
  }

  #invocation(frame: TaskFrame, peer: Peer): Invocation {
    const { className, actorId, resources } = this.#life.spec;
    const invoked = this.#instance.invoked(frame);
    return new Invocation(this.#owner, {
      frame,
      peer,
      actorId,
      currentActor: this.#handle,
      callerNo: this.#callerNo,
      invoked: {
        name: `${className}.${frame.method}`,
        resources,
        ...invoked,
        ...this.#keeping(frame),
        isOwnEnd: (error) =>
          (this.#exitError !== undefined && error === this.#exitError) ||
          (invoked.isOwnEnd?.(error) ?? false),
      },
    }, this);
  }

  #keeping(frame: TaskFrame): Pick<Invoked, "keep"> {
    const durable = this.#durable;
    if (durable === undefined) return {};
    return {
      keep: (ended) => durable.keep(this.#instance.here!, { frame, ...ended }),
    };
  }

  /** A call that waits never runs; one that runs is told. Its owner gets its answer either way. */
  #cancel(
    peer: Peer,
    { ordinal, isRecursive, timeoutMs }: Notices["task.cancel"],
  ): void {
    const waiting = find(this.#mailbox.waiting, { peer, ordinal });
    if (waiting === undefined) {
      find(this.#mailbox.running, { peer, ordinal })
        ?.cancel(isRecursive, timeoutMs);
      return;
    }
    this.#mailbox.withdrawn(waiting);
    waiting.cancel(false);
    waiting.refuse(waiting.signal.reason);
  }

  async #dispose(): Promise<void> {
    if (!this.#isMade) return;
    try {
      const disposed = Promise.resolve(this.#instance.dispose());
      await deadline(disposed, limits.disposeGraceMs);
    } catch (error) {
      log.error(
        `actor ${this.#life.spec.className} failed to clean up: ${error}`,
      );
    }
  }
}

function mailboxOf(
  { maxConcurrency: concurrencyMax, groups = {} }: ActorSpec,
): Mailbox<Invocation> {
  const groupNames = new Map<string, string>();
  for (const [name, { methods }] of Object.entries(groups)) {
    for (const method of methods) groupNames.set(method, name);
  }
  return new Mailbox({
    concurrencyMax,
    groups: new Map(
      Object.entries(groups).map(([name, { max }]) => [name, max]),
    ),
    groupOf: ({ frame }) => groupNames.get(frame.method),
  });
}

function find(
  invocations: Iterable<Invocation>,
  { peer, ordinal }: { peer: Peer; ordinal: number },
): Invocation | undefined {
  for (const invocation of invocations) {
    if (invocation.peer === peer && invocation.frame.ordinal === ordinal) {
      return invocation;
    }
  }
  return undefined;
}
