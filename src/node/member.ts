/**
 * A node's membership in its cluster: joins at the head, tells how loaded the
 * node is, hears who is there and who is gone.
 *
 * While the head is away what is known stays, and the node goes on; it joins
 * again as soon as there is a head. A node that was declared dead meanwhile is
 * fenced: it must end what it runs and start anew.
 *
 * @module
 */
import { afterMs, monotonicMs, type Timer } from "../base/clock.ts";
import { AuthenticationError, ProtocolError } from "../base/errors.ts";
import type { NodeId, NodeTag } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import type { NodeView } from "../base/nodes.ts";
import type { ResourceAmounts } from "../base/spec.ts";
import type { ClusterView } from "../state/cluster_view.ts";
import { GreetingCutError } from "../wire/handshake.ts";
import type { Link } from "../wire/link.ts";
import type { Requests } from "../wire/messages.ts";
import type { ActorPlace, Bundle } from "../wire/facts.ts";
import type { Asker } from "../wire/standing_peer.ts";
import type { NoticeHandlers } from "../wire/peer.ts";

/** What a member needs, and tells. */
export interface MemberRooms {
  readonly view: ClusterView;
  /** Makes a link to the head, wherever it is told to be. */
  dialHead(): Promise<Link>;
  /** The head, over whichever connection there is. */
  readonly head: Asker;
  /** What this node is. */
  describe(): NodeView;
  /** This node is the head, and has changed. */
  ownChanged(view: NodeView): void;
  actors(): ActorPlace[];
  bundles(): Bundle[];
  infeasible(): ResourceAmounts[];
  /** The link is made; other nodes may be reached over it. */
  linked(link: Link): void;
  /** Nodes have joined, or changed. */
  changed(): void;
  gone(tag: NodeTag, reason: string): void;
  /** A link to a node is wanted that can't make one itself. */
  reach(tag: NodeTag): void;
  fenced(reason: string): void;
}

type Joined = Extract<Requests["node.join"]["answer"], { kind: "joined" }>;

/** Keeps one node in its cluster. */
export class Member {
  readonly #rooms: MemberRooms;
  readonly #nodeIds = new Map<NodeTag, NodeId>();
  #link: Link | undefined;
  #headTag: NodeTag | undefined;
  #clusterId = "";
  #loadTimer: Timer | undefined;
  #isJoined = false;
  #isClosed = false;

  constructor(rooms: MemberRooms) {
    this.#rooms = rooms;
  }

  /** Which node is the head now. */
  get headTag(): NodeTag | undefined {
    return this.#headTag;
  }

  /** Names the cluster, once this node has joined. */
  get clusterId(): string {
    return this.#clusterId;
  }

  /** The id of a node, also of one that is gone. */
  nodeIdOf(tag: NodeTag): NodeId {
    return this.#nodeIds.get(tag) ?? tag as string as NodeId;
  }

  /** Joins, and joins again whenever the head is another one. Resolves when joined for the first time. */
  async join(isPatient: boolean): Promise<void> {
    await this.#join(isPatient);
    this.#rejoin();
  }

  /** This node is the head itself. */
  isHead(tag: NodeTag): void {
    this.#headTag = tag;
  }

  /** What it hears. */
  notices(): NoticeHandlers {
    return {
      "nodes.changed": ({ nodes }) => this.#changed(nodes),
      "nodes.gone": ({ tags, reason }) => {
        for (const tag of tags) this.#gone(tag, reason);
      },
      "link.wanted": ({ to }) => this.#rooms.reach(to),
    };
  }

  /** Something of this node's load has changed: the head is told in a moment. */
  loaded(): void {
    if (this.#isClosed) return;
    this.#loadTimer ??= afterMs(limits.loadGatherMs, () => {
      this.#loadTimer = undefined;
      const own = this.#rooms.describe();
      if (own.isHead) return this.#rooms.ownChanged(own);
      if (!this.#isJoined) return;
      this.#rooms.view.updated(own);
      const { tag, available, resources, waitingCount, leaseCount } = own;
      const infeasible = this.#rooms.infeasible();
      this.#rooms.head.notify("node.load", {
        tag,
        available,
        resources,
        waitingCount,
        leaseCount,
        infeasible,
      });
    });
  }

  /** Leaves. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#loadTimer);
  }

  async #join(isPatient: boolean): Promise<void> {
    let delayMs: number = limits.redialMs;
    let isSaid = false;
    const startMs = monotonicMs();
    for (;;) {
      try {
        const link = this.#link = await this.#rooms.dialHead();
        this.#headTag = link.remote.tag as NodeTag;
        this.#rooms.linked(link);
        const answer = await this.#rooms.head.request("node.join", {
          view: this.#rooms.describe(),
          actors: this.#rooms.actors(),
          bundles: this.#rooms.bundles(),
          known: [...this.#rooms.view.all()].map(({ tag }) => tag),
        });
        if (answer.kind === "joined") this.#joined(answer);
        else this.#rooms.fenced(answer.reason);
        return;
      } catch (error) {
        if (this.#isClosed || isHopeless(error) || !isPatient) throw error;
        if (!isSaid && monotonicMs() - startMs > limits.waitSayMs) {
          isSaid = true;
          log.warn(
            `waiting for the head of the cluster: ${(error as Error).message}`,
          );
        }
      }
      await new Promise<void>((resolve) => afterMs(delayMs, resolve));
      delayMs = Math.min(delayMs * 2, limits.redialMsMax);
      if (this.#isClosed) throw new Error("this node is leaving");
    }
  }

  /** Goes on with whichever head there is. */
  async #rejoin(): Promise<void> {
    // The link of `join`, then each that takes its place.
    for (;;) {
      const link = this.#link;
      if (link === undefined) return;
      await link.closed;
      if (this.#isClosed) return;
      this.#isJoined = false;
      try {
        await this.#join(true);
        log.warn("the head of the cluster is back");
      } catch (error) {
        if (!this.#isClosed) {
          this.#rooms.fenced(
            `it can't join again: ${(error as Error).message}`,
          );
        }
        return;
      }
    }
  }

  #joined({ clusterId, nodes }: Joined): void {
    this.#clusterId = clusterId;
    this.#isJoined = true;
    this.#changed(nodes);
    for (const { tag, isHead } of [...this.#rooms.view.all()]) {
      if (isHead && tag !== this.#headTag) this.#gone(tag, "the head is anew");
    }
    this.loaded();
  }

  #changed(nodes: NodeView[]): void {
    for (const node of nodes) {
      this.#nodeIds.set(node.tag, node.nodeId);
      if (node.isHead) this.#headTag = node.tag;
      this.#rooms.view.updated(node);
    }
    this.#rooms.changed();
  }

  #gone(tag: NodeTag, reason: string): void {
    this.#rooms.view.gone(tag);
    this.#rooms.gone(tag, reason);
  }
}

/** No amount of waiting makes this side welcome there. */
function isHopeless(error: unknown): boolean {
  if (error instanceof AuthenticationError) return true;
  return error instanceof ProtocolError && !(error instanceof GreetingCutError);
}
