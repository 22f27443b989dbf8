/**
 * The head's table of placement groups: which waits for room, what is reserved
 * where, which are removed.
 *
 * Pure: told what nodes and owners did, answers what is to be done, in order.
 * Where bundles go is decided by `placement_groups.ts`.
 *
 * 1. A group is kept before a bundle of it is asked for, its places before
 *    anybody is told that it is there, its removal before it is given back: so
 *    a head that comes back knows at least as much as its nodes do.
 * 2. A node that joins says what it holds. What no group has there it gives
 *    back; what a group should have there, and it has not, is placed again.
 * 3. A bundle is asked for again after it was given back, never before.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import { type NodeTag, nodeTagOf, type ProcessId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import type { ResourceAmounts } from "../base/spec.ts";
import {
  type GroupNode,
  type GroupSpec,
  placeBundles,
} from "./placement_groups.ts";

/** A group, whose it is, and where each bundle is reserved. */
export interface KeptGroup extends GroupSpec {
  readonly groupId: string;
  readonly ownerId: ProcessId;
  readonly places: readonly (NodeTag | undefined)[];
}

/** One bundle of a group. */
export interface GroupBundle {
  groupId: string;
  index: number;
  amounts: ResourceAmounts;
}

/** What the head must do after an event, in order. */
export type GroupCommand =
  /** Write down how the group is, before going on. */
  | { kind: "keep"; group: KeptGroup }
  /** Ask a node; told by `reserved`. */
  | { kind: "reserve"; tag: NodeTag; bundle: GroupBundle }
  | { kind: "release"; tag: NodeTag; bundle: GroupBundle }
  /** All of it is reserved: whoever asked is told. */
  | { kind: "placed"; groupId: string }
  /** Write down that it is no more; then tell whoever asked, or waits to run in it. */
  | { kind: "remove"; groupId: string };

interface Asked {
  readonly tag: NodeTag;
  /** Undefined until it has answered. */
  isReserved: boolean | undefined;
  /** Whatever it answered, it is no more. */
  isGone: boolean;
}

interface Group extends KeptGroup {
  readonly places: (NodeTag | undefined)[];
  /** The bundles that nodes are asked for now. */
  asked: Map<number, Asked> | undefined;
  /** There may be more room than when they were asked. */
  isAgain: boolean;
}

/** The nodes that bundles may go to, looked at only where one has no place. */
export type GroupNodes = () => readonly GroupNode[];

/** Keeps the placement groups of one cluster. */
export class GroupTable {
  readonly #groups = new Map<string, Group>();
  /** Those of which a bundle has no place: the others cost nothing when there is room. */
  readonly #open = new Set<Group>();
  /** Removed while nodes were asked: what those then hold is given back. */
  readonly #leaving = new Map<string, Group>();
  /** The oldest are forgotten. */
  readonly #removed = new Set<string>();

  /** Whether it is there, placed or not. */
  has(groupId: string): boolean {
    return this.#groups.has(groupId);
  }

  /** Whether all of it is reserved. */
  isPlaced(groupId: string): boolean {
    const group = this.#groups.get(groupId);
    return group !== undefined && isWhole(group);
  }

  /** Whether it is known to be no more. */
  isRemoved(groupId: string): boolean {
    return this.#removed.has(groupId);
  }

