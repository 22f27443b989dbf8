/**
 * What is done for the segments of a node that wait for room: writers' fresh
 * ones, and those on disk that somebody wants to read.
 *
 * 1. What its writer keeps to fill again is given up.
 * 2. Garbage is collected, if enough came into memory since that was last
 *    done: it stops every process for 10 ms, but costs no disk. Where all is
 *    live it gives nothing, so it is not done each time, and ever less often.
 * 3. The coldest that nobody reads goes to disk.
 * 4. Where nothing can go, garbage is collected until there is no hope: then a
 *    writer is refused, and a reader is told the file, to have its own copy.
 *
 * @module
 */
import type { SegmentId } from "../base/ids.ts";
import type { SegmentCommand } from "./segment_events.ts";
import type { SegmentRecords } from "./segment_records.ts";

/** Makes room for who waits. */
export class SegmentFlow {
  readonly #records: SegmentRecords;

  constructor(records: SegmentRecords) {
    this.#records = records;
  }

  /** Goes on with who waits, as far as that goes without another event. */
  advance(commands: SegmentCommand[]): SegmentCommand[] {
    for (;;) {
      const first = this.#records.queue.first;
      if (first === undefined) {
        this.#records.room.fault = undefined;
        return commands;
      }
      const segment = this.#records.expect(first);
      if (this.#makeRoom(segment.byteLength, commands)) {
        if (segment.state === "waiting") this.#records.admit(first, commands);
        else if (this.#records.room.mayCopy) this.#restore(first, commands);
        else return commands;
        continue;
      }
      const { isCollecting, isCollectingBriefly } = this.#records.queue;
      if (isCollectingBriefly) return commands;
      if (this.#records.room.isCollectionDue && !isCollecting) {
        this.#collect(commands);
        continue;
      }
      // Also while garbage is collected because nothing could: now it may.
      if (this.#depart(commands)) continue;
      if (isCollecting || this.#records.room.copyCount > 0) return commands;
      if (!this.#records.queue.hasRound) {
        this.#collect(commands);
        continue;
      }
      const hopeless = this.#records.queue.judge(this.#records.room.endedBytes);
      if (hopeless !== undefined) this.#giveUp(hopeless, commands);
    }
  }

  #collect(commands: SegmentCommand[]): void {
    this.#records.room.collecting();
    const { endedBytes, canDepart: isBrief } = this.#records.room;
    const round = { endedBytes, isBrief };
    commands.push(this.#records.queue.collect(this.#records.processes, round));
  }

  /** Drops what waits for reuse, the oldest first, until there is room. */
  #makeRoom(byteLength: number, commands: SegmentCommand[]): boolean {
    for (const segmentId of this.#records.recyclable) {
      if (this.#records.room.fits(byteLength)) break;
      this.#records.end(segmentId, commands);
    }
    return this.#records.room.fits(byteLength);
  }

  /** Sends the coldest to disk; whether that made room already. */
  #depart(commands: SegmentCommand[]): boolean {
    const { waitingBytes: bytes, size: count } = this.#records.queue;
    const { evicted, spilled } = this.#records.room.depart({ bytes, count });
    for (const segmentId of evicted) {
      const segment = this.#records.expect(segmentId);
      this.#records.room.left(segmentId, segment);
      commands.push({ kind: "close_descriptor", segmentId });
      if (segment.isWriterHeld) this.#records.drop(segmentId, commands);
      segment.isWriterHeld = false;
    }
    for (const segmentId of spilled) {
      const segment = this.#records.expect(segmentId);
      const copy = this.#records.room.copying(segmentId, segment, "spill");
      commands.push({ kind: "spill", copy });
    }
    return evicted.length > 0;
  }

  #restore(segmentId: SegmentId, commands: SegmentCommand[]): void {
    const segment = this.#records.expect(segmentId);
    this.#records.queue.delete(segmentId);
    this.#records.room.entered(segmentId, segment);
    const copy = this.#records.room.copying(segmentId, segment, "restore");
    commands.push({ kind: "restore", copy });
  }

  /** One for whom there is no room: a writer is refused, a reader has a copy of its own. */
  #giveUp(segmentId: SegmentId, commands: SegmentCommand[]): void {
    if (this.#records.expect(segmentId).state === "waiting") {
      return this.#records.refuse(segmentId, commands);
    }
    this.#records.queue.delete(segmentId);
    this.#records.serveEarly(segmentId, commands);
  }
}
