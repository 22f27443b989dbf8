/**
 * Values that lie on other machines, brought to this one before anybody reads
 * them.
 *
 * @module
 */
import { nodeTagOf, type SegmentId } from "../base/ids.ts";
import { log } from "../base/log.ts";
import type { ObjectEntry } from "../owner/object_ref.ts";
import type { Owner } from "../owner/owner.ts";

interface Bringing {
  readonly segmentId: SegmentId;
  readonly arrived: Promise<void>;
  isHere: boolean;
}

const known = new WeakMap<ObjectEntry, Bringing>();

/** Resolves once a settled object's value is on this machine; undefined where it is, or where there is none to come. */
export function bring(
  own: Owner,
  entry: ObjectEntry,
): Promise<void> | undefined {
  const segment = entry.value?.stored.segment;
  if (segment === undefined) return undefined;
  const { segmentId } = segment;
  if (nodeTagOf(segmentId) === nodeTagOf(own.self)) return undefined;
  let bringing = known.get(entry);
  if (bringing?.segmentId !== segmentId) {
    const arrived = own.segments.open(segment).then(() => {}, (error) => {
      // Whoever reads it is told, or has it made again.
      log.debug(`object in segment ${segmentId} did not come: ${error}`);
    });
    const begun: Bringing = { segmentId, arrived, isHere: false };
    arrived.then(() => begun.isHere = true);
    known.set(entry, bringing = begun);
  }
  return bringing.isHere ? undefined : bringing.arrived;
}
