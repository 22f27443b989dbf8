/**
 * One actor as the calls of one process see it: which call is sent when, over
 * which connection, and what goes again after a death.
 *
 * 1. Calls of one caller are sent in the order made. One whose arguments are
 *    pending holds back later ones of its own caller only.
 * 2. What was sent over a connection is settled, or put back before what was
 *    never sent, when that connection has ended; until then nothing is sent to
 *    the next incarnation.
 * 3. A call that was answered is never sent again.
 *
 * Pure: calls and connections are opaque; whether the actor lives again is the
 * head's decision (`actors.ts`) and heard of here.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import type { ProcessId } from "../base/ids.ts";
import type { ActorPhase } from "./actors.ts";
import { mayRetry } from "./retries.ts";

/** One call. Its phase and attempt are moved here, and `done` by whoever settles it. */
export interface Orderable {
  /** Rises with each call of the process. */
  readonly ordinal: number;
  readonly callerNo: number;
  /** It is settled, though the actor may still run it. */
  readonly isAbandoned: boolean;
  phase: "preparing" | "queued" | "pushed" | "done";
  attempt: number;
}

/** How the head says that an actor is. */
export interface ActorNews {
  readonly phase: ActorPhase;
  readonly incarnation: number;
  readonly processId?: ProcessId;
}

/** Calls that their connection took along. */
export interface Lost<Call> {
  /** Settled before: nothing is left to do. */
  readonly abandoned: readonly Call[];
  /** They may have run, and may not run again. */
  readonly failed: readonly Call[];
  /** They go again, one attempt poorer. */
  readonly again: readonly Call[];
}

/** What one caller made and was not sent yet. */
interface CallerQueue<Call> {
  calls: Call[];
  /** Those before it are gone; the array is cut now and then. */
  head: number;
}

/** Orders the calls of one process to one actor. */
export class CallOrder<
  Call extends Orderable,
  Connection,
  News extends ActorNews = ActorNews,
