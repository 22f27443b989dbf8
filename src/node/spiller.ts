/**
 * Copies a node's segments to disk and back, as the segment table commands.
 *
 * Each copying is told of once, however it ends. Descriptors are the object
 * manager's; files are kept here, by segment.
 *
 * @module
 */
import type { SegmentId } from "../base/ids.ts";
import { log } from "../base/log.ts";
import type { SegmentCopy } from "../state/segment_events.ts";
import { closeDescriptor, createDescriptor } from "../store/segment.ts";
import {
  readSpillFile,
  type SpillFile,
  SpillFolder,
  SpillLostError,
} from "../store/spill.ts";

/** How copyings end. */
export interface SpillEvents {
  spilled(copy: SegmentCopy): void;
  /** `fault` says why the disk did not take it; there is none if it was stopped. */
  spillFailed(copy: SegmentCopy, fault?: string): void;
  /** It is in memory again, under this descriptor. */
  restored(copy: SegmentCopy, fd: number): void;
  /** With `lostReason` its bytes are gone. */
  restoreFailed(copy: SegmentCopy, lostReason?: string): void;
}

/** Spills and restores the segments of one node. */
export class Spiller {
  readonly #folder: SpillFolder;
  readonly #events: SpillEvents;
  readonly #files = new Map<SegmentId, SpillFile>();
  readonly #running = new Map<SegmentId, AbortController>();
  readonly #pending = new Set<Promise<void>>();
  #isClosed = false;

  constructor(path: string, events: SpillEvents) {
    this.#folder = new SpillFolder(path);
    this.#events = events;
  }

  /** Where a segment lies on disk. */
  fileOf(segmentId: SegmentId): SpillFile | undefined {
    return this.#files.get(segmentId);
  }

  /** Copies a segment to disk; its descriptor stays open until that is told. */
  spill(copy: SegmentCopy, fd: number): void {
    this.#run(copy, (signal) => this.#spill(copy, { fd, signal }));
  }

  /** Copies a segment back into fresh memory. */
  restore(copy: SegmentCopy): void {
    this.#run(copy, (signal) => this.#restore(copy, signal));
  }

  /** Ends a copying early. */
  stop(segmentId: SegmentId): void {
    this.#running.get(segmentId)?.abort();
  }

  /** Removes a segment's file. */
  delete(segmentId: SegmentId): void {
    const file = this.#files.get(segmentId);
    if (file === undefined) return;
    this.#files.delete(segmentId);
    this.#track(this.#folder.remove(file.path));
  }

  /** Stops all copying, and tells of nothing more; files go with the session's folder. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const controller of this.#running.values()) controller.abort();
    await Promise.all(this.#pending);
  }

  async #spill(
    copy: SegmentCopy,
    { fd, signal }: { fd: number; signal: AbortSignal },
  ): Promise<void> {
    const { segmentId, byteLength } = copy;
    try {
      const what = { fd, byteLength };
      const file = await this.#folder.write(segmentId, what, signal);
      this.#files.set(segmentId, file);
    } catch (error) {
      const fault = signal.aborted ? undefined : messageOf(error);
      if (fault !== undefined) log.info(`cannot spill an object: ${fault}`);
      this.#tell(() => this.#events.spillFailed(copy, fault), segmentId);
      return;
    }
    this.#tell(() => this.#events.spilled(copy), segmentId);
  }

  async #restore(copy: SegmentCopy, signal: AbortSignal): Promise<void> {
    const { segmentId, byteLength } = copy;
    let fd: number | undefined;
    try {
      fd = createDescriptor(byteLength);
      await readSpillFile(this.#files.get(segmentId)!, fd, signal);
    } catch (error) {
      if (fd !== undefined) closeDescriptor(fd);
      const isLost = error instanceof SpillLostError && !signal.aborted;
      const reason = isLost ? error.message : undefined;
      this.#tell(() => this.#events.restoreFailed(copy, reason), segmentId);
      return;
    }
    const restored = fd;
    if (this.#isClosed) closeDescriptor(restored);
    this.#tell(() => this.#events.restored(copy, restored), segmentId);
  }

  #run(
    { segmentId }: SegmentCopy,
    act: (signal: AbortSignal) => Promise<void>,
  ): void {
    const controller = new AbortController();
    this.#running.set(segmentId, controller);
    this.#track(act(controller.signal));
  }

  /** Told outside of what may fail: an event that throws is a bug, and says so. */
  #tell(event: () => void, segmentId: SegmentId): void {
    this.#running.delete(segmentId);
    if (!this.#isClosed) event();
  }

  #track(work: Promise<void>): void {
    const pending = work.finally(() => this.#pending.delete(pending));
    this.#pending.add(pending);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
