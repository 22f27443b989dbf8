/**
 * `list`: the nodes, workers, tasks, actors or objects of a running program or
 * cluster, or the rows of a lineage file.
 *
 * @module
 */
import {
  listableLive,
  listLive,
  liveStates,
  moreLine,
} from "../inspect/lists.ts";
import { openLineage } from "../store/lineage_reader.ts";
import { type Given, readFlags, UsageError } from "./flags.ts";
import { showRows } from "./show.ts";
import { askingFlags, reachAny } from "./where.ts";

const listableFile = ["jobs", "tasks", "actors", "objects"] as const;
/** The states of those whose rows have one. */
const fileStates: Partial<Record<string, readonly string[]>> = {
  tasks: ["waiting", "running", "finished", "failed", "cancelled", "crashed"],
  actors: liveStates.actors,
};
const limitDefault = 100;

/** Runs `list`. */
export async function list(args: string[]): Promise<number> {
  const given = readFlags(args, {
    texts: [...askingFlags.texts!, "lineage", "limit", "state"],
    wordsMax: 1,
  });
  const [kind] = given.words;
  const limit = given.whole("limit", 1) ?? limitDefault;
  const lineage = given.text("lineage");
  if (lineage !== undefined) {
    showRows(given, fileRows(lineage, { kind, limit, given }));
    return 0;
  }
  const known = oneOf(listableLive, kind);
  const state = given.oneOf("state", liveStates[known]);
  await using reach = await reachAny(given);
  showRows(given, await listLive(reach, known, { limit, state }));
  return 0;
}

function fileRows(
  path: string,
  { kind, limit, given }: {
    kind: string | undefined;
    limit: number;
    given: Given;
  },
) {
  const known = oneOf(listableFile, kind);
  const states = fileStates[known];
  if (states === undefined && given.text("state") !== undefined) {
    throw new UsageError(`--state is not for ${known}, which have none`);
  }
  const state = given.oneOf("state", states ?? []);
  using lineage = openLineage(path);
  const rows: readonly object[] = lineage[known]();
  const all = rows.map((row): Record<string, unknown> => ({ ...row }))
    .filter((row) => state === undefined || row["state"] === state);
  const first = given.text("limit") === undefined && given.has("json")
    ? all
    : all.slice(0, limit);
  return {
    rows: first,
    cells: first.map(({ kind: _, ...cells }) => cells),
    notes: moreLine(known, { shown: first.length, total: all.length }),
  };
}

function oneOf<T extends string>(
  kinds: readonly T[],
  kind: string | undefined,
): T {
  const known = kinds.find((name) => name === kind);
  if (known !== undefined) return known;
  const got = kind === undefined ? "" : `, not "${kind}"`;
  throw new UsageError(`list what? one of ${kinds.join(", ")}${got}`);
}
