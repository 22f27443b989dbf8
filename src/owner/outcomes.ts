/**
 * What becomes of tasks: values, errors, crashes, retries, time limits.
 *
 * Every record passes `#settle` exactly once, whatever was tried before; so a
 * task has one outcome that its owner sees. Which attempt is worth another is
 * decided by `state/retries.ts`.
 *
 * @module
 */
import { afterMs } from "../base/clock.ts";
import {
  OutOfMemoryError,
  RuntimeEnvSetupError,
  TaskCancelledError,
  TaskTimeoutError,
  TaskUnschedulableError,
  WorkerCrashedError,
} from "../base/errors.ts";
import { taskIdOf } from "../base/ids.ts";
import type { TaskOutcome } from "../base/lineage.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import type { CodeRef, HeldValue } from "../base/stored.ts";
import { askedText } from "../state/placement_groups.ts";
import { afterWorkerEnded, mayRetry } from "../state/retries.ts";
import type { LeaseRefusal } from "../wire/facts.ts";
import { FrameKind } from "../wire/frame.ts";
import type { Peer } from "../wire/peer.ts";
import {
  type ItemFrame,
  Outcome,
  type ReplyFrame,
  writeProgress,
} from "../wire/task_frames.ts";
import { crashError } from "./crashes.ts";
import { HeldFailure, openFailure, type UnaskedFailures } from "./failures.ts";
import type { AttemptEnd, OwnerPort } from "./owner_port.ts";
import type { SubmitterEvents, WorkerEnding } from "./submitter.ts";
import type { TaskRecord } from "./task_record.ts";

/** Settles the records of one owner. */
export class Outcomes implements SubmitterEvents {
  readonly #owner: OwnerPort;
  readonly #unasked: UnaskedFailures;
  /** Settled, and given a while to heed their signal. */
  readonly #stopping = new Set<TaskRecord>();

  constructor(owner: OwnerPort, unasked: UnaskedFailures) {
    this.#owner = owner;
    this.#unasked = unasked;
  }

  /** Nobody waits for anything any more. */
  close(): void {
    for (const { timer } of this.#stopping) clearTimeout(timer);
    this.#stopping.clear();
  }

  codeOf(record: TaskRecord): CodeRef {
    return this.#owner.values.code.knownRef(record.template.fn!)!;
  }

  pushed(record: TaskRecord): void {
    if (record.toldState !== undefined) this.#owner.lineage.pushed(record);
  }

  /** A worker answered a task or call. */
  replied(record: TaskRecord, reply: ReplyFrame, from: Peer): void {
    clearTimeout(record.timer);
    record.place = from.remote;
    if (record.isAbandoned) {
      this.#stopping.delete(record);
      // Its refs were settled before; what came along is let go again.
      for (const stored of reply.values) {
        this.#owner.values.discard(this.#owner.values.adopt(stored));
      }
      this.#owner.release(from, reply.pinToken);
      return;
    }
    const received: HeldValue[] = [];
    const waits: Promise<unknown>[] = [];
    for (const stored of reply.values) {
      const { held, ready } = this.#owner.receive(stored, from);
      received.push(held);
      if (ready !== undefined) waits.push(ready);
    }
    this.#owner.release(from, reply.pinToken);
    const isKept = record.knownKey !== "" && reply.outcome === Outcome.finished;
    if (waits.length === 0 && !isKept) {
      return this.#conclude(record, reply, received);
    }
    this.#concludeLater(record, reply, { received, waits });
  }

  /** What it needs must come before, or it must be kept. */
  #concludeLater(
    record: TaskRecord,
    reply: ReplyFrame,
    { received, waits }: { received: HeldValue[]; waits: Promise<unknown>[] },
  ): void {
    const conclude = () => this.#conclude(record, reply, received);
    const failed = (error: unknown) => this.fail(record, error);
    if (waits.length > 0) Promise.all(waits).then(conclude, failed);
    else {
      const kept = { key: record.knownKey, values: received };
      this.#owner.results.keep(kept, conclude, failed);
    }
  }

  /** An earlier run of the program, or attempt of its submitter, has done it. */
  found(record: TaskRecord, values: HeldValue[]): void {
    this.#settle(record, "finished", { received: values });
    record.returns.forEach((entry, index) => entry.resolve(values[index]!));
  }

