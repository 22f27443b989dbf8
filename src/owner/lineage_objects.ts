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
  readonly #bySegment = new Map<SegmentId, ObjectRow["objectId"]>();

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
    const objectId = objectIdOf(ownerId, ordinal, index);
    if (segment !== undefined) {
      this.#bySegment.set(segment.segmentId, objectId);
    }
    this.#add({
      kind: "object",
      objectId,
      jobId,
      ownerId,
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
    this.#addFreed(objectIdOf(ownerId, ordinal, index));
  }

  /** Shared memory is given back, however that was noticed. */
  segmentFreed(segmentId: SegmentId): void {
    const objectId = this.#bySegment.get(segmentId);
    if (objectId === undefined) return;
    this.#bySegment.delete(segmentId);
    this.#addFreed(objectId);
  }

  /** The objects in shared memory, by segment. */
  inSegments(): Iterable<[SegmentId, ObjectRow["objectId"]]> {
    return this.#bySegment.entries();
  }

  /** A task takes these as arguments. */
  linked(taskId: TaskId, dependencies: readonly ArgumentRef[]): void {
    for (const { position, ref } of dependencies) {
      const { ownerId, ordinal, index } = entryOfRef(ref);
      const objectId = objectIdOf(ownerId, ordinal, index);
      this.#add({ kind: "dependency", taskId, objectId, position });
    }
  }

  #addFreed(objectId: ObjectRow["objectId"]): void {
    this.#add({ kind: "freed", objectId, atMs: wallMs() });
  }
}
