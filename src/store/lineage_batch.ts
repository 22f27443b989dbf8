/**
 * Lineage rows packed by columns, to cross threads and sockets for a fraction
 * of what a row costs as an object.
 *
 * What many attempts share (job, function, node, worker) is a lane, and what
 * many objects share is their owner: both travel once a batch, and are one row
 * in the file. No clock and no thread are here.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import { objectIdOf, type ProcessId, taskIdOf } from "../base/ids.ts";
import type {
  CountRow,
  FreedRow,
  LineageBatch,
  LineageRow,
  ObjectRow,
  TaskState,
  ToldObject,
  ToldTask,
} from "../base/lineage.ts";

/** What many attempts share: job, function, node, worker's pid. */
export type Lane = readonly [
  jobId: string,
  name: string,
  nodeId: string | null,
  workerPid: number | null,
];

/** An attempt that failed, with its error. */
export interface ErrorEntry {
  taskId: string;
  attempt: number;
  name: string;
  message: string;
}

/** The rows that travel as they are. */
export type PlainRow = Exclude<
  LineageRow,
  ToldTask | ToldObject | FreedRow
>;

/** A process that submits tasks and owns objects. */
export interface Owner {
  ownerId: ProcessId;
  /** Unknown where all that is told of it is that objects were freed. */
  jobId: string | undefined;
}

/** An attempt as it lies in a batch, and in the file. */
export interface AttemptEntry {
  taskId: string;
  attempt: number;
  /** Which of the batch's lanes. */
  lane: number;
  state: TaskState;
  submittedAtMs: number;
  startedAtMs: number | null;
  finishedAtMs: number | null;
  args: string | null;
}

/** An object as it lies in a batch. */
export interface ObjectEntry {
  objectId: string;
  /** Which of the batch's owners. */
  owner: number;
  origin: ObjectRow["origin"];
  sizeBytes: number;
  createdAtMs: number;
  freedAtMs: number | null;
}

/** An object that was let go. */
export interface FreedEntry {
  objectId: string;
  atMs: number;
}

interface Rest {
  attemptCount: number;
  objectCount: number;
  freedCount: number;
  owners: Owner[];
  lanes: Lane[];
  /** The arguments of the attempts that show them, by their place in the batch. */
  args: [at: number, text: string][];
  errors: ErrorEntry[];
  rows: PlainRow[];
}

const attemptNumbers = 8;
const objectNumbers = 7;
const freedNumbers = 4;
const states: readonly TaskState[] = [
  "waiting",
  "running",
  "finished",
  "failed",
  "cancelled",
  "crashed",
];
const origins: readonly ObjectRow["origin"][] = ["task", "put"];
function newRest(): Rest {
  return {
    attemptCount: 0,
    objectCount: 0,
    freedCount: 0,
    owners: [],
    lanes: [],
    args: [],
    errors: [],
    rows: [],
  };
}

/** Numbers that follow one another, in memory that grows. */
class Numbers {
  #values = new Float64Array(1024);
  length = 0;

  /** The memory, with room for `count` more behind `length`. */
  reserve(count: number): Float64Array {
    if (this.length + count > this.#values.length) {
      const grown = new Float64Array(this.#values.length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    return this.#values;
  }

  /** What is there. */
  get used(): Float64Array {
    return this.#values.subarray(0, this.length);
  }
}

/** Gathers rows until someone takes them all as one batch. */
export class LineageBatcher {
  readonly #attempts = new Numbers();
  readonly #objects = new Numbers();
  readonly #freed = new Numbers();
  #rest = newRest();
  #lanesByName = new Map<string, number[]>();
  #countsByName = new Map<string, CountRow[]>();

  /** Rows gathered so far. */
  get rowCount(): number {
    const { attemptCount, objectCount, freedCount, rows } = this.#rest;
    return attemptCount + objectCount + freedCount + rows.length;
  }

  /** Adds a row. Counts of the same function become one. */
  add(row: LineageRow): void {
    if (row.kind === "task") this.#addAttempt(row);
    else if (row.kind === "object") this.#addObject(row);
    else if (row.kind === "freed") this.#addFreed(row);
    else if (row.kind === "count") this.#addCount(row);
    else this.#rest.rows.push(row);
  }

  /** Gives what was gathered, and begins anew. */
  take(): LineageBatch {
    const parts = [this.#attempts, this.#objects, this.#freed];
    const numbers = new Float64Array(
      parts.reduce((sum, { length }) => sum + length, 0),
    );
    let at = 0;
    for (const part of parts) {
      numbers.set(part.used, at);
      at += part.length;
      part.length = 0;
    }
    const batch: LineageBatch = {
      rowCount: this.rowCount,
      numbers: new Uint8Array(numbers.buffer),
      rest: JSON.stringify(this.#rest),
    };
    this.#rest = newRest();
    this.#lanesByName.clear();
    this.#countsByName.clear();
    return batch;
  }

  #addAttempt(row: ToldTask): void {
    const numbers = this.#attempts.reserve(attemptNumbers);
    let at = this.#attempts.length;
    numbers[at++] = this.#ownerOf(row.ownerId, row.jobId);
    numbers[at++] = row.ordinal;
    numbers[at++] = row.attempt;
    numbers[at++] = this.#laneOf(row);
    numbers[at++] = states.indexOf(row.state);
    numbers[at++] = row.submittedAtMs;
    numbers[at++] = row.startedAtMs ?? NaN;
    numbers[at++] = row.finishedAtMs ?? NaN;
    this.#attempts.length = at;
    const { args } = row;
    if (args !== undefined) {
      this.#rest.args.push([this.#rest.attemptCount, args]);
    }
    this.#rest.attemptCount++;
    if (row.errorName === undefined) return;
    this.#rest.errors.push({
      taskId: taskIdOf(row.ownerId, row.ordinal),
      attempt: row.attempt,
      name: row.errorName,
      message: row.errorMessage ?? "",
    });
  }

  #addObject(row: ToldObject): void {
    const numbers = this.#objects.reserve(objectNumbers);
    let at = this.#objects.length;
    numbers[at++] = this.#ownerOf(row.ownerId, row.jobId);
    numbers[at++] = row.ordinal;
    numbers[at++] = row.index;
    numbers[at++] = origins.indexOf(row.origin);
    numbers[at++] = row.sizeBytes;
    numbers[at++] = row.createdAtMs;
    numbers[at++] = row.freedAtMs ?? NaN;
    this.#objects.length = at;
    this.#rest.objectCount++;
  }

