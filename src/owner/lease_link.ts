/**
 * A held lease: the connection to its worker. And what is written onto
 * connections: tasks, and calls of actors.
 *
 * @module
 */
import type { Timer } from "../base/clock.ts";
import type { ProcessId } from "../base/ids.ts";
import type { HeldValue } from "../base/stored.ts";
import type { CodeRef } from "../base/stored.ts";
import { mayTake, type Pipeline } from "../state/pipelines.ts";
import { FrameKind } from "../wire/frame.ts";
import type { Peer } from "../wire/peer.ts";
import {
  type Dependency,
  noSlot,
  TaskFlag,
  writeFunction,
  writeTask,
} from "../wire/task_frames.ts";
import { limits } from "../base/limits.ts";
import { entryOfRef, Status } from "./object_ref.ts";
import type {
  ArgumentRef,
  RunPlace,
  TaskRecord,
  TaskTemplate,
} from "./task_record.ts";

/** What an owner knows of one worker it is connected to, whatever leases it holds there. */
export interface WorkerLink {
  readonly processId: ProcessId;
  readonly place: RunPlace;
  /** It is on another machine. */
  readonly isFar: boolean;
  readonly peer: Peer;
  /** Functions that have their number on this connection. */
  readonly functionNos: Set<number>;
  /** Claims taken back whose frames the worker has not consumed yet. */
  readonly revokedSlots: Set<number>;
  /** This owner asked for the worker's end. */
  isKilled: boolean;
}

/** One lease and the worker behind it. */
export interface LeaseLink {
  readonly worker: WorkerLink;
  readonly pipeline: Pipeline<TaskRecord>;
  /** Its number on the worker's connection. */
  leaseNo: number;
  idleTimer: Timer | undefined;
  /** Tasks that were pushed over it, where they are counted. */
  runCount: number;
  /** Its worker has run all it may. */
  isSpent: boolean;
}

/** A function that this process can't submit any more is of no use to a worker that knows it. */
const named = new FinalizationRegistry<
  { functionNo: number; worker: WeakRef<WorkerLink> }
>(({ functionNo, worker }) => {
  const link = worker.deref();
  if (link === undefined || link.peer.isEnded) return;
  link.functionNos.delete(functionNo);
  link.peer.notify("function.forget", { functionNo });
});

const noValue: HeldValue = { stored: { bytes: new Uint8Array(0) }, refs: [] };

/** Writes a task onto a worker's connection; its function's number first, once. */
export function writeTaskTo(
  { worker, leaseNo }: LeaseLink,
  record: TaskRecord,
  code: CodeRef,
): void {
  const { peer } = worker;
  const { template } = record;
  nameFunction(worker, template, code);
  const out = peer.begin(FrameKind.task);
  writeTask(out, {
    ordinal: record.ordinal,
    slot: record.slot,
    generation: record.generation,
    leaseNo,
    functionNo: template.functionNo,
    method: "",
    attempt: record.attempt,
    returnCount: template.settings.returnCount,
    flags: flagsOf(record),
    depth: record.depth,
    callerNo: record.callerNo,
    backpressure: template.settings.backpressure,
    key: record.knownKey,
    args: record.args.stored,
    dependencies: dependencyValues(record.dependencies),
  });
  peer.end();
}

/** Writes a call onto an actor's connection. */
export function writeCallTo(peer: Peer, record: TaskRecord): void {
  const { settings, method } = record.template;
  writeTask(peer.begin(FrameKind.call), {
    ordinal: record.ordinal,
    slot: noSlot,
    generation: 0,
    leaseNo: 0,
    functionNo: 0,
    method: method!,
    attempt: record.attempt,
    returnCount: settings.returnCount,
    flags: (settings.timeoutMs === undefined ? 0 : TaskFlag.timed) |
      (settings.isStream ? TaskFlag.stream : 0) |
      (record.callId === undefined ? 0 : TaskFlag.durable),
    depth: record.depth,
    callerNo: record.callerNo,
    backpressure: settings.backpressure,
    key: "",
    callId: record.callId,
    args: record.args.stored,
    dependencies: dependencyValues(record.dependencies),
  });
  peer.end();
}

/** Why an argument that was there is there no more, if one is not: it was freed meanwhile. */
export function goneArgument(
  { dependencies }: TaskRecord,
): { error: unknown } | undefined {
  for (const { ref } of dependencies) {
    const { status, error } = entryOfRef(ref);
    if (status === Status.freed || status === Status.failed) return { error };
  }
  return undefined;
}

/** The values that refs became. */
export function dependencyValues(
  dependencies: readonly ArgumentRef[],
): Dependency[] {
  return dependencies.map(({ position, ref }) => ({
    position,
    value: (entryOfRef(ref).value ?? noValue).stored,
  }));
}

function nameFunction(
  worker: WorkerLink,
  template: TaskTemplate,
  code: CodeRef,
): void {
  const { functionNo, settings } = template;
  if (worker.functionNos.has(functionNo)) return;
  worker.functionNos.add(functionNo);
  named.register(template, { functionNo, worker: new WeakRef(worker) });
  const out = worker.peer.begin(FrameKind.function);
  writeFunction(out, {
    functionNo,
    code,
    name: settings.name,
    resources: JSON.stringify(settings.resources),
  });
  worker.peer.end();
}

/** Whether it must not share its worker with strangers. */
export function wantsNoCompany(record: TaskRecord): boolean {
  return record.isAlone || record.template.settings.maxRetries === 0;
}

function flagsOf(record: TaskRecord): number {
  const { settings, stats } = record.template;
  return (mayTake(limits.shortTaskMs, stats) ? 0 : TaskFlag.short) |
    (wantsNoCompany(record) ? TaskFlag.alone : 0) |
    (settings.timeoutMs === undefined ? 0 : TaskFlag.timed) |
    (settings.isStream ? TaskFlag.stream : 0);
}
