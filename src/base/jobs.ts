/**
 * Programs that run on a cluster for who submitted them, as data.
 *
 * @module
 */

/** A program that was given to the cluster to run. */
export interface SubmittedJob {
  id: string;
  script: string;
  args: string[];
  /** `lost`: its end was not seen, because this machine or its watcher was ended. */
  state: "running" | "finished" | "failed" | "stopped" | "lost";
  exitCode?: number;
  pid?: number;
  submittedAtMs: number;
  endedAtMs?: number;
}
