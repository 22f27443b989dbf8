import { assert, assertEquals } from "@std/assert";
import { isGone, ownMark } from "../../src/store/process_mark.ts";

const isLinux = Deno.build.os === "linux";

/** This process's mark, changed. */
function markWith(change: Record<string, unknown>): string {
  return JSON.stringify({ ...JSON.parse(ownMark()!), ...change });
}

Deno.test({
  name:
    "isGone() knows a living process, an ended one, and a later one of the same pid",
  ignore: !isLinux,
  fn: async () => {
    assertEquals(isGone(ownMark()!), false);
    const child = new Deno.Command("true").spawn();
    await child.status;
    assertEquals(isGone(markWith({ pid: child.pid })), true);
    assertEquals(isGone(markWith({ startTicks: "1" })), true);
  },
});

Deno.test({
  name:
    "isGone() says that it does not know of other machines and containers, and that a boot ends all",
  ignore: !isLinux,
  fn: () => {
    assert(ownMark() !== undefined);
    assertEquals(isGone(markWith({ machine: "other" })), undefined);
    assertEquals(isGone(markWith({ namespace: "pid:[1]" })), undefined);
    assertEquals(isGone(markWith({ boot: "earlier" })), true);
  },
});
