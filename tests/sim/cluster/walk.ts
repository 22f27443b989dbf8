/**
 * Walks through seeds of the simulated cluster; one that breaks a rule is told
 * with its number and its last events, and replays.
 *
 * @module
 */
import { type Broken, runWorld, tell } from "../walk.ts";
import type { ClusterRooms } from "./things.ts";
import { ClusterWorld } from "./world.ts";

/** Runs one seed; answers what was wrong with it. */
export function runClusterSeed(
  seed: number,
  { rooms, storyMax }: { rooms?: ClusterRooms; storyMax?: number } = {},
): { world: ClusterWorld; broken: Broken | undefined } {
  return runWorld(new ClusterWorld(seed, rooms), { seed, storyMax });
}

/** A failure as it is printed. */
export function tellCluster(broken: Broken): string {
  return tell(broken, "--cluster ");
}
