/**
 * Segments of other nodes, copied to this one when somebody here reads them,
 * and those of this one, handed out.
 *
 * A copy is a segment of the node's own under an id of its own. It comes
 * straight from a node that has the bytes, or is getting them, into shared
 * memory; from another one, from where it stopped, when that one is gone. It
 * goes when the object is freed.
 *
 * @module
 */
import {
  nodeProcessIdOf,
  type NodeTag,
  nodeTagOf,
  type ProcessId,
  type SegmentId,
} from "../base/ids.ts";
import { log } from "../base/log.ts";
import { segmentIdOf } from "../state/segment_events.ts";
import { SegmentSources } from "../state/segment_sources.ts";
import { collectGarbage, Segment, SegmentReader } from "../store/segment.ts";
import { copySpillFile } from "../store/spill.ts";
import type { Notices } from "../wire/messages.ts";
import type { Network } from "../wire/network.ts";
import type { NoticeHandlers, RequestHandlers } from "../wire/peer.ts";
import type { SocketConn } from "../wire/socket.ts";
import { fill, writeAll } from "../wire/streams.ts";
import type { ObjectManager } from "./object_manager.ts";

/** What copying takes. */
export interface FarSegmentRooms {
  /** This node's own process. */
  readonly self: ProcessId;
  readonly objects: ObjectManager;
  readonly network: Network;
  /** A stream to whatever `to` names on a node. */
  open(tag: NodeTag, to: string): Promise<SocketConn>;
  /** A process of another node owns something here. */
  watch(processId: ProcessId): void;
}

/** A copy, or one on its way. */
interface Copy {
  readonly copyId: SegmentId;
  readonly ready: Promise<void>;
  /** Its memory, once it is known how large it is. */
  segment: Segment | undefined;
  receivedBytes: number;
  grown: PromiseWithResolvers<void>;
  isOver: boolean;
}

const chunkBytes = 256 * 1024;
const headerBytes = 8;
const addressee = "segments/";

/** Copies segments between nodes. */
export class FarSegments {
  readonly #rooms: FarSegmentRooms;
  readonly #tag: NodeTag;
  readonly #sources: SegmentSources;
  readonly #copies = new Map<SegmentId, Copy>();
  readonly #byCopy = new Map<SegmentId, Copy>();
  #nextNo = 1;

  constructor(rooms: FarSegmentRooms) {
    this.#rooms = rooms;
    this.#tag = nodeTagOf(rooms.self);
    this.#sources = new SegmentSources(this.#tag);
    rooms.objects.processStarted(rooms.self, {
      notify: (kind, word) => this.#told(kind, word as never),
    });
  }

  /** Of each copy here, which segment it is of. */
  origins(): Map<SegmentId, SegmentId> {
    const origins = new Map<SegmentId, SegmentId>();
    for (const [origin, { copyId }] of this.#copies) {
      origins.set(copyId, origin);
    }
    return origins;
  }

  /** What it answers: to readers of this machine, and to other nodes. */
  requests(): RequestHandlers {
    const { objects, watch } = this.#rooms;
    return {
      "segment.adopt": (ask) => {
        if (nodeTagOf(ask.ownerId) !== this.#tag) watch(ask.ownerId);
        return objects.adopt(ask);
      },
      "segment.open": async ({ segmentId, mapping }, peer) => {
        const reader = peer.remote!.processId;
        if (nodeTagOf(segmentId) === this.#tag) {
          return await objects.open({ segmentId, mapping }, reader);
        }
        const copy = this.#copyOf(segmentId);
        try {
          await copy.ready;
        } catch (error) {
          return { lost: true, reason: (error as Error).message };
        }
        return await objects.open({ segmentId: copy.copyId, mapping }, reader);
      },
      "segment.locate": ({ segmentId, by, except }) => {
        const found = objects.find(segmentId);
        if (found === undefined) return {};
        const ask = { ownerId: found.owner, by, except };
        const from = this.#sources.located(segmentId, ask);
        return from === undefined ? {} : { from };
      },
    };
  }

  /** What it hears. */
  notices(): NoticeHandlers {
    const { objects } = this.#rooms;
    return {
      "segment.close": ({ segmentId, mapping }, peer) => {
        const own = this.#copies.get(segmentId)?.copyId ?? segmentId;
        objects.closed({ segmentId: own, mapping }, peer.remote!.processId);
      },
      "segment.free": (word, peer) => {
        const { segmentId, isUnreadable } = word;
        if (nodeTagOf(segmentId) === this.#tag) {
          objects.freed(segmentId, isUnreadable);
          return this.#freed(segmentId);
        }
        if (peer.remote?.role === "node") return this.#drop(segmentId);
        this.#tell(nodeTagOf(segmentId), "segment.free", word);
      },
      "segment.copied": ({ segmentId, by, isWhole }) =>
        this.#sources.copied(segmentId, by, isWhole),
    };
  }

  /** A stream came in; false if it is not for this room. */
  arrived(to: string, channel: SocketConn): boolean {
    if (!to.startsWith(addressee)) return false;
    const [segmentId, offset] = to.slice(addressee.length).split("/");
    this.#hand(segmentId as SegmentId, Number(offset), channel).catch(
      (error) => log.debug(`segment ${segmentId} was not handed out: ${error}`),
    ).finally(() => channel.close());
    return true;
  }

