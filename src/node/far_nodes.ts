/**
 * The other nodes of a cluster, as this one reaches them: one link to each,
 * made when it is needed, and streams over it to the processes there.
 *
 * A node that takes no connections (a driver's) is reached over the link that
 * it made, or is asked to make one. Who is there and who is gone is told by
 * the head, through `member.ts`.
 *
 * @module
 */
import { afterMs, monotonicMs } from "../base/clock.ts";
import { NodeDiedError } from "../base/errors.ts";
import { type NodeTag, nodeTagOf, type ProcessId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import type { NodeView } from "../base/nodes.ts";
import type { Channel, Link } from "../wire/link.ts";
import { headId } from "../wire/network.ts";
import type { SocketConn } from "../wire/socket.ts";

/** What reaching other nodes takes. */
export interface FarRooms {
  readonly self: NodeTag;
  /** Makes a link to where a node listens; without an address, to the head. */
  dial(address?: string): Promise<Link>;
  /** What is known of a node. */
  find(tag: NodeTag): NodeView | undefined;
  /** Which node is the head now. */
  headTag(): NodeTag | undefined;
  /** Has a node that takes no connections make a link to this one. */
  askFor(tag: NodeTag): void;
  /** A stream comes in, for what `to` names here; a command's may be for elsewhere. */
  arrived(to: string, channel: Channel, isCommand: boolean): void;
  /** The last link to a node has ended. */
  lost(tag: NodeTag, reason: string): void;
}

/** Reaches other nodes. */
export class FarNodes {
  readonly #rooms: FarRooms;
  readonly #links = new Map<NodeTag, Set<Link>>();
  readonly #dialling = new Map<NodeTag, Promise<Link>>();
  readonly #awaited = new Map<NodeTag, PromiseWithResolvers<Link>>();
  readonly #gone = new Map<NodeTag, string>();
  #isClosed = false;

  constructor(rooms: FarRooms) {
    this.#rooms = rooms;
  }

  /** A stream to a process of another node; fails with why there is none. */
  async open(processId: ProcessId): Promise<SocketConn> {
    const tag = processId === headId
      ? this.#rooms.headTag()
      : nodeTagOf(processId);
    if (tag === undefined) throw new Error("the head is not reached yet");
    const link = await this.#linkTo(tag);
    return link.open(processId);
  }

  /** A stream to whatever `to` names on a node. */
  async openAt(tag: NodeTag, to: string): Promise<SocketConn> {
    return (await this.#linkTo(tag)).open(to);
  }

  /** A link was made, by either side. */
  linked(link: Link): void {
    const tag = link.remote.tag as NodeTag;
    if (this.#isClosed || this.#gone.has(tag)) {
      return link.abort(this.#gone.get(tag) ?? "this node is leaving");
    }
    let links = this.#links.get(tag);
    if (links === undefined) this.#links.set(tag, links = new Set());
    links.add(link);
    const isCommand = link.remote.role === "client";
    link.onChannel = (to, channel) =>
      this.#rooms.arrived(to, channel, isCommand);
    this.#awaited.get(tag)?.resolve(link);
    this.#awaited.delete(tag);
    link.closed.then(({ reason }) => {
      links.delete(link);
      if (links.size > 0 || this.#isClosed) return;
      this.#links.delete(tag);
      this.#rooms.lost(tag, reason);
    });
  }

  /** The head says that a node is no more. */
  gone(tag: NodeTag, reason: string): void {
    this.#gone.set(tag, reason);
    if (this.#gone.size > limits.rememberedMax) {
      this.#gone.delete(this.#gone.keys().next().value!);
    }
    this.#awaited.get(tag)?.reject(this.#goneError(tag));
    this.#awaited.delete(tag);
    for (const link of this.#links.get(tag) ?? []) link.abort(reason);
  }

  /** Why a node is gone, if it is. */
  reasonOf(tag: NodeTag): string | undefined {
    return this.#gone.get(tag);
  }

  /** Makes a link to a node that asked for it. */
  reach(tag: NodeTag): void {
    this.#linkTo(tag).catch((error) =>
      log.debug(`node ${tag} was not reached: ${error}`)
    );
  }

  /** Ends all links in order. */
  async close(reason: string): Promise<void> {
    this.#isClosed = true;
    for (const awaited of this.#awaited.values()) {
      awaited.reject(new Error(reason));
    }
    const links = [...this.#links.values()].flatMap((links) => [...links]);
    await Promise.all(links.map((link) => link.close(reason)));
  }

  async #linkTo(tag: NodeTag): Promise<Link> {
    for (const link of this.#links.get(tag) ?? []) {
      if (!link.isClosed) return link;
    }
    if (this.#gone.has(tag)) throw this.#goneError(tag);
    let dialling = this.#dialling.get(tag);
    if (dialling === undefined) {
      dialling = this.#make(tag).finally(() => this.#dialling.delete(tag));
      this.#dialling.set(tag, dialling);
    }
    return await dialling;
  }

  async #make(tag: NodeTag): Promise<Link> {
    const untilMs = monotonicMs() + limits.linkWaitMs;
    for (;;) {
      // The head is where this node was told to find it, whatever it calls itself.
      const isHead = tag === this.#rooms.headTag();
      const address = isHead ? undefined : this.#rooms.find(tag)?.address;
      if (isHead || (address !== undefined && address !== "")) {
        const link = await this.#rooms.dial(address);
        this.linked(link);
        return link;
      }
      let awaited = this.#awaited.get(tag);
      if (awaited === undefined) {
        this.#awaited.set(tag, awaited = Promise.withResolvers());
        awaited.promise.catch(() => {}); // Whoever waits is told.
      }
      // Again and again: a word to a head that is killed is lost, and that
      // node may be one that has still to join a new one.
      this.#rooms.askFor(tag);
      const again = Promise.withResolvers<undefined>();
      const waitMs = Math.min(limits.linkAskMs, untilMs - monotonicMs());
      const timer = afterMs(waitMs, () => again.resolve(undefined));
      const link = await Promise.race([awaited.promise, again.promise])
        .finally(() => clearTimeout(timer));
      if (link !== undefined) return link;
      if (this.#isClosed || monotonicMs() >= untilMs) {
        throw new Error(`node ${tag} made no link`);
      }
    }
  }

  #goneError(tag: NodeTag): NodeDiedError {
    const reason = this.#gone.get(tag)!;
    return new NodeDiedError(`Cannot reach node ${tag}: ${reason}`, {
      nodeId: this.#rooms.find(tag)?.nodeId ?? tag,
    });
  }
}
