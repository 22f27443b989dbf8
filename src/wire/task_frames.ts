/**
 * The frames of the hot path: tasks, calls, replies, items. Fixed fields, then
 * payloads; no MessagePack, because that costs more than a short task.
 *
 * @module
 */
import type { CodeHash } from "../base/ids.ts";
import type { CodeRef, StoredValue } from "../base/stored.ts";
import { ByteReader, type ByteWriter } from "./bytes.ts";
import { readStored, writeStored } from "./payload.ts";

/** How a task ended, in a reply. */
export const Outcome = {
  /** Its values follow. */
  finished: 0,
  /** Its error follows. */
  failed: 1,
  /** It was taken back before it started: the frame was consumed, no more. */
  skipped: 2,
} as const;

/** Bits of a task's or call's flags. */
export const TaskFlag = {
  /** Known to be short: may be a guest of a waiting worker. */
  short: 1,
  /** Runs with no company, so that blame and its at-most-once promise are exact. */
  alone: 2,
  /** Its owner wants to hear when it starts. */
  timed: 4,
  /** A generator: yields items. */
  stream: 8,
  /** A call to a durable actor: its id comes along. */
  durable: 16,
} as const;

/** An argument that was a ref, and the value it became. */
export interface Dependency {
  /** Which argument. */
  position: number;
  value: StoredValue;
}

/** A function as one connection knows it: named once, then by number. */
export interface FunctionFrame {
  functionNo: number;
  code: CodeRef;
  name: string;
  /** What the task holds while it runs, as JSON. */
  resources: string;
}

/** One task, or one actor call. */
export interface TaskFrame {
  /** The task's number at its owner. */
  ordinal: number;
  /** Its claim; slot 0xffffffff where there is none. */
  slot: number;
  generation: number;
  /** Which of the owner's leases it came over. */
  leaseNo: number;
  /** Which function (tasks), or unused (calls). */
  functionNo: number;
  /** Which method (calls), or empty (tasks). */
  method: string;
  attempt: number;
  returnCount: number;
  flags: number;
  depth: number;
  /** Who sent it, where order counts: a number of the sender's. */
  callerNo: number;
  /** Items a generator may be ahead of its consumer; 0 for any number. */
  backpressure: number;
  /** What the task is called in every run of the program; empty where nobody could know it. */
  key: string;
  /** What the call is called in every run of its caller: with flag `durable`. */
  callId?: string | undefined;
  args: StoredValue;
  dependencies: Dependency[];
}

/** The slot of a task that needs no claim. */
export const noSlot = 0xffffffff;

/** Writes a function's number. */
export function writeFunction(out: ByteWriter, frame: FunctionFrame): void {
  out.u32(frame.functionNo);
  out.string(frame.code.hash);
  out.u32(frame.code.index);
  out.string(frame.name);
  out.string(frame.resources);
}

/** Reads what {@linkcode writeFunction} wrote. */
export function readFunction(body: Uint8Array): FunctionFrame {
  const from = new ByteReader(body);
  return {
    functionNo: from.u32(),
    code: { hash: from.string() as CodeHash, index: from.u32() },
    name: from.string(),
    resources: from.string(),
  };
}

/** Writes a task or call. */
export function writeTask(out: ByteWriter, frame: TaskFrame): void {
  out.f64(frame.ordinal);
  out.u32(frame.slot);
  out.u32(frame.generation);
  out.u32(frame.leaseNo);
  out.u32(frame.functionNo);
  out.string(frame.method);
  out.u16(frame.attempt);
  out.u16(frame.returnCount);
  out.u8(frame.flags);
  out.u16(frame.depth);
  out.u32(frame.callerNo);
  out.u32(frame.backpressure);
  out.string(frame.key);
  writeStored(out, frame.args);
  out.u16(frame.dependencies.length);
  for (const { position, value } of frame.dependencies) {
    out.u16(position);
    writeStored(out, value);
  }
  if (frame.callId !== undefined) out.string(frame.callId);
}

/** Reads what {@linkcode writeTask} wrote. */
export function readTask(body: Uint8Array): TaskFrame {
  const from = new ByteReader(body);
  const frame: TaskFrame = {
    ordinal: from.f64(),
    slot: from.u32(),
    generation: from.u32(),
    leaseNo: from.u32(),
    functionNo: from.u32(),
    method: from.string(),
    attempt: from.u16(),
    returnCount: from.u16(),
    flags: from.u8(),
    depth: from.u16(),
    callerNo: from.u32(),
    backpressure: from.u32(),
    key: from.string(),
    args: readStored(from),
    dependencies: [],
  };
  for (let left = from.u16(); left > 0; left--) {
    frame.dependencies.push({ position: from.u16(), value: readStored(from) });
  }
  if ((frame.flags & TaskFlag.durable) !== 0) frame.callId = from.string();
  return frame;
}

/** What became of a task. */
export interface ReplyFrame {
  ordinal: number;
  outcome: number;
  /** The claim that is consumed. */
  slot: number;
  /** Milliseconds it computed, waiting inside the runtime left out. */
  runMs: number;
  /** When it started, wall clock milliseconds. */
  startedAtMs: number;
  /** Names the refs inside, which the worker keeps until it is told; 0 for none. */
  pinToken: number;
  /** Its values, or its one error. */
  values: StoredValue[];
}

/** Writes a reply. */
export function writeReply(out: ByteWriter, frame: ReplyFrame): void {
  out.f64(frame.ordinal);
  out.u8(frame.outcome);
  out.u32(frame.slot);
  out.f64(frame.runMs);
  out.f64(frame.startedAtMs);
  out.u32(frame.pinToken);
  out.u16(frame.values.length);
  for (const value of frame.values) writeStored(out, value);
}

/** Reads what {@linkcode writeReply} wrote. */
export function readReply(body: Uint8Array): ReplyFrame {
  const from = new ByteReader(body);
  const frame: ReplyFrame = {
    ordinal: from.f64(),
    outcome: from.u8(),
    slot: from.u32(),
    runMs: from.f64(),
    startedAtMs: from.f64(),
    pinToken: from.u32(),
    values: [],
  };
  for (let left = from.u16(); left > 0; left--) {
    frame.values.push(readStored(from));
  }
  return frame;
}

/** One item of a generator. */
export interface ItemFrame {
  ordinal: number;
  attempt: number;
  /** From 0. */
  index: number;
  pinToken: number;
  value: StoredValue;
}

/** Writes an item. */
export function writeItem(out: ByteWriter, frame: ItemFrame): void {
  out.f64(frame.ordinal);
  out.u16(frame.attempt);
  out.u32(frame.index);
  out.u32(frame.pinToken);
  writeStored(out, frame.value);
}

/** Reads what {@linkcode writeItem} wrote. */
export function readItem(body: Uint8Array): ItemFrame {
  const from = new ByteReader(body);
  return {
    ordinal: from.f64(),
    attempt: from.u16(),
    index: from.u32(),
    pinToken: from.u32(),
    value: readStored(from),
  };
}

/** Writes which task: for `started`, and for `consumed` with how many items. */
export function writeProgress(
  out: ByteWriter,
  { ordinal, count }: { ordinal: number; count: number },
): void {
  out.f64(ordinal);
  out.u32(count);
}

/** Reads what {@linkcode writeProgress} wrote. */
export function readProgress(
  body: Uint8Array,
): { ordinal: number; count: number } {
  const from = new ByteReader(body);
  return { ordinal: from.f64(), count: from.u32() };
}
