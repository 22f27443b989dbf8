/**
 * Placement groups: resources reserved together, on nodes that lie as wanted.
 *
 * @module
 */
import { TaskUnschedulableError } from "../base/errors.ts";
import { randomHex } from "../base/ids.ts";
import type { ResourceAmounts } from "../base/spec.ts";
import { Expectation } from "../owner/explain.ts";
import { extendValues } from "../owner/extensions.ts";
import { entryOfRef, type ObjectRef } from "../owner/object_ref.ts";
import type { Owner } from "../owner/owner.ts";
import type { GroupStrategy } from "../state/placement_groups.ts";
import {
  amount,
  checkOptions,
  entriesOf,
  oneOf,
  resourceName,
  show,
  text,
} from "./check.ts";
import { assertNoSandbox, owner, ownerIfAny } from "./session.ts";

export type { GroupStrategy };

/** How a {@linkcode placementGroup} is to be. */
export interface PlacementGroupOptions {
  /** "PACK": few nodes; "SPREAD": many; the strict ones: one node, or one for each bundle. Default: "PACK". */
  strategy?: GroupStrategy;
  /** What it is called. */
  name?: string;
}

interface Fields {
  readonly id: string;
  readonly name: string;
  readonly bundles: readonly ResourceAmounts[];
  readonly strategy: GroupStrategy;
}

const makeFrom = Symbol("a group that is there");
let begin: (fields: Fields) => PlacementGroup;
let remove: (group: PlacementGroup) => Promise<void>;
/** Throws for a group of a runtime that has ended. */
export let assertUsable: (group: PlacementGroup) => void;

/**
 * Resources that are reserved together; made by {@linkcode placementGroup}.
 *
 * @example
 * ```ts
 * import { get, placementGroup } from "@manta/manta";
 * const group = placementGroup([{ CPU: 1 }], { name: "pair" });
 * await get(group.ready());
 * console.log(group.name); // pair
 * ```
 */
export class PlacementGroup {
  /** Its id. */
  readonly id: string;
  /** What it is called; its id where it has no name. */
  readonly name: string;
  /** What it reserves, bundle by bundle. */
  readonly bundles: readonly Readonly<Record<string, number>>[];
  readonly #strategy: GroupStrategy;
  /** Its reservation, while that is under way. */
  #placed: Promise<void> | undefined;
  /** Of the runtime that it is in; none in a sandbox. */
  readonly #owner = ownerIfAny();

  /** Made by `placementGroup`. */
  constructor(made: { [makeFrom]: Fields }) {
    const { id, name, bundles, strategy } = made[makeFrom];
    this.#strategy = strategy;
    this.id = id;
    this.name = name;
    this.bundles = bundles;
  }

  /** A ref that is ready, with `true`, once all its bundles are reserved. */
  ready(): ObjectRef<boolean> {
    const own = this.#owned();
    const ref = own.references.create(own.nextOrdinal(), 0);
    const entry = entryOfRef(ref);
    entry.producer = new Expectation(`placement group ${this.name}`);
    own.owe();
    (this.#placed ?? this.#ask()).then(
      () => entry.resolve(own.values.store(true).held),
      (error) => entry.reject(error),
    ).finally(() => {
      entry.producer = undefined;
      own.settle();
    });
    return ref as ObjectRef<boolean>;
  }

  /** The owner that it is used through; throws where its runtime has ended. */
  #owned(): Owner {
    assertNoSandbox();
    if (this.#owner !== undefined && this.#owner === ownerIfAny()) {
      return owner();
    }
    throw new TypeError(
      `Cannot use placement group ${this.name}: its runtime has ended; make another`,
    );
  }

  /** Reserves it. */
  async #ask(): Promise<void> {
    const { refusal } = await this.#owned().askHead("group.create", {
      groupId: this.id,
      bundles: this.bundles.map((bundle) => ({ ...bundle })),
      strategy: this.#strategy,
    });
    if (refusal === undefined) return;
    throw new TaskUnschedulableError(
      `Cannot place group ${this.name}: ${refusal}`,
      { resources: {} },
    );
  }

  static {
    begin = (fields) => {
      const group = new PlacementGroup({ [makeFrom]: fields });
      group.#placed = group.#ask();
      // Later it is asked for again: another process may have removed it.
      group.#placed.then(() => {
        group.#placed = undefined;
      }, () => {}); // Whoever asks whether it is ready is told.
      return group;
    };
    remove = async (group) => {
      const own = group.#owned();
      // Whoever asks whether it is ready hears that it is no more.
      group.#placed = undefined;
      await own.askHead("group.remove", { groupId: group.id });
    };
    assertUsable = (group) => void group.#owned();
    extendValues<PlacementGroup>({
      tag: "placement group",
      constructor: PlacementGroup,
      tracked: false,
      toFields: (group) => {
        const { id, name, bundles } = group;
        return { id, name, bundles, strategy: group.#strategy };
      },
      fromFields: (fields) =>
        new PlacementGroup({ [makeFrom]: fields as Fields }),
    });
  }
}

