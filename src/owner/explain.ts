/**
 * What a pending object waits for or runs on, in words.
 *
 * @module
 */
import { oneLine } from "../base/text.ts";
import { askedText } from "../state/placement_groups.ts";
import { entryOfRef, type ObjectEntry } from "./object_ref.ts";
import type { Owner } from "./owner.ts";
import { TaskRecord } from "./task_record.ts";

/** What an object that no task makes waits for; its producer until it is settled. */
export class Expectation {
  /** As in "waits for …". */
  readonly what: string;

  constructor(what: string) {
    this.what = what;
  }
}

/** What an object failed of. */
export function failedOf(error: unknown): string {
  const what = error instanceof Error ? error.message : Deno.inspect(error);
  return `failed: ${oneLine(what)}`;
}

/** What a pending object waits for. */
export function describeWait(own: Owner, entry: ObjectEntry): string {
  return oneLine(waitOf(own, entry));
}

function waitOf(own: Owner, entry: ObjectEntry): string {
  if (entry.ownerId !== own.self) {
    return "belongs to another process, which has not answered yet";
  }
  const { producer } = entry;
  if (producer instanceof TaskRecord) return describeTask(own, producer);
  return producer instanceof Expectation
    ? `waits for ${producer.what}`
    : "waits for room in the object store";
}

/** What a task or call without an outcome waits for. */
export function describeTask(own: Owner, record: TaskRecord): string {
  return oneLine(taskWaitOf(own, record));
}

function taskWaitOf(own: Owner, record: TaskRecord): string {
  const { name, resources } = record.template.settings;
  const task = `(task "${name}")`;
  const call = own.actors.describe(record);
  if (record.phase === "preparing") {
    const open = record.dependencies.filter(({ ref }) =>
      !entryOfRef(ref).isSettled
    );
    const [first] = open;
    if (first === undefined) {
      return `waits for its code or arguments to be stored ${task}`;
    }
    const more = open.length === 1 ? "" : `, and ${open.length - 1} more`;
    return `waits for argument ${first.position + 1}, ${
      nameOf(entryOfRef(first.ref))
    }${more} ${task}`;
  }
  if (call !== undefined) return `${call} (call "${name}")`;
  const worker = own.submitter.workerOf(record);
  if (worker !== undefined) {
    return `runs on, or was sent to, worker ${worker.place.pid} ${task}, attempt ${record.attempt}`;
  }
  return `waits for a worker with ${askedText(resources)} ${task}`;
}

/** A pending object, and what makes it, where that is known here. */
function nameOf({ id, producer }: ObjectEntry): string {
  return producer instanceof TaskRecord
    ? `ref ${id} of task "${producer.template.settings.name}"`
    : `ref ${id}`;
}
