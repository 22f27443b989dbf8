/**
 * Who waits among a node's shared segments: readers for a segment that is not
 * adopted yet or lies on disk, and segments for room, with the rounds of
 * garbage collection that say whether waiting is any use.
 *
 * Objects whose last ref or reader is garbage still fill the store, and only
 * collecting tells. A round asks every process; whoever still does not fit
 * after rounds that gave nothing back is refused. Room itself is counted in
 * `segment_room.ts`.
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
  readonly isBrief: boolean;
  readonly outstanding: Set<ProcessId>;
  readonly endedBytes: number;
}

interface Waiting {
  readonly byteLength: number;
  /** The first round that counts for it. */
  firstRound: number;
}

/** First come, first served; at most one round at a time, and only while somebody waits. */
export class SegmentQueue {
  /** Insertion order is queue order. */
  readonly #waiting = new Map<SegmentId, Waiting>();
  #waitingBytes = 0;
  #roundCount = 0;
  #round: Round | undefined;

  /** How many wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** How many bytes they need. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Whether one waits. */
  has(segmentId: SegmentId): boolean {
    return this.#waiting.has(segmentId);
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

  /** Whether that is a round which is not waited for long. */
  get isCollectingBriefly(): boolean {
    return this.isCollecting && this.#round?.isBrief === true;
  }

  /** Whether a round runs, or was answered and not judged yet. */
  get hasRound(): boolean {
    return this.#round !== undefined;
  }

  /** One more waits. */
  add(segmentId: SegmentId, byteLength: number): void {
    assert(!this.#waiting.has(segmentId), "Waits twice");
    this.#waiting.set(segmentId, {
      byteLength,
      firstRound: this.#roundCount + 1,
    });
    this.#waitingBytes += byteLength;
  }

  /** One waits no more. */
  delete(segmentId: SegmentId): void {
    this.#waitingBytes -= this.#waiting.get(segmentId)?.byteLength ?? 0;
    this.#waiting.delete(segmentId);
    // Nobody needs the answers that are still to come: they will be late.
    if (this.#waiting.size === 0) this.#round = undefined;
  }

  /** Begins a round. `endedBytes`: all that was ever given back. */
  collect(
    processes: ReadonlySet<ProcessId>,
    { endedBytes, isBrief }: { endedBytes: number; isBrief: boolean },
  ): SegmentCommand {
    assert(!this.isCollecting, "Two rounds at once");
    const round = ++this.#roundCount;
    const outstanding = new Set(processes);
    this.#round = { number: round, isBrief, outstanding, endedBytes };
    const processIds = [...processes];
    return { kind: "collect_garbage", round, processIds, isBrief };
  }

  /** A process answered; an answer to an earlier round counts for nothing. */
  answered(processId: ProcessId, round: number): void {
    if (this.#round?.number !== round) return;
    this.#round.outstanding.delete(processId);
  }

  /** The round's time is up: goes on with the answers there are. */
  overdue(round: number): void {
    if (this.#round?.number !== round) return;
    if (this.#round.isBrief && this.#round.outstanding.size > 0) {
      // Too brief to say that there is no hope: it counts for nobody.
      for (const waiting of this.#waiting.values()) waiting.firstRound++;
    }
    this.#round.outstanding.clear();
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
    for (const [segmentId, { firstRound }] of this.#waiting) {
      if (round.number - firstRound + 1 >= roundsAllowed) return segmentId;
    }
    this.#round = undefined;
    return undefined;
  }

  /** Asserts every invariant; tests call it after each event. */
  validate(): void {
    assert(!this.isCollecting || this.size > 0, "Collects for nobody");
    let waitingBytes = 0;
    for (const { byteLength, firstRound } of this.#waiting.values()) {
      waitingBytes += byteLength;
      const roundsOver = this.#roundCount - firstRound;
      assert(roundsOver < roundsMax, "Waits without an end");
    }
    assert(waitingBytes === this.#waitingBytes, "Waiting bytes miscounted");
  }
}

/** Reads of what is not in memory: not admitted yet, for a reader's message may overtake the writer's, or on disk. */
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

  /** Whether somebody waits for that segment. */
  awaits(segmentId: SegmentId): boolean {
    return this.awaited.includes(segmentId);
  }

  /** The segments that somebody waits for. */
  get awaited(): SegmentId[] {
    return [...this.#reads.values()].map((read) => read.segmentId);
  }
}
