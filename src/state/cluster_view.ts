/**
 * What one node knows of all nodes of its cluster, and which of them a lease
 * request should go to.
 *
 * 1. Here, if this node has room and the strategy allows it.
 * 2. Else to the node with the most room among a few drawn at random from those
 *    that have some: so requests of many nodes spread, and the cost does not
 *    grow with their number.
 * 3. Where none has room, to the two of those drawn where the fewest wait.
 *
 * What is known may be late: the node that is asked decides. Pure.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import type { NodeId, NodeTag } from "../base/ids.ts";
import type { NodeView } from "../base/nodes.ts";
import type { ResourceAmounts, SchedulingStrategy } from "../base/spec.ts";

/** What a request asks of its place. */
export interface PlaceNeeds {
  resources: ResourceAmounts;
  strategy?: SchedulingStrategy;
  /** Where its large arguments lie. */
  near?: NodeTag;
}

/** Where to ask, the best first; none where no node could ever do. */
export interface Choice {
  tags: NodeTag[];
  /** The first has room, as far as is known. */
  hasRoom: boolean;
}

/** How many nodes are looked at for one request. */
const drawCount = 6;
/** How many are looked at before a request counts as one that no node can do. */
const searchMax = 100_000;

/** Nodes, drawn at random in no time. */
class Drawn {
  readonly #tags: NodeTag[] = [];
  readonly #at = new Map<NodeTag, number>();

  get size(): number {
    return this.#tags.length;
  }

  has(tag: NodeTag): boolean {
    return this.#at.has(tag);
  }

  set(tag: NodeTag, isIn: boolean): void {
    const at = this.#at.get(tag);
    if (isIn === (at !== undefined)) return;
    if (isIn) {
      this.#at.set(tag, this.#tags.length);
      this.#tags.push(tag);
      return;
    }
    const last = this.#tags.pop()!;
    this.#at.delete(tag);
    if (last === tag) return;
    this.#tags[at!] = last;
    this.#at.set(last, at!);
  }

  /** Up to `count` of them, each once, from a random place on. */
  *draw(count: number, random: () => number): Iterable<NodeTag> {
    const { length } = this.#tags;
    const start = Math.floor(random() * length);
    for (let step = 0; step < Math.min(count, length); step++) {
      yield this.#tags[(start + step) % length]!;
    }
  }
}

/** Knows the nodes of one cluster. */
export class ClusterView {
  readonly #self: NodeTag;
  readonly #random: () => number;
  readonly #nodes = new Map<NodeTag, NodeView>();
  /** By resource: who has any, and who has some of it free. */
  readonly #having = new Map<string, Drawn>();
  readonly #free = new Map<string, Drawn>();
  /** Nodes that run something, by id: a node that came anew may still have its old tag. */
  readonly #byId = new Map<NodeId, Set<NodeTag>>();

  constructor(self: NodeTag, random: () => number) {
    this.#self = self;
    this.#random = random;
  }

  /** How many nodes there are. */
  get size(): number {
    return this.#nodes.size;
  }

