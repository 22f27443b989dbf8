/**
 * What all nodes and processes of a cluster, or of one program, say of
 * themselves now, and who said nothing.
 *
 * @module
 */
import {
  nodeProcessIdOf,
  type NodeTag,
  nodeTagOf,
  type ProcessId,
} from "../base/ids.ts";
import { openLineage } from "../store/lineage_reader.ts";
import type { LineageReader } from "../store/lineage_reader.ts";
import { isNear } from "../store/process_mark.ts";
import type {
  ActorFacts,
  NodeFacts,
  OwnerFacts,
  ProcessFacts,
  SegmentFacts,
} from "../wire/command_messages.ts";
import { type Reach, within } from "./reach.ts";
import { nameOf } from "./words.ts";

/** What one process told of what it owns. */
export interface OwnerTold {
  process: ProcessFacts;
  facts: OwnerFacts;
}

/** A program's lineage file that can be read from here. */
export interface LineagePlace {
  path: string;
  jobId: string;
}

/** What was told. */
export class Gathered {
  readonly nodes: readonly NodeFacts[];
  readonly owners: readonly OwnerTold[];
  /** Who did not answer, and what that means. */
  readonly silent: readonly string[];
  readonly #byTag: Map<NodeTag, NodeFacts>;
  readonly #processes = new Map<ProcessId, ProcessFacts>();

  constructor(nodes: NodeFacts[], silent: string[]) {
    this.nodes = nodes;
    this.#byTag = new Map(nodes.map((node) => [node.tag, node]));
    const owners: OwnerTold[] = [];
    const unheard = [...silent];
    for (const process of nodes.flatMap(({ processes }) => processes)) {
      this.#processes.set(process.processId, process);
      if (process.owner === undefined) {
        unheard.push(
          `${process.role} ${process.pid} computes and did not answer: what it owns is not shown`,
        );
        continue;
      }
      const facts = JSON.parse(process.owner) as OwnerFacts;
      owners.push({ process, facts });
    }
    this.owners = owners;
    this.silent = unheard;
  }

  /** All processes. */
  processes(): ProcessFacts[] {
    return [...this.#processes.values()];
  }

  /** A process, as people know it. */
  processName(processId: ProcessId | undefined): string | undefined {
    if (processId === undefined) return undefined;
    const process = this.#processes.get(processId);
    if (process !== undefined) return `${process.role} ${process.pid}`;
    const tag = nodeTagOf(processId);
    const isNode = processId === nodeProcessIdOf(tag);
    const node = isNode ? this.#byTag.get(tag) : undefined;
    return node === undefined ? `gone (${processId})` : `node ${node.row.pid}`;
  }

  /** The node of whatever has that id, as people know it. */
  nodeName(id: ProcessId | undefined): string | undefined {
    if (id === undefined) return undefined;
    const tag = nodeTagOf(id);
    const node = this.#byTag.get(tag);
    return node === undefined ? tag : node.row.nodeId;
  }

  /** The shared memory of all machines, the largest first. */
  segments(): { node: NodeFacts; segment: SegmentFacts }[] {
    return this.nodes.flatMap((node) =>
      (JSON.parse(node.segments) as SegmentFacts[])
        .map((segment) => ({ node, segment }))
    ).sort((a, b) => b.segment.bytes - a.segment.bytes);
  }

  /** Lineage files of programs on this machine. */
  lineages(): LineagePlace[] {
    return this.#programs().filter(({ about }) =>
      about.mark !== undefined && isNear(about.mark)
    ).map(({ about }) => ({ path: about.lineagePath!, jobId: about.jobId! }));
  }

  /** Programs whose lineage file is on another machine, or in another container. */
  farPrograms(): string[] {
    return this.#programs().filter(({ about }) =>
      about.mark === undefined || !isNear(about.mark)
    ).map(({ about, row }) => `${nameOf(about.script)} (pid ${row.pid})`);
  }

  #programs(): NodeFacts[] {
    return this.nodes.filter(({ about: { kind, lineagePath } }) =>
      (kind === "local" || kind === "driver") && lineagePath !== undefined
    );
  }
}

/** Of which programs finished tasks can't be shown here. */
export function farNotes(gathered: Gathered): string[] {
  return gathered.farPrograms().map((program) =>
    `finished tasks of ${program} are in its lineage file, which is not on this machine`
  );
}

/** Asks all nodes; each tells of its processes. */
export async function gather(
  reach: Reach,
  { rowsMax, isBrief = false }: { rowsMax: number; isBrief?: boolean },
): Promise<Gathered> {
  const { tags } = await within(reach.head.request("cluster.tags", {}));
  const silent: string[] = [];
  const asked = tags.map(async (tag) => {
    try {
      const peer = await within(reach.peer(nodeProcessIdOf(tag)));
      return await within(peer.request("node.facts", { rowsMax, isBrief }));
    } catch (error) {
      silent.push(
        `node ${tag} did not answer: ${(error as Error).message}`,
      );
      return undefined;
    }
  });
  const nodes = (await Promise.all(asked)).filter((one) => one !== undefined);
  return new Gathered(nodes, isBrief ? [] : silent);
}

/** The actors, as the head knows them. */
export async function actorsOf(
  reach: Reach,
  rowsMax: number,
): Promise<{ actors: ActorFacts[]; count: number }> {
  const { actors, count } = await within(
    reach.head.request("actor.list", { rowsMax }),
  );
  return { actors: JSON.parse(actors), count };
}

/** Reads each lineage file with `read`; one that can't be read is told of. */
export function readLineages<T>(
  places: readonly LineagePlace[],
  { read, failed }: {
    read(lineage: LineageReader, jobId: string): T;
    failed(line: string): void;
  },
): T[] {
  const results: T[] = [];
  for (const { path, jobId } of places) {
    try {
      using lineage = openLineage(path);
      results.push(read(lineage, jobId));
    } catch (error) {
      failed(`finished tasks are not shown: ${(error as Error).message}`);
    }
  }
  return results;
}
