/**
 * One run of one task or call in this process: arguments in, outcome out.
 *
 * Opens the arguments, calls the code in its context, and answers exactly
 * once: with values, or with an error. A generator's items are sent by
 * `producer.ts`; which run comes when is decided by `executor.ts` (tasks) and
 * `actor_runner.ts` (calls).
 *
 * @module
 */
import { monotonicMs, wallMs } from "../base/clock.ts";
import type { TaskError } from "../base/errors.ts";
import { type ActorId, type TaskId, taskIdOf } from "../base/ids.ts";
import type { ResourceAmounts } from "../base/spec.ts";
import type { HeldValue, StoredValue } from "../base/stored.ts";
import { runInContext, type TaskContext } from "../owner/context.ts";
import type { Owner } from "../owner/owner.ts";
import { storeError } from "../owner/sent_errors.ts";
import { TaskRecord } from "../owner/task_record.ts";
import type { Storing } from "../owner/values.ts";
import { FrameKind } from "../wire/frame.ts";
import type { Peer } from "../wire/peer.ts";
import {
  Outcome,
  TaskFlag,
  type TaskFrame,
  writeProgress,
  writeReply,
} from "../wire/task_frames.ts";
import type { Keeping, Remembered } from "./durable_actor.ts";
import { isPromise, openArguments } from "./arguments.ts";
import { mapErrorStack } from "./error_stacks.ts";
import type { InvocationEvents, Invoked } from "./invoked.ts";
import { Producer } from "./producer.ts";
import {
  type FailedRun,
  refusalOf,
  stopReason,
  taskErrorOf,
} from "./task_errors.ts";

/** One run. */
export class Invocation implements TaskContext {
  readonly frame: TaskFrame;
  readonly peer: Peer;
  readonly functionName: string;
  readonly resources: ResourceAmounts;
  readonly callerNo: number;
  readonly actorId?: ActorId;
  readonly currentActor?: unknown;
  readonly #owner: Owner;
  readonly #invoked: Invoked;
  /** Items of a durable actor's generator: they belong to its outcome. */
  readonly items?: StoredValue[];
  readonly #events: InvocationEvents<Invocation>;
  #taskId: TaskId | undefined;
  #children: Set<object> | undefined;
  #controller: AbortController | undefined;
  #waitCount = 0;
  #impatientCount = 0;
  #producer: Producer | undefined;
  /** Its first error is on its way: that is the outcome. */
  #isFailing = false;
  #isAnswered = false;
  /** Its code runs, or has run: what becomes of it is kept, where that is asked for. */
  #hasRun = false;
  #startedAtMs = 0;
  #resumedAtMs = 0;
  /** How long it computed and waited outside the runtime. */
  runMs = 0;

  constructor(
    owner: Owner,
    what: {
      frame: TaskFrame;
      peer: Peer;
      invoked: Invoked;
      callerNo: number;
      actorId?: ActorId;
      currentActor?: unknown;
    },
    events: InvocationEvents<Invocation>,
  ) {
    this.#owner = owner;
    ({ frame: this.frame, peer: this.peer, callerNo: this.callerNo } = what);
    this.#invoked = what.invoked;
    ({ name: this.functionName, resources: this.resources } = what.invoked);
    if (what.actorId !== undefined) this.actorId = what.actorId;
    if (what.currentActor !== undefined) this.currentActor = what.currentActor;
    if (what.invoked.keep !== undefined) this.items = [];
    this.#events = events;
  }

  get taskId(): TaskId {
    const { peer, frame } = this;
    return this.#taskId ??= taskIdOf(peer.remote!.processId, frame.ordinal);
  }

  get children(): Set<object> {
    return this.#children ??= new Set();
  }

  get attempt(): number {
    return this.frame.attempt;
  }

  /** What it is called in every run: what it submits is named by that. */
  get key(): string | undefined {
    const { callId, key } = this.frame;
    return callId ?? (key === "" ? undefined : key);
  }

  get depth(): number {
    return this.frame.depth;
  }

  get isCancelled(): boolean {
    return this.#controller?.signal.aborted ?? false;
  }

