/**
 * `run`: a program on this machine, against a cluster.
 *
 * @module
 */
import { MantaError } from "../base/errors.ts";
import { isThere } from "../base/files.ts";
import { readFlags, splitAtScript, UsageError } from "./flags.ts";
import { clusterAddress, clusterPlaces } from "./where.ts";

/** Runs `run`: as `deno run -A` does; the program's exit status is the command's. */
export async function runScript(args: string[]): Promise<number> {
  const { own, rest } = splitAtScript(args, clusterPlaces);
  const given = readFlags(own, { texts: clusterPlaces });
  if (given.text("tls-ca") !== undefined) {
    throw new UsageError(
      "--tls-ca is no option of run: the program names it itself, by init({ tls: { ca } })",
    );
  }
  const address = clusterAddress(given);
  const [script, ...scriptArgs] = rest;
  if (script === undefined) throw new UsageError("run what? name a script");
  if (!/^[a-z]{2,}:/.test(script) && !isThere(script)) {
    throw new MantaError(`Cannot run "${script}": there is no such file`);
  }
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", script, ...scriptArgs],
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
