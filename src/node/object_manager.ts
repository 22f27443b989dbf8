/**
 * A node's shared segments: keeps a descriptor of each that is in memory, so
 * that an object outlives its writer, and tells readers where it lies.
 *
 * What is admitted, recycled, refused and spilled is decided by
 * `state/segments.ts`; files are `spiller.ts`.
 *
 * @module
 */
import { afterMs } from "../base/clock.ts";
import { assert, unreachable } from "../base/errors.ts";
import type { ProcessId, SegmentId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import {
  type Holder,
  keyOf,
  type Read,
  type SegmentCommand,
} from "../state/segment_events.ts";
import { SegmentTable } from "../state/segments.ts";
import {
  closeDescriptor,
  discardDescriptor,
  isMemoryFileGone,
  openDescriptor,
  pathOfDescriptor,
} from "../store/segment.ts";
import { Spiller } from "./spiller.ts";
import type { Notices, Requests } from "../wire/messages.ts";
import type { NoticeHandlers, Peer, RequestHandlers } from "../wire/peer.ts";

type AdoptAnswer = Requests["segment.adopt"]["answer"];
type OpenAnswer = Requests["segment.open"]["answer"];

/** Who is told of segments. */
export type Told = Pick<Peer, "notify">;

interface Adopting {
  readonly path: string;
  readonly byteLength: number;
  readonly answer: PromiseWithResolvers<AdoptAnswer>;
}

/** Keeps the segments of one machine. */
export class ObjectManager {
  readonly #table: SegmentTable;
  readonly #capacityBytes: number;
  readonly #descriptors = new Map<SegmentId, number>();
  /** Their memory is nobody's but the node's, and their readers'. */
  readonly #restored = new Set<SegmentId>();
  /** Their memory went with their writers, which the table is about to be told. */
  readonly #unopened = new Set<SegmentId>();
  readonly #adopting = new Map<SegmentId, Adopting>();
  readonly #opening = new Map<string, PromiseWithResolvers<OpenAnswer>>();
  readonly #peers = new Map<ProcessId, Told>();
  readonly #describe: (processId: ProcessId) => string;
  readonly #spiller: Spiller;

  constructor(
    { capacityBytes, spillFolder, describe }: {
      capacityBytes: number;
      spillFolder: string;
      describe(processId: ProcessId): string;
    },
  ) {
    this.#capacityBytes = capacityBytes;
    this.#describe = describe;
    this.#spiller = new Spiller(spillFolder, {
      spilled: (copy) => this.#carryOut(this.#table.spilled(copy)),
      spillFailed: (copy, fault) =>
        this.#carryOut(this.#table.spillFailed(copy, fault)),
      restored: (copy, fd) => {
        this.#descriptors.set(copy.segmentId, fd);
        this.#restored.add(copy.segmentId);
        this.#carryOut(this.#table.restored(copy));
      },
      restoreFailed: (copy, lostReason) =>
        this.#carryOut(this.#table.restoreFailed(copy, lostReason)),
    });
    this.#table = new SegmentTable({
      capacityBytes,
      segmentsMax: limits.segmentsMax,
      recyclableBytesMax: Math.floor(capacityBytes / 8),
      waitingMax: limits.segmentsWaitingMax,
      recyclablesMax: limits.recyclablesMax,
      copiesMax: limits.spillCopiesMax,
      collectAfterBytes: Math.floor(capacityBytes / 4),
      rememberedMax: limits.rememberedMax,
    });
  }

  /** Bytes in use. */
  get usedBytes(): number {
    return this.#table.usedBytes;
  }

  /** All segments, in no order. */
  all(): ReturnType<SegmentTable["all"]> {
    return this.#table.all();
  }

  /** What may be in use. */
  get capacityBytes(): number {
    return this.#capacityBytes;
  }

  /** A segment that can be opened here: what it takes, and whose object it is. */
  find(
    segmentId: SegmentId,
  ): { byteLength: number; owner: ProcessId } | undefined {
    return this.#table.find(segmentId);
  }

  /** A process joined: it may write and read. */
  processStarted(processId: ProcessId, peer: Told): void {
    this.#peers.set(processId, peer);
    this.#table.processStarted(processId);
  }

  /** A process is gone. */
  processEnded(processId: ProcessId): void {
    this.#peers.delete(processId);
    this.#carryOut(this.#table.processEnded(processId));
  }

  /** What it answers. */
  requests(): RequestHandlers {
    return {
      "segment.adopt": (ask) => this.adopt(ask),
      "segment.open": (ask, peer) => this.open(ask, peer.remote!.processId),
    };
  }

  /** A writer wants its segment kept. */
  adopt(ask: Requests["segment.adopt"]["ask"]): Promise<AdoptAnswer> {
    const answer = Promise.withResolvers<AdoptAnswer>();
    const { segmentId, path, byteLength, ownerId: owner, recycles } = ask;
    this.#adopting.set(segmentId, { path, byteLength, answer });
    this.#carryOut(this.#table.adopted({
      segmentId,
      byteLength,
      owner,
      ...(recycles === undefined ? {} : { recycles }),
    }));
    return answer.promise;
  }

  /** A reader asks where a segment lies. */
  open(
    { segmentId, mapping }: Requests["segment.open"]["ask"],
    reader: ProcessId,
  ): Promise<OpenAnswer> {
    const read = { segmentId, mapping, reader };
    const answer = Promise.withResolvers<OpenAnswer>();
    this.#opening.set(keyOf(read), answer);
    this.#carryOut(this.#table.opened(read));
    return answer.promise;
  }

  /** A reader needs a segment no more. */
  closed(
    { segmentId, mapping }: Notices["segment.close"],
    reader: ProcessId,
  ): void {
    this.#carryOut(this.#table.closed({ segmentId, mapping, reader }));
  }

  /** An owner needs a segment no more. */
  freed(segmentId: SegmentId, isUnreadable = false): void {
    this.#carryOut(this.#table.freed(segmentId, isUnreadable));
  }

  /** A process has collected its garbage. */
  collected(processId: ProcessId, round: number): void {
    this.#carryOut(this.#table.garbageCollected(processId, round));
  }

  /** What it hears. */
  notices(): NoticeHandlers {
    return {
      "segment.close": (word, peer) =>
        this.closed(word, peer.remote!.processId),
      "segment.free": ({ segmentId, isUnreadable }) =>
        this.freed(segmentId, isUnreadable),
      "collected": ({ round }, peer) =>
        this.collected(peer.remote!.processId, round),
    };
  }

  /** Stops copying and closes every descriptor; mappings stay with their readers. */
  async close(): Promise<void> {
    await this.#spiller.close();
    for (const fd of this.#descriptors.values()) closeDescriptor(fd);
    this.#descriptors.clear();
  }

  #carryOut(commands: SegmentCommand[]): void {
    for (const command of commands) this.#do(command);
  }

  #do(command: SegmentCommand): void {
    switch (command.kind) {
      case "admit":
        return this.#admit(command);
      case "refuse":
        return this.#answerAdopt(command.segmentId, {
          kind: "refused",
          usedBytes: command.usedBytes,
          capacityBytes: this.#capacityBytes,
          holders: this.#tell(command.holders),
          ...(command.fault === undefined ? {} : { fault: command.fault }),
        });
      case "serve": {
        const { segmentId } = command.read;
        if (this.#unopened.has(segmentId)) {
          return this.#answerOpen(command.read, { lost: true });
        }
        const fd = this.#descriptors.get(segmentId);
        assert(fd !== undefined, "Served segment has no descriptor");
        return this.#answerOpen(command.read, { path: pathOfDescriptor(fd) });
      }
      case "serve_file": {
        const file = this.#spiller.fileOf(command.read.segmentId);
        assert(file !== undefined, "Served segment has no file");
        return this.#answerOpen(command.read, { file });
      }
      case "deny":
        return this.#answerOpen(command.read, {
          lost: true,
          ...(command.reason === undefined ? {} : { reason: command.reason }),
        });
      case "spill": {
        const { segmentId } = command.copy;
        if (this.#unopened.has(segmentId)) return; // Its end is told.
        const fd = this.#descriptors.get(segmentId);
        assert(fd !== undefined, "Spilled segment has no descriptor");
        return this.#spiller.spill(command.copy, fd);
      }
      case "restore":
        return this.#spiller.restore(command.copy);
      case "stop_copy":
        return this.#spiller.stop(command.segmentId);
      case "delete_spill":
        return this.#spiller.delete(command.segmentId);
      case "recycle":
        return this.#peers.get(command.to)?.notify("segment.recycle", {
          segmentId: command.segmentId,
        });
      case "drop":
        this.#peers.get(command.to)?.notify("segment.drop", {
          segmentId: command.segmentId,
        });
        // Its object was freed before it was adopted: whoever waits may go on.
        return this.#answerAdopt(command.segmentId, { kind: "admitted" });
      case "close_descriptor":
        return this.#closeDescriptor(command.segmentId);
      case "collect_garbage":
        return this.#collect(command);
      default:
        unreachable(command);
    }
  }

  #admit(
    { segmentId, recycles }: { segmentId: SegmentId; recycles?: SegmentId },
  ): void {
    const adopting = this.#adopting.get(segmentId);
    if (adopting === undefined) return;
    const isKnown = this.#descriptors.has(segmentId) ||
      this.#spiller.fileOf(segmentId) !== undefined;
    if (isKnown) return this.#answerAdopt(segmentId, { kind: "admitted" });
    const warm = recycles === undefined
      ? undefined
      : this.#descriptors.get(recycles);
    if (recycles !== undefined) this.#descriptors.delete(recycles);
    const fd = warm ?? this.#open(adopting);
    if (fd === undefined) {
      this.#unopened.add(segmentId);
      this.#adopting.delete(segmentId);
      // Once this batch is done: it may go on with the same segment.
      queueMicrotask(() => {
        this.#unopened.delete(segmentId);
        this.#carryOut(this.#table.notAdmitted(segmentId));
      });
      return;
    }
    this.#descriptors.set(segmentId, fd);
    this.#answerAdopt(segmentId, { kind: "admitted" });
  }

  #open({ path, byteLength }: Adopting): number | undefined {
    try {
      return openDescriptor(path, byteLength);
    } catch (error) {
      if (!isMemoryFileGone(error)) throw error;
      return undefined;
    }
  }

  #answerAdopt(segmentId: SegmentId, answer: AdoptAnswer): void {
    this.#adopting.get(segmentId)?.answer.resolve(answer);
    this.#adopting.delete(segmentId);
  }

  #answerOpen(read: Read, answer: OpenAnswer): void {
    this.#opening.get(keyOf(read))?.resolve(answer);
    this.#opening.delete(keyOf(read));
  }

  #closeDescriptor(segmentId: SegmentId): void {
    const fd = this.#descriptors.get(segmentId);
    if (fd === undefined) return;
    this.#descriptors.delete(segmentId);
    const file = this.#spiller.fileOf(segmentId);
    const isLast = this.#restored.delete(segmentId);
    // One on disk is to leave memory now, also where its writer computes; and
    // the last descriptor is better not closed in this thread.
    if (file !== undefined) discardDescriptor(fd, file.byteLength);
    else if (isLast) discardDescriptor(fd);
    else closeDescriptor(fd);
  }

  #collect(
    { round, processIds, isBrief }: {
      round: number;
      processIds: ProcessId[];
      isBrief: boolean;
    },
  ): void {
    for (const processId of processIds) {
      this.#peers.get(processId)?.notify("collect", { round });
    }
    afterMs(
      isBrief ? limits.collectBriefMs : limits.collectDeadlineMs,
      () => this.#carryOut(this.#table.garbageOverdue(round)),
    );
  }

  #tell(holders: Holder[]): string {
    if (holders.length === 0) return "it is larger than the store";
    return holders.map(({ processId, ownedBytes, readBytes }) => {
      const who = this.#describe(processId);
      const reads = readBytes === 0
        ? ""
        : ` and still reads ${readBytes} freed`;
      return `${who} holds ${ownedBytes} bytes${reads}`;
    }).join(", ");
  }
}
