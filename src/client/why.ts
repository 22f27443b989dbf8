/**
 * What a ref waits for, runs on, or failed of, in words.
 *
 * @module
 */
import { openFailure } from "../owner/failures.ts";
import {
  entryOfRef,
  isObjectRef,
  type ObjectEntry,
  type ObjectRef,
  Status,
} from "../owner/object_ref.ts";
import type { Owner } from "../owner/owner.ts";
import { TaskRecord } from "../owner/task_record.ts";
import { show } from "./check.ts";
import { ownerOfRefs } from "./session.ts";

/**
 * One line on a ref: what it waits for, runs on, or failed of.
 *
 * @param ref The ref.
 * @throws {TypeError} Where it is no ref.
 */
export async function why(ref: ObjectRef<unknown>): Promise<string> {
  if (!isObjectRef(ref)) {
    throw new TypeError(`Cannot explain ${show(ref)}: expected an ObjectRef`);
  }
  const own = ownerOfRefs(`ref ${ref.id}`);
  own.references.assertKnown(ref);
  const entry = entryOfRef(ref);
  if (entry.status === Status.ready) return "is ready";
  if (entry.status === Status.freed) return "was freed";
  if (entry.status === Status.failed) {
    const error = await openFailure(entry.error, own.values);
    return `failed: ${error instanceof Error ? error.message : show(error)}`;
  }
  return describeWait(own, entry);
}

/** What a pending object waits for. */
export function describeWait(own: Owner, entry: ObjectEntry): string {
  if (entry.ownerId !== own.self) {
    return "belongs to another process, which has not answered yet";
  }
  const record = entry.producer;
  if (!(record instanceof TaskRecord)) {
    return "waits for room in the object store";
  }
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
