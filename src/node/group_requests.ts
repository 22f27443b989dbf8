/**
 * Lease requests for room in placement groups: they end with their group.
 *
 * @module
 */
import { limits } from "../base/limits.ts";
import type { ResourceAmounts } from "../base/spec.ts";
import { groupOf } from "../state/placement_groups.ts";
import type { LeaseAnswer } from "../wire/facts.ts";

const refusal: LeaseAnswer = {
  kind: "unschedulable",
  reason: "its placement group was removed",
};

/** The requests of one machine's processes. */
export class GroupRequests {
  /** Groups that are gone; the oldest are forgotten. */
  readonly #removed = new Set<string>();
  readonly #waiting = new Map<string, Set<() => void>>();

  /** What `ask` comes to; if the group is removed before, `withdraw` takes it back. */
  async answer(
    resources: ResourceAmounts,
    ask: () => LeaseAnswer | Promise<LeaseAnswer>,
    withdraw: () => void,
  ): Promise<LeaseAnswer> {
    const groupId = groupOf(resources);
    if (groupId === undefined) return await ask();
    if (this.#removed.has(groupId)) return refusal;
    const gone = Promise.withResolvers<LeaseAnswer>();
    const removed = () => {
      gone.resolve(refusal);
      withdraw();
    };
    const others = this.#waiting.get(groupId) ?? new Set();
    this.#waiting.set(groupId, others.add(removed));
    try {
      return await Promise.race([gone.promise, ask()]);
    } finally {
      others.delete(removed);
      if (others.size === 0) this.#waiting.delete(groupId);
    }
  }

  /** A group was removed. */
  removed(groupId: string): void {
    this.#removed.add(groupId);
    if (this.#removed.size > limits.rememberedMax) {
      const [oldest] = this.#removed;
      this.#removed.delete(oldest!);
    }
    for (const removed of [...this.#waiting.get(groupId) ?? []]) removed();
  }
}
