/**
 * The rows of one owner's objects, and of what its tasks take.
 *
 * With a named file every object is a row. In the session's own only those in
 * shared memory are: a small value costs less than its row would.
 *
 * @module
 */
import { wallMs } from "../base/clock.ts";
import {
  type JobId,
  type ObjectId,
  objectIdOf,
  type ProcessId,
  type SegmentId,
  type TaskId,
} from "../base/ids.ts";
import type { LineageRow, ObjectRow } from "../base/lineage.ts";
import { type HeldValue, storedBytes } from "../base/stored.ts";
import { entryOfRef, type ObjectEntry } from "./object_ref.ts";
import type { ArgumentRef } from "./task_record.ts";

/** A value that became an object of this process. */
export interface StoredObject {
  readonly ordinal: number;
  readonly index: number;
  readonly held: HeldValue;
}

/** An object of this owner. */
type OwnKey = Pick<StoredObject, "ordinal" | "index">;

/** Whose objects, and which of them are worth a row. */
export interface LineageObjectsOptions {
  readonly ownerId: ProcessId;
  readonly jobId: JobId;
  readonly isLineageNamed: boolean;
}

/** Makes the rows of one owner's objects. */
export class LineageObjects {
  readonly #options: LineageObjectsOptions;
  readonly #add: (row: LineageRow) => void;
  /** Objects with a row, by the shared memory they live in. */
  readonly #bySegment = new Map<SegmentId, OwnKey>();

  constructor(
    options: LineageObjectsOptions,
    add: (row: LineageRow) => void,
  ) {
    this.#options = options;
    this.#add = add;
  }

  /** A value became an object. */
  stored(
    origin: ObjectRow["origin"],
    { ordinal, index, held: { stored } }: StoredObject,
  ): void {
    const { ownerId, jobId, isLineageNamed } = this.#options;
    const { segment } = stored;
    if (segment === undefined && !isLineageNamed) return;
    if (segment !== undefined) {
      this.#bySegment.set(segment.segmentId, { ordinal, index });
    }
    this.#add({
      kind: "object",
      jobId,
      ownerId,
      ordinal,
      index,
      origin,
      sizeBytes: storedBytes(stored),
      createdAtMs: wallMs(),
    });
  }

  /** A value is let go; one in shared memory is gone when that is. */
  freed({ ownerId, ordinal, index, value }: ObjectEntry): void {
    const isOwn = ownerId === this.#options.ownerId;
    if (!isOwn || !this.#options.isLineageNamed) return;
    if (value === undefined || value.stored.segment !== undefined) return;
    this.#addFreed({ ordinal, index });
  }

  /** Shared memory is given back, however that was noticed. */
  segmentFreed(segmentId: SegmentId): void {
    const key = this.#bySegment.get(segmentId);
    if (key === undefined) return;
    this.#bySegment.delete(segmentId);
    this.#addFreed(key);
  }

  /** The objects in shared memory, by segment. */
  *inSegments(): Iterable<[SegmentId, ObjectId]> {
    const { ownerId } = this.#options;
    for (const [segmentId, { ordinal, index }] of this.#bySegment) {
      yield [segmentId, objectIdOf(ownerId, ordinal, index)];
    }
  }

  /** A task takes these as arguments. */
  linked(taskId: TaskId, dependencies: readonly ArgumentRef[]): void {
    for (const { position, ref } of dependencies) {
      const { ownerId, ordinal, index } = entryOfRef(ref);
      const objectId = objectIdOf(ownerId, ordinal, index);
      this.#add({ kind: "dependency", taskId, objectId, position });
    }
  }

  #addFreed({ ordinal, index }: OwnKey): void {
    const { ownerId } = this.#options;
    this.#add({ kind: "freed", ownerId, ordinal, index, atMs: wallMs() });
  }
}
