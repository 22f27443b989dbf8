/**
 * What a program must be allowed before it can have a runtime of its own.
 *
 * It is asked, never prompted for: a program that lacks something is told all
 * of it at once. What workers are allowed is in `flags.ts`.
 *
 * @module
 */
import { granted } from "../base/environment.ts";
import { MantaError } from "../base/errors.ts";

/** Asks whether something is granted, possibly with exceptions. */
export type IsGranted = (descriptor: Deno.PermissionDescriptor) => boolean;

/** The flags that a program with that folder for sockets lacks. */
export function lackingFlags(
  folderRoot: string,
  { isGranted, execPath }: { isGranted: IsGranted; execPath: string },
): string[] {
  const needs: [flag: string, descriptor: Deno.PermissionDescriptor][] = [
    ["--allow-read", { name: "read", path: folderRoot }],
    ["--allow-write", { name: "write", path: folderRoot }],
    // A unix socket is granted by its whole path only, and ours are random.
    ["--allow-net", { name: "net" }],
    ["--allow-sys", { name: "sys" }],
    ["--allow-run", { name: "run", command: execPath }],
  ];
  return needs.filter(([, need]) => !isGranted(need)).map(([flag]) => flag);
}

/** Throws where no worker could be started whatever is allowed. */
export function assertDeno({ isStandalone }: { isStandalone: boolean }): void {
  if (!isStandalone) return;
  throw new MantaError(
    "Cannot start a runtime in a program made by deno compile: its workers are started by the deno command, which is not in it. Run the program by deno run",
  );
}

/** Throws, naming the flags, unless the program has all that it needs. */
export function assertPermitted(folderRoot: string): void {
  assertDeno({ isStandalone: Deno.build.standalone });
  const lacking = lackingFlags(folderRoot, {
    isGranted: (descriptor) => granted(descriptor) !== "no",
    execPath: Deno.execPath(),
  });
  if (lacking.length === 0) return;
  throw new MantaError(
    `Cannot start a runtime without ${lacking.join(" ")}: sockets and files ` +
      `lie in ${folderRoot} (read, write, net), workers are processes (run), ` +
      `and closures are captured by the inspector (sys). Add the flags, or -A; ` +
      `with --allow-ffi large arrays are shared, not copied`,
  );
}

/** Throws, naming the flag, unless the program may listen on that port of loopback. */
export function assertMayServe(
  port: number,
  isGranted: IsGranted = (descriptor) => granted(descriptor) !== "no",
): void {
  const host = port === 0 ? "127.0.0.1" : `127.0.0.1:${port}`;
  if (isGranted({ name: "net", host })) return;
  throw new MantaError(
    `Cannot serve a dashboard without --allow-net=${host}: it listens there. Add the flag, or leave the init option "dashboard" out`,
  );
}
