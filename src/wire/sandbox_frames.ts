/**
 * What a worker or an actor's isolate and its sandboxed process say to each
 * other.
 *
 * It tells the process where it is, and asks: runs are begun and go on by
 * their numbers. To each thing asked of a run the process answers with exactly
 * one frame; but for one word of an actor that leaves, nothing else it says is
 * heard. Its values are data alone: no code, no refs, no segments.
 *
 * @module
 */
import { ProtocolError } from "../base/errors.ts";
import type { ShippedCode } from "../base/program_code.ts";
import type { CodeBundle, CodeRef, StoredValue } from "../base/stored.ts";
import { ByteReader, type ByteWriter } from "./bytes.ts";
import { readStored, writeStored } from "./payload.ts";

/** The first byte after a frame's length. All but the first two and the last begin with a run's number. */
export const SandboxFrame = {
  /** From the process, as its first word: it can be used. */
  ready: 1,
  /** To it, unanswered: where it is. */
  enter: 2,
  /** To it: something to run. */
  run: 3,
  /** To it: the generator's next item is wanted. */
  next: 4,
  /** To it: the generator's own end is wanted. */
  leave: 5,
  /** To it, unanswered: the run's signal aborts. */
  cancel: 6,
  /** From it: what the function returned, or how its generator ended. */
  value: 7,
  /** From it: an item. */
  item: 8,
  /** From it: the function threw this. */
  failed: 9,
  /** From it: the runtime can't go on, and why. */
  refused: 10,
  /** From it: the method has left by `exitActor`. */
  left: 11,
  /** From it, once and unasked: its actor leaves by `exitActor`. */
  exiting: 12,
} as const;

/** Where a sandboxed process is, as it may know. */
export interface SandboxPlace {
  readonly jobId: string;
  readonly nodeId: string;
  readonly workerId: string;
  readonly namespace: string;
  /** Where the program's files lie, if not at their own paths. */
  readonly shipped?: ShippedCode;
  readonly mainModule: string;
  /** The actor that is to be in it. */
  readonly actor?: { readonly actorId: string; readonly className: string };
}

/** What runs: a task's function, or an actor's constructor, one of its methods, its clean-up. */
export type SandboxTarget =
  | { readonly kind: "function"; readonly code: CodeRef }
  | { readonly kind: "class"; readonly code: CodeRef }
  | { readonly kind: "method"; readonly method: string }
  | { readonly kind: "dispose" };

/** What a task or call may know of itself; a constructor and a clean-up are none. */
export interface SandboxContext {
  readonly taskId: string;
  readonly attempt: number;
  readonly depth: number;
  readonly resources: Record<string, number>;
}

/** One run. */
export interface SandboxRun {
  readonly no: number;
  /** Of the task or method, or of the actor's class. */
  readonly name: string;
  readonly target: SandboxTarget;
  readonly context?: SandboxContext;
  readonly isStream: boolean;
  /** The code that it and its arguments need. */
  readonly bundles: CodeBundle[];
  readonly args: StoredValue;
  readonly dependencies: { position: number; value: StoredValue }[];
}

/** Writes where the process is. */
export function writePlace(out: ByteWriter, place: SandboxPlace): void {
  out.string(JSON.stringify(place));
}

/** Reads what {@linkcode writePlace} wrote; its sender is trusted. */
export function readPlace(body: Uint8Array): SandboxPlace {
  return JSON.parse(new ByteReader(body).string());
}

/** Reads which run a frame is about, and what it says of it. */
export function readRunNo(body: Uint8Array): { no: number; rest: Uint8Array } {
  const from = new ByteReader(body);
  return { no: from.f64(), rest: from.rest() };
}

/** Writes a run, but for its number. */
export function writeRun(out: ByteWriter, run: Omit<SandboxRun, "no">): void {
  const { bundles, args, dependencies, ...rest } = run;
  const positions = dependencies.map(({ position }) => position);
  const names = bundles.map(({ hash, name }) => ({ hash, name }));
  out.string(JSON.stringify({ ...rest, positions, names }));
  for (const { meta, values } of bundles) {
    out.string(meta);
    writeStored(out, values);
  }
  writeStored(out, args);
  for (const { value } of dependencies) writeStored(out, value);
}

/** Reads what {@linkcode writeRun} wrote; its sender is trusted. */
export function readRun(body: Uint8Array): Omit<SandboxRun, "no"> {
  const from = new ByteReader(body);
  const { positions, names, ...rest } = JSON.parse(from.string()) as
    & Omit<SandboxRun, "no" | "bundles" | "args" | "dependencies">
    & { positions: number[]; names: Pick<CodeBundle, "hash" | "name">[] };
  const bundles = names.map((named) => ({
    ...named,
    meta: from.string(),
    values: readStored(from),
  }));
  const args = readStored(from);
  const dependencies = positions.map((position) => ({
    position,
    value: readStored(from),
  }));
  return { ...rest, bundles, args, dependencies };
}

/** Writes a value from a sandboxed process. */
export function writeData(
  out: ByteWriter,
  { bytes, buffers }: { bytes: Uint8Array; buffers: readonly Uint8Array[] },
): void {
  out.bytes(bytes);
  out.u32(buffers.length);
  for (const buffer of buffers) out.bytes(buffer);
}

/** Reads one, from a process that may say anything. */
export function readData(
  body: Uint8Array,
): { bytes: Uint8Array; buffers: Uint8Array[] } {
  const from = new ByteReader(body);
  const bytes = from.bytes();
  const buffers: Uint8Array[] = [];
  for (let left = from.u32(); left > 0; left--) buffers.push(from.bytes());
  if (from.remaining > 0) {
    throw new ProtocolError("Cannot read a sandbox's value: bytes are left");
  }
  return { bytes, buffers };
}

/** Why the runtime can't go on with a run. */
export interface SandboxRefusal {
  readonly message: string;
  /** For what can't travel. */
  readonly path: string;
}

/** Writes a refusal. */
export function writeRefusal(out: ByteWriter, refusal: SandboxRefusal): void {
  out.string(refusal.message);
  out.string(refusal.path);
}

/** Reads one. */
export function readRefusal(body: Uint8Array): SandboxRefusal {
  const from = new ByteReader(body);
  return { message: from.string(), path: from.string() };
}
