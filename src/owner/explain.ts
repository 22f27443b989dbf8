/**
 * What a pending object waits for or runs on, in words.
 *
 * @module
 */
import { entryOfRef, type ObjectEntry } from "./object_ref.ts";
import type { Owner } from "./owner.ts";
import { TaskRecord } from "./task_record.ts";

/** What a pending object waits for. */
export function describeWait(own: Owner, entry: ObjectEntry): string {
  if (entry.ownerId !== own.self) {
    return "belongs to another process, which has not answered yet";
  }
  const record = entry.producer;
  return record instanceof TaskRecord
    ? describeTask(own, record)
    : "waits for room in the object store";
}

/** What a task or call without an outcome waits for. */
export function describeTask(own: Owner, record: TaskRecord): string {
  const { name, resources } = record.template.settings;
  const task = `(task "${name}")`;
  const call = own.actors.describe(record);
  if (record.phase === "preparing") {
    const open = record.dependencies.filter(({ ref }) =>
      !entryOfRef(ref).isSettled
    );
    return open.length > 0
      ? `waits for ${open.length} arguments that are refs ${task}`
      : `waits for its code or arguments to be stored ${task}`;
  }
  if (call !== undefined) return `${call} (call "${name}")`;
  const worker = own.submitter.workerOf(record);
  if (worker !== undefined) {
    return `runs on, or was sent to, worker ${worker.pid} ${task}, attempt ${record.attempt}`;
  }
  return `waits for a worker with ${JSON.stringify(resources)} ${task}`;
}
