/**
 * The objects that processes and nodes tell of, put together: each as plain
 * data, and as cells for people.
 *
 * @module
 */
import type { ProcessId } from "../base/ids.ts";
import type { Gathered } from "./gather.ts";
import { bytesText, type Cells } from "./words.ts";

/** Every object that is known: shared memory, and what others hold. */
export interface ObjectRow extends Record<string, unknown> {
  /** Unknown where its owner did not answer. */
  objectId: string | undefined;
  state: string;
  origin: string | undefined;
  bytes: number;
  where: "owner" | "shared memory" | "disk";
  ownerId: ProcessId;
  node: string | undefined;
  /** Further nodes that have a copy. */
  copiedTo: string[];
  owner: string | undefined;
  handleCount: number | undefined;
  heldBy: string[];
}

/** The objects, the largest first. */
export function objectRows(gathered: Gathered): ObjectRow[] {
  const rows = new Map<string, ObjectRow>();
  const bySegment = new Map<string, string>();
  for (const { process: { processId }, facts } of gathered.owners) {
    for (const [segmentId, objectId] of facts.segments) {
      bySegment.set(segmentId, objectId);
    }
    for (const object of facts.objects) {
      if (object.segmentId !== undefined) {
        bySegment.set(object.segmentId, object.objectId);
      }
      rows.set(object.objectId, {
        objectId: object.objectId,
        state: object.state,
        origin: object.origin,
        bytes: object.bytes,
        where: "owner",
        ownerId: processId,
        node: gathered.nodeName(processId),
        owner: gathered.processName(processId),
        copiedTo: [],
        handleCount: object.handleCount,
        heldBy: object.holders.map((id) => gathered.processName(id)!),
      });
    }
  }
  const originals = gathered.segments().sort((a, b) =>
    Number(a.segment.copyOf !== undefined) -
    Number(b.segment.copyOf !== undefined)
  );
  for (const { node, segment } of originals) {
    if (segment.state === "recyclable") continue;
    const { copyOf, segmentId } = segment;
    const objectId = bySegment.get(copyOf ?? segmentId);
    const key = objectId ?? `segment ${copyOf ?? segmentId}`;
    const known = rows.get(key);
    const readers = segment.readers.map((id) => gathered.processName(id)!);
    if (copyOf !== undefined && known !== undefined) {
      known.copiedTo.push(node.row.nodeId);
      known.heldBy = [...new Set([...known.heldBy, ...readers])];
      continue;
    }
    rows.set(key, {
      objectId,
      state: segment.state === "live" ? known?.state ?? "ready" : segment.state,
      origin: known?.origin,
      bytes: Math.max(segment.bytes, known?.bytes ?? 0),
      where: segment.isResident ? "shared memory" : "disk",
      ownerId: segment.ownerId,
      node: node.row.nodeId,
      copiedTo: [],
      owner: gathered.processName(segment.ownerId),
      handleCount: known?.handleCount,
      heldBy: [...new Set([...known?.heldBy ?? [], ...readers])],
    });
  }
  return [...rows.values()].sort((a, b) => b.bytes - a.bytes);
}

/** An object for people. */
export function objectCells(row: ObjectRow): Cells {
  const handles = row.handleCount ?? 0;
  return {
    object: row.objectId ?? "unknown",
    size: bytesText(row.bytes),
    state: row.state,
    from: row.origin,
    where: row.where,
    owner: row.owner,
    "held by": [
      ...(handles > 0 ? [`${handles} refs in its owner`] : []),
      ...row.heldBy,
    ].join(", "),
    node: [row.node, ...row.copiedTo].join(", "),
  };
}
