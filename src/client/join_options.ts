/**
 * Which cluster a program joins, and by what token: from its options, its
 * environment, or what `cluster` wrote on this machine.
 *
 * @module
 */
import { variable } from "../base/environment.ts";
import { AuthenticationError } from "../base/errors.ts";
import { log } from "../base/log.ts";
import { readToken } from "../store/tokens.ts";
import type { InitOptions } from "./init_options.ts";

/** How a program reaches its cluster. */
export interface Joining {
  address: string;
  token?: string;
  tls?: { ca?: string };
}

/** Undefined where the program is to have a runtime of its own. */
export function joinOptions(options: InitOptions): Joining | undefined {
  const address = options.address ?? variable("MANTA_ADDRESS");
  if (address === undefined || address === "" || address === "local") {
    return undefined;
  }
  checkAddress(address);
  const idle = ["numCpus", "numGpus", "resources"].filter((name) =>
    options[name as keyof InitOptions] !== undefined
  );
  if (idle.length > 0) {
    log.warn(
      `init options ${
        idle.join(", ")
      } count for nothing here: a cluster's nodes give what they were started with`,
    );
  }
  const token = tokenFor(address, options.token);
  const { tls } = options;
  return {
    address,
    ...(token === undefined ? {} : { token }),
    ...(tls === undefined ? {} : { tls }),
  };
}

/** Throws unless it is `HOST:PORT`. */
export function checkAddress(address: string): void {
  const port = Number(/^(?:\[[^\]]+\]|[^:\s/]+):(\d{1,5})$/.exec(address)?.[1]);
  if (port > 0 && port < 65_536) return;
  throw new TypeError(
    `Cannot use address "${address}": expected HOST:PORT, such as 127.0.0.1:6379`,
  );
}

/** The token for a cluster, from the first place that has one. */
export function tokenFor(
  address: string,
  given: string | undefined,
): string | undefined {
  const direct = given ?? variable("MANTA_TOKEN");
  if (direct !== undefined && direct !== "") return direct.trim();
  const path = variable("MANTA_TOKEN_FILE");
  if (path === undefined || path === "") return readToken(address);
  try {
    return Deno.readTextFileSync(path).trim();
  } catch (cause) {
    throw new AuthenticationError(
      `Cannot read the token file "${path}" that MANTA_TOKEN_FILE names: ${
        (cause as Error).message
      }`,
      { cause },
    );
  }
}
