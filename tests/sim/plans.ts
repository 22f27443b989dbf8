/**
 * The functions and classes that simulated programs know.
 *
 * @module
 */
import type { Kernel } from "./kernel.ts";
import type { NewActor } from "./head.ts";
import type { Plan } from "./things.ts";

const plans: readonly Plan[] = [
  plan("quick", { computeMs: 1, stepCount: 1 }),
  plan("slow", { computeMs: 25, stepCount: 2, isTimed: true }),
  plan("maker", { computeMs: 2, stepCount: 4 }),
  plan("thrower", { computeMs: 2, stepCount: 2, failChance: 0.6 }),
  plan("large", { computeMs: 1, failChance: 0, largeChance: 1 }),
  plan("half", { computeMs: 4, stepCount: 2, cpus: 0.5 }),
];

const nesting: readonly Plan[] = [
  plan("nester", { computeMs: 4, stepCount: 7, isNesting: true }),
  plan("deep", { computeMs: 1, stepCount: 5, isNesting: true, cpus: 0.5 }),
];

/** Some function; a leaf submits nothing. */
export function planFor(kernel: Kernel, { isLeaf }: { isLeaf: boolean }): Plan {
  const isNesting = !isLeaf && kernel.chance(0.4);
  return kernel.pick(isNesting ? nesting : plans)!;
}

/** Some class. */
export function actorKind(
  kernel: Kernel,
): Omit<NewActor, "actorId" | "ownerId"> {
  return {
    maxRestarts: kernel.pick([0, 1, 2, -1])!,
    maxTaskRetries: kernel.pick([0, 0, 1, -1])!,
    name: kernel.chance(0.2) ? kernel.pick(["a", "b"]) : undefined,
  };
}

function plan(name: string, more: Partial<Plan>): Plan {
  return {
    name,
    stepCount: 1,
    computeMs: 1,
    isNesting: false,
    failChance: 0.05,
    cpus: 1,
    isTimed: false,
    largeChance: 0.5,
    ...more,
  };
}
