/**
 * Bundles of placement groups on one machine: what is reserved becomes
 * resources under the group's names, until it is given back.
 *
 * @module
 */
import { bundleResources } from "../state/placement_groups.ts";
import type { ResourcePool } from "../state/resources.ts";
import { toUnits } from "../state/resources.ts";
import type { Bundle } from "../wire/facts.ts";

/** Keeps the bundles of one machine. */
export class Bundles {
  readonly #pool: ResourcePool;
  readonly #changed: () => void;
  readonly #reserved = new Map<string, Bundle>();

  /** `changed` is called when resources have come or gone. */
  constructor(pool: ResourcePool, changed: () => void) {
    this.#pool = pool;
    this.#changed = changed;
  }

  /** All that is reserved here. */
  all(): Bundle[] {
    return [...this.#reserved.values()];
  }

  /** Takes a bundle's resources; false where they are not free. Idempotent. */
  reserve(bundle: Bundle): boolean {
    const { groupId, index, amounts } = bundle;
    const key = `${groupId}:${index}`;
    if (this.#reserved.has(key)) return true;
    const units = toUnits(amounts);
    if (!this.#pool.fits(units)) return false;
    this.#reserved.set(key, bundle);
    this.#pool.take(units);
    this.#pool.extend(toUnits(bundleResources(groupId, index, amounts)));
    this.#changed();
    return true;
  }

  /** Gives a bundle's resources back. */
  release({ groupId, index, amounts }: Bundle): void {
    if (!this.#reserved.delete(`${groupId}:${index}`)) return;
    this.#pool.retract(toUnits(bundleResources(groupId, index, amounts)));
    this.#pool.give(toUnits(amounts));
    this.#changed();
  }
}
