/**
 * What a ref waits for, runs on, or failed of, in words.
 *
 * @module
 */
import { openFailure } from "../owner/failures.ts";
import { describeWait, failedOf } from "../owner/explain.ts";
import {
  entryOfRef,
  isObjectRef,
  type ObjectRef,
  Status,
} from "../owner/object_ref.ts";
import { show } from "./check.ts";
import { ownerOfRefs } from "./session.ts";

/**
 * One line on a ref: what it waits for, runs on, or failed of.
 *
 * @param ref The ref.
 * @throws {TypeError} Where it is no ref.
 *
 * @example
 * ```ts
 * import { put, why } from "@manta/manta";
 * console.log(await why(put(1))); // is ready
 * ```
 */
export async function why(ref: ObjectRef<unknown>): Promise<string> {
  if (!isObjectRef(ref)) {
    throw new TypeError(`Cannot explain ${show(ref)}: expected an ObjectRef`);
  }
  const own = ownerOfRefs(`ref ${ref.id}`);
  const entry = entryOfRef(ref);
  own.references.assertKnown(entry);
  if (entry.status === Status.ready) return "is ready";
  if (entry.status === Status.freed) return "was freed";
  if (entry.status === Status.failed) {
    const error = await openFailure(entry.error, own.values);
    return failedOf(error);
  }
  const line = entry.ownerId === own.self
    ? undefined
    : await own.objects.explained(entry);
  return line || describeWait(own, entry);
}
