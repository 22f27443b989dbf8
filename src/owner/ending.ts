/**
 * Ends what runs a task or call that does not stop by itself: the worker, or
 * the present incarnation of the actor.
 *
 * @module
 */
import { afterMs } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { OwnerPort } from "./owner_port.ts";
import type { TaskRecord } from "./task_record.ts";

type Rooms = Pick<OwnerPort, "submitter" | "actors">;

/** Ends it at once; `why` goes on from "its task". */
export function endNow(
  { submitter, actors }: Rooms,
  record: TaskRecord,
  why: string,
): void {
  const { name } = record.template.settings;
  const worker = submitter.workerOf(record);
  if (worker !== undefined) submitter.kill(worker, `its task "${name}" ${why}`);
  else endCall(actors, record, `its call "${name}" ${why}`);
}

/** A call may wait its turn now, and start before it hears that it is not to. */
function endCall(
  actors: OwnerPort["actors"],
  record: TaskRecord,
  reason: string,
): void {
  if (!actors.abort(record, reason)) return;
  record.timer = afterMs(
    limits.abortGraceMs,
    () => endCall(actors, record, reason),
  );
}

/** Ends it after the time that its code has to heed its signal, if it still runs there. */
export function endIfStuck(
  rooms: Rooms,
  record: TaskRecord,
  why: string,
): void {
  const { submitter, actors } = rooms;
  const runsOn = () => submitter.workerOf(record) ?? actors.peerOf(record);
  const where = runsOn();
  if (where === undefined) return;
  record.timer = afterMs(limits.abortGraceMs, () => {
    if (runsOn() === where) endNow(rooms, record, why);
  });
}