  /** A process is gone, and its objects with it. */
  processEnded(processId: ProcessId): void {
    for (const segmentId of this.#sources.ownerEnded(processId)) {
      this.#freed(segmentId);
    }
  }

  /** A node is gone: copies of what it wrote are of no use to anybody. */
  nodeGone(tag: NodeTag): void {
    this.#sources.nodeGone(tag);
    for (const [segmentId, copy] of [...this.#copies]) {
      if (nodeTagOf(segmentId) === tag && copy.isOver) this.#drop(segmentId);
    }
  }

  #freed(segmentId: SegmentId): void {
    for (const tag of this.#sources.freed(segmentId)) {
      this.#tell(tag, "segment.free", { segmentId });
    }
  }

  #drop(segmentId: SegmentId): void {
    const copy = this.#copies.get(segmentId);
    if (copy === undefined) return;
    this.#copies.delete(segmentId);
    copy.ready.then(() => this.#rooms.objects.freed(copy.copyId), () => {});
  }

  #copyOf(segmentId: SegmentId): Copy {
    const known = this.#copies.get(segmentId);
    if (known !== undefined) return known;
    const copyId = segmentIdOf(this.#rooms.self, this.#nextNo++);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    promise.catch(() => {}); // Each reader is told.
    const copy: Copy = {
      copyId,
      ready: promise,
      segment: undefined,
      receivedBytes: 0,
      grown: Promise.withResolvers(),
      isOver: false,
    };
    this.#copies.set(segmentId, copy);
    this.#byCopy.set(copyId, copy);
    this.#make(segmentId, copy).then(resolve, (error) => {
      if (this.#copies.get(segmentId) === copy) this.#copies.delete(segmentId);
      this.#byCopy.delete(copyId);
      copy.segment?.close();
      reject(error);
    }).finally(() => {
      copy.isOver = true;
      copy.grown.resolve();
    });
    return copy;
  }

  async #make(segmentId: SegmentId, copy: Copy): Promise<void> {
    const home = nodeProcessIdOf(nodeTagOf(segmentId));
    const except: NodeTag[] = [];
    let isWhole = false;
    try {
      for (;;) {
        const peer = await this.#rooms.network.peer(home);
        const by = this.#tag;
        const ask = { segmentId, by, except };
        const { from } = await peer.request("segment.locate", ask);
        if (from === undefined) throw new Error("it is gone from its node");
        try {
          await this.#copyFrom(from, segmentId, copy);
          break;
        } catch (error) {
          log.debug(`segment ${segmentId} did not come from ${from}: ${error}`);
          except.push(from);
        }
      }
      await this.#keep(copy);
      isWhole = true;
    } finally {
      const word = { segmentId, by: this.#tag, isWhole };
      this.#tell(nodeTagOf(segmentId), "segment.copied", word);
    }
  }

  async #copyFrom(
    from: NodeTag,
    segmentId: SegmentId,
    copy: Copy,
  ): Promise<void> {
    const to = `${addressee}${segmentId}/${copy.receivedBytes}`;
    const channel = await this.#rooms.open(from, to);
    try {
      const header = new Uint8Array(headerBytes);
      await wholly(header, channel);
      const byteLength = Number(
        new DataView(header.buffer).getBigUint64(0, true),
      );
      const segment = copy.segment ??= Segment.create(byteLength);
      const piece = new Uint8Array(chunkBytes);
      while (copy.receivedBytes < byteLength) {
        const left = byteLength - copy.receivedBytes;
        const count = await channel.read(piece.subarray(0, left));
        if (count === null) throw new Error("the stream ended early");
        segment.write(piece.subarray(0, count), copy.receivedBytes);
        copy.receivedBytes += count;
        copy.grown.resolve();
        copy.grown = Promise.withResolvers();
      }
    } finally {
      channel.close();
    }
  }

  async #keep({ copyId, segment }: Copy): Promise<void> {
    const { capacityBytes: byteLength, path } = segment!;
    const answer = await this.#rooms.objects.adopt({
      segmentId: copyId,
      ownerId: this.#rooms.self,
      byteLength,
      path,
    });
    if (answer.kind === "admitted") return;
    throw new Error("the object store of the reader's node has no room for it");
  }

  /** Hands out a segment of this node, or a copy that it has, or is getting. */
  async #hand(
    segmentId: SegmentId,
    offset: number,
    channel: SocketConn,
  ): Promise<void> {
    if (nodeTagOf(segmentId) !== this.#tag) {
      return await this.#handCopy(segmentId, offset, channel);
    }
    await this.#handOwn(segmentId, offset, channel);
  }

  async #handOwn(
    segmentId: SegmentId,
    offset: number,
    channel: SocketConn,
  ): Promise<void> {
    const { objects, self } = this.#rooms;
    const found = objects.find(segmentId);
    if (found === undefined) return;
    const { byteLength } = found;
    const mapping = this.#nextNo++;
    const place = await objects.open({ segmentId, mapping }, self);
    try {
      if ("lost" in place) return;
      await writeAll(channel, headerOf(byteLength));
      const span = { start: offset, end: byteLength };
      if ("path" in place) {
        const reader = new SegmentReader(place.path, byteLength);
        try {
          await handPieces(channel, reader, span);
        } finally {
          reader.close();
        }
      } else {
        const memory = await copySpillFile(place.file, byteLength);
        await writeAll(channel, new Uint8Array(memory, offset));
      }
    } finally {
      objects.closed({ segmentId, mapping }, self);
    }
  }

  async #handCopy(
    segmentId: SegmentId,
    offset: number,
    channel: SocketConn,
  ): Promise<void> {
    const copy = this.#copies.get(segmentId);
    if (copy === undefined) return;
    if (copy.isOver) return await this.#handOwn(copy.copyId, offset, channel);
    while (copy.segment === undefined && !copy.isOver) {
      await copy.grown.promise;
    }
    const { segment } = copy;
    if (segment === undefined) return;
    await writeAll(channel, headerOf(segment.capacityBytes));
    for (let at = offset; at < segment.capacityBytes;) {
      const end = copy.receivedBytes;
      if (end > at) {
        await handPieces(channel, segment, { start: at, end });
        at = end;
      } else if (copy.isOver) return;
      else await copy.grown.promise;
    }
  }

  /** The object store speaks to this node as to any process that writes. */
  #told<K extends keyof Notices>(kind: K, word: Notices[K]): void {
    if (kind === "segment.drop" || kind === "segment.recycle") {
      const { segmentId } = word as Notices["segment.drop"];
      this.#byCopy.get(segmentId)?.segment?.close();
      this.#byCopy.delete(segmentId);
    } else if (kind === "collect") {
      const { round } = word as Notices["collect"];
      collectGarbage();
      setTimeout(() => this.#rooms.objects.collected(this.#rooms.self, round));
    }
  }

  #tell<K extends keyof Notices>(
    tag: NodeTag,
    kind: K,
    notice: Notices[K],
  ): void {
    this.#rooms.network.tell(nodeProcessIdOf(tag), kind, notice);
  }
}

/** Sends a part of a segment, a piece at a time. */
async function handPieces(
  channel: SocketConn,
  from: Pick<Segment, "read">,
  { start, end }: { start: number; end: number },
): Promise<void> {
  const memory = new Uint8Array(chunkBytes);
  for (let at = start; at < end; at += chunkBytes) {
    const piece = memory.subarray(0, Math.min(chunkBytes, end - at));
    from.read(piece, at);
    await writeAll(channel, piece);
  }
}

function headerOf(byteLength: number): Uint8Array {
  const header = new Uint8Array(headerBytes);
  new DataView(header.buffer).setBigUint64(0, BigInt(byteLength), true);
  return header;
}

async function wholly(...args: Parameters<typeof fill>): Promise<void> {
  if (await fill(...args) < args[0].length) {
    throw new Error("the stream ended early");
  }
}
