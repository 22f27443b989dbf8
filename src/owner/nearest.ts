/**
 * Where a task's large arguments lie.
 *
 * @module
 */
import { type NodeTag, nodeTagOf } from "../base/ids.ts";
import { entryOfRef } from "./object_ref.ts";
import type { TaskRecord } from "./task_record.ts";

/** The node that has most of a task's shared arguments; nothing where there are none. */
export function nearestOf({ dependencies }: TaskRecord): { near?: NodeTag } {
  if (dependencies.length === 0) return {};
  const bytes = new Map<NodeTag, number>();
  let near: NodeTag | undefined;
  for (const { ref } of dependencies) {
    const segment = entryOfRef(ref).value?.stored.segment;
    if (segment === undefined) continue;
    const tag = nodeTagOf(segment.segmentId);
    const sum = (bytes.get(tag) ?? 0) + segment.byteLength;
    bytes.set(tag, sum);
    if (near === undefined || sum > bytes.get(near)!) near = tag;
  }
  return near === undefined ? {} : { near };
}
