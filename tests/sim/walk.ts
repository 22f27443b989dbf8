/**
 * Walks through seeds: each is a cluster's life, and either obeys every rule
 * or is told with its number and its last events.
 *
 * @module
 */
import type { Kernel } from "./kernel.ts";
import type { Rooms } from "./things.ts";
import { World } from "./world.ts";

/** What a walk came to. */
export interface Walked {
  readonly seedCount: number;
  readonly stepCount: number;
  readonly taskCount: number;
  /** How often each interesting thing happened. */
  readonly reached: ReadonlyMap<string, number>;
}

/** A seed that broke a rule. */
export interface Broken {
  readonly seed: number;
  readonly message: string;
  readonly story: string;
}

/** What runs one seed. */
interface Runnable {
  readonly kernel: Kernel;
  run(): void;
}

/** Runs a world; answers what was wrong with it. */
export function runWorld<Some extends Runnable>(
  world: Some,
  { seed, storyMax = 60 }: { seed: number; storyMax?: number | undefined },
): { world: Some; broken: Broken | undefined } {
  world.kernel.storyMax = storyMax;
  try {
    world.run();
    return { world, broken: undefined };
  } catch (error) {
    const message = error instanceof Error
      ? `${error.name}: ${error.message}`
      : `${error}`;
    return { world, broken: { seed, message, story: world.kernel.story } };
  }
}

/** Runs one seed; answers what was wrong with it. */
export function runSeed(
  seed: number,
  { rooms, storyMax }: { rooms?: Rooms; storyMax?: number } = {},
): { world: World; broken: Broken | undefined } {
  return runWorld(new World(seed, rooms), { seed, storyMax });
}

/** Runs so many seeds; throws at the first that breaks a rule. */
export function walk(from: number, seedCount: number): Walked {
  const reached = new Map<string, number>();
  let stepCount = 0;
  let taskCount = 0;
  for (let seed = from; seed < from + seedCount; seed++) {
    const { world, broken } = runSeed(seed);
    if (broken !== undefined) throw new Error(tell(broken));
    stepCount += world.kernel.stepCount;
    taskCount += world.ledger.taskCount;
    for (const [what, count] of world.kernel.reached) {
      reached.set(what, (reached.get(what) ?? 0) + count);
    }
  }
  return { seedCount, stepCount, taskCount, reached };
}

/** The first of so many seeds that breaks a rule. */
export function findBroken(
  run: (seed: number) => { broken: Broken | undefined },
  seedCount: number,
): Broken | undefined {
  for (let seed = 1; seed <= seedCount; seed++) {
    const { broken } = run(seed);
    if (broken !== undefined) return broken;
  }
  return undefined;
}

/** A failure as it is printed. */
export function tell(
  { seed, message, story }: Broken,
  flags: "" | "--cluster " = "",
): string {
  return `Seed ${seed} breaks a rule: ${message}\n${story}\n` +
    `Replay: deno task sim ${flags}--seeds 1 --from ${seed}`;
}
