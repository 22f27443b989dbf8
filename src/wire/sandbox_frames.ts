/**
 * What a worker and the sandboxed process of one task say to each other.
 *
 * The worker asks (run, next, leave) and the process answers each with exactly
 * one frame; nothing else it says is heard. Its values are data alone: no
 * code, no refs, no segments.
 *
 * @module
 */
import { ProtocolError } from "../base/errors.ts";
import type { ShippedCode } from "../base/program_code.ts";
import type { CodeBundle, CodeRef, StoredValue } from "../base/stored.ts";
import { ByteReader, type ByteWriter } from "./bytes.ts";
import { readStored, writeStored } from "./payload.ts";

/** The first byte after a frame's length. */
export const SandboxFrame = {
  /** From the process: it can run a task. */
  ready: 1,
  /** To it: the one task it is there for. */
  run: 2,
  /** To it: the generator's next item is wanted. */
  next: 3,
  /** To it: the generator's own end is wanted. */
  leave: 4,
  /** To it, unanswered: the task's signal aborts. */
  cancel: 5,
  /** From it: what the function returned, or how its generator ended. */
  value: 6,
  /** From it: an item. */
  item: 7,
  /** From it: the function threw this. */
  failed: 8,
  /** From it: the runtime can't go on, and why. */
  refused: 9,
} as const;

/** Where a sandboxed task runs, as it may know. */
export interface SandboxPlace {
  readonly jobId: string;
  readonly nodeId: string;
  readonly workerId: string;
  readonly namespace: string;
  /** Where the program's files lie, if not at their own paths. */
  readonly shipped?: ShippedCode;
  readonly mainModule: string;
}

/** The task. */
export interface SandboxRun {
  readonly name: string;
  readonly taskId: string;
  readonly attempt: number;
  readonly depth: number;
  readonly resources: Record<string, number>;
  readonly isStream: boolean;
  readonly place: SandboxPlace;
  readonly code: CodeRef;
  /** All the code that it and its arguments need. */
  readonly bundles: CodeBundle[];
  readonly args: StoredValue;
  readonly dependencies: { position: number; value: StoredValue }[];
}

/** Writes the task. */
export function writeRun(out: ByteWriter, run: SandboxRun): void {
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
export function readRun(body: Uint8Array): SandboxRun {
  const from = new ByteReader(body);
  const { positions, names, ...rest } = JSON.parse(from.string()) as
    & Omit<SandboxRun, "bundles" | "args" | "dependencies">
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

/** Why the runtime can't go on with a sandboxed task. */
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
