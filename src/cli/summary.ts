/**
 * `summary`: how much there is of all, and what became of the tasks of each
 * function. `memory`: who holds what, the largest first.
 *
 * @module
 */
import { objectCells } from "../inspect/object_rows.ts";
import { holderCells, memoryOf } from "../inspect/memory.ts";
import { functionCells, type Summary, summaryOf } from "../inspect/sums.ts";
import { bytesText, nameOf, plural, rounded } from "../inspect/words.ts";
import { readFlags } from "./flags.ts";
import { note, show } from "./show.ts";
import { outputStyle, table } from "./table.ts";
import { askingFlags, reachAny } from "./where.ts";

const limitDefault = 30;

/** Runs `summary`. */
export async function summary(args: string[]): Promise<number> {
  const given = readFlags(args, { ...askingFlags, wordsMax: 0 });
  await using reach = await reachAny(given);
  const { summary, notes } = await summaryOf(reach);
  show(given, summary, () => summaryText(summary));
  for (const line of notes) note(line);
  return 0;
}

function summaryText(
  { nodeCount, processCount, cpus, store, programs, actors, functions }:
    Summary,
): string {
  const actorText = Object.entries(actors).map(([state, n]) => `${n} ${state}`)
    .join(", ");
  return [
    `${plural(nodeCount, "node")}, ${
      plural(processCount, "process", "processes")
    }, CPU ${rounded(cpus.total - cpus.free)} of ${cpus.total} in use`,
    `object store: ${bytesText(store.usedBytes)} of ${
      bytesText(store.capacityBytes)
    } in use`,
    `programs: ${
      programs.map(({ script, pid, jobId }) =>
        `${nameOf(script)} (pid ${pid}, job ${jobId})`
      ).join(", ") || "none"
    }`,
    `actors: ${actorText || "none"}`,
    "",
    table(functions.map(functionCells), {
      ...outputStyle(),
      none: "no tasks yet",
    }),
  ].join("\n");
}

/** Runs `memory`. */
export async function memory(args: string[]): Promise<number> {
  const given = readFlags(args, {
    texts: [...askingFlags.texts!, "limit"],
    wordsMax: 0,
  });
  const limit = given.whole("limit", 1) ?? limitDefault;
  await using reach = await reachAny(given);
  const { memory, notes } = await memoryOf(reach, limit);
  show(given, memory, () =>
    [
      ...memory.stores.map((store) =>
        `node ${store.nodeId}: ${bytesText(store.usedBytes)} of ${
          bytesText(store.capacityBytes)
        } of shared memory in ${plural(store.segmentCount, "segment")}`
      ),
      "",
      table(memory.holders.map(holderCells), outputStyle()),
      "",
      table(memory.objects.map(objectCells), {
        ...outputStyle(),
        none: "no objects in shared memory, and none that others hold",
      }),
    ].join("\n"));
  for (const line of notes) note(line);
  return 0;
}
