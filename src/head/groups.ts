/**
 * Placement groups of a cluster: reserved on nodes whole or not at all, given
 * back when they are removed, or their maker is gone.
 *
 * Where bundles go is decided by `state/placement_groups.ts`. A group that
 * can't be placed waits for room. Bundles whose node is gone are placed again.
 *
 * @module
 */
import type { NodeTag, ProcessId } from "../base/ids.ts";
import { log } from "../base/log.ts";
import type { ResourceAmounts } from "../base/spec.ts";
import {
  type GroupNode,
  type GroupSpec,
  impossible,
  placeBundles,
} from "../state/placement_groups.ts";
import type { Bundle } from "../wire/facts.ts";
import type { RequestHandlers } from "../wire/peer.ts";

/** What keeping groups takes. */
export interface GroupsRooms {
  nodes(): GroupNode[];
  /** Takes a bundle's resources on a node; false where they are not free. */
  reserve(tag: NodeTag, bundle: Bundle): Promise<boolean>;
  release(tag: NodeTag, bundle: Bundle): void;
  /** A group is no more: what waits for it, or runs in it, is to end. */
  removed(groupId: string): void;
  /** No further node can join: what does not fit is refused. */
  isAlone: boolean;
}

interface Group extends GroupSpec {
  readonly groupId: string;
  readonly ownerId: ProcessId;
  /** Where each bundle is reserved. */
  readonly places: (NodeTag | undefined)[];
  readonly placed: PromiseWithResolvers<{ refusal?: string }>;
  isPlacing: boolean;
  isRemoved: boolean;
}

/** Keeps placement groups. */
export class Groups {
  readonly #rooms: GroupsRooms;
  readonly #groups = new Map<string, Group>();

  constructor(rooms: GroupsRooms) {
    this.#rooms = rooms;
  }

  /** What it answers. */
  requests(): RequestHandlers {
    return {
      "group.create": ({ groupId, bundles, strategy }, peer) => {
        const known = this.#groups.get(groupId);
        if (known !== undefined) return known.placed.promise;
        const spec = { bundles, strategy };
        const refusal = this.#rooms.isAlone
          ? impossible(spec, this.#rooms.nodes())
          : undefined;
        if (refusal !== undefined) return { refusal };
        const group: Group = {
          ...spec,
          groupId,
          ownerId: peer.remote!.processId,
          places: bundles.map(() => undefined),
          placed: Promise.withResolvers(),
          isPlacing: false,
          isRemoved: false,
        };
        this.#groups.set(groupId, group);
        this.#place(group);
        return group.placed.promise;
      },
      "group.remove": ({ groupId }) => {
        this.#remove(groupId);
        return {};
      },
    };
  }

  /** There may be room. */
  changed(): void {
    for (const group of this.#groups.values()) this.#place(group);
  }

  /** A process is gone, and the groups that it made. */
  ownerEnded(ownerId: ProcessId): void {
    for (const group of [...this.#groups.values()]) {
      if (group.ownerId === ownerId) this.#remove(group.groupId);
    }
  }

  /** A node is gone: its bundles are placed again. */
  nodeGone(tag: NodeTag): void {
    for (const { places } of this.#groups.values()) {
      places.forEach((place, at) => {
        if (place === tag) places[at] = undefined;
      });
    }
    this.changed();
  }

  async #place(group: Group): Promise<void> {
    const { bundles, strategy, places } = group;
    const open = bundles.keys().filter((at) => places[at] === undefined)
      .toArray();
    if (group.isPlacing || group.isRemoved || open.length === 0) return;
    group.isPlacing = true;
    try {
      const spec = { bundles: open.map((at) => bundles[at]!), strategy };
      const kept = new Set(places.filter((tag) => tag !== undefined));
      const nodes = this.#rooms.nodes().filter(({ tag }) =>
        strategy === "STRICT_SPREAD" ? !kept.has(tag) : true
      );
      const tags = placeBundles(spec, nodes);
      if (tags !== undefined) await this.#reserve(group, open, tags);
    } catch (error) {
      log.debug(`placement group ${group.groupId} waits: ${error}`);
    } finally {
      group.isPlacing = false;
    }
    if (places.every((tag) => tag !== undefined)) group.placed.resolve({});
  }

  /** Takes all, or gives back what it took. */
  async #reserve(
    group: Group,
    open: readonly number[],
    tags: readonly NodeTag[],
  ): Promise<void> {
    const taken: { tag: NodeTag; at: number }[] = [];
    let isWhole = true;
    for (const [place, at] of open.entries()) {
      const tag = tags[place]!;
      const isReserved = await this.#rooms.reserve(tag, bundleOf(group, at))
        .catch(() => false); // Its node is going.
      if (!isReserved) {
        isWhole = false;
        break;
      }
      taken.push({ tag, at });
    }
    for (const { tag, at } of taken) {
      if (isWhole && !group.isRemoved) group.places[at] = tag;
      else this.#rooms.release(tag, bundleOf(group, at));
    }
  }

  #remove(groupId: string): void {
    const group = this.#groups.get(groupId);
    if (group === undefined) return;
    this.#groups.delete(groupId);
    group.isRemoved = true;
    group.placed.resolve({ refusal: "it was removed" });
    group.places.forEach((tag, at) => {
      if (tag !== undefined) this.#rooms.release(tag, bundleOf(group, at));
    });
    this.#rooms.removed(groupId);
  }
}

function bundleOf({ groupId, bundles }: Group, index: number): Bundle {
  return { groupId, index, amounts: bundles[index] as ResourceAmounts };
}
