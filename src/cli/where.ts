/**
 * What a command is about: the cluster at `--address`, the one whose state is
 * in `--dir`, the program of `--session`, the cluster of the environment; and
 * where nothing is said, the one program of this user that runs on this
 * machine, or the cluster at the default address.
 *
 * @module
 */
import { MantaError } from "../base/errors.ts";
import { log } from "../base/log.ts";
import { checkAddress } from "../client/join_options.ts";
import {
  aboutSession,
  type Reach,
  reachCluster,
  reachSession,
  type SessionPlace,
} from "../inspect/reach.ts";
import { nameOf } from "../inspect/words.ts";
import { nodeTagIn, sessionFolders } from "../store/folder.ts";
import { type FlagKinds, type Given, UsageError } from "./flags.ts";

const defaultAddress = "127.0.0.1:6379";

/** Options that say which cluster. */
export const clusterPlaces = ["address", "dir", "token-file", "tls-ca"];

/** Those that say which cluster or program, and that of every table. */
export const askingFlags: FlagKinds = {
  texts: [...clusterPlaces, "session"],
  booleans: ["json"],
};

/** The address of the head; sets what its token is read from. */
export function clusterAddress(given: Given): string {
  const tokenFile = given.text("token-file");
  if (tokenFile !== undefined) {
    Deno.env.set("MANTA_TOKEN_FILE", tokenFile);
    // It would come first, and what was said here counts more.
    Deno.env.delete("MANTA_TOKEN");
  }
  const address = namedAddress(given) ?? defaultAddress;
  try {
    checkAddress(address);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  return address;
}

/** Reaches the cluster that is meant. */
export async function reachHead(given: Given): Promise<Reach> {
  const address = clusterAddress(given);
  const path = given.text("tls-ca");
  const ca = path === undefined ? undefined : certificate(path);
  return await reachCluster({ address, ca });
}

/** Reaches the cluster or program that is meant. */
export async function reachAny(given: Given): Promise<Reach> {
  return await (await findAny(given))();
}

/** Finds the cluster or program that is meant: what it gives reaches the same one each time. */
export async function findAny(given: Given): Promise<() => Promise<Reach>> {
  const folder = given.text("session");
  if (folder !== undefined) {
    const place = await sessionAt(folder);
    return () => Promise.resolve(reachSession(place));
  }
  if (namedAddress(given) !== undefined) return () => reachHead(given);
  const places = await livingSessions();
  const [first, ...others] = places;
  if (first === undefined) return () => reachDefault(given);
  if (others.length === 0) return () => Promise.resolve(reachSession(first));
  const names = places.map(({ folder, about }) =>
    `${folder} (${nameOf(about.script)})`
  );
  throw new UsageError(
    `${places.length} programs run here: choose one by --session, of ${
      names.join(", ")
    }`,
  );
}

async function reachDefault(given: Given): Promise<Reach> {
  try {
    return await reachHead(given);
  } catch (error) {
    if (!isNobody(error)) throw error;
    throw new MantaError(
      `Cannot find what to ask: no program of this user runs here, and there is no cluster at ${defaultAddress}; name one by --address, --dir or --session`,
    );
  }
}

function isNobody(error: unknown): boolean {
  return error instanceof MantaError &&
    error.cause instanceof Deno.errors.ConnectionRefused;
}

/** Programs with a runtime of their own that answer. */
async function livingSessions(): Promise<SessionPlace[]> {
  const looked = sessionFolders().map(async (folder) => {
    const tag = nodeTagIn(folder);
    if (tag === undefined) return undefined;
    try {
      const about = await aboutSession(folder, tag);
      return about.kind === "local" ? { folder, tag, about } : undefined;
    } catch (error) {
      // Its program has left, or is busy with that.
      log.debug(`session ${folder} does not answer: ${error}`);
      return undefined;
    }
  });
  return (await Promise.all(looked)).filter((place) => place !== undefined);
}

async function sessionAt(folder: string): Promise<SessionPlace> {
  const tag = nodeTagIn(folder);
  if (tag === undefined) {
    throw new MantaError(
      `Cannot ask session ${folder}: no program of this user runs in it; name the folder manta-PID-… in the program's TMPDIR`,
    );
  }
  let about;
  try {
    about = await aboutSession(folder, tag);
  } catch (cause) {
    throw new MantaError(
      `Cannot ask session ${folder}: its program does not answer, it may have ended`,
      { cause },
    );
  }
  if (about.kind === "local") return { folder, tag, about };
  throw new UsageError(
    `--session ${folder} is a part of a cluster: ask that by --address${
      about.clusterAddress === undefined ? "" : ` ${about.clusterAddress}`
    }`,
  );
}

function namedAddress(given: Given): string | undefined {
  const dir = given.text("dir");
  const address = given.text("address");
  if (address !== undefined) return address;
  if (dir !== undefined) return addressOf(dir);
  const variable = Deno.env.get("MANTA_ADDRESS");
  return variable === "local" || variable === "" ? undefined : variable;
}

function certificate(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw new UsageError(
      `--tls-ca ${path} can't be read: ${(error as Error).message}`,
    );
  }
}

function addressOf(dir: string): string {
  try {
    const { address } = JSON.parse(
      Deno.readTextFileSync(`${dir}/node.json`),
    ) as { address?: string };
    if (!address) throw new Error("it has never listened");
    return address;
  } catch (error) {
    throw new UsageError(
      `--dir ${dir} holds no cluster: ${(error as Error).message}`,
    );
  }
}
