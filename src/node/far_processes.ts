/**
 * Processes of other nodes that have something here: their ends are heard of.
 *
 * Each is watched by one request to its node, which is answered when it has
 * ended; when the node is gone, so are its processes.
 *
 * @module
 */
import {
  nodeProcessIdOf,
  type NodeTag,
  nodeTagOf,
  type ProcessId,
} from "../base/ids.ts";
import type { Network } from "../wire/network.ts";
import type { RequestHandlers } from "../wire/peer.ts";
import type { Processes } from "./processes.ts";

/** What watching takes. */
export interface FarProcessRooms {
  readonly network: Network;
  ended(processId: ProcessId): void;
}

/** Watches processes of other nodes. */
export class FarProcesses {
  readonly #rooms: FarProcessRooms;
  readonly #watched = new Set<ProcessId>();

  constructor(rooms: FarProcessRooms) {
    this.#rooms = rooms;
  }

  /** What it answers other nodes of this machine's processes. */
  requests(processes: Processes): RequestHandlers {
    return {
      "process.end": async ({ processId }) => {
        await processes.end(processId);
        return {};
      },
    };
  }

  /** A process of another node has something here. */
  async watch(processId: ProcessId): Promise<void> {
    if (this.#watched.has(processId)) return;
    this.#watched.add(processId);
    try {
      const nodeProcessId = nodeProcessIdOf(nodeTagOf(processId));
      // A node's own process ends with the node.
      if (processId === nodeProcessId) return;
      const peer = await this.#rooms.network.peer(nodeProcessId);
      await peer.request("process.end", { processId });
    } catch {
      // Its node is not reached: what it is to this one, it is no more.
    }
    this.#ended(processId);
  }

  /** A node is gone. */
  nodeGone(tag: NodeTag): void {
    for (const processId of [...this.#watched]) {
      if (nodeTagOf(processId) === tag) this.#ended(processId);
    }
  }

  #ended(processId: ProcessId): void {
    if (this.#watched.delete(processId)) this.#rooms.ended(processId);
  }
}
