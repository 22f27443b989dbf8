/**
 * Where a task or an actor may run: the option, its checks, and what becomes
 * of it in a spec.
 *
 * @module
 */
import type {
  ResourceAmounts,
  SchedulingStrategy as Place,
} from "../base/spec.ts";
import { inGroup } from "../state/placement_groups.ts";
import { assertHeld, checkBundle, PlacementGroup } from "./placement_group.ts";
import { checkOptions, flag, show, texts } from "./check.ts";

/** In a placement group (in any bundle, or in one by its index), on one node, or on one that bears labels; with `soft` elsewhere if there is none such. */
export type NodeStrategy =
  | { placementGroup: PlacementGroup; bundleIndex?: number }
  | { nodeId: string; soft?: boolean }
  | { labels: Record<string, string>; soft?: boolean };

/**
 * Where a task or an actor may run: near its submitter ("DEFAULT"), over all
 * nodes ("SPREAD"), or on certain ones.
 */
export type SchedulingStrategy = "DEFAULT" | "SPREAD" | NodeStrategy;

/** Throws for what is no strategy. */
export function strategy(value: unknown, name: string): void {
  if (value === "DEFAULT" || value === "SPREAD") return;
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const { placementGroup, bundleIndex } = value as Record<string, unknown>;
    if (placementGroup instanceof PlacementGroup) {
      checkOptions(value, {
        checks: { placementGroup: () => {}, bundleIndex: () => {} },
        what: `${name} with`,
      });
      return checkBundle(placementGroup, bundleIndex, `${name}.bundleIndex`);
    }
    const keys = Object.keys(value).filter((key) => key !== "soft");
    const { soft, nodeId, labels } = value as Record<string, unknown>;
    if (soft !== undefined) flag(soft, `${name}.soft`);
    if (keys.length === 1 && typeof nodeId === "string" && nodeId !== "") {
      return;
    }
    if (keys.length === 1 && labels !== undefined) {
      return texts(labels, `${name}.labels`);
    }
  }
  throw new TypeError(
    `Cannot use ${name} ${
      show(value)
    }: expected "DEFAULT", "SPREAD", { nodeId }, { labels }, or { placementGroup }`,
  );
}

/** The placement group that it may only run in. */
export function groupOf(
  { schedulingStrategy }: { schedulingStrategy?: SchedulingStrategy },
): PlacementGroup | undefined {
  return typeof schedulingStrategy === "object" &&
      "placementGroup" in schedulingStrategy
    ? schedulingStrategy.placementGroup
    : undefined;
}

/** The part of a spec that says where, and what it asks for there. */
export function placeOf(
  { schedulingStrategy }: { schedulingStrategy?: SchedulingStrategy },
  resources: ResourceAmounts,
): { strategy?: Place; resources: ResourceAmounts } {
  if (schedulingStrategy === undefined || schedulingStrategy === "DEFAULT") {
    return { resources };
  }
  const placementGroup = groupOf({ schedulingStrategy });
  if (placementGroup === undefined) {
    return { strategy: schedulingStrategy as Place, resources };
  }
  const { bundleIndex = -1 } = schedulingStrategy as { bundleIndex?: number };
  const index = bundleIndex === -1 ? undefined : bundleIndex;
  assertHeld(placementGroup, index, resources);
  return { resources: inGroup(placementGroup.id, index, resources) };
}
