/**
 * What tasks did when, of the programs that run now and whose lineage files
 * are on this machine.
 *
 * @module
 */
import { MantaError } from "../base/errors.ts";
import { nodeProcessIdOf } from "../base/ids.ts";
import { type Timeline, timelineOfAll } from "../store/timeline.ts";
import { gather } from "./gather.ts";
import { type Reach, within } from "./reach.ts";

/** Of all programs, or of one job's. */
export async function traceOf(
  reach: Reach,
  jobId?: string,
): Promise<{ trace: Timeline; notes: string[] }> {
  const gathered = await gather(reach, { rowsMax: 0, isBrief: true });
  const programs = gathered.lineages().filter((program) =>
    jobId === undefined || program.jobId === jobId
  );
  const far = gathered.farPrograms();
  if (programs.length === 0) {
    const why = jobId !== undefined
      ? `no program of job ${jobId} runs here`
      : far.length > 0
      ? `the lineage of ${far.join(", ")} is on another machine: run this there`
      : "no program runs";
    throw new MantaError(`Cannot draw a timeline of ${reach.name}: ${why}`);
  }
  // What is on its way to the files comes first.
  for (const { tag, about } of gathered.nodes) {
    if (!programs.some(({ jobId }) => jobId === about.jobId)) continue;
    const peer = await within(reach.peer(nodeProcessIdOf(tag)));
    await within(peer.request("lineage.flush", {}));
  }
  const notes = far.map((program) =>
    `${program} is left out: its lineage file is not on this machine`
  );
  return { trace: timelineOfAll(programs), notes };
}
