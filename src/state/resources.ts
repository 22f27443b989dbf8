/**
 * Amounts of resources: fractions that add up exactly.
 *
 * Kept as whole ten-thousandths, so that ten times 0.1 CPU is one CPU. Who
 * gets them is decided elsewhere.
 *
 * @module
 */
import type { ResourceAmounts } from "../base/spec.ts";

const unitsPerWhole = 10_000;

/** Amounts in whole units; a missing name is zero. */
export type ResourceUnits = ReadonlyMap<string, number>;

/** Rounds amounts to units. */
export function toUnits(amounts: ResourceAmounts): ResourceUnits {
  const units = new Map<string, number>();
  for (const [name, amount] of Object.entries(amounts)) {
    const rounded = Math.round(amount * unitsPerWhole);
    if (rounded !== 0) units.set(name, rounded);
  }
  return units;
}

/** Whether a name is that of CPUs, of a placement group's too. */
export function isCpu(name: string): boolean {
  return name === "CPU" || name.startsWith("CPU@");
}

/** The CPUs among units. */
export function cpuOf(units: ResourceUnits): ResourceUnits {
  return new Map(units.entries().filter(([name]) => isCpu(name)));
}

/** What one node has, and what of it is free. May be overdrawn by tasks that resume. */
export class ResourcePool {
  readonly #total: Map<string, number>;
  readonly #free: Map<string, number>;
  /** What the node began with, before placement groups reserved some of it. */
  readonly #ownNames: readonly string[];

  constructor(total: ResourceAmounts) {
    this.#total = new Map(toUnits(total));
    this.#ownNames = [...this.#total.keys()];
    this.#free = new Map(this.#total);
  }

  /** Whether it is free now. */
  fits(units: ResourceUnits): boolean {
    for (const [name, amount] of units) {
      if ((this.#free.get(name) ?? 0) < amount) return false;
    }
    return true;
  }

  /** The first name of which there is never enough, however long one waits. */
  lacks(units: ResourceUnits): string | undefined {
    for (const [name, amount] of units) {
      // What a placement group reserves may be still to come.
      if (name.includes("@")) continue;
      if ((this.#total.get(name) ?? 0) < amount) return name;
    }
    return undefined;
  }

  /** Takes, even what is not free: callers that must not overdraw ask `fits` first. */
  take(units: ResourceUnits): void {
    for (const [name, amount] of units) {
      this.#free.set(name, (this.#free.get(name) ?? 0) - amount);
    }
  }

  /** Gives back. */
  give(units: ResourceUnits): void {
    for (const [name, amount] of units) {
      const free = (this.#free.get(name) ?? 0) + amount;
      // What was retracted meanwhile is no more.
      if (free === 0 && !this.#total.has(name)) this.#free.delete(name);
      else this.#free.set(name, free);
    }
  }

  /** There is more than before. */
  extend(units: ResourceUnits): void {
    for (const [name, amount] of units) {
      this.#total.set(name, (this.#total.get(name) ?? 0) + amount);
    }
    this.give(units);
  }

  /** There is less than before; who has some of it gives it back later. */
  retract(units: ResourceUnits): void {
    for (const [name, amount] of units) {
      const total = (this.#total.get(name) ?? 0) - amount;
      if (total > 0) this.#total.set(name, total);
      else this.#total.delete(name);
      const free = (this.#free.get(name) ?? 0) - amount;
      if (free === 0 && total <= 0) this.#free.delete(name);
      else this.#free.set(name, free);
    }
  }

  /** All amounts there are, by name. */
  total(): ResourceAmounts {
    return toAmounts(this.#total);
  }

  /** How much there is of one; its name may be any. */
  totalOf(resource: string): number {
    const all = this.total();
    return Object.hasOwn(all, resource) ? all[resource]! : 0;
  }

  /** The free amounts, by name; an overdrawn one counts as none. */
  available(): ResourceAmounts {
    return toAmounts(this.#free);
  }

  /** Both for what the node began with: not by what groups reserved of it. */
  own(): { resources: ResourceAmounts; available: ResourceAmounts } {
    const unitsOf = (units: ResourceUnits) =>
      new Map(this.#ownNames.map((name) => [name, units.get(name) ?? 0]));
    return {
      resources: toAmounts(unitsOf(this.#total)),
      available: toAmounts(unitsOf(this.#free)),
    };
  }

  /** Free units by name, overdraft included: for invariants. */
  freeUnits(name: string): number {
    return this.#free.get(name) ?? 0;
  }

  /** Units in all by name. */
  totalUnits(name: string): number {
    return this.#total.get(name) ?? 0;
  }
}

function toAmounts(units: ResourceUnits): ResourceAmounts {
  const amounts: ResourceAmounts = {};
  for (const [name, amount] of units) {
    amounts[name] = Math.max(0, amount) / unitsPerWhole;
  }
  return amounts;
}
