/**
 * `dashboard`: where the page is that shows what runs; served here, in the
 * foreground, where the cluster or program has none.
 *
 * @module
 */
import { Dashboard } from "../dashboard/dashboard.ts";
import { Source } from "../dashboard/source.ts";
import { type Reach, within } from "../inspect/reach.ts";
import { type Given, readFlags } from "./flags.ts";
import { note, show } from "./show.ts";
import { askingFlags, clusterAddress, findAny } from "./where.ts";

const loopback = /^(127\.|localhost\b|\[::1\])/;

/** Runs `dashboard`. */
export async function dashboard(args: string[]): Promise<number> {
  const given = readFlags(args, {
    texts: [...askingFlags.texts!, "port"],
    wordsMax: 0,
  });
  const port = given.port("port");
  const open = await findAny(given);
  await using reach = await open();
  const url = port === undefined ? await urlOf(reach, given) : undefined;
  if (url !== undefined) {
    tell(given, { url, isServedHere: false });
    return 0;
  }
  const place = { hostname: "127.0.0.1", port: port ?? 0 };
  await using own = new Dashboard(new Source(open), place);
  tell(given, { url: own.url, isServedHere: true });
  note(`${reach.name} is shown there until Ctrl-C`);
  const reason = await Promise.race([interrupted(), programEnd(reach)]);
  if (reason !== undefined) note(reason);
  return 0;
}

/** The dashboard that there is, if a browser here can see it. */
async function urlOf(reach: Reach, given: Given): Promise<string | undefined> {
  const { url } = await within(reach.head.request("dashboard.url", {}));
  if (url === undefined || !reach.isCluster) return url;
  // One on loopback is its own machine's, and the cluster may be on another.
  const isHere = loopback.test(clusterAddress(given));
  return isHere || !loopback.test(new URL(url).host) ? url : undefined;
}

function tell(
  given: Given,
  told: { url: string; isServedHere: boolean },
): void {
  show(given, told, () => told.url);
}

/** A program of its own does not come back; a cluster's head may. */
async function programEnd(reach: Reach): Promise<string> {
  if (reach.isCluster) return await new Promise<never>(() => {});
  await reach.head.closed;
  return "the program has ended";
}

function interrupted(): Promise<undefined> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      Deno.addSignalListener(signal, () => resolve(undefined));
    }
  });
}
