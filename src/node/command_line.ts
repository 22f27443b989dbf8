/**
 * This process's own command line, for which Deno has no API.
 *
 * @module
 */

/** Where the process was started; programs may go elsewhere later. */
const startedIn = workingFolder();

/** Its arguments, none where they can't be had, and the folder they count from. */
export function commandLine(): { argv: string[]; cwd: string } {
  const text = ownProc() ?? shellsProc() ?? "";
  return { argv: text.split("\0").slice(0, -1), cwd: startedIn };
}

/** Only a program that may do everything can read there. */
function ownProc(): string | undefined {
  try {
    return Deno.readTextFileSync("/proc/self/cmdline");
  } catch {
    // No /proc here, or no right to it: there is another way.
    return undefined;
  }
}

function shellsProc(): string | undefined {
  if (Deno.build.os !== "linux") return undefined;
  try {
    const { stdout } = new Deno.Command("/bin/cat", {
      args: [`/proc/${Deno.pid}/cmdline`],
      stdin: "null",
      stderr: "null",
    }).outputSync();
    return new TextDecoder().decode(stdout);
  } catch {
    // No right to run that: then the flags are asked of the runtime.
    return undefined;
  }
}

function workingFolder(): string {
  try {
    return Deno.cwd();
  } catch {
    // It was removed, or is not to be seen: relative paths mean nothing then.
    return "/";
  }
}
