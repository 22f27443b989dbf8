/**
 * Which cluster a command is about: the one at `--address`, the one whose
 * state is in `--dir`, or the one of the environment.
 *
 * @module
 */
import { checkAddress } from "../client/join_options.ts";
import { type Given, UsageError } from "./flags.ts";

const defaultAddress = "127.0.0.1:6379";

/** The address of the head; sets what its token is read from. */
export function clusterAddress(given: Given): string {
  const tokenFile = given.text("token-file");
  if (tokenFile !== undefined) Deno.env.set("MANTA_TOKEN_FILE", tokenFile);
  const dir = given.text("dir");
  const address = given.text("address") ??
    (dir === undefined ? Deno.env.get("MANTA_ADDRESS") : addressOf(dir)) ??
    defaultAddress;
  try {
    checkAddress(address);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  return address;
}

function addressOf(dir: string): string {
  try {
    const { address } = JSON.parse(
      Deno.readTextFileSync(`${dir}/node.json`),
    ) as { address?: string };
    if (address === undefined) throw new Error("it has never listened");
    return address;
  } catch (error) {
    throw new UsageError(
      `--dir ${dir} holds no cluster: ${(error as Error).message}`,
    );
  }
}
