/**
 * A node's workers: started as the lease table asks, known by their numbers
 * there, and told of when they end.
 *
 * Which are started where some can't be is decided by `state/worker_starts.ts`.
 *
 * @module
 */
import { afterMs, type Timer } from "../base/clock.ts";
import { unreachable } from "../base/errors.ts";
import type { ProcessId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import type { WorkerNo } from "../state/worker_choice.ts";
import { type StartCommand, WorkerStarts } from "../state/worker_starts.ts";
import type { Fate } from "../wire/messages.ts";
import type { Children, Kept } from "./children.ts";
import type { LogPrinter } from "./log_printer.ts";

/** What a node hears of its workers. */
export interface WorkerEvents {
  /** A worker is gone, or could not be started. */
  ended(workerNo: WorkerNo): void;
  /** No worker lives and none can be started. */
  gaveUp(reason: string): void;
  /** Whether somebody waits for a worker. */
  isAwaited(): boolean;
}

/** Starts the workers of one node. */
export class Workers {
  readonly #rooms: { children: Children; printer: LogPrinter };
  readonly #events: WorkerEvents;
  readonly #starts = new WorkerStarts(limits.startFailuresMax);
  readonly #kept = new Map<WorkerNo, Kept>();
  readonly #numbers = new Map<ProcessId, WorkerNo>();
  #retryTimer: Timer | undefined;
  /** Why the last one that could not be started was not. */
  #failure = "";
  #isClosed = false;

  constructor(
    rooms: { children: Children; printer: LogPrinter },
    events: WorkerEvents,
  ) {
    this.#rooms = rooms;
    this.#events = events;
  }

  /** A living worker, or one that is starting. */
  get(workerNo: WorkerNo): Kept | undefined {
    return this.#kept.get(workerNo);
  }

  /** The numbers of all of them. */
  numbers(): IteratorObject<WorkerNo> {
    return this.#kept.keys();
  }

  /** The number of a worker that has registered. */
  numberOf(processId: ProcessId): WorkerNo | undefined {
    return this.#numbers.get(processId);
  }

  /** There is to be a worker of that number. */
  start(workerNo: WorkerNo): void {
    this.#carryOut(this.#starts.asked(workerNo));
  }

  /** Somebody waits for a worker. */
  needed(): void {
    this.#carryOut(this.#starts.needed());
  }

  /** A worker has registered; `known` is called with its number before others follow it. */
  registered(kept: Kept, known: (workerNo: WorkerNo) => void): void {
    for (const [workerNo, worker] of this.#kept) {
      if (worker !== kept) continue;
      this.#numbers.set(kept.processId!, workerNo);
      known(workerNo);
      this.#carryOut(this.#starts.ready(workerNo));
      return;
    }
  }

  /** Starts no more. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retryTimer);
  }

  #carryOut(commands: StartCommand[]): void {
    if (this.#isClosed) return;
    for (const command of commands) {
      switch (command.kind) {
        case "start":
          this.#start(command.workerNo);
          break;
        case "give_up":
          this.#events.gaveUp(`no worker could be started: ${this.#failure}`);
          break;
        default:
          unreachable(command);
      }
    }
  }

  #start(workerNo: WorkerNo): void {
    const { children, printer } = this.#rooms;
    try {
      const kept = children.start("worker", (kept, fate) => {
        this.#kept.delete(workerNo);
        printer.forget(kept.child.pid);
        if (kept.processId !== undefined) this.#numbers.delete(kept.processId);
        else this.#failed(`worker ${kept.child.pid}`, fate);
        this.#ended(workerNo);
      });
      this.#kept.set(workerNo, kept);
    } catch (error) {
      // The system gives no process now. Heard of later, as of one that ended.
      this.#failed("a worker", { stderrTail: String(error) });
      queueMicrotask(() => this.#ended(workerNo));
    }
  }

  #failed(who: string, fate: Fate): void {
    this.#failure = fate.stderrTail ?? JSON.stringify(fate);
    if (this.#isClosed) return;
    const text = `${who} ended before it was ready: ${this.#failure}`;
    // One that leaves in order found its session gone: the program is ending.
    if (fate.exitCode === 0) log.debug(text);
    else log.error(text);
  }

  #ended(workerNo: WorkerNo): void {
    this.#carryOut(this.#starts.ended(workerNo));
    this.#events.ended(workerNo);
    if (!this.#starts.isStuck || !this.#events.isAwaited()) return;
    // Workers live, and others can't be started: whoever waits may need one.
    this.#retryTimer ??= afterMs(limits.startRetryMs, () => {
      this.#retryTimer = undefined;
      if (this.#events.isAwaited()) this.needed();
    });
  }
}