  /** A task lost its worker. */
  workerEnded(record: TaskRecord, ending: WorkerEnding): void {
    clearTimeout(record.timer);
    record.place = ending.place;
    this.#stopping.delete(record);
    if (record.isAbandoned) return;
    const { settings } = record.template;
    const verdict = afterWorkerEnded(
      {
        progress: ending.progress,
        attempt: record.attempt,
        maxRetries: settings.maxRetries,
      },
      ending.isOwnDoing,
    );
    if (verdict === "fail") {
      this.#crashed(record, ending);
      return;
    }
    if (verdict !== "requeue") record.isAlone = true;
    if (verdict === "retry") {
      record.attempt++;
      this.#owner.lineage.attempted(record, "crashed", {
        error: new WorkerCrashedError(`worker ${ending.place.pid} ended`),
      });
    } else this.#owner.lineage.requeued(record);
    this.#owner.submitter.requeue(record);
  }

  refused(record: TaskRecord, { kind, reason }: LeaseRefusal): void {
    const { name, resources } = record.template.settings;
    const cannot = `Cannot run task "${name}": `;
    const lacking = `${cannot}it asks for ${
      askedText(resources)
    }, and ${reason}`;
    const error = kind === "setup_failed"
      ? new RuntimeEnvSetupError(cannot + reason)
      : new TaskUnschedulableError(lacking, { resources });
    this.fail(record, error);
  }

  /** There will be no value. The error is the owner's own, or came encoded. */
  fail(record: TaskRecord, error: unknown, reply?: ReplyFrame): void {
    if (record.phase === "done") return;
    this.#owner.recovery.failed(record);
    this.#settle(record, outcomeOf(error), { error, reply });
    record.sink?.ended(error);
    for (const entry of record.returns) entry.reject(error);
    if (record.sink === undefined) {
      this.#unasked.add(record.returns, {
        error,
        functionName: record.template.settings.name,
      });
    }
  }

  /** Settles a record now and stops what runs for it. */
  stop(
    record: TaskRecord,
    error: Error,
    how: { isForced: boolean; isRecursive: boolean },
  ): void {
    const { submitter, actors } = this.#owner;
    const isIdle = record.phase === "preparing" ||
      actors.withdraw(record) || submitter.withdraw(record);
    if (isIdle) {
      this.fail(record, error);
      return;
    }
    const worker = submitter.workerOf(record);
    const peer = worker?.peer ?? actors.peerOf(record);
    peer?.notify("task.cancel", {
      ordinal: record.ordinal,
      isRecursive: how.isRecursive,
      ...(error instanceof TaskTimeoutError
        ? { timeoutMs: error.timeoutMs }
        : {}),
    });
    this.#abandon(record, error);
    const { name } = record.template.settings;
    if (how.isForced) this.#end(record, `"${name}" was cancelled by force`);
    // A generator that nobody listens to is not to run on.
    else if (record.sink !== undefined && worker !== undefined) {
      this.#endStuck(record, error.message);
    }
  }

  /** A timed task has begun: from now on its time counts. */
  started(ordinal: number): void {
    const record = this.#owner.submitter.inFlight(ordinal) ??
      this.#owner.actors.inFlight(ordinal);
    const timeoutMs = record?.template.settings.timeoutMs;
    if (record === undefined || timeoutMs === undefined) return;
    clearTimeout(record.timer); // Its time to start in is over.
    record.timer = afterMs(timeoutMs, () => this.#overtime(record, timeoutMs));
  }

  /** The time that a task may wait to start counts from here. */
  watchScheduling(record: TaskRecord): void {
    const { schedulingTimeoutMs, name } = record.template.settings;
    if (schedulingTimeoutMs === undefined) return;
    record.timer = afterMs(schedulingTimeoutMs, () => {
      if (record.phase === "done") return;
      const taskId = taskIdOf(this.#owner.self, record.ordinal);
      let lacking = "its arguments were not there";
      if (record.phase !== "preparing") {
        if (!this.#owner.submitter.withdraw(record)) return;
        lacking = "no worker was free";
      }
      this.fail(
        record,
        new TaskTimeoutError(
          `Cannot run task "${name}": ${lacking} within its schedulingTimeout of ${schedulingTimeoutMs} ms`,
          { taskId, timeoutMs: schedulingTimeoutMs },
        ),
      );
    });
  }

  /** A generator yielded. */
  item(item: ItemFrame, from: Peer): void {
    const record = this.#owner.submitter.inFlight(item.ordinal) ??
      this.#owner.actors.inFlight(item.ordinal);
    const arrived = this.#owner.receive(item.value, from);
    this.#owner.release(from, item.pinToken);
    if (record === undefined || record.isAbandoned) return;
    const { sink } = record;
    if (sink === undefined || item.attempt !== record.attempt) return;
    // After a retry, what was delivered before is not delivered again.
    if (item.index < sink.arrivedCount) return sink.repeated();
    const { ordinal } = record;
    this.#owner.lineage.stored("task", {
      ...item,
      ordinal,
      held: arrived.held,
    });
    sink.item(item.index, arrived);
  }

  /** The consumer of a generator has taken so many items. */
  consumed(record: TaskRecord, count: number): void {
    if (record.template.settings.backpressure === 0) return;
    const peer = this.#owner.submitter.workerOf(record)?.peer ??
      this.#owner.actors.peerOf(record);
    if (peer === undefined || peer.isEnded) return;
    const { ordinal } = record;
    writeProgress(peer.begin(FrameKind.consumed), { ordinal, count });
    peer.end();
  }

  #conclude(
    record: TaskRecord,
    reply: ReplyFrame,
    received: HeldValue[],
  ): void {
    if (record.phase === "done") return; // It was stopped meanwhile.
    if (reply.outcome === Outcome.failed) {
      this.#failed(record, received[0]!, reply);
      return;
    }
    this.#owner.recovery.finished(record, received);
    this.#settle(record, "finished", { reply, received });
    const { returns } = record;
    for (let index = 0; index < returns.length; index++) {
      const entry = returns[index]!;
      // One of a task that ran again may still have its value.
      if (entry.isSettled) this.#owner.values.discard(received[index]!);
      else entry.resolve(received[index]!);
    }
    record.sink?.ended(undefined);
  }

  #failed(record: TaskRecord, held: HeldValue, reply: ReplyFrame): void {
    const { isRetryable, maxRetries } = record.template.settings;
    const failure = new HeldFailure(held);
    if (isRetryable === undefined || !mayRetry({ ...record, maxRetries })) {
      this.fail(record, failure, reply);
      return;
    }
    openFailure(failure, this.#owner.values).then((error) => {
      if (record.phase === "done") return;
      const cause = error instanceof Error ? error.cause : error;
      if (!judge(isRetryable, cause)) return this.fail(record, failure, reply);
      record.attempt++;
      this.#owner.lineage.attempted(record, "failed", { error, reply });
      this.#owner.submitter.requeue(record);
    }).catch((error) => this.fail(record, error));
  }

  async #crashed(record: TaskRecord, ending: WorkerEnding): Promise<void> {
    const { pid } = ending.place;
    const fate = await ending.fate.catch(() => ({}));
    const taskId = taskIdOf(this.#owner.self, record.ordinal);
    this.fail(record, crashError(record, { taskId, pid, fate }));
  }

  #overtime(record: TaskRecord, timeoutMs: number): void {
    if (record.phase === "done") return;
    const { name } = record.template.settings;
    this.stop(
      record,
      new TaskTimeoutError(
        `Cannot finish task "${name}": it ran longer than its timeout of ${timeoutMs} ms`,
        { taskId: taskIdOf(this.#owner.self, record.ordinal), timeoutMs },
      ),
      { isForced: false, isRecursive: true },
    );
    this.#endStuck(
      record,
      `"${name}" ran longer than its timeout of ${timeoutMs} ms`,
    );
  }

  /** Ends what runs a record, unless it heeds its signal in time. */
  #endStuck(record: TaskRecord, reason: string): void {
    const worker = this.#owner.submitter.workerOf(record);
    this.#stopping.add(record);
    record.timer = afterMs(limits.abortGraceMs, () => {
      this.#stopping.delete(record);
      if (this.#owner.submitter.workerOf(record) === worker) {
        this.#end(record, reason);
      }
    });
  }

  /** Ends the worker, or the actor's incarnation, that runs a record. */
  #end(record: TaskRecord, reason: string): void {
    const { submitter, actors } = this.#owner;
    const worker = submitter.workerOf(record);
    if (worker !== undefined) submitter.kill(worker, reason);
    else actors.abort(record, `its call ${reason}`);
  }

  /** Its refs are settled while its worker may still run it: nothing is owed any more. */
  #abandon(record: TaskRecord, error: Error): void {
    if (record.phase === "done") return;
    this.#owner.recovery.failed(record);
    this.#settle(record, outcomeOf(error), { error });
    record.isAbandoned = true;
    record.sink?.ended(error);
    for (const entry of record.returns) entry.reject(error);
  }

  #settle(
    record: TaskRecord,
    outcome: TaskOutcome,
    how: AttemptEnd,
  ): void {
    clearTimeout(record.timer);
    record.phase = "done";
    for (const entry of record.returns) entry.producer = undefined;
    this.#owner.lineage.settled(record, outcome, how);
    this.#owner.intake.closed(record);
    this.#owner.settle();
  }
}

/** What the program's own predicate says of an error; one that fails says no. */
function judge(
  isRetryable: (error: unknown) => boolean,
  cause: unknown,
): boolean {
  let verdict: unknown;
  try {
    verdict = isRetryable(cause);
  } catch (error) {
    log.error(`a retryExceptions predicate threw, so its task fails: ${error}`);
    return false;
  }
  if (typeof verdict === "boolean") return verdict;
  log.error(
    `a retryExceptions predicate returned ${
      Deno.inspect(verdict)
    } instead of a boolean, so its task fails`,
  );
  return false;
}

function outcomeOf(error: unknown): TaskOutcome {
  if (error instanceof TaskCancelledError) return "cancelled";
  const isCrash = error instanceof WorkerCrashedError ||
    error instanceof OutOfMemoryError;
  return isCrash ? "crashed" : "failed";
}
