/**
 * Lineage rows packed by columns, to cross threads and sockets for a fraction
 * of what a row costs as an object.
 *
 * What many attempts share (job, function, node, worker) is a lane: it travels
 * once a batch, and is one row in the file. No clock and no thread are here.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import type {
  CountRow,
  LineageBatch,
  LineageRow,
  TaskRow,
  TaskState,
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
export type PlainRow = Exclude<LineageRow, TaskRow>;

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

interface Rest {
  lanes: Lane[];
  errors: ErrorEntry[];
  rows: PlainRow[];
}

const numbersEach = 6;
const textsEach = 2;
const states: readonly TaskState[] = [
  "waiting",
  "running",
  "finished",
  "failed",
  "cancelled",
  "crashed",
];
const separator = "\0";

/** Gathers rows until someone takes them all as one batch. */
export class LineageBatcher {
  #numbers = new Float64Array(numbersEach * 64);
  #texts: string[] = [];
  #attemptCount = 0;
  #rest: Rest = { lanes: [], errors: [], rows: [] };
  #lanesByName = new Map<string, number[]>();
  #countsByName = new Map<string, CountRow[]>();

  /** Rows gathered so far. */
  get rowCount(): number {
    return this.#attemptCount + this.#rest.rows.length;
  }

  /** Adds a row. Counts of the same function become one. */
  add(row: LineageRow): void {
    if (row.kind === "task") this.#addAttempt(row);
    else if (row.kind === "count") this.#addCount(row);
    else this.#rest.rows.push(row);
  }

  /** Gives what was gathered, and begins anew. */
  take(): LineageBatch {
    const used = this.#numbers.subarray(0, this.#attemptCount * numbersEach);
    const batch: LineageBatch = {
      rowCount: this.rowCount,
      numbers: new Uint8Array(used.buffer, 0, used.byteLength).slice(),
      texts: this.#texts.join(separator),
      rest: JSON.stringify(this.#rest),
    };
    this.#texts = [];
    this.#attemptCount = 0;
    this.#rest = { lanes: [], errors: [], rows: [] };
    this.#lanesByName.clear();
    this.#countsByName.clear();
    return batch;
  }

  #addAttempt(row: TaskRow): void {
    let at = this.#attemptCount++ * numbersEach;
    if (at === this.#numbers.length) {
      const grown = new Float64Array(at * 2);
      grown.set(this.#numbers);
      this.#numbers = grown;
    }
    const numbers = this.#numbers;
    numbers[at++] = row.attempt;
    numbers[at++] = this.#laneOf(row);
    numbers[at++] = states.indexOf(row.state);
    numbers[at++] = row.submittedAtMs;
    numbers[at++] = row.startedAtMs ?? NaN;
    numbers[at] = row.finishedAtMs ?? NaN;
    this.#texts.push(row.taskId, clean(row.args ?? ""));
    if (row.errorName === undefined) return;
    this.#rest.errors.push({
      taskId: row.taskId,
      attempt: row.attempt,
      name: row.errorName,
      message: row.errorMessage ?? "",
    });
  }

  #laneOf(row: TaskRow): number {
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
export interface OpenBatch extends Rest {
  attempts: AttemptEntry[];
}

/** Unpacks a batch. One that was cut or mixed up is a bug, and throws. */
export function openBatch(batch: LineageBatch): OpenBatch {
  // Aligned anew: what came out of a frame may lie at any offset.
  const numbers = new Float64Array(batch.numbers.slice().buffer);
  const count = numbers.length / numbersEach;
  const texts = count === 0 ? [] : batch.texts.split(separator);
  assert(texts.length === count * textsEach, "Lineage batch is cut");
  const attempts: AttemptEntry[] = [];
  for (let index = 0; index < count; index++) {
    const at = index * numbersEach;
    attempts.push({
      taskId: texts[index * textsEach]!,
      args: texts[index * textsEach + 1]! || null,
      attempt: numbers[at]!,
      lane: numbers[at + 1]!,
      state: states[numbers[at + 2]!]!,
      submittedAtMs: numbers[at + 3]!,
      startedAtMs: nullIfNaN(numbers[at + 4]!),
      finishedAtMs: nullIfNaN(numbers[at + 5]!),
    });
  }
  return { attempts, ...JSON.parse(batch.rest) as Rest };
}

/** The start of the minute that `atMs` lies in. */
export function minuteOf(atMs: number): number {
  return Math.floor(atMs / 60_000) * 60_000;
}

function nullIfNaN(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

function clean(text: string): string {
  return text.includes(separator) ? text.replaceAll(separator, " ") : text;
}
