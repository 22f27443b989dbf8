/**
 * `doctor`: what this machine and these permissions give, and what each thing
 * that is missing costs.
 *
 * @module
 */
import { isSharedMemoryAvailable } from "../store/segment.ts";

/** One thing that was looked at. */
export interface Finding {
  /** What. */
  name: string;
  /** Whether all is well. */
  ok: boolean;
  /** What there is, or what its lack costs and how to mend it. */
  note: string;
}

/** Needed, in the order in which a program would miss them. */
const needed = ["read", "write", "net", "run", "env", "sys"] as const;

/** Looks at permissions, shared memory and the system. */
export function examine(): Finding[] {
  const findings: Finding[] = needed.map((name) => {
    const ok = isGranted(name);
    return {
      name: `--allow-${name}`,
      ok,
      note: ok
        ? "granted"
        : `not granted: a runtime can't start; run with --allow-${name}`,
    };
  });
  const ffi = isGranted("ffi");
  findings.push({
    name: "--allow-ffi",
    ok: ffi,
    note: ffi
      ? "granted"
      : "not granted: large values are copied through sockets, and tasks are pushed one at a time",
  });
  const shared = ffi && isSharedMemoryAvailable();
  findings.push({
    name: "shared memory",
    ok: shared,
    note: shared
      ? "large arrays are shared, not copied"
      : "not available here: large values are copied through sockets",
  });
  const cpuCount = navigator.hardwareConcurrency;
  findings.push({
    name: "CPUs",
    ok: true,
    note: `${cpuCount}: as many workers are started`,
  });
  findings.push({
    name: "versions",
    ok: true,
    note:
      `Deno ${Deno.version.deno}, V8 ${Deno.version.v8}, ${Deno.build.target}`,
  });
  return findings;
}

function isGranted(name: typeof needed[number] | "ffi"): boolean {
  return Deno.permissions.querySync({ name }).state === "granted";
}
