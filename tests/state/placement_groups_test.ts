import { assertEquals } from "@std/assert";
import type { NodeTag } from "../../src/base/ids.ts";
import {
  type GroupNode,
  impossible,
  placeBundles,
} from "../../src/state/placement_groups.ts";

const node = (tag: string, cpus: number, total = cpus): GroupNode => ({
  tag: tag as NodeTag,
  resources: { CPU: total },
  available: { CPU: cpus },
});
const cpus = (...amounts: number[]) => amounts.map((CPU) => ({ CPU }));
const three = [node("a", 2), node("b", 2), node("c", 2)];
const placed = (
  strategy: Parameters<typeof placeBundles>[0]["strategy"],
  bundles: { CPU: number }[],
  nodes = three,
) => placeBundles({ strategy, bundles }, nodes) as string[] | undefined;

Deno.test("placeBundles() packs on few nodes, and spreads over many", () => {
  assertEquals(placed("PACK", cpus(1, 1)), ["a", "a"]);
  assertEquals(placed("PACK", cpus(1, 1, 1)), ["a", "a", "b"]);
  assertEquals(placed("SPREAD", cpus(1, 1, 1)), ["a", "b", "c"]);
  assertEquals(new Set(placed("SPREAD", cpus(1, 1, 1, 1))).size, 3);
});

Deno.test("placeBundles() keeps strict strategies, or places nothing", () => {
  assertEquals(placed("STRICT_PACK", cpus(1, 1)), ["a", "a"]);
  assertEquals(placed("STRICT_PACK", cpus(2, 1)), undefined);
  assertEquals(placed("STRICT_SPREAD", cpus(1, 1, 1)), ["a", "b", "c"]);
  assertEquals(placed("STRICT_SPREAD", cpus(1, 1, 1, 1)), undefined);
});

Deno.test("placeBundles() places large bundles first, and all or none", () => {
  const nodes = [node("a", 1), node("b", 3)];
  assertEquals(placed("PACK", cpus(1, 3), nodes), ["a", "b"]);
  assertEquals(placed("PACK", cpus(3, 3), nodes), undefined);
});

Deno.test("impossible() tells what no amount of waiting would place", () => {
  const busy = [node("a", 0, 2)];
  const spec = (strategy: "PACK" | "STRICT_SPREAD", ...amounts: number[]) => ({
    strategy,
    bundles: cpus(...amounts),
  });
  assertEquals(impossible(spec("PACK", 2), busy), undefined);
  assertEquals(
    impossible(spec("STRICT_SPREAD", 1, 1), busy),
    "STRICT_SPREAD wants 2 nodes, and there are 1",
  );
  assertEquals(impossible(spec("PACK", 3), busy)?.includes("PACK"), true);
});
