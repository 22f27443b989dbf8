/**
 * What a sandboxed process is started with, whose permissions are at odds
 * with what it must not see. That Deno keeps to its flags is shown in
 * `e2e/sandbox_escapes_test.ts`.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { SandboxPermissions } from "../../src/base/spec.ts";
import { sandboxFlags } from "../../src/node/sandbox_flags.ts";

function flagsFor(permissions: SandboxPermissions): string[] {
  return sandboxFlags({ permissions, flags: ["-A"], variables: {} }, {
    granted: () => "whole",
    entry: "file:///entry.ts",
    hidden: ["/tmp/session", "/home/me/.config/manta/tokens"],
  });
}

Deno.test("sandboxFlags() hides folders by name, and keeps those above from being moved", () => {
  const hidden = "/tmp/session,/home/me/.config/manta/tokens";
  const rows: [SandboxPermissions, denied: string[]][] = [
    [{}, []],
    [{ read: ["/data"] }, [`--deny-read=${hidden}`]],
    // The session's folder is the granted one's own: it can't be moved itself.
    [{ write: ["/tmp"] }, [`--deny-write=${hidden}`]],
    [{ write: ["/home/other"] }, [`--deny-write=${hidden}`]],
    [{ write: ["/home/me/"] }, [`--deny-write=${hidden},/home/me/.config`]],
    [{ write: ["/x/../home"] }, [`--deny-write=${hidden},/home/me`]],
    [{ write: ["/a,b", "/home"] }, [`--deny-write=${hidden},/home/me`]],
    [{ write: "all" }, [`--deny-write=${hidden}`]],
  ];
  for (const [permissions, denied] of rows) {
    assertEquals(
      flagsFor(permissions).filter((flag) => /^--deny-(read|write)/.test(flag)),
      denied,
    );
  }
});

Deno.test("sandboxFlags() keeps the inspector from a sandbox that may read and write", () => {
  assert(flagsFor({ sys: "all", read: "all" }).includes("--allow-sys"));
  const both = flagsFor({ sys: "all", read: ["/a"], write: ["/b"] });
  assert(both.some((flag) => /^--allow-sys=.*hostname/.test(flag)));
  assert(!both.includes("--allow-sys"));
});

Deno.test("sandboxFlags() bounds a heap beside what the program asks of V8", () => {
  const flagsOf = (flags: string[], memoryBytes?: number) =>
    sandboxFlags({ permissions: {}, flags, variables: {} }, {
      granted: () => "whole",
      entry: "file:///entry.ts",
      hidden: [],
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
    }).filter((flag) => flag.startsWith("--v8-flags"));
  const own = "--v8-flags=--stack-size=2000";
  assertEquals(flagsOf(["-A", own]), [own]);
  assertEquals(flagsOf(["-A"], 1), ["--v8-flags=--max-old-space-size=16"]);
  assertEquals(flagsOf([own, "-A"], (64 << 20) + 1), [
    `${own},--max-old-space-size=65`,
  ]);
});
