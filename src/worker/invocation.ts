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
import {
  MantaError,
  SerializationError,
  TaskCancelledError,
  TaskError,
  TaskTimeoutError,
} from "../base/errors.ts";
import { type ActorId, type TaskId, taskIdOf } from "../base/ids.ts";
import type { ResourceAmounts } from "../base/spec.ts";
import type { HeldValue } from "../base/stored.ts";
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
import { isPromise, openArguments } from "./arguments.ts";
import { mapErrorStack, setStack } from "./error_stacks.ts";
import { Producer } from "./producer.ts";

/** What an invocation tells whoever started it. */
export interface InvocationEvents {
  /** One more of its waits, or one less, may end before what it waits for. */
  impatient?(change: 1 | -1): void;
  suspended(invocation: Invocation): void;
  resumed(invocation: Invocation): void;
  /** It is about to answer: from here on its end is nobody's fault. */
  answering?(invocation: Invocation): void;
  /** It has answered; nothing of it counts any more. */
  finished(invocation: Invocation): void;
}

/** What runs. */
export interface Invoked {
  readonly name: string;
  readonly resources: ResourceAmounts;
  call(args: unknown[]): unknown;
  /** Whether an error is how an actor leaves: it is told as it is. */
  isOwnEnd?(error: unknown): boolean;
}

/** One run. */
export class Invocation implements TaskContext {
  readonly frame: TaskFrame;
  readonly peer: Peer;
  readonly taskId: TaskId;
  readonly functionName: string;
  readonly resources: ResourceAmounts;
  readonly callerNo: number;
  readonly children = new Set<object>();
  readonly actorId?: ActorId;
  readonly currentActor?: unknown;
  readonly #owner: Owner;
  readonly #invoked: Invoked;
  readonly #events: InvocationEvents;
  #controller: AbortController | undefined;
  #waitCount = 0;
  #impatientCount = 0;
  #producer: Producer | undefined;
  /** Its first error is on its way: that is the outcome. */
  #isFailing = false;
  #isAnswered = false;
  #startedAtMs = 0;
  #resumedAtMs = 0;
  #runMs = 0;

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
    events: InvocationEvents,
  ) {
    this.#owner = owner;
    this.frame = what.frame;
    this.peer = what.peer;
    this.#invoked = what.invoked;
    this.functionName = what.invoked.name;
    this.resources = what.invoked.resources;
    this.callerNo = what.callerNo;
    this.taskId = taskIdOf(what.peer.remote!.processId, what.frame.ordinal);
    if (what.actorId !== undefined) this.actorId = what.actorId;
    if (what.currentActor !== undefined) this.currentActor = what.currentActor;
    this.#events = events;
  }

  get attempt(): number {
    return this.frame.attempt;
  }

  get key(): string | undefined {
    return this.frame.key === "" ? undefined : this.frame.key;
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
    this.#runMs += monotonicMs() - this.#resumedAtMs;
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
    const { taskId } = this;
    const controller = this.#controller;
    const what = `Cannot finish task "${this.functionName}"`;
    const reason = timeoutMs === undefined
      ? new TaskCancelledError(`${what}: it was cancelled`, { taskId })
      : new TaskTimeoutError(
        `${what}: it ran longer than its timeout of ${timeoutMs} ms`,
        { taskId, timeoutMs },
      );
    // Listeners are the task's own code.
    runInContext(this, () => controller.abort(reason));
    this.#producer?.cancelled();
    if (!isRecursive) return;
    for (const child of this.children) {
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
      const args = openArguments(this.#owner, this);
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
    try {
      const result = runInContext(this, () => this.#invoked.call(args));
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
      const waits = storing.filter((one) => one.ready !== undefined);
      const held = storing.map((one) => one.held);
      if (waits.length === 0) this.#answer(Outcome.finished, held);
      else {
        Promise.all(waits.map((one) => one.ready)).then(
          () => this.#answer(Outcome.finished, held),
          (error) => this.refuse(error),
        );
      }
    } catch (error) {
      this.refuse(error);
    }
  }

  #storeResults(result: unknown): Storing[] {
    const { returnCount } = this.frame;
    if (returnCount === 0) return [];
    const ownerId = this.peer.remote!.processId;
    const store = (value: unknown, label: string) =>
      this.#owner.values.store(value, { label, ownerId });
    if (returnCount === 1) return [store(result, "result")];
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
    return result.map((value, at) => store(value, `result[${at}]`));
  }

  /** The runtime can't go on with it: such an error is told as it is. */
  refuse(error: unknown): void {
    if (this.#isAnswered || this.#isFailing) return;
    if (error instanceof SerializationError) {
      const told = error.message.replace(
        /^Cannot send value:/,
        `Cannot return from task "${this.functionName}":`,
      );
      this.#answerFailure(new SerializationError(told, { path: error.path }));
    } else if (error instanceof MantaError) this.#answerFailure(error);
    else this.#answerFailure(this.#wrapped(error, "it could not be run"));
  }

  #wrapped(cause: unknown, what: string): TaskError {
    const error = new TaskError(
      `Cannot finish task "${this.functionName}": ${what}${summary(cause)}`,
      {
        functionName: this.functionName,
        pid: Deno.pid,
        nodeId: this.#owner.job.nodeId,
        cause,
      },
    );
    // Where it was thrown is in the cause; where it is asked for, the asker adds.
    setStack(error, `${error.name}: ${error.message}`);
    return error;
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
      this.#runMs += monotonicMs() - this.#resumedAtMs;
    }
    this.#events.answering?.(this);
    const registered = this.#owner.references.registered();
    if (registered === undefined) this.#write(outcome, held);
    else registered.then(() => this.#write(outcome, held));
    this.#events.finished(this);
  }

  #write(outcome: number, held: HeldValue[]): void {
    if (this.peer.isEnded) return;
    const refs = held.flatMap((one) => one.refs);
    writeReply(this.peer.begin(FrameKind.reply), {
      ordinal: this.frame.ordinal,
      outcome,
      slot: this.frame.slot,
      runMs: this.#runMs,
      startedAtMs: this.#startedAtMs,
      pinToken: refs.length === 0
        ? 0
        : this.#owner.references.pin(this.peer, refs),
      values: held.map((one) => one.stored),
    });
    this.peer.end();
  }
}

function summary(cause: unknown): string {
  if (cause instanceof Error) return `: ${cause.name}: ${cause.message}`;
  return cause === undefined ? "" : `: ${Deno.inspect(cause)}`;
}
