/**
 * Programs that were submitted to a cluster, as rows.
 *
 * @module
 */
import type { SubmittedJob } from "../base/jobs.ts";
import { type Reach, within } from "./reach.ts";
import { type Cells, nameOf, spanText } from "./words.ts";

/** What was submitted; nothing where there is no cluster. */
export async function submittedTo(reach: Reach): Promise<SubmittedJob[]> {
  if (!reach.isCluster) return [];
  return (await within(reach.head.request("job.list", {}))).jobs;
}

/** A submitted program for people. */
export function submittedCells(job: SubmittedJob): Cells {
  const untilMs = job.endedAtMs ?? Date.now();
  return {
    job: job.id,
    state: job.state,
    exit: job.exitCode,
    submitted: new Date(job.submittedAtMs).toISOString().slice(0, 19) + "Z",
    took: job.state === "lost"
      ? undefined
      : spanText(Math.max(0, untilMs - job.submittedAtMs)),
    pid: job.state === "running" ? job.pid : undefined,
    script: [nameOf(job.script), ...job.args].join(" "),
  };
}
