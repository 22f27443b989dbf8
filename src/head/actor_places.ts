/**
 * Where the actors of a cluster run: the head chooses a node for each start of
 * one, and tells it.
 *
 * An actor that no node can take waits until one can. What a node runs dies
 * with it. A head that came back expects actors where they were placed, until
 * their nodes have joined and say what they run.
 *
 * @module
 */
import { afterMs } from "../base/clock.ts";
import { type ActorId, nodeProcessIdOf, type NodeTag } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
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
  /** A node is not known to run what it was placed to run. */
  missed(
    actorId: ActorId,
    how: { incarnation: number; reason: string },
  ): void;
  /** Writes down which node is to run an actor, before that is told. */
  keep(actorId: ActorId, tag: NodeTag): void;
  readonly durable: DurableStore;
}

interface Placed {
  readonly tag: NodeTag;
  readonly incarnation: number;
}

interface Queued {
  readonly spec: ActorSpec;
  readonly incarnation: number;
  /** Nodes that can't take it, though they have room. */
  readonly refusers: ReadonlySet<NodeTag>;
}

/** Places the actors of one cluster. */
export class ClusterPlaces implements ActorPlaces {
  readonly durable: DurableStore;
  readonly #rooms: PlacesRooms;
  readonly #placed = new Map<ActorId, Placed>();
  readonly #queued = new Map<ActorId, Queued>();
  /** Placed by an earlier head, on nodes that have not joined this one yet. */
  readonly #expected = new Set<ActorId>();

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
        this.#expected.delete(actorId);
        this.#rooms.ended(actorId, { incarnation, reason });
      },
    };
  }

  start(spec: ActorSpec, incarnation: number): void {
    const refusers = new Set<NodeTag>();
    this.#queued.set(spec.actorId, { spec, incarnation, refusers });
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

  /** The head came back: an actor is to be on a node. */
  expect(tag: NodeTag, { actorId, incarnation }: ActorPlace): void {
    this.#placed.set(actorId, { tag, incarnation });
    this.#expected.add(actorId);
  }

  /** A node joined, and runs `found`, as they are to be. */
  joined(tag: NodeTag, found: readonly ActorPlace[]): void {
    for (const { actorId, incarnation } of found) {
      const placed = this.#placed.get(actorId);
      this.#expected.delete(actorId);
      if (placed !== undefined && placed.tag !== tag) {
        this.halt(tag, { actorId, incarnation }, "it runs elsewhere");
        continue;
      }
      if (placed === undefined) this.#rooms.keep(actorId, tag);
      this.#queued.delete(actorId);
      this.#placed.set(actorId, { tag, incarnation });
    }
    for (const actorId of [...this.#expected]) {
      const placed = this.#placed.get(actorId)!;
      if (placed.tag === tag) this.#miss(actorId, placed);
    }
  }

  /** A node runs an actor that is not to be. */
  halt(tag: NodeTag, place: ActorPlace, reason: string): void {
    const word = { ...place, isGraceful: false, reason };
    this.#rooms.network.tell(nodeProcessIdOf(tag), "actor.halt", word);
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
      const how = { incarnation, reason: `its node is gone (${reason})` };
      if (this.#expected.delete(actorId)) this.#rooms.missed(actorId, how);
      else this.#rooms.ended(actorId, how);
    }
  }

  #miss(actorId: ActorId, { incarnation }: Placed): void {
    this.#placed.delete(actorId);
    this.#expected.delete(actorId);
    const reason = "it ended while the head was away";
    this.#rooms.missed(actorId, { incarnation, reason });
  }

  #advance(): void {
    for (const [actorId, queued] of this.#queued) {
      const { spec, incarnation, refusers } = queued;
      const { tags } = this.#rooms.view.choose({
        resources: spec.resources,
        strategy: spec.strategy ?? "SPREAD",
      }, refusers);
      const [tag] = tags;
      if (tag === undefined) continue;
      this.#queued.delete(actorId);
      this.#placed.set(actorId, { tag, incarnation });
      this.#rooms.view.asked(tag, spec.resources);
      this.#rooms.keep(spec.actorId, tag);
      this.#place(tag, queued);
    }
  }

  /** A node can't take it: where no other can, it ends, unless one comes soon. */
  #refused(queued: Queued, reason: string): void {
    const { spec: { actorId }, incarnation } = queued;
    this.#queued.set(actorId, queued);
    this.#advance();
    afterMs(limits.startRetryMs, () => {
      if (this.#queued.get(actorId) !== queued) return;
      this.#queued.delete(actorId);
      this.#rooms.ended(actorId, { incarnation, reason });
    });
  }

  async #place(tag: NodeTag, queued: Queued): Promise<void> {
    const { spec, incarnation } = queued;
    const { actorId } = spec;
    const isPresent = () =>
      this.#placed.get(actorId)?.incarnation === incarnation;
    try {
      const peer = await this.#rooms.network.peer(nodeProcessIdOf(tag));
      const ask = { spec, incarnation };
      const { refusal } = await peer.request("actor.place", ask);
      if (refusal === undefined || !isPresent()) return;
      this.#placed.delete(actorId);
      this.#refused({
        ...queued,
        refusers: queued.refusers.union(new Set([tag])),
      }, refusal);
    } catch (error) {
      log.debug(`actor ${actorId} was not placed: ${error}`);
      if (!isPresent()) return;
      this.#placed.delete(actorId);
      const reason = `its node did not start it: ${(error as Error).message}`;
      this.#rooms.ended(actorId, { incarnation, reason });
    }
  }
}