> {
  readonly #maxTaskRetries: number;
  /** By caller; the first of each may wait for its arguments. */
  readonly #waiting = new Map<number, CallerQueue<Call>>();
  readonly #prepared = new Set<Call>();
  /** Unanswered, in the order sent. */
  readonly #sent = new Map<number, Call>();
  #news: News | undefined;
  #connection: Connection | undefined;
  /** To an incarnation that is over: what was sent there comes before what is sent next. */
  #leaving: Connection | undefined;
  #isConnecting = false;
  /** The last incarnation's process: a late word that it lives is not believed. */
  #endedProcessId: ProcessId | undefined;

  constructor(maxTaskRetries: number) {
    this.#maxTaskRetries = maxTaskRetries;
  }

  /** What was heard last. */
  get news(): News | undefined {
    return this.#news;
  }

  /** What calls are sent over. */
  get connection(): Connection | undefined {
    return this.#connection;
  }

  /** Calls without an answer. */
  get pendingCount(): number {
    let count = this.#sent.size;
    for (const { calls, head } of this.#waiting.values()) {
      count += calls.length - head;
    }
    return count;
  }

  /** Those who have calls that were not sent. */
  get callers(): number[] {
    return [...this.#waiting.keys()];
  }

  /** A call was made; one that waited elsewhere has its place by when it was. */
  called(call: Call): void {
    const queue = this.#waiting.get(call.callerNo);
    if (queue === undefined) {
      this.#waiting.set(call.callerNo, { calls: [call], head: 0 });
      return;
    }
    const { calls, head } = queue;
    let at = calls.length;
    while (at > head && calls[at - 1]!.ordinal > call.ordinal) at--;
    if (at === calls.length) calls.push(call);
    else calls.splice(at, 0, call);
  }

  /** Its arguments are there. */
  prepared(call: Call): void {
    assert(call.phase === "preparing", "Call prepared twice");
    call.phase = "queued";
    this.#prepared.add(call);
  }

  /** Takes a caller's next call, if it is to be sent now. */
  next(callerNo: number): Call | undefined {
    const queue = this.#waiting.get(callerNo);
    if (queue === undefined) return undefined;
    let next: Call | undefined;
    while (next === undefined && queue.head < queue.calls.length) {
      const call = queue.calls[queue.head]!;
      if (call.phase !== "done") {
        if (this.#connection === undefined) return undefined;
        if (!this.#prepared.delete(call)) return undefined;
        call.phase = "pushed";
        this.#sent.set(call.ordinal, call);
        next = call;
      }
      queue.calls[queue.head++] = undefined as unknown as Call;
    }
    this.#cut(callerNo, queue);
    return next;
  }

  /** Whether a call is on its way, or runs. */
  isSent(call: Call): boolean {
    return this.#sent.has(call.ordinal);
  }

  /** A call was answered. */
  answered(call: Call): void {
    this.#sent.delete(call.ordinal);
  }

  /** A call is not to run, or needs not: it is settled. False if it was sent. */
  withdrawn(call: Call): boolean {
    if (this.#sent.has(call.ordinal)) return false;
    this.#prepared.delete(call);
    const queue = this.#waiting.get(call.callerNo);
    if (queue === undefined) return true;
    const at = queue.calls.indexOf(call, queue.head);
    // Many go in the order they came: that must not move all others each time.
    if (at === queue.head) {
      queue.calls[queue.head++] = undefined as unknown as Call;
    } else if (at >= 0) queue.calls.splice(at, 1);
    this.#cut(call.callerNo, queue);
    return true;
  }

  /** The head says how the actor is. False: that is no news. */
  heard(news: News): boolean {
    if (this.#news !== undefined && isLate(news, this.#news)) return false;
    this.#news = news;
    // Its connection may end later than its head says so.
    if (news.phase !== "alive" && this.#connection !== undefined) {
      this.#leaving = this.#connection;
      this.#connection = undefined;
    }
    return true;
  }

  /** The process to connect to now; whoever asks does so, and says what came of it. */
  connecting(): ProcessId | undefined {
    const processId = this.#news?.processId;
    if (this.#news?.phase !== "alive" || this.#isConnecting) return undefined;
    const isTaken = this.#connection !== undefined ||
      this.#leaving !== undefined;
    if (isTaken || processId === this.#endedProcessId) return undefined;
    this.#isConnecting = true;
    return processId;
  }

  /** A connection is there. False: meanwhile the actor is elsewhere, or nowhere. */
  connected(processId: ProcessId, connection: Connection): boolean {
    this.#isConnecting = false;
    if (this.#news?.processId !== processId) return false;
    this.#connection = connection;
    return true;
  }

  /** Nobody was there: the head tells what comes next. */
  notConnected(): void {
    this.#isConnecting = false;
  }

  /** A connection ended with calls unanswered: each may have run. */
  disconnected(connection: Connection, processId: ProcessId): Lost<Call> {
    if (this.#connection === connection) this.#connection = undefined;
    if (this.#leaving === connection) this.#leaving = undefined;
    this.#endedProcessId = processId;
    const abandoned: Call[] = [];
    const failed: Call[] = [];
    const again = new Map<number, Call[]>();
    for (const call of this.#sent.values()) {
      const maxRetries = this.#maxTaskRetries;
      if (call.isAbandoned) abandoned.push(call);
      else if (mayRetry({ attempt: call.attempt, maxRetries })) {
        call.attempt++;
        call.phase = "queued";
        this.#prepared.add(call);
        const calls = again.get(call.callerNo);
        if (calls === undefined) again.set(call.callerNo, [call]);
        else calls.push(call);
      } else failed.push(call);
    }
    this.#sent.clear();
    for (const [callerNo, calls] of again) {
      const queue = this.#waiting.get(callerNo);
      const behind = queue === undefined ? [] : queue.calls.slice(queue.head);
      this.#waiting.set(callerNo, { calls: [...calls, ...behind], head: 0 });
    }
    return { abandoned, failed, again: [...again.values()].flat() };
  }

  /** It is dead for good: takes out all that was never sent. */
  buried(): Call[] {
    const calls: Call[] = [];
    for (const queue of this.#waiting.values()) {
      for (const call of queue.calls.slice(queue.head)) calls.push(call);
    }
    this.#waiting.clear();
    this.#prepared.clear();
    return calls;
  }

  #cut(callerNo: number, queue: CallerQueue<Call>): void {
    if (queue.head === queue.calls.length) this.#waiting.delete(callerNo);
    else if (queue.head > 4096 && queue.head * 2 > queue.calls.length) {
      queue.calls = queue.calls.slice(queue.head);
      queue.head = 0;
    }
  }

  /** Asserts every invariant; tests call it after each event. */
  validate(): void {
    const last = new Map<number, number>();
    const inOrder = ({ callerNo, ordinal }: Call) => {
      assert(ordinal > (last.get(callerNo) ?? 0), "Calls out of order");
      last.set(callerNo, ordinal);
    };
    for (const call of this.#sent.values()) {
      assert(!this.#prepared.has(call), "Sent call is to be sent");
      inOrder(call);
    }
    let preparedCount = 0;
    for (const [callerNo, { calls, head }] of this.#waiting) {
      assert(calls.length > head, "Queue of a caller without calls");
      for (const call of calls.slice(head)) {
        assert(call.callerNo === callerNo, "Call in another caller's queue");
        if (this.#prepared.has(call)) preparedCount++;
        inOrder(call);
      }
    }
    assert(preparedCount === this.#prepared.size, "Prepared call is lost");
    const isLeaving = this.#leaving !== undefined;
    assert(!isLeaving || this.#connection === undefined, "Two connections");
  }
}

/** Whether it was so before what is known: a life begins, goes on, and is over for good. */
function isLate(news: ActorNews, known: ActorNews): boolean {
  if (known.phase === "dead") return true;
  if (news.phase === "dead") return false;
  if (news.incarnation !== known.incarnation) {
    return news.incarnation < known.incarnation;
  }
  return known.phase === "alive" && news.phase !== "alive";
}
