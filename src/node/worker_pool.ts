/**
 * A node's worker processes by their numbers: started when asked, told of when
 * they end, tried again where none can be started.
 *
 * How many there are to be is decided by `state/leases.ts`, which of those
 * asked for are started by `state/worker_starts.ts`.
 *
 * @module
 */
import { afterMs, type Timer } from "../base/clock.ts";
import { unreachable } from "../base/errors.ts";
import type { ProcessId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import { oneLine } from "../base/text.ts";
import { type StartCommand, WorkerStarts } from "../state/worker_starts.ts";
import type { Fate } from "../wire/messages.ts";
import type { Children, Kept } from "./children.ts";
import type { LineSink } from "./recent_lines.ts";

/** What a pool tells its node. */
export interface PoolEvents {
  ended(workerNo: number): void;
  /** Whether anybody waits for a worker. */
  isAnyAsked(): boolean;
  /** No worker can be started: whoever waits is to be told why. */
  failed(reason: string): void;
}

/** Starts and knows the workers of one node. */
export class WorkerPool {
  readonly #children: Children;
  readonly #printer: LineSink;
  readonly #events: PoolEvents;
  readonly #workers = new Map<number, Kept>();
  readonly #numbers = new Map<ProcessId, number>();
  readonly #starts = new WorkerStarts(limits.startFailuresMax);
  #retryTimer: Timer | undefined;
  /** Why the last worker that could not be started was not. */
  #failure = "";
  #isClosed = false;

  constructor(
    { children, printer }: { children: Children; printer: LineSink },
    events: PoolEvents,
  ) {
    this.#children = children;
    this.#printer = printer;
    this.#events = events;
  }

  /** The worker of that number. */
  get(workerNo: number): Kept | undefined {
    return this.#workers.get(workerNo);
  }

  /** The number of a worker's process. */
  noOf(processId: ProcessId): number | undefined {
    return this.#numbers.get(processId);
  }

  /** The first worker whose number will do. */
  find(isIt: (workerNo: number) => boolean): Kept | undefined {
    for (const [no, kept] of this.#workers) if (isIt(no)) return kept;
    return undefined;
  }

  /** A worker is to be started. */
  start(workerNo: number): void {
    this.#carryOut(this.#starts.asked(workerNo));
  }

  /** A child has registered: its number, if it is a worker. */
  registered(kept: Kept, processId: ProcessId): number | undefined {
    for (const [no, worker] of this.#workers) {
      if (worker !== kept) continue;
      this.#numbers.set(processId, no);
      return no;
    }
    return undefined;
  }

  /** A worker takes tasks: others can be started too. */
  ready(workerNo: number): void {
    this.#carryOut(this.#starts.ready(workerNo));
  }

  /** Somebody waits for a worker: those that could not be started are tried again. */
  needed(): void {
    this.#carryOut(this.#starts.needed());
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
          this.#spawn(command.workerNo);
          break;
        case "give_up":
          this.#events.failed(`no worker could be started: ${this.#failure}`);
          break;
        default:
          unreachable(command);
      }
    }
  }

  #spawn(workerNo: number): void {
    try {
      const kept = this.#children.start("worker", (kept, fate) => {
        this.#workers.delete(workerNo);
        this.#printer.forget(kept.child.pid);
        if (kept.processId !== undefined) this.#numbers.delete(kept.processId);
        else {
          this.#failure = oneLine(fate.stderrTail ?? JSON.stringify(fate));
          this.#tellFailure(`worker ${kept.child.pid}`, fate);
        }
        this.#ended(workerNo);
      });
      this.#workers.set(workerNo, kept);
    } catch (error) {
      // The system gives no process now. Heard of later, as of one that ended.
      this.#failure = String(error);
      this.#tellFailure("a worker", {});
      queueMicrotask(() => this.#ended(workerNo));
    }
  }

  #tellFailure(who: string, { exitCode }: Fate): void {
    if (this.#isClosed) return;
    const text = `${who} ended before it was ready: ${this.#failure}`;
    // One that leaves in order found its session gone: the program is ending.
    if (exitCode === 0) log.debug(text);
    else log.error(text);
  }

  #ended(workerNo: number): void {
    this.#carryOut(this.#starts.ended(workerNo));
    this.#events.ended(workerNo);
    if (!this.#events.isAnyAsked() || !this.#starts.isStuck) return;
    // Workers live, and others can't be started: whoever waits may need one.
    this.#retryTimer ??= afterMs(limits.startRetryMs, () => {
      this.#retryTimer = undefined;
      if (this.#events.isAnyAsked()) this.needed();
    });
  }
}
