/**
 * `timeline`: what tasks did when, as a trace file, of the programs that run
 * now or of a lineage file.
 *
 * @module
 */
import { MantaError } from "../base/errors.ts";
import { nodeProcessIdOf } from "../base/ids.ts";
import { type Timeline, timelineOf, timelineOfAll } from "../store/timeline.ts";
import { type Given, readFlags, UsageError } from "./flags.ts";
import { gather } from "./gather.ts";
import { within } from "./reach.ts";
import { note, show } from "./show.ts";
import { askingFlags, reachAny } from "./where.ts";

/** Runs `timeline`. */
export async function timeline(args: string[]): Promise<number> {
  const given = readFlags(args, {
    texts: [...askingFlags.texts!, "lineage", "job"],
    wordsMax: 1,
  });
  const [out] = given.words;
  if (out === undefined) {
    throw new UsageError("write it where? timeline OUT.json");
  }
  const lineage = given.text("lineage");
  const trace = lineage === undefined
    ? await living(given)
    : timelineOf(lineage, given.text("job"));
  try {
    Deno.writeTextFileSync(out, JSON.stringify(trace));
  } catch (cause) {
    throw new MantaError(
      `Cannot write ${out}: ${(cause as Error).message}`,
      { cause },
    );
  }
  const eventCount = trace.traceEvents.length;
  show(
    given,
    { file: out, eventCount },
    () => `${eventCount} events in ${out}`,
  );
  return 0;
}

/** Of all programs whose lineage is on this machine. */
async function living(given: Given): Promise<Timeline> {
  await using reach = await reachAny(given);
  const gathered = await gather(reach, { rowsMax: 0, isBrief: true });
  const wanted = given.text("job");
  const programs = gathered.lineages().filter(({ jobId }) =>
    wanted === undefined || jobId === wanted
  );
  const far = gathered.farPrograms();
  if (programs.length === 0) {
    const why = wanted !== undefined
      ? `no program of job ${wanted} runs here`
      : far.length > 0
      ? `the lineage of ${far.join(", ")} is on another machine: run this there`
      : "no program runs";
    throw new MantaError(`Cannot draw a timeline of ${reach.name}: ${why}`);
  }
  for (const program of far) {
    note(`${program} is left out: its lineage file is not on this machine`);
  }
  // What is on its way to the files comes first.
  for (const { tag, about } of gathered.nodes) {
    if (!programs.some(({ jobId }) => jobId === about.jobId)) continue;
    const peer = await within(reach.peer(nodeProcessIdOf(tag)));
    await within(peer.request("lineage.flush", {}));
  }
  return timelineOfAll(programs);
}
