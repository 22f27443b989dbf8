/**
 * Who waits among a node's shared segments: readers for a segment that is not
 * adopted yet, and writers for room, with the rounds of garbage collection
 * that say whether waiting is any use.
 *
 * Objects whose last ref or reader is garbage still fill the store, and only
 * collecting tells. A round asks every process; whoever still does not fit
 * after rounds that gave nothing back is refused. Room itself is counted in
 * `segments.ts`.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import type { ProcessId, SegmentId } from "../base/ids.ts";
import {
  keyOf,
  type Read,
  type SegmentCommand,
  writerOf,
} from "./segment_events.ts";

/** In the first round a borrower lets go, and only then, in the second, the owner does. */
const roundsMin = 2;
/** Rounds after which a request is refused although each gave something back. */
const roundsMax = 8;

interface Round {
  readonly number: number;
  readonly outstanding: Set<ProcessId>;
  readonly endedBytes: number;
}

/** First come, first served; at most one round at a time, and only while somebody waits. */
export class SegmentQueue {
  /** Insertion order is queue order; the value is the first round that began after the request. */
  readonly #waiting = new Map<SegmentId, number>();
  #roundCount = 0;
  #round: Round | undefined;

  /** How many wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Who is next. */
  get first(): SegmentId | undefined {
    for (const segmentId of this.#waiting.keys()) return segmentId;
    return undefined;
  }

  /** Whether a round waits for answers. */
  get isCollecting(): boolean {
    return this.#round !== undefined && this.#round.outstanding.size > 0;
  }

  /** One more waits. */
  add(segmentId: SegmentId): void {
    this.#waiting.set(segmentId, this.#roundCount + 1);
  }

  /** One waits no more. */
  delete(segmentId: SegmentId): void {
    this.#waiting.delete(segmentId);
    // Nobody needs the answers that are still to come: they will be late.
    if (this.#waiting.size === 0) this.#round = undefined;
  }

  /** Begins a round, unless one runs. `endedBytes`: all that was ever given back. */
  collect(
    processes: ReadonlySet<ProcessId>,
    endedBytes: number,
  ): SegmentCommand[] {
    if (this.#round !== undefined) return [];
    const number = ++this.#roundCount;
    this.#round = { number, outstanding: new Set(processes), endedBytes };
    const processIds = [...processes];
    return [{ kind: "collect_garbage", round: number, processIds }];
  }

  /** A process answered; an answer to an earlier round counts for nothing. */
  answered(processId: ProcessId, round: number): void {
    if (this.#round?.number !== round) return;
    this.#round.outstanding.delete(processId);
  }

  /** The round's time is up: goes on with the answers there are. */
  overdue(round: number): void {
    if (this.#round?.number === round) this.#round.outstanding.clear();
  }

  /** A process that can't answer any more. */
  processEnded(processId: ProcessId): void {
    this.#round?.outstanding.delete(processId);
  }

  /**
   * When everyone answered: the next for whom there is no hope, or nobody, and
   * the round is over. When that one is gone, the others may fit.
   */
  judge(endedBytes: number): SegmentId | undefined {
    const round = this.#round;
    assert(round !== undefined && !this.isCollecting, "Judged too early");
    const roundsAllowed = endedBytes > round.endedBytes ? roundsMax : roundsMin;
    for (const [segmentId, firstRound] of this.#waiting) {
      if (round.number - firstRound + 1 >= roundsAllowed) return segmentId;
    }
    this.#round = undefined;
    return undefined;
  }

  /** Asserts every invariant; tests call it after each event. */
  validate(): void {
    assert(this.isCollecting === this.size > 0, "Waits for no event");
    for (const firstRound of this.#waiting.values()) {
      const roundsOver = this.#roundCount - firstRound;
      assert(roundsOver < roundsMax, "Waits without an end");
    }
  }
}

/** Reads of what is not admitted yet: a reader's message may overtake the writer's. */
export class EarlyReads {
  readonly #reads = new Map<string, Read>();

  /** One more waits; a retry waits once. */
  add(read: Read): void {
    this.#reads.set(keyOf(read), read);
  }

  /** One gave up. */
  delete(read: Read): void {
    this.#reads.delete(keyOf(read));
  }

  /** A reader is gone. */
  readerEnded(reader: ProcessId): void {
    for (const [key, read] of this.#reads) {
      if (read.reader === reader) this.#reads.delete(key);
    }
  }

  /** Takes out those of one segment, whose fate is known now. */
  take(segmentId: SegmentId): Read[] {
    const taken = [...this.#reads.values()]
      .filter((read) => read.segmentId === segmentId);
    for (const read of taken) this.delete(read);
    return taken;
  }

  /** The segments of a writer that somebody waits for. */
  awaitedOf(writer: ProcessId): SegmentId[] {
    const awaited = [...this.#reads.values()]
      .filter((read) => writerOf(read.segmentId) === writer)
      .map((read) => read.segmentId);
    return [...new Set(awaited)];
  }

  /** The segments that somebody waits for. */
  get awaited(): SegmentId[] {
    return [...this.#reads.values()].map((read) => read.segmentId);
  }
}
