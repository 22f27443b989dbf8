/**
 * `timeline`: what tasks did when, as a trace file, of the programs that run
 * now or of a lineage file.
 *
 * @module
 */
import { MantaError } from "../base/errors.ts";
import { counted } from "../base/text.ts";
import { traceOf } from "../inspect/trace.ts";
import { type Timeline, timelineOf } from "../store/timeline.ts";
import { type Given, readFlags, UsageError } from "./flags.ts";
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
    () => `${counted(eventCount, "event")} in ${out}`,
  );
  return 0;
}

/** Of all programs whose lineage is on this machine. */
async function living(given: Given): Promise<Timeline> {
  await using reach = await reachAny(given);
  const { trace, notes } = await traceOf(reach, given.text("job"));
  for (const line of notes) note(line);
  return trace;
}
