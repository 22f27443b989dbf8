/**
 * Who holds what: stores, processes, and objects, the largest first.
 *
 * @module
 */
import { nodeTagOf } from "../base/ids.ts";
import { gather, type Gathered } from "./gather.ts";
import { moreLine } from "./lists.ts";
import { type ObjectRow, objectRows } from "./object_rows.ts";
import type { Reach } from "./reach.ts";
import { bytesText, type Cells } from "./words.ts";

const everyRow = 10_000;

/** One machine's shared memory. */
export interface StoreRow {
  nodeId: string;
  kind: string;
  usedBytes: number;
  capacityBytes: number;
  segmentCount: number;
}

/** What one process owns. */
export type HolderRow = ReturnType<typeof holderRows>[number];

/** Stores, those that own what lies there, and the largest objects. */
export interface MemoryHeld {
  stores: StoreRow[];
  holders: HolderRow[];
  objects: ObjectRow[];
}

/** Asks who holds what. */
export async function memoryOf(
  reach: Reach,
  limit: number,
): Promise<{ memory: MemoryHeld; notes: string[] }> {
  const gathered = await gather(reach, { rowsMax: everyRow });
  const all = objectRows(gathered);
  const objects = all.slice(0, limit);
  const stores = gathered.nodes.map((node) => ({
    nodeId: node.row.nodeId,
    kind: node.about.kind,
    usedBytes: node.storeUsedBytes,
    capacityBytes: node.storeCapacityBytes,
    segmentCount: node.segmentCount,
  }));
  const count = { shown: objects.length, total: all.length };
  const notes = [...moreLine("objects", count), ...gathered.silent];
  const holders = holderRows(gathered, all);
  return { memory: { stores, holders, objects }, notes };
}

/** What a process owns, for people. */
export function holderCells(row: HolderRow): Cells {
  return {
    process: row.process,
    pid: row.pid,
    "owns in store": bytesText(row.ownedBytes),
    objects: row.objectCount,
    "own memory": bytesText(row.privateBytes),
    job: row.jobId,
    node: row.node,
  };
}

function holderRows(gathered: Gathered, objects: readonly ObjectRow[]) {
  // An actor's host is the same process, and owns nothing.
  const all = gathered.processes().filter(({ role }) => role !== "host");
  return all.map((process) => {
    const { processId, pid, role, jobId, privateBytes } = process;
    const owned = objects.filter(({ ownerId }) => ownerId === processId);
    return {
      process: role,
      processId,
      pid,
      jobId,
      tag: nodeTagOf(processId),
      node: gathered.nodeName(processId),
      ownedBytes: owned.reduce((sum, { bytes }) => sum + bytes, 0),
      objectCount: owned.length,
      privateBytes,
    };
  }).sort((a, b) =>
    b.ownedBytes - a.ownedBytes || b.privateBytes - a.privateBytes
  );
}