  get signal(): AbortSignal {
    return (this.#controller ??= new AbortController()).signal;
  }

  /** Whether all that it does now is wait inside the runtime. */
  get isSuspended(): boolean {
    return this.#waitCount > 0;
  }

  /** Runs it; synchronous as far as its code is. */
  start(): void {
    if (this.isCancelled) return this.refuse(this.signal.reason);
    this.#startedAtMs = wallMs();
    this.#resumedAtMs = monotonicMs();
    if ((this.frame.flags & TaskFlag.timed) !== 0) {
      this.#announce().then(() => this.#open(), (error) => this.fail(error));
    } else this.#open();
  }

  suspended(isImpatient: boolean): void {
    if (isImpatient && !this.#isAnswered) this.#setImpatient(1);
    if (this.#waitCount++ > 0) return;
    this.runMs += monotonicMs() - this.#resumedAtMs;
    if (!this.#isAnswered) this.#events.suspended(this);
  }

  resumed(isImpatient: boolean): void {
    if (isImpatient && !this.#isAnswered) this.#setImpatient(-1);
    if (--this.#waitCount > 0) return;
    this.#resumedAtMs = monotonicMs();
    if (!this.#isAnswered) this.#events.resumed(this);
  }

  /** Its owner wants it no more: its signal aborts, and what it submitted is cancelled. */
  cancel(isRecursive: boolean, timeoutMs?: number): void {
    this.#controller ??= new AbortController();
    const controller = this.#controller;
    const reason = stopReason(this, timeoutMs);
    // Listeners are the task's own code.
    runInContext(this, () => controller.abort(reason));
    this.#producer?.cancelled();
    if (!isRecursive) return;
    for (const child of this.#children ?? []) {
      if (!(child instanceof TaskRecord)) continue;
      this.#owner.cancelRecord(child, { isForced: false, isRecursive });
    }
  }

  /** The consumer of its items has taken so many. */
  consumed(count: number): void {
    this.#producer?.consumed(count);
  }

  /** The task's own code threw. False: it had its outcome already. */
  fail(error: unknown): boolean {
    if (this.#isAnswered || this.#isFailing) return false;
    if (this.#invoked.isOwnEnd?.(error)) {
      this.#hasRun = false;
      this.refuse(error);
      return true;
    }
    this.#isFailing = true;
    const what = "its function threw";
    let failure: Error;
    try {
      failure = this.#wrapped(mapErrorStack(error), what);
    } catch (fault) {
      // A getter of the error's own threw, say.
      failure = this.#wrapped(
        undefined,
        `${what} what can't be read: ${fault}`,
      );
    }
    this.#answerFailure(failure);
    return true;
  }

  /** It ran before, and came to this. */
  replay({ isError, values }: Remembered): void {
    if (this.isCancelled) return this.refuse(this.signal.reason);
    this.#startedAtMs = wallMs();
    this.#resumedAtMs = monotonicMs();
    const held = values.map((one) => this.#owner.values.hold(one));
    const isStream = (this.frame.flags & TaskFlag.stream) !== 0;
    const ends = isStream && !isError ? [] : held.splice(-1);
    if (isStream) new Producer(this.#owner, this).repeat(held);
    else ends.unshift(...held);
    this.#answer(isError ? Outcome.failed : Outcome.finished, ends);
  }

  /** Says that its time begins, before its code can keep the thread busy. */
  async #announce(): Promise<void> {
    writeProgress(this.peer.begin(FrameKind.started), {
      ordinal: this.frame.ordinal,
      count: 0,
    });
    this.peer.end();
    await this.peer.flush();
  }

  #open(): void {
    try {
      const args = this.#invoked.open?.(this) ??
        openArguments(this.#owner, this);
      if (!isPromise(args)) this.#call(args);
      else {
        args.then((opened) => this.#call(opened as unknown[]))
          .catch((error) => this.refuse(error));
      }
    } catch (error) {
      this.refuse(error);
    }
  }

  #call(args: unknown[]): void {
    if (this.isCancelled) return this.refuse(this.signal.reason);
    this.#hasRun = true;
    try {
      const result = runInContext(this, this.#invoked.call, args);
      if ((this.frame.flags & TaskFlag.stream) !== 0) {
        this.#produce(result);
      } else if (isPromise(result)) {
        result.then(
          (value) => this.#finish(value),
          (error) => this.fail(error),
        );
      } else this.#finish(result);
    } catch (error) {
      this.fail(error);
    }
  }

  #setImpatient(change: 1 | -1): void {
    this.#impatientCount += change;
    this.#events.impatient?.(change);
  }

  #produce(result: unknown): void {
    this.#producer = new Producer(this.#owner, this);
    this.#producer.run(result).then(
      () => this.#answer(Outcome.finished, []),
      (error) => this.fail(error),
    );
  }

  #finish(result: unknown): void {
    if (this.#isAnswered || this.#isFailing) return;
    try {
      const storing = this.#storeResults(result);
      const [only] = storing;
      if (storing.length === 1 && only!.ready === undefined) {
        this.#answer(Outcome.finished, [only!.held]);
      } else this.#finishStored(storing);
    } catch (error) {
      this.refuse(error);
    }
  }

  #finishStored(storing: Storing[]): void {
    const waits = storing.filter((one) => one.ready !== undefined);
    const held = storing.map((one) => one.held);
    if (waits.length === 0) return this.#answer(Outcome.finished, held);
    Promise.all(waits.map((one) => one.ready)).then(
      () => this.#answer(Outcome.finished, held),
      (error) => this.refuse(error),
    );
  }

  #storeResults(result: unknown): Storing[] {
    const { returnCount } = this.frame;
    if (returnCount === 0) return [];
    const ownerId = this.peer.remote!.processId;
    const { values } = this.#owner;
    if (returnCount === 1) {
      return [values.store(result, { label: "result", ownerId })];
    }
    if (!Array.isArray(result) || result.length !== returnCount) {
      const got = Array.isArray(result)
        ? `an array of ${result.length}`
        : typeof result;
      throw this.#wrapped(
        new TypeError(
          `Cannot return from "${this.functionName}": numReturns is ${returnCount}, so it must return an array of ${returnCount}, and it returned ${got}`,
        ),
        "its result does not fit",
      );
    }
    return result.map((value, at) =>
      values.store(value, { label: `result[${at}]`, ownerId })
    );
  }

  /** The runtime can't go on with it: such an error is told as it is. */
  refuse(error: unknown): void {
    if (this.#isAnswered || this.#isFailing) return;
    this.#answerFailure(refusalOf(this.#failed, error));
  }

  get #failed(): FailedRun {
    return { functionName: this.functionName, nodeId: this.#owner.job.nodeId };
  }

  #wrapped(cause: unknown, what: string): TaskError {
    return taskErrorOf(this.#failed, { cause, what });
  }

  async #answerFailure(error: Error): Promise<void> {
    this.#isFailing = true;
    const { values } = this.#owner;
    const ownerId = this.peer.remote!.processId;
    this.#answer(Outcome.failed, [
      await storeError(error, values, { ownerId }),
    ]);
  }

  /** What was borrowed must be known to its owners before the sender may let go. */
  #answer(outcome: number, held: HeldValue[]): void {
    if (this.#isAnswered) return;
    while (this.#impatientCount > 0) this.#setImpatient(-1);
    this.#isAnswered = true;
    if (this.#waitCount === 0) {
      this.runMs += monotonicMs() - this.#resumedAtMs;
    }
    this.#events.answering?.(this);
    const keeping = this.#hasRun ? this.#kept(outcome, held) : undefined;
    if (keeping === undefined) {
      this.#tell(outcome, held);
      this.#events.finished(this);
    } else this.#tellWhenKept(keeping, { outcome, held });
  }

  #kept(outcome: number, held: HeldValue[]): Keeping | undefined {
    if (this.#invoked.keep === undefined) return undefined;
    // What a generator yielded comes before how it ended.
    const stored = held.map((one) => one.stored);
    return this.#invoked.keep({
      isError: outcome === Outcome.failed,
      values: [...this.items ?? [], ...stored],
    });
  }