  #addFreed(row: FreedRow): void {
    const numbers = this.#freed.reserve(freedNumbers);
    let at = this.#freed.length;
    numbers[at++] = this.#ownerOf(row.ownerId);
    numbers[at++] = row.ordinal;
    numbers[at++] = row.index;
    numbers[at++] = row.atMs;
    this.#freed.length = at;
    this.#rest.freedCount++;
  }

  /** Which of the batch's owners: nearly always the only one there is. */
  #ownerOf(ownerId: ProcessId, jobId?: string): number {
    const { owners } = this.#rest;
    for (let at = 0; at < owners.length; at++) {
      const owner = owners[at]!;
      if (owner.ownerId !== ownerId) continue;
      owner.jobId ??= jobId;
      return at;
    }
    return owners.push({ ownerId, jobId }) - 1;
  }

  #laneOf(row: ToldTask): number {
    const { lanes } = this.#rest;
    const workerPid = row.workerPid ?? null;
    const nodeId = row.nodeId ?? null;
    let candidates = this.#lanesByName.get(row.name);
    if (candidates === undefined) {
      this.#lanesByName.set(row.name, candidates = []);
    }
    for (const index of candidates) {
      const lane = lanes[index]!;
      const isSame = lane[3] === workerPid && lane[2] === nodeId &&
        lane[0] === row.jobId;
      if (isSame) return index;
    }
    candidates.push(lanes.length);
    return lanes.push([row.jobId, row.name, nodeId, workerPid]) - 1;
  }

  #addCount(row: CountRow): void {
    let sums = this.#countsByName.get(row.name);
    if (sums === undefined) this.#countsByName.set(row.name, sums = []);
    const minute = minuteOf(row.atMs);
    for (const sum of sums) {
      if (sum.jobId !== row.jobId || minuteOf(sum.atMs) !== minute) continue;
      sum.count += row.count;
      sum.failedCount += row.failedCount;
      sum.runMs += row.runMs;
      return;
    }
    const sum = { ...row };
    sums.push(sum);
    this.#rest.rows.push(sum);
  }
}

/** A batch, unpacked. */
export interface OpenBatch
  extends Pick<Rest, "owners" | "lanes" | "errors" | "rows"> {
  attempts: AttemptEntry[];
  objects: ObjectEntry[];
  freed: FreedEntry[];
}

/** Unpacks a batch. One that was cut or mixed up is a bug, and throws. */
export function openBatch(batch: LineageBatch): OpenBatch {
  // Aligned anew: what came out of a frame may lie at any offset.
  const numbers = new Float64Array(batch.numbers.slice().buffer);
  const { attemptCount, objectCount, freedCount, args, ...rest } = JSON.parse(
    batch.rest,
  ) as Rest;
  const objectsStart = attemptCount * attemptNumbers;
  const freedStart = objectsStart + objectCount * objectNumbers;
  assert(
    numbers.length === freedStart + freedCount * freedNumbers,
    "Lineage batch is cut",
  );
  const ownerIds = rest.owners.map(({ ownerId }) => ownerId);
  const attempts: AttemptEntry[] = [];
  for (let index = 0; index < attemptCount; index++) {
    const at = index * attemptNumbers;
    attempts.push({
      taskId: taskIdOf(ownerIds[numbers[at]!]!, numbers[at + 1]!),
      args: null,
      attempt: numbers[at + 2]!,
      lane: numbers[at + 3]!,
      state: states[numbers[at + 4]!]!,
      submittedAtMs: numbers[at + 5]!,
      startedAtMs: nullIfNaN(numbers[at + 6]!),
      finishedAtMs: nullIfNaN(numbers[at + 7]!),
    });
  }
  for (const [at, text] of args) attempts[at]!.args = text;
  const objects: ObjectEntry[] = [];
  for (let index = 0; index < objectCount; index++) {
    const at = objectsStart + index * objectNumbers;
    objects.push({
      objectId: objectIdOf(
        ownerIds[numbers[at]!]!,
        numbers[at + 1]!,
        numbers[at + 2]!,
      ),
      owner: numbers[at]!,
      origin: origins[numbers[at + 3]!]!,
      sizeBytes: numbers[at + 4]!,
      createdAtMs: numbers[at + 5]!,
      freedAtMs: nullIfNaN(numbers[at + 6]!),
    });
  }
  const freed: FreedEntry[] = [];
  for (let index = 0; index < freedCount; index++) {
    const at = freedStart + index * freedNumbers;
    freed.push({
      objectId: objectIdOf(
        ownerIds[numbers[at]!]!,
        numbers[at + 1]!,
        numbers[at + 2]!,
      ),
      atMs: numbers[at + 3]!,
    });
  }
  return { attempts, objects, freed, ...rest };
}

/** The start of the minute that `atMs` lies in. */
export function minuteOf(atMs: number): number {
  return Math.floor(atMs / 60_000) * 60_000;
}

function nullIfNaN(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}
