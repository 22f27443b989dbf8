/**
 * What a node tells a command line: itself, its processes and what each says
 * it owns, its shared memory, and what was printed lately.
 *
 * A process that computes can't answer: after a moment it is told of without
 * what it owns. It is not asked again while an answer is owed.
 *
 * @module
 */
import { afterMs } from "../base/clock.ts";
import type { NodeTag, SegmentId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import { privateBytesOf } from "../store/memory.ts";
import { ownMark } from "../store/process_mark.ts";
import type {
  NodeAbout,
  NodeFacts as Facts,
  ProcessFacts,
  SegmentFacts,
} from "../wire/command_messages.ts";
import type { NodeRow } from "../wire/facts.ts";
import type { RequestHandlers } from "../wire/peer.ts";
import type { ObjectManager } from "./object_manager.ts";
import type { Joined, Processes } from "./processes.ts";
import type { RecentLines } from "./recent_lines.ts";

/** What a node has to tell of. */
export interface NodeFactsRooms {
  readonly tag: NodeTag;
  readonly about: NodeAbout;
  readonly processes: Processes;
  readonly objects: ObjectManager;
  readonly recent: RecentLines;
  row(): NodeRow;
}

/** Tells what one node knows. */
export class NodeFacts {
  readonly #rooms: NodeFactsRooms;
  /** Set where there are other machines: of each copy of a segment, which one it is of. */
  origins: () => ReadonlyMap<SegmentId, SegmentId> = () => new Map();
  readonly #asked = new Map<string, Promise<string | undefined>>();

  constructor(rooms: NodeFactsRooms) {
    this.#rooms = rooms;
  }

  /** What it answers. */
  requests(): RequestHandlers {
    return {
      "node.about": () => this.#about(),
      "node.facts": (ask) => this.#facts(ask),
      "log.read": (ask) => this.#rooms.recent.read(ask),
    };
  }

  #about(): NodeAbout {
    const mark = ownMark();
    return { ...this.#rooms.about, ...(mark === undefined ? {} : { mark }) };
  }

  async #facts(
    { rowsMax, isBrief }: { rowsMax: number; isBrief: boolean },
  ): Promise<Facts> {
    const { tag, objects, processes } = this.#rooms;
    const { segments, segmentCount } = this.#segments(rowsMax);
    const all = await Promise.all(
      [...processes.all()].map((one) =>
        this.#process(one, isBrief ? 0 : rowsMax)
      ),
    );
    return {
      tag,
      about: this.#about(),
      row: this.#rooms.row(),
      storeUsedBytes: objects.usedBytes,
      storeCapacityBytes: objects.capacityBytes,
      processes: all,
      segments: JSON.stringify(isBrief ? [] : segments),
      segmentCount,
    };
  }

  async #process(process: Joined, rowsMax: number): Promise<ProcessFacts> {
    const { processId, pid, role, jobId, actorId } = process;
    const owner = rowsMax === 0 ? undefined : await this.#ask(process, rowsMax);
    return {
      processId,
      pid,
      role,
      jobId,
      ...(actorId === undefined ? {} : { actorId }),
      privateBytes: privateBytesOf(pid),
      ...(owner === undefined ? {} : { owner }),
    };
  }

  /** What a process owns, if it says so in time. */
  #ask(
    { processId, peer }: Joined,
    rowsMax: number,
  ): Promise<string | undefined> {
    const key = `${processId} ${rowsMax}`;
    let asked = this.#asked.get(key);
    if (asked === undefined) {
      asked = peer.request("owner.facts", { rowsMax }).then(
        ({ facts }) => facts,
        (error) => {
          log.debug(`process ${processId} told nothing: ${error}`);
          return undefined;
        },
      ).finally(() => this.#asked.delete(key));
      this.#asked.set(key, asked);
    }
    const late = Promise.withResolvers<undefined>();
    const timer = afterMs(
      limits.factsWaitMs,
      () => late.resolve(undefined),
    );
    return Promise.race([asked, late.promise])
      .finally(() => clearTimeout(timer));
  }

  #segments(
    rowsMax: number,
  ): { segments: SegmentFacts[]; segmentCount: number } {
    const all: SegmentFacts[] = [];
    const origins = this.origins();
    for (const [segmentId, segment] of this.#rooms.objects.all()) {
      const { owner, byteLength, state, isResident, hasFile } = segment;
      const origin = origins.get(segmentId);
      all.push({
        segmentId,
        ...(origin === undefined ? {} : { copyOf: origin }),
        ownerId: owner,
        bytes: byteLength,
        state,
        isResident,
        isOnDisk: hasFile,
        readers: [...new Set(segment.readers.values())],
      });
    }
    all.sort((a, b) => b.bytes - a.bytes);
    return { segments: all.slice(0, rowsMax), segmentCount: all.length };
  }
}
