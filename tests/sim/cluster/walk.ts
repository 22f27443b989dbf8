/**
 * Walks through seeds of the simulated cluster; one that breaks a rule is told
 * with its number and its last events, and replays.
 *
 * @module
 */
import { type Broken, tell } from "../walk.ts";
import type { ClusterRooms } from "./things.ts";
import { ClusterWorld } from "./world.ts";

/** Runs one seed; answers what was wrong with it. */
export function runClusterSeed(
  seed: number,
  { rooms, storyMax = 60 }: { rooms?: ClusterRooms; storyMax?: number } = {},
): { world: ClusterWorld; broken: Broken | undefined } {
  const world = new ClusterWorld(seed, rooms);
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

/** A failure as it is printed. */
export function tellCluster(broken: Broken): string {
  return tell(broken, "--cluster ");
}