  #tellWhenKept(
    { copied, committed }: Keeping,
    { outcome, held }: { outcome: number; held: HeldValue[] },
  ): void {
    committed.then(() => this.#tell(outcome, held), async (error) => {
      const ownerId = this.peer.remote!.processId;
      const failure = storeError(error, this.#owner.values, { ownerId });
      this.#tell(Outcome.failed, [await failure]);
    });
    const finished = () => this.#events.finished(this);
    if (copied === undefined) finished();
    else copied.then(finished);
  }

  #tell(outcome: number, held: HeldValue[]): void {
    const registered = this.#owner.references.registered();
    if (registered === undefined) this.#write(outcome, held);
    else registered.then(() => this.#write(outcome, held));
  }

  #write(outcome: number, held: HeldValue[]): void {
    if (this.peer.isEnded) return;
    const refs = held.length === 1
      ? held[0]!.refs
      : held.flatMap((one) => one.refs);
    writeReply(this.peer.begin(FrameKind.reply), {
      ordinal: this.frame.ordinal,
      outcome,
      slot: this.frame.slot,
      runMs: this.runMs,
      startedAtMs: this.#startedAtMs,
      pinToken: refs.length === 0
        ? 0
        : this.#owner.references.pin(this.peer, refs),
      values: held.map((one) => one.stored),
    });
    this.peer.end();
  }
}
