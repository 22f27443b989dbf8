/**
 * The command line of the bench. It reads and refuses; it runs nothing.
 *
 * @module
 */
import { parseArgs } from "@std/cli";
import { type PeerName, peerNames } from "./peers.ts";
import { type ContenderName, type Row, rows, rowsMatching } from "./rows.ts";

/** What `--help` prints. */
export const help = `Usage: deno task bench [options]

  --rows PATTERN  only rows with this in their name (text or regular expression);
                  "cluster" alone: tasks and objects through a remote node's port
  --quick         short rounds, small batches: for a look, not for a result
  --peers[=LIST]  also run these in the same run: ${
  peerNames.join(",")
} (default: all)
  --only LIST     only these columns: manta,socket,ray,piscina,
                  piscina64,tinypool,workerpool
  --json FILE     write the same as JSON too
  --docs          write it into docs/performance.md and .svg; then "deno fmt"
  --help          this`;

/** What was asked for. */
export interface Options {
  readonly rows: readonly Row[];
  readonly isQuick: boolean;
  readonly peers: readonly PeerName[];
  /** All, where undefined. */
  readonly only: readonly ContenderName[] | undefined;
  readonly jsonPath: string | undefined;
  /** Whether the page on performance is to show this run. */
  readonly isForDocs: boolean;
}

const contenderNames: readonly ContenderName[] = [
  "manta",
  "socket",
  "ray",
  "piscina",
  "piscina64",
  "tinypool",
  "workerpool",
];

/** Reads the arguments; undefined when they ask for help. */
export function optionsFrom(args: string[]): Options | undefined {
  const strangers: string[] = [];
  const flags = parseArgs(args, {
    string: ["rows", "json", "peers", "only"],
    boolean: ["quick", "help", "docs"],
    unknown: (arg) => strangers.push(arg) === 0,
  });
  if (flags.help) return undefined;
  if (strangers[0] !== undefined) {
    throw new TypeError(`Cannot take "${strangers[0]}": see --help`);
  }
  if (flags.json === "") {
    throw new TypeError("Cannot write JSON: --json needs a file");
  }
  const chosen = flags.rows === undefined ? rows : rowsMatching(flags.rows);
  if (chosen.length === 0) {
    throw new RangeError(
      `Cannot run rows like "${flags.rows}": there are none`,
    );
  }
  return {
    rows: chosen,
    isQuick: flags.quick,
    peers: peersOf(flags.peers),
    only: flags.only === undefined
      ? undefined
      : namesOf(flags.only, { flag: "--only", among: contenderNames }),
    jsonPath: flags.json,
    isForDocs: flags.docs,
  };
}

function peersOf(list: string | undefined): readonly PeerName[] {
  if (list === undefined) return [];
  if (list === "") return peerNames;
  return namesOf(list, { flag: "--peers", among: peerNames });
}

function namesOf<Name extends string>(
  list: string,
  { flag, among }: { flag: string; among: readonly Name[] },
): Name[] {
  return list.split(",").map((part) => {
    const name = among.find((one) => one === part.trim());
    if (name !== undefined) return name;
    throw new TypeError(
      `Cannot take "${part}" for ${flag}: expected some of ${among.join(",")}`,
    );
  });
}
