/**
 * What processes printed lately, as each node keeps it.
 *
 * @module
 */
import { nodeProcessIdOf, type NodeTag } from "../base/ids.ts";
import { log } from "../base/log.ts";
import type { KeptLine } from "../wire/command_messages.ts";
import type { Peer } from "../wire/peer.ts";
import { type Reach, within } from "./reach.ts";

/** A line and the node that it came from. */
export type Line = KeptLine & { nodeId: string };

/** A node's lines, and how to go on. */
export interface OpenedLines {
  peer: Peer;
  nodeId: string;
  lines: Line[];
  nextSeq: number;
}

/** Reads what a node keeps, from the line after that one on. */
export async function openLines(
  reach: Reach,
  tag: NodeTag,
  afterSeq = 0,
): Promise<OpenedLines> {
  const peer = await within(reach.peer(nodeProcessIdOf(tag)));
  const { row: { nodeId } } = await within(
    peer.request("node.facts", { rowsMax: 0, isBrief: true }),
  );
  const { lines, nextSeq } = await within(
    peer.request("log.read", { afterSeq, waitMs: 0 }),
  );
  return {
    peer,
    nodeId,
    nextSeq,
    lines: lines.map((line) => ({ ...line, nodeId })),
  };
}

/** Of each node, the number of the last line that was seen. */
export type SeenLines = ReadonlyMap<NodeTag, number>;

/** The latest lines of all nodes after those that were seen, by time; `limit` at most. */
export async function latestLines(
  reach: Reach,
  { seen, limit }: { seen: SeenLines; limit: number },
): Promise<{ lines: Line[]; seen: Record<string, number>; notes: string[] }> {
  const { tags } = await within(reach.head.request("cluster.tags", {}));
  const notes: string[] = [];
  const nowSeen: Record<string, number> = {};
  const lines = await Promise.all(tags.map(async (tag) => {
    const afterSeq = seen.get(tag) ?? 0;
    try {
      const { lines, nextSeq } = await openLines(reach, tag, afterSeq);
      nowSeen[tag] = nextSeq - 1;
      return lines;
    } catch (error) {
      log.debug(`node ${tag} tells no lines: ${error}`);
      notes.push(`node ${tag} did not answer: ${(error as Error).message}`);
      nowSeen[tag] = afterSeq;
      return [];
    }
  }));
  const all = lines.flat().sort((a, b) => a.atMs - b.atMs);
  return { lines: all.slice(-limit), seen: nowSeen, notes };
}
