/**
 * `run`: a program on this machine, against a cluster.
 *
 * @module
 */
import { UsageError } from "./flags.ts";

/** Runs a script as `deno run -A` does; its exit status is the command's. */
export async function runScript(
  address: string,
  words: readonly string[],
): Promise<number> {
  const [script, ...args] = words;
  if (script === undefined) throw new UsageError("run what? name a script");
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", script, ...args],
    env: { MANTA_ADDRESS: address },
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  // The terminal sends Ctrl-C to both: the program decides what it means.
  Deno.addSignalListener("SIGINT", () => {});
  const { code } = await child.status;
  return code;
}
