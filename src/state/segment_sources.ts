/**
 * From which node a copy of a segment is to be made.
 *
 * The node where it was written gives its copies to few at once; who comes
 * then is sent to those that have it, or are getting it: so a broadcast costs
 * its origin no more than two copies, and takes the time of a few. Pure.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import type { NodeTag, ProcessId, SegmentId } from "../base/ids.ts";

/** Copies that one node hands out at once. */
const handedMax = 2;

interface Source {
  /** Who copies from it now. */
  readonly takers: Set<NodeTag>;
}

interface Located {
  readonly ownerId: ProcessId;
  /** The origin first. */
  readonly sources: Map<NodeTag, Source>;
  readonly takenFrom: Map<NodeTag, NodeTag>;
}

/** Knows who has copies of the segments that were written on one node. */
export class SegmentSources {
  readonly #self: NodeTag;
  readonly #located = new Map<SegmentId, Located>();

  constructor(self: NodeTag) {
    this.#self = self;
  }

  /** A node wants a copy; it has tried `except` without success. */
  located(
    segmentId: SegmentId,
    { ownerId, by, except }: {
      ownerId: ProcessId;
      by: NodeTag;
      except: readonly NodeTag[];
    },
  ): NodeTag | undefined {
    let located = this.#located.get(segmentId);
    if (located === undefined) {
      const origin: Source = { takers: new Set() };
      located = {
        ownerId,
        sources: new Map([[this.#self, origin]]),
        takenFrom: new Map(),
      };
      this.#located.set(segmentId, located);
    }
    this.#leave(located, by);
    let best: NodeTag | undefined;
    for (const [tag, { takers }] of located.sources) {
      if (except.includes(tag) || isBehind(located, tag, by)) continue;
      if (takers.size < handedMax) {
        best = tag;
        break;
      }
      const fewest = best && located.sources.get(best)!.takers.size;
      if (fewest === undefined || takers.size < fewest) best = tag;
    }
    if (best === undefined) return undefined;
    located.sources.get(best)!.takers.add(by);
    located.takenFrom.set(by, best);
    if (!located.sources.has(by)) {
      // Those that it left in the lurch may not know yet, and still wait for it.
      const left = [...located.takenFrom].filter(([, from]) => from === by);
      located.sources.set(by, { takers: new Set(left.map(([tag]) => tag)) });
    }
    return best;
  }

  /** A node has its copy, or gave up. */
  copied(segmentId: SegmentId, by: NodeTag, isWhole: boolean): void {
    const located = this.#located.get(segmentId);
    if (located === undefined) return;
    this.#leave(located, by);
    if (!isWhole) located.sources.delete(by);
  }

  /** The segment is freed: who has copies of it. */
  freed(segmentId: SegmentId): NodeTag[] {
    const located = this.#located.get(segmentId);
    this.#located.delete(segmentId);
    return [...located?.sources.keys() ?? []].filter((tag) =>
      tag !== this.#self
    );
  }

  /** A process is gone, and its objects with it: which of them have copies. */
  ownerEnded(ownerId: ProcessId): SegmentId[] {
    return [...this.#located].filter(([, located]) =>
      located.ownerId === ownerId
    ).map(([segmentId]) => segmentId);
  }

  /** A node is gone. */
  nodeGone(tag: NodeTag): void {
    for (const located of this.#located.values()) {
      this.#leave(located, tag);
      located.sources.delete(tag);
    }
  }

  /** Asserts every invariant. */
  validate(): void {
    for (const { sources, takenFrom } of this.#located.values()) {
      assert(sources.has(this.#self), "A segment has no origin");
      for (const [by, from] of takenFrom) {
        const takers = sources.get(from)?.takers;
        assert(takers === undefined || takers.has(by), "A copy from nowhere");
      }
      for (const [tag, { takers }] of sources) {
        for (const taker of takers) {
          assert(takenFrom.get(taker) === tag, "A taker is elsewhere");
        }
      }
    }
  }

  #leave(located: Located, by: NodeTag): void {
    const from = located.takenFrom.get(by);
    if (from === undefined) return;
    located.takenFrom.delete(by);
    located.sources.get(from)?.takers.delete(by);
  }
}

/** Whether a node's own copy comes, by whatever way, from another: they must not wait for each other. */
function isBehind(
  { takenFrom }: Located,
  tag: NodeTag,
  by: NodeTag,
): boolean {
  for (let at: NodeTag | undefined = tag; at !== undefined;) {
    if (at === by) return true;
    at = takenFrom.get(at);
  }
  return false;
}
