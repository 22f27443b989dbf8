import { assertEquals, assertThrows } from "@std/assert";
import { MantaError } from "../../src/base/errors.ts";
import { assertDeno, lackingFlags } from "../../src/node/permissions.ts";

Deno.test("lackingFlags() names all that is not granted at once", () => {
  const granted = new Set<string>(["read", "sys"]);
  const flags = lackingFlags("/tmp", {
    isGranted: ({ name }) => granted.has(name),
    execPath: "/usr/bin/deno",
  });
  assertEquals(flags, ["--allow-write", "--allow-net", "--allow-run"]);
});

Deno.test("A compiled program is told that it can have no workers", () => {
  assertDeno({ isStandalone: false });
  assertThrows(
    () => assertDeno({ isStandalone: true }),
    MantaError,
    "deno compile",
  );
});