  /** A node is there, or has changed. */
  updated(view: NodeView): void {
    const { tag, nodeId } = view;
    const before = this.#nodes.get(tag);
    this.#nodes.set(tag, { ...view, available: { ...view.available } });
    if (view.isDriver) return;
    if (before === undefined) {
      let tags = this.#byId.get(nodeId);
      if (tags === undefined) this.#byId.set(nodeId, tags = new Set());
      tags.add(tag);
      set(this.#having, "", tag, true);
      set(this.#free, "", tag, true);
    }
    for (const name of Object.keys(before?.resources ?? {})) {
      if (name in view.resources) continue;
      set(this.#having, name, tag, false);
      set(this.#free, name, tag, false);
    }
    for (const [name, amount] of Object.entries(view.resources)) {
      set(this.#having, name, tag, amount > 0);
      set(this.#free, name, tag, (view.available[name] ?? 0) > 0);
    }
  }

  /** A node is gone. */
  gone(tag: NodeTag): void {
    const view = this.#nodes.get(tag);
    this.#nodes.delete(tag);
    if (view === undefined || view.isDriver) return;
    const tags = this.#byId.get(view.nodeId)!;
    tags.delete(tag);
    if (tags.size === 0) this.#byId.delete(view.nodeId);
    for (const name of ["", ...Object.keys(view.resources)]) {
      set(this.#having, name, tag, false);
      set(this.#free, name, tag, false);
    }
  }

  /** The node of that tag. */
  get(tag: NodeTag): NodeView | undefined {
    return this.#nodes.get(tag);
  }

  /** All nodes. */
  all(): Iterable<NodeView> {
    return this.#nodes.values();
  }

  /** The node of that id; the latest, where it came anew. */
  byId(nodeId: string): NodeView | undefined {
    const tags = [...this.#byId.get(nodeId as NodeId) ?? []];
    const latest = tags.at(-1);
    return latest && this.#nodes.get(latest);
  }

  /** A request went to a node: until that tells how it is, its room counts as taken. */
  asked(tag: NodeTag, resources: ResourceAmounts): void {
    const view = this.#nodes.get(tag);
    if (view === undefined) return;
    view.waitingCount++;
    for (const [name, amount] of Object.entries(resources)) {
      if (!(name in view.resources)) continue;
      const free = Math.max(0, (view.available[name] ?? 0) - amount);
      view.available[name] = free;
      if (!view.isDriver) set(this.#free, name, tag, free > 0);
    }
  }

  /** Where a request should go; `except` have it already. */
  choose(needs: PlaceNeeds, except: ReadonlySet<NodeTag>): Choice {
    const { strategy } = needs;
    if (typeof strategy === "object" && "nodeId" in strategy) {
      const named = this.byId(strategy.nodeId);
      const isThere = named !== undefined && !named.isDraining &&
        isPossible(named, needs);
      if (isThere || strategy.soft !== true) {
        return isThere && !except.has(named.tag)
          ? { tags: [named.tag], hasRoom: hasRoom(named, needs) }
          : { tags: [], hasRoom: false };
      }
    }
    if (typeof strategy === "object" && "labels" in strategy) {
      const fitting = this.#chooseAmong(needs, except, strategy.labels);
      if (fitting.tags.length > 0 || strategy.soft !== true) return fitting;
    }
    return this.#chooseAmong(needs, except);
  }

  /** Asserts every invariant. */
  validate(): void {
    for (const [tag, view] of this.#nodes) {
      assert(view.tag === tag, "Node under another's tag");
      if (view.isDriver) continue;
      const isNamed = this.#byId.get(view.nodeId)?.has(tag) ?? false;
      assert(isNamed, "A node is not known by its id");
      for (const [name, amount] of Object.entries(view.resources)) {
        const isHad = this.#having.get(name)?.has(tag) ?? false;
        assert(isHad === amount > 0, `Who has "${name}" is wrong`);
        const isFree = this.#free.get(name)?.has(tag) ?? false;
        const free = view.available[name] ?? 0;
        assert(isFree === free > 0, `Who has "${name}" free is wrong`);
      }
    }
    for (const index of [this.#having, this.#free]) {
      for (const [name, drawn] of index) {
        assert(drawn.size > 0, `Nobody has "${name}", and it is kept`);
        for (const tag of drawn.draw(drawn.size, () => 0)) {
          const view = this.#nodes.get(tag);
          assert(view !== undefined, "A node that is gone can be drawn");
          const has = name === "" || name in view.resources;
          assert(has, `A node without "${name}" can be drawn for it`);
        }
      }
    }
  }

  #chooseAmong(
    needs: PlaceNeeds,
    except: ReadonlySet<NodeTag>,
    labels?: Record<string, string>,
  ): Choice {
    const mayBe = (view: NodeView | undefined): view is NodeView =>
      view !== undefined && !view.isDriver && !view.isDraining &&
      !except.has(view.tag) &&
      isPossible(view, needs) && (labels === undefined || bears(view, labels));
    if (needs.strategy !== "SPREAD") {
      for (const tag of [needs.near, this.#self]) {
        const view = tag && this.#nodes.get(tag);
        if (mayBe(view || undefined) && hasRoom(view as NodeView, needs)) {
          return { tags: [(view as NodeView).tag], hasRoom: true };
        }
      }
    }
    const rarest = this.#rarest(needs.resources);
    const roomy = this.#draw(
      this.#free.get(rarest),
      (view) => mayBe(view) && hasRoom(view, needs),
      { drawn: drawCount, searched: 64 },
    );
    if (roomy.length > 0) {
      roomy.sort((a, b) => loadOf(a) - loadOf(b));
      return { tags: [roomy[0]!.tag], hasRoom: true };
    }
    const possible = this.#draw(this.#having.get(rarest), mayBe, {
      drawn: drawCount,
      searched: searchMax,
    });
    possible.sort((a, b) => queueOf(a) - queueOf(b));
    return { tags: possible.slice(0, 2).map(({ tag }) => tag), hasRoom: false };
  }

  /** The first few that will do, of those from a random place on. */
  #draw(
    drawn: Drawn | undefined,
    willDo: (view: NodeView) => boolean,
    max: { drawn: number; searched: number },
  ): NodeView[] {
    const found: NodeView[] = [];
    for (const tag of drawn?.draw(max.searched, this.#random) ?? []) {
      const view = this.#nodes.get(tag)!;
      if (!willDo(view)) continue;
      found.push(view);
      if (found.length === max.drawn) break;
    }
    return found;
  }

  /** The resource that the fewest nodes have. */
  #rarest(resources: ResourceAmounts): string {
    let rarest = "";
    let fewest = Infinity;
    for (const [name, amount] of Object.entries(resources)) {
      const count = this.#having.get(name)?.size ?? 0;
      if (amount <= 0 || count >= fewest) continue;
      rarest = name;
      fewest = count;
    }
    return rarest;
  }
}

/** Nodes of one resource; a name that nobody has any more is not kept. */
function set(
  index: Map<string, Drawn>,
  name: string,
  tag: NodeTag,
  isIn: boolean,
): void {
  let drawn = index.get(name);
  if (drawn === undefined) {
    if (!isIn) return;
    index.set(name, drawn = new Drawn());
  }
  drawn.set(tag, isIn);
  if (drawn.size === 0) index.delete(name);
}

function isPossible({ resources }: NodeView, needs: PlaceNeeds): boolean {
  return covers(resources, needs.resources);
}

function hasRoom({ available }: NodeView, needs: PlaceNeeds): boolean {
  return covers(available, needs.resources);
}

function covers(has: ResourceAmounts, needed: ResourceAmounts): boolean {
  for (const [name, amount] of Object.entries(needed)) {
    if ((has[name] ?? 0) < amount) return false;
  }
  return true;
}

function bears(view: NodeView, labels: Record<string, string>): boolean {
  return Object.entries(labels).every(([name, value]) =>
    view.labels[name] === value
  );
}

/** Which part of its CPUs is taken. */
function loadOf({ available, resources }: NodeView): number {
  const total = resources["CPU"] ?? 0;
  return total === 0 ? 1 : 1 - (available["CPU"] ?? 0) / total;
}

/** How many wait there for each CPU. */
function queueOf({ waitingCount, resources }: NodeView): number {
  return waitingCount / Math.max(1, resources["CPU"] ?? 0);
}