/**
 * Reserves resources together: all bundles, or none. Tasks and actors run in it
 * by `schedulingStrategy: { placementGroup, bundleIndex? }`. It ends with
 * `removePlacementGroup`, or with the process that made it.
 *
 * @param bundles Amounts by name, such as `{ CPU: 1 }`, one or more.
 * @param options How they are to lie, and a name.
 * @throws {TypeError | RangeError} Where a bundle or an option is wrong.
 *
 * @example
 * ```ts
 * import { get, placementGroup, remote, removePlacementGroup } from "@manta/manta";
 * const group = placementGroup([{ CPU: 1 }], { strategy: "PACK" });
 * await get(group.ready());
 * const schedulingStrategy = { placementGroup: group, bundleIndex: 0 };
 * console.log(await get(remote(() => 5, { schedulingStrategy }).remote())); // 5
 * removePlacementGroup(group);
 * ```
 */
export function placementGroup(
  bundles: readonly Record<string, number>[],
  options: PlacementGroupOptions = {},
): PlacementGroup {
  checkOptions(options, {
    checks: {
      strategy: oneOf("PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"),
      name: text,
    },
    what: "placement group option",
  });
  if (!Array.isArray(bundles) || bundles.length === 0) {
    throw new TypeError(
      `Cannot make a placement group of ${
        show(bundles)
      }: expected bundles, such as [{ CPU: 1 }]`,
    );
  }
  for (const [at, bundle] of bundles.entries()) {
    checkBundleAmounts(bundle, `bundle ${at}`);
    const reserved: number[] = Object.values(bundle);
    if (reserved.some((amount) => amount > 0)) continue;
    throw new RangeError(
      `Cannot make a placement group: bundle ${at} reserves nothing`,
    );
  }
  const id = randomHex(8);
  const { strategy = "PACK", name = id } = options;
  const copies = bundles.map((bundle) => ({ ...bundle }));
  owner(); // Starts a runtime where there is none.
  return begin({ id, name, bundles: copies, strategy });
}

function checkBundleAmounts(bundle: unknown, name: string): void {
  const expected = "amounts by name";
  for (const [resource, given] of entriesOf(bundle, { name, expected })) {
    resourceName(resource, name);
    amount(given, `${name} "${resource}"`);
  }
}

/**
 * Gives a placement group's resources back. What waits to run in it never will.
 *
 * @param group The group.
 * @throws {TypeError} Where it is none, or its runtime has ended.
 *
 * @example
 * ```ts
 * import { placementGroup, remote, removePlacementGroup } from "@manta/manta";
 * const group = placementGroup([{ CPU: 1 }]);
 * const schedulingStrategy = { placementGroup: group };
 * remote(() => "in time or not at all", { schedulingStrategy }).remote();
 * await removePlacementGroup(group);
 * ```
 */
export async function removePlacementGroup(
  group: PlacementGroup,
): Promise<void> {
  if (!(group instanceof PlacementGroup)) {
    throw new TypeError(
      `Cannot remove ${show(group)}: expected a placement group`,
    );
  }
  await remove(group);
}

/** Throws for a bundle that a group has not. */
export function checkBundle(
  group: PlacementGroup,
  index: unknown,
  name: string,
): void {
  if (index === undefined || index === -1) return;
  const isThere = Number.isInteger(index) && (index as number) >= 0 &&
    (index as number) < group.bundles.length;
  if (isThere) return;
  throw new RangeError(
    `Cannot use ${name} ${show(index)}: the group has bundles 0 to ${
      group.bundles.length - 1
    }`,
  );
}

/** A task that no bundle of its group could ever hold. */
export function assertHeld(
  group: PlacementGroup,
  index: number | undefined,
  asked: ResourceAmounts,
): void {
  const holders = index === undefined ? group.bundles : [group.bundles[index]!];
  const fits = holders.some((bundle) =>
    Object.entries(asked).every(([name, amount]) =>
      (bundle[name] ?? 0) >= amount
    )
  );
  if (fits) return;
  throw new RangeError(
    `Cannot run in placement group ${group.name}: it asks for ${
      JSON.stringify(asked)
    }, and no bundle has that`,
  );
}
