/**
 * The nodes of a cluster as its head knows them: who joined, how loaded each
 * is, who is gone; and all nodes are told of it.
 *
 * A node is gone when its link is: it left, or nothing was heard of it for
 * longer than a link may be silent. What comes back under the same tag is
 * fenced.
 *
 * @module
 */
import { afterMs, type Timer } from "../base/clock.ts";
import type { NodeTag } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import type { NodeView } from "../base/nodes.ts";
import type { ResourceAmounts } from "../base/spec.ts";
import type { ClusterView } from "../state/cluster_view.ts";
import type { ActorPlace, Bundle, NodeRow } from "../wire/facts.ts";
import type { NoticeHandlers, Peer, RequestHandlers } from "../wire/peer.ts";

/** What keeping members takes. */
export interface MembersRooms {
  readonly clusterId: string;
  /** The head's own node among them. */
  readonly view: ClusterView;
  /** Tags of nodes that were declared dead, the latest last, also before the head came back. */
  readonly dead: ReadonlyMap<NodeTag, string>;
  /** How long nodes that others know may take to join. */
  readonly rejoinGraceMs: number;
  /** Nodes that it knew, as far as they are not declared dead. */
  readonly expected: Iterable<NodeTag>;
  /** A node joined, runs these actors, and holds these bundles. */
  joined(tag: NodeTag, actors: ActorPlace[], bundles: Bundle[]): void;
  /** There may be room. */
  changed(): void;
  gone(tag: NodeTag, reason: string): void;
  /** A tag is never to come back. */
  buried(tag: NodeTag, reason: string): void;
}

/** Keeps the members of one cluster. */
export class Members {
  readonly #rooms: MembersRooms;
  readonly #peers = new Map<NodeTag, Peer>();
  readonly #changed = new Set<NodeTag>();
  readonly #infeasible = new Map<NodeTag, ResourceAmounts[]>();
  readonly #drains = new Map<NodeTag, PromiseWithResolvers<void>>();
  /** Rows of nodes that are gone, the latest last. */
  readonly #past: NodeRow[] = [];
  /** Nodes that were known before this head, until its grace is over. */
  readonly #awaited: Set<NodeTag>;
  #isGraceOver = false;
  #timer: Timer | undefined;
  readonly #graceTimer: Timer;

