/**
 * Where the actors of a cluster run: the head chooses a node for each start of
 * one, and tells it.
 *
 * An actor that no node can take waits until one can. What a node runs dies
 * with it.
 *
 * @module
 */
import { type ActorId, nodeProcessIdOf, type NodeTag } from "../base/ids.ts";
import { log } from "../base/log.ts";
import type { ActorSpec } from "../base/spec.ts";
import type { ClusterView } from "../state/cluster_view.ts";
import type { ActorPlace, CallKey } from "../wire/facts.ts";
import type { Network } from "../wire/network.ts";
import type { NoticeHandlers } from "../wire/peer.ts";
import type { ActorPlaces, DurableStore } from "./head.ts";

/** What placing takes. */
export interface PlacesRooms {
  readonly view: ClusterView;
  readonly network: Network;
  ended(
    actorId: ActorId,
    how: { incarnation: number; reason: string },
  ): void;
  readonly durable: DurableStore;
}

interface Placed {
  readonly tag: NodeTag;
  readonly incarnation: number;
}

interface Queued {
  readonly spec: ActorSpec;
  readonly incarnation: number;
}

/** Places the actors of one cluster. */
export class ClusterPlaces implements ActorPlaces {
  readonly durable: DurableStore;
  readonly #rooms: PlacesRooms;
  readonly #placed = new Map<ActorId, Placed>();
  readonly #queued = new Map<ActorId, Queued>();

  constructor(rooms: PlacesRooms) {
    this.#rooms = rooms;
    this.durable = rooms.durable;
  }

  /** What it hears from nodes. */
  notices(): NoticeHandlers {
    return {
      "actor.ended": ({ actorId, incarnation, reason }) => {
        const placed = this.#placed.get(actorId);
        if (placed?.incarnation !== incarnation) return;
        this.#placed.delete(actorId);
        this.#rooms.ended(actorId, { incarnation, reason });
      },
    };
  }

  start(spec: ActorSpec, incarnation: number): void {
    this.#queued.set(spec.actorId, { spec, incarnation });
    this.#advance();
  }

  stop(
    actorId: ActorId,
    { isGraceful, reason }: { isGraceful: boolean; reason: string },
  ): void {
    const queued = this.#queued.get(actorId);
    if (queued !== undefined) {
      this.#queued.delete(actorId);
      const { incarnation } = queued;
      return this.#rooms.ended(actorId, { incarnation, reason });
    }
    const placed = this.#placed.get(actorId);
    if (placed === undefined) return;
    const word = { actorId, isGraceful, reason };
    this.#rooms.network.tell(nodeProcessIdOf(placed.tag), "actor.halt", word);
  }

  async runs(call: CallKey): Promise<boolean> {
    const placed = this.#placed.get(call.actorId);
    if (placed === undefined) return false;
    try {
      const peer = await this.#rooms.network.peer(nodeProcessIdOf(placed.tag));
      return (await peer.request("actor.runs", call)).isRunning;
    } catch {
      // Its node is gone, and the call with it.
      return false;
    }
  }

  refusal(): undefined {
    return undefined; // A node that can take it may yet join.
  }

  /** Which node an actor is on. */
  tagOf(actorId: ActorId): NodeTag | undefined {
    return this.#placed.get(actorId)?.tag;
  }

  /** Actors that wait for a node. */
  waiting(): ActorSpec[] {
    return [...this.#queued.values()].map(({ spec }) => spec);
  }

  /** There may be room. */
  changed(): void {
    this.#advance();
  }

  /** An actor was found running: the head came back. */
  found(tag: NodeTag, { actorId, incarnation }: ActorPlace): void {
    this.#placed.set(actorId, { tag, incarnation });
  }

  /** Whether an incarnation runs somewhere, or waits to. */
  has({ actorId, incarnation }: ActorPlace): boolean {
    return this.#placed.get(actorId)?.incarnation === incarnation ||
      this.#queued.get(actorId)?.incarnation === incarnation;
  }

  /** A node is gone, and its actors with it. */
  nodeGone(tag: NodeTag, reason: string): void {
    for (const [actorId, placed] of [...this.#placed]) {
      if (placed.tag !== tag) continue;
      this.#placed.delete(actorId);
      const { incarnation } = placed;
      this.#rooms.ended(actorId, {
        incarnation,
        reason: `its node is gone (${reason})`,
      });
    }
  }

  #advance(): void {
    for (const [actorId, queued] of this.#queued) {
      const { spec, incarnation } = queued;
      const { tags } = this.#rooms.view.choose({
        resources: spec.resources,
        strategy: spec.strategy ?? "SPREAD",
      }, new Set());
      const [tag] = tags;
      if (tag === undefined) continue;
      this.#queued.delete(actorId);
      this.#placed.set(actorId, { tag, incarnation });
      this.#rooms.view.asked(tag, spec.resources);
      this.#place(tag, queued);
    }
  }

  async #place(tag: NodeTag, { spec, incarnation }: Queued): Promise<void> {
    const { actorId } = spec;
    try {
      const peer = await this.#rooms.network.peer(nodeProcessIdOf(tag));
      await peer.request("actor.place", { spec, incarnation });
    } catch (error) {
      log.debug(`actor ${actorId} was not placed: ${error}`);
      if (this.#placed.get(actorId)?.incarnation !== incarnation) return;
      this.#placed.delete(actorId);
      const reason = `its node did not start it: ${(error as Error).message}`;
      this.#rooms.ended(actorId, { incarnation, reason });
    }
  }
}
