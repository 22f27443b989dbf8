/**
 * Where a task or an actor may run: the option, its checks, and what becomes
 * of it in a spec.
 *
 * @module
 */
import type { SchedulingStrategy as Place } from "../base/spec.ts";
import { flag, show, texts } from "./check.ts";

/** On one node, or on one that bears labels; with `soft` elsewhere if there is none such. */
export type NodeStrategy =
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
    }: expected "DEFAULT", "SPREAD", { nodeId }, or { labels }`,
  );
}

/** The part of a spec that says where; nothing for the default. */
export function placeOf(
  { schedulingStrategy }: { schedulingStrategy?: SchedulingStrategy },
): { strategy?: Place } {
  return schedulingStrategy === undefined || schedulingStrategy === "DEFAULT"
    ? {}
    : { strategy: schedulingStrategy };
}