  constructor(rooms: MembersRooms) {
    this.#rooms = rooms;
    this.#awaited = new Set(rooms.expected);
    this.#graceTimer = afterMs(rooms.rejoinGraceMs, () => {
      this.#isGraceOver = true;
      for (const tag of this.#awaited) this.#knownOf(tag);
      this.#awaited.clear();
    });
  }

  /** What it answers. */
  requests(): RequestHandlers {
    return {
      "node.join": ({ view, actors, bundles, known }, peer) => {
        const { tag } = view;
        const reason = this.#rooms.dead.get(tag);
        if (reason !== undefined) return { kind: "fenced", reason };
        this.#peers.set(tag, peer);
        this.#rooms.view.updated(view);
        this.#rooms.joined(tag, actors, bundles);
        this.#told(tag);
        for (const other of known) this.#knownOf(other, peer);
        const nodes = [...this.#rooms.view.all()];
        return { kind: "joined", clusterId: this.#rooms.clusterId, nodes };
      },
      "node.rows": () => ({ nodes: this.rows() }),
      "node.drain": ({ nodeId }) => this.#drain(nodeId),
    };
  }

  /** What it hears. */
  notices(): NoticeHandlers {
    return {
      "node.load": ({ infeasible, ...load }) => {
        const { tag } = load;
        const view = this.#rooms.view.get(tag);
        if (view === undefined) return;
        this.#rooms.view.updated({ ...view, ...load });
        this.#drainMore(tag);
        if (infeasible.length > 0) this.#infeasible.set(tag, infeasible);
        else this.#infeasible.delete(tag);
        this.#told(tag);
      },
      "link.ask": ({ from, to }) =>
        this.#peers.get(to)?.notify("link.wanted", { to: from }),
    };
  }

  /** The head's own node has changed. */
  ownChanged(view: NodeView): void {
    this.#rooms.view.updated(view);
    this.#told(view.tag);
  }

  /** Requests that no node can do, as things are. */
  infeasible(): ResourceAmounts[] {
    return [...this.#infeasible.values()].flat();
  }

  /** The last link to a node has ended. */
  lost(tag: NodeTag, reason: string): void {
    const view = this.#rooms.view.get(tag);
    if (view === undefined) return;
    this.#peers.delete(tag);
    this.#infeasible.delete(tag);
    this.#changed.delete(tag);
    if (!view.isDriver) {
      this.#past.push({ ...rowOf(view), alive: false, available: {} });
      if (this.#past.length > limits.pastNodesMax) this.#past.shift();
    }
    this.#rooms.view.gone(tag);
    this.#bury(tag, reason);
    this.#drains.get(tag)?.resolve();
    this.#drains.delete(tag);
  }

  /** How `runtime.nodes()` shows them. */
  rows(): NodeRow[] {
    const present = [...this.#rooms.view.all()].filter((view) =>
      !view.isDriver
    );
    const ids = new Set(present.map(({ nodeId }) => nodeId));
    const past = this.#past.filter(({ nodeId }) => !ids.has(nodeId));
    return [...present.map(rowOf), ...past];
  }

  /** Nothing more is told. */
  close(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#graceTimer);
  }

  /** Tells a node to leave. */
  stop(tag: NodeTag, reason: string): void {
    this.#peers.get(tag)?.notify("node.stop", { reason });
  }

  /** All nodes but the head's own, and drivers. */
  *others(): Iterable<NodeTag> {
    for (const { tag, isHead, isDriver } of this.#rooms.view.all()) {
      if (!isHead && !isDriver) yield tag;
    }
  }

  #bury(tag: NodeTag, reason: string): void {
    this.#rooms.buried(tag, reason);
    for (const peer of this.#peers.values()) {
      peer.notify("nodes.gone", { tags: [tag], reason });
    }
    this.#rooms.gone(tag, reason);
  }

  /**
   * A node was known before this head. One that does not come back in time is
   * declared dead here, and not by each on its own: else those that did so
   * would refuse it when it comes after all.
   */
  #knownOf(tag: NodeTag, teller?: Peer): void {
    if (this.#rooms.view.get(tag) !== undefined) return;
    const reason = this.#rooms.dead.get(tag);
    if (reason !== undefined) {
      teller?.notify("nodes.gone", { tags: [tag], reason });
    } else if (this.#isGraceOver) this.#bury(tag, "it did not come back");
    else this.#awaited.add(tag);
  }

  async #drain(nodeId: string): Promise<{ failure?: string }> {
    const view = this.#rooms.view.byId(nodeId);
    if (view === undefined) return { failure: `there is no node "${nodeId}"` };
    if (view.isHead) {
      return { failure: "the head can't be drained: use cluster stop" };
    }
    const { tag } = view;
    let drain = this.#drains.get(tag);
    if (drain === undefined) {
      this.#drains.set(tag, drain = Promise.withResolvers<void>());
      this.#rooms.view.updated({ ...view, isDraining: true });
      this.#told(tag);
      this.#drainMore(tag);
    }
    await drain.promise;
    return {};
  }

  /** A node that drains and runs nothing more leaves. */
  #drainMore(tag: NodeTag): void {
    const view = this.#rooms.view.get(tag);
    if (!this.#drains.has(tag) || view === undefined) return;
    const isIdle = view.leaseCount === 0 && view.waitingCount === 0;
    if (isIdle) this.stop(tag, "it was drained");
  }

  #told(tag: NodeTag): void {
    this.#changed.add(tag);
    this.#timer ??= afterMs(limits.viewGatherMs, () => {
      this.#timer = undefined;
      const nodes = [...this.#changed].map((tag) => this.#rooms.view.get(tag))
        .filter((view) => view !== undefined);
      this.#changed.clear();
      if (nodes.length === 0) return;
      for (const peer of this.#peers.values()) {
        peer.notify("nodes.changed", { nodes });
      }
      this.#rooms.changed();
    });
  }
}

function rowOf(
  { nodeId, address, resources, available, labels, pid }: NodeView,
): NodeRow {
  return { nodeId, address, alive: true, resources, available, labels, pid };
}
