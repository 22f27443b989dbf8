/**
 * Concurrency groups: methods of an actor that run beside the others.
 *
 * @module
 */
import type { ActorSpec } from "../base/spec.ts";
import { checkOptions, entriesOf, show, whole } from "./check.ts";

/** A group of methods that have a bound of their own. */
export interface ConcurrencyGroup {
  /** Methods of the group that run at the same time. */
  max: number;
  /** Their names. */
  methods: string[];
}

/** Throws for what are no groups. */
export function groups(value: unknown, name: string): void {
  const expected =
    'groups by name, such as { io: { max: 5, methods: ["fetch"] } }';
  const seen = new Map<string, string>();
  for (const [group, given] of entriesOf(value, { name, expected })) {
    const what = `${name} "${group}"`;
    checkOptions(given, { checks: { max: whole(1), methods: texts }, what });
    const { max, methods } = (given ?? {}) as Partial<ConcurrencyGroup>;
    if (max === undefined || methods === undefined) {
      throw new TypeError(`Cannot use ${what}: it needs max and methods`);
    }
    for (const method of methods) {
      const other = seen.get(method);
      if (other !== undefined) {
        throw new TypeError(
          `Cannot use ${name}: method "${method}" is in "${other}" and "${group}"`,
        );
      }
      seen.set(method, group);
    }
  }
}

/** The part of a spec that says which methods run beside which; throws for one that the class has not. */
export function groupsOf(
  { concurrencyGroups }: {
    concurrencyGroups?: Record<string, ConcurrencyGroup>;
  },
  methods: Readonly<Record<string, boolean>>,
): Pick<ActorSpec, "groups"> {
  if (concurrencyGroups === undefined) return {};
  for (const [group, { methods: named }] of Object.entries(concurrencyGroups)) {
    const unknown = named.find((method) => !Object.hasOwn(methods, method));
    if (unknown === undefined) continue;
    throw new TypeError(
      `Cannot use concurrency group "${group}": the class has no method "${unknown}"`,
    );
  }
  return { groups: concurrencyGroups };
}

function texts(value: unknown, name: string): void {
  const isList = Array.isArray(value) &&
    value.every((each) => typeof each === "string" && each !== "");
  if (isList) return;
  throw new TypeError(
    `Cannot use ${name} ${show(value)}: expected names of methods`,
  );
}