  /** Groups that are no more, as far as they are remembered. */
  removedIds(): string[] {
    return [...this.#removed];
  }

  /** Who made the groups that are there. */
  owners(): Set<ProcessId> {
    return new Set(this.#groups.values().map(({ ownerId }) => ownerId));
  }

  /** Somebody makes a group. Idempotent. */
  created(
    group: Omit<KeptGroup, "places">,
    nodes: GroupNodes,
  ): GroupCommand[] {
    const { groupId, bundles } = group;
    if (this.has(groupId) || this.isRemoved(groupId)) return [];
    const places = bundles.map(() => undefined);
    const made = { ...group, places, asked: undefined, isAgain: false };
    this.#groups.set(groupId, made);
    this.#open.add(made);
    return [keep(made), ...this.#place(made, nodes)];
  }

  /** The head came back, and knew this group. */
  restored({ places, ...spec }: KeptGroup): void {
    assert(!this.has(spec.groupId), "A group is restored twice");
    const group: Group = {
      ...spec,
      places: [...places],
      asked: undefined,
      isAgain: false,
    };
    this.#groups.set(spec.groupId, group);
    if (!isWhole(group)) this.#open.add(group);
  }

  /** The head came back, and knew that this group is no more. */
  restoredRemoved(groupId: string): void {
    this.#remember(groupId);
  }

  /** There may be room. */
  changed(nodes: GroupNodes): GroupCommand[] {
    if (this.#open.size === 0) return [];
    const all = nodes();
    return [...this.#open].flatMap((group) => this.#place(group, () => all));
  }

  /** A node that was asked for a bundle has it now, or has no room. */
  reserved(
    { groupId, index }: Pick<GroupBundle, "groupId" | "index">,
    isReserved: boolean,
    nodes: GroupNodes,
  ): GroupCommand[] {
    const group = this.#groups.get(groupId) ?? this.#leaving.get(groupId);
    const asked = group?.asked?.get(index);
    assert(asked !== undefined, "A bundle was not asked for");
    asked.isReserved = isReserved;
    const all = [...group!.asked!];
    if (all.some(([, one]) => one.isReserved === undefined)) return [];
    return this.#answered(group!, all, nodes);
  }

  /** A node joined, and holds these bundles. */
  joined(
    tag: NodeTag,
    bundles: readonly GroupBundle[],
    nodes: GroupNodes,
  ): GroupCommand[] {
    const commands: GroupCommand[] = [];
    for (const bundle of bundles) {
      const { groupId, index } = bundle;
      const group = this.#groups.get(groupId) ?? this.#leaving.get(groupId);
      if (group?.asked?.get(index)?.tag === tag) continue; // It will answer.
      if (this.#groups.get(groupId)?.places[index] === tag) continue;
      commands.push({ kind: "release", tag, bundle });
    }
    const held = new Set(bundles.map(keyOf));
    for (const group of this.#groups.values()) {
      const lost = this.#lose(
        group,
        (index) =>
          group.places[index] === tag &&
          !held.has(keyOf(bundleOf(group, index))),
      );
      for (const index of lost) {
        // It may have come to hold it since it said so.
        const bundle = bundleOf(group, index);
        commands.push({ kind: "release", tag, bundle });
      }
      if (lost.length > 0) commands.push(keep(group));
    }
    return [...commands, ...this.changed(nodes)];
  }

  /** A node is gone: its bundles are placed again, and what its processes made is removed. */
  nodeGone(tag: NodeTag, nodes: GroupNodes): GroupCommand[] {
    const commands: GroupCommand[] = [];
    const all = [...this.#groups.values(), ...this.#leaving.values()];
    for (const { asked } of all) {
      for (const one of asked?.values() ?? []) one.isGone ||= one.tag === tag;
    }
    for (const group of [...this.#groups.values()]) {
      if (nodeTagOf(group.ownerId) === tag) {
        commands.push(...this.removed(group.groupId));
        continue;
      }
      const lost = this.#lose(group, (index) => group.places[index] === tag);
      if (lost.length > 0) commands.push(keep(group));
    }
    return [...commands, ...this.changed(nodes)];
  }

  /** A process is gone, and the groups that it made. */
  ownerEnded(ownerId: ProcessId): GroupCommand[] {
    return [...this.#groups.values()]
      .filter((group) => group.ownerId === ownerId)
      .flatMap(({ groupId }) => this.removed(groupId));
  }

  /** Somebody removes a group, also one that is not there yet. Idempotent. */
  removed(groupId: string): GroupCommand[] {
    if (this.isRemoved(groupId)) return [];
    this.#remember(groupId);
    const group = this.#groups.get(groupId);
    const commands: GroupCommand[] = [{ kind: "remove", groupId }];
    if (group === undefined) return commands;
    this.#groups.delete(groupId);
    this.#open.delete(group);
    if (group.asked !== undefined) this.#leaving.set(groupId, group);
    for (const [index, tag] of group.places.entries()) {
      if (tag === undefined) continue;
      const bundle = bundleOf(group, index);
      commands.push({ kind: "release", tag, bundle });
    }
    return commands;
  }

  /** Asserts every invariant; tests call it after each event. */
  validate(): void {
    for (const group of this.#groups.values()) {
      const { groupId, bundles, strategy, places, asked } = group;
      assert(!this.isRemoved(groupId), "A removed group is there");
      assert(this.#open.has(group) !== isWhole(group), "A group waits unseen");
      assert(places.length === bundles.length, "A bundle has no place");
      const all = [
        ...places.filter((tag) => tag !== undefined),
        ...asked?.values().map(({ tag }) => tag) ?? [],
      ];
      const count = new Set(all).size;
      assert(
        strategy !== "STRICT_SPREAD" || count === all.length,
        "STRICT_SPREAD shares a node",
      );
      assert(strategy !== "STRICT_PACK" || count <= 1, "STRICT_PACK is torn");
      for (const index of asked?.keys() ?? []) {
        assert(places[index] === undefined, "Asked for what is reserved");
      }
    }
    for (const { asked } of this.#leaving.values()) {
      assert(asked !== undefined, "A removed group waits for nothing");
    }
    assert(this.#removed.size <= limits.rememberedMax, "Remembers too much");
  }

  /** Asks for the bundles that have no place, where all of them have room. */
  #place(group: Group, nodes: GroupNodes): GroupCommand[] {
    const { bundles, strategy, places } = group;
    group.isAgain = group.asked !== undefined;
    if (group.isAgain) return [];
    const open = [...places.keys()].filter((at) => places[at] === undefined);
    if (open.length === 0) return [];
    const kept = new Set(places.filter((tag) => tag !== undefined));
    const isAllowed = ({ tag }: GroupNode) =>
      strategy === "STRICT_SPREAD"
        ? !kept.has(tag)
        : strategy === "STRICT_PACK"
        ? kept.size === 0 || kept.has(tag)
        : true;
    const spec = { bundles: open.map((at) => bundles[at]!), strategy };
    const tags = placeBundles(spec, nodes().filter(isAllowed));
    if (tags === undefined) return [];
    group.asked = new Map();
    const commands: GroupCommand[] = [];
    for (const [at, index] of open.entries()) {
      const tag = tags[at]!;
      group.asked.set(index, { tag, isReserved: undefined, isGone: false });
      const bundle = bundleOf(group, index);
      commands.push({ kind: "reserve", tag, bundle });
    }
    return commands;
  }

  /** Takes all that was asked for, or gives back what it got. */
  #answered(
    group: Group,
    all: [number, Asked][],
    nodes: GroupNodes,
  ): GroupCommand[] {
    const { groupId } = group;
    const isLeaving = this.#leaving.delete(groupId);
    group.asked = undefined;
    const isHeld = ({ isReserved, isGone }: Asked) => isReserved && !isGone;
    if (!isLeaving && all.every(([, one]) => isHeld(one))) {
      for (const [index, { tag }] of all) group.places[index] = tag;
      if (!isWhole(group)) return [keep(group), ...this.#place(group, nodes)];
      this.#open.delete(group);
      return [keep(group), { kind: "placed", groupId }];
    }
    const commands: GroupCommand[] = [];
    for (const [index, one] of all) {
      if (!isHeld(one)) continue;
      const bundle = bundleOf(group, index);
      commands.push({ kind: "release", tag: one.tag, bundle });
    }
    if (isLeaving || !group.isAgain) return commands;
    return [...commands, ...this.#place(group, nodes)];
  }

  /** Takes places from a group; answers those that it had. */
  #lose(group: Group, isLost: (index: number) => boolean): number[] {
    const lost = [...group.places.keys()].filter(isLost);
    for (const index of lost) group.places[index] = undefined;
    if (lost.length > 0) this.#open.add(group);
    return lost;
  }

  #remember(groupId: string): void {
    this.#removed.add(groupId);
    if (this.#removed.size <= limits.rememberedMax) return;
    const [oldest] = this.#removed;
    this.#removed.delete(oldest!);
  }
}

function isWhole({ places }: KeptGroup): boolean {
  return places.every((tag) => tag !== undefined);
}

function keep(
  { groupId, ownerId, bundles, strategy, places }: Group,
): GroupCommand {
  const group = { groupId, ownerId, bundles, strategy, places: [...places] };
  return { kind: "keep", group };
}

function bundleOf({ groupId, bundles }: KeptGroup, index: number): GroupBundle {
  return { groupId, index, amounts: bundles[index]! };
}

function keyOf({ groupId, index }: GroupBundle): string {
  return `${groupId}:${index}`;
}
