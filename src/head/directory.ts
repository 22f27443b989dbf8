/**
 * What a head must still know after it was killed: the actors of its cluster,
 * and which nodes it declared dead.
 *
 * @module
 */
import type { NodeTag } from "../base/ids.ts";
import type { ActorView } from "../state/actors.ts";

/** Keeps a head's knowledge. */
export interface Directory {
  /** An actor is new, or has changed. */
  told(view: ActorView): void;
  /** Nodes that were declared dead, and why. */
  dead(): Map<NodeTag, string>;
  /** A node is declared dead. */
  buried(tag: NodeTag, reason: string): void;
}

/** One that knows nothing of before, and forgets all. */
export function memoryDirectory(): Directory {
  const dead = new Map<NodeTag, string>();
  return {
    told: () => {},
    dead: () => dead,
    buried: (tag, reason) => dead.set(tag, reason),
  };
}
