import { assertEquals, assertThrows } from "@std/assert";
import { MantaError } from "../../src/base/errors.ts";
import {
  assertDeno,
  assertMayServe,
  lackingFlags,
} from "../../src/node/permissions.ts";

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

Deno.test("assertMayServe() asks for one port of loopback, and names the flag", () => {
  const only = (host: string) => (descriptor: Deno.PermissionDescriptor) =>
    descriptor.name === "net" && descriptor.host === host;
  assertMayServe(8265, only("127.0.0.1:8265"));
  assertMayServe(0, only("127.0.0.1"));
  assertThrows(
    () => assertMayServe(8265, only("127.0.0.1")),
    MantaError,
    "--allow-net=127.0.0.1:8265",
  );
  assertThrows(
    () => assertMayServe(0, () => false),
    MantaError,
    "--allow-net=127.0.0.1",
  );
});
