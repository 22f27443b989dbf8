/**
 * What all jobs on one machine share: its resources, its object store, and the
 * processes that joined its node.
 *
 * @module
 */
import type { NodeId, NodeTag } from "../base/ids.ts";
import type { ResourceAmounts, SchedulingStrategy } from "../base/spec.ts";
import { ResourcePool } from "../state/resources.ts";
import type { NodeAbout } from "../wire/command_messages.ts";
import type { Registration } from "../wire/messages.ts";
import type { BarWord, NodeRow } from "../wire/facts.ts";
import type { Peer } from "../wire/peer.ts";
import { NodeFacts } from "./node_facts.ts";
import { ObjectManager } from "./object_manager.ts";
import { type Joined, Processes } from "./processes.ts";
import type { RecentLines } from "./recent_lines.ts";

/** What a machine has. */
export interface MachineOptions {
  nodeId: NodeId;
  tag: NodeTag;
  /** What its node is part of. */
  about: NodeAbout;
  /** What its processes printed lately. */
  recent: RecentLines;
  /** Where it takes connections; "local" where nobody comes from elsewhere. */
  address: string;
  resources: ResourceAmounts;
  labels: Record<string, string>;
  /** Of its object store. */
  capacityBytes: number;
  /** Holds sockets and files. */
  folder: string;
}

/** One machine. */
export class Machine {
  readonly pool: ResourcePool;
  readonly objects: ObjectManager;
  readonly processes = new Processes();
  readonly recent: RecentLines;
  readonly facts: NodeFacts;
  readonly #options: MachineOptions;

  constructor(options: MachineOptions) {
    this.#options = options;
    this.pool = new ResourcePool(options.resources);
    this.objects = new ObjectManager({
      capacityBytes: options.capacityBytes,
      spillFolder: `${options.folder}/spill`,
      describe: (processId) => this.processes.describe(processId),
    });
    const { objects, processes } = this;
    const { tag, about, recent } = options;
    this.recent = recent;
    this.facts = new NodeFacts({
      tag,
      about,
      recent,
      processes,
      objects,
      row: () => this.row(),
    });
  }

  /** A progress bar has moved: the driver draws it. */
  toDriver(word: BarWord): void {
    for (const { role, peer } of this.processes.ofJob(word.jobId)) {
      if (role === "driver") peer.notify("progress", word);
    }
  }

  /** A process says what it is. */
  joined(registration: Registration, peer: Peer): void {
    this.processes.joined(registration, peer);
    this.objects.processStarted(registration.processId, peer);
  }

  /** A connection ended: the process whose it was. */
  ended(peer: Peer): Joined | undefined {
    const ended = this.processes.ended(peer);
    if (ended !== undefined) this.objects.processEnded(ended.processId);
    return ended;
  }

  /** Why nothing with that strategy can run here, where there is no other machine. */
  refusal(strategy: SchedulingStrategy | undefined): string | undefined {
    if (typeof strategy !== "object" || strategy.soft === true) {
      return undefined;
    }
    const { nodeId, labels } = this.#options;
    if ("nodeId" in strategy) {
      return strategy.nodeId === nodeId
        ? undefined
        : `there is no node "${strategy.nodeId}"`;
    }
    const lacking = Object.entries(strategy.labels).find(([name, value]) =>
      labels[name] !== value
    );
    return lacking === undefined
      ? undefined
      : `no node bears the label ${lacking[0]}=${lacking[1]}`;
  }

  /** How `runtime.nodes()` shows it. */
  row(): NodeRow {
    const { nodeId, address, labels } = this.#options;
    return {
      nodeId,
      address,
      alive: true,
      resources: this.pool.total(),
      available: this.pool.available(),
      labels,
      pid: Deno.pid,
    };
  }
}
