/**
 * `submit` and `jobs`: programs that run on the cluster, detached from the
 * terminal they were submitted from.
 *
 * @module
 */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { MantaError } from "../base/errors.ts";
import { randomHex } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import type { SubmittedJob } from "../base/jobs.ts";
import { type Reach, within } from "../inspect/reach.ts";
import { submittedCells, submittedTo } from "../inspect/submitted.ts";
import { readFlags, splitAtScript, UsageError } from "./flags.ts";
import { note, show, showRows, write } from "./show.ts";
import { clusterPlaces, reachHead } from "./where.ts";

/** Runs `submit`. */
export async function submit(args: string[]): Promise<number> {
  const { own, rest } = splitAtScript(args, clusterPlaces);
  const given = readFlags(own, {
    texts: clusterPlaces,
    booleans: ["json", "follow"],
  });
  const [script, ...scriptArgs] = rest;
  if (script === undefined) throw new UsageError("submit what? name a script");
  await using reach = await reachHead(given);
  const id = `job-${randomHex(4)}`;
  const { refusal } = await within(reach.head.request("job.submit", {
    id,
    script: placeOf(script),
    args: scriptArgs,
    cwd: Deno.cwd(),
  }));
  if (refusal !== undefined) {
    throw new MantaError(`Cannot submit ${script}: ${refusal}`);
  }
  if (given.has("follow")) {
    note(`${id} runs on ${reach.name}; Ctrl-C leaves it running`);
    return await followJob(reach, { id, isFollowing: true });
  }
  show(given, { id }, () => id);
  if (!given.has("json")) {
    note(
      `it runs on ${reach.name}; see \`jobs\`, \`jobs logs ${id}\`, \`jobs stop ${id}\``,
    );
  }
  return 0;
}

/** Runs `jobs`. */
export async function jobs(args: string[]): Promise<number> {
  const [verb, ...rest] = args;
  switch (verb) {
    case "logs":
      return await jobLogs(rest);
    case "stop":
      return await jobStop(rest);
    default: {
      const given = readFlags(args, { texts: clusterPlaces });
      if (given.words.length > 0) {
        throw new UsageError(`no such command "jobs ${given.words[0]}"`);
      }
      await using reach = await reachHead(given);
      const jobs = await submittedTo(reach);
      showRows(given, {
        rows: jobs,
        cells: jobs.map(submittedCells),
        notes: [],
      });
      return 0;
    }
  }
}

/** Whether it names a submitted program. */
export function isJobId(id: string): boolean {
  return /^job-[0-9a-f]{8}$/.test(id);
}

/** Prints what a submitted program printed, and what it prints until it ends. */
export async function followJob(
  reach: Reach,
  { id, isFollowing }: { id: string; isFollowing: boolean },
): Promise<number> {
  for (let from = 0;;) {
    const waitMs = isFollowing ? limits.newsWaitMsMax : 0;
    const answer = await reach.head.request("job.read", { id, from, waitMs });
    if (answer.isUnknown) throw new MantaError(unknownJob(id, reach));
    from += answer.bytes.length;
    // As it was printed, whatever it is: not decoded on the way.
    if (!write(answer.bytes)) return 0;
    const isAll = answer.bytes.length === 0 && !isFollowing;
    if (!answer.isOver && !isAll) continue;
    return isFollowing ? await outcomeOf(reach, id) : 0;
  }
}

async function jobLogs(args: string[]): Promise<number> {
  const given = readFlags(args, {
    texts: clusterPlaces,
    booleans: ["follow"],
    wordsMax: 1,
  });
  const [id] = given.words;
  if (id === undefined) {
    throw new UsageError("logs of which job? jobs logs ID");
  }
  await using reach = await reachHead(given);
  return await followJob(reach, { id, isFollowing: given.has("follow") });
}

async function jobStop(args: string[]): Promise<number> {
  const given = readFlags(args, { texts: clusterPlaces, wordsMax: 1 });
  const [id] = given.words;
  if (id === undefined) throw new UsageError("stop which job? jobs stop ID");
  await using reach = await reachHead(given);
  const { refusal } = await reach.head.request("job.stop", { id });
  if (refusal !== undefined) {
    throw new MantaError(`Cannot stop ${id}: ${refusal}`);
  }
  const job = await find(reach, id);
  show(given, job, () => `${id} ${job?.state ?? "is gone"}`);
  return 0;
}

/** Who waited for a job's end has its outcome. */
async function outcomeOf(reach: Reach, id: string): Promise<number> {
  const job = await find(reach, id);
  if (job?.state === "finished") return 0;
  const status = job?.exitCode === undefined
    ? ""
    : ` with exit status ${job.exitCode}`;
  note(`${id} ${job?.state ?? "is gone"}${status}`);
  return 1;
}

async function find(
  reach: Reach,
  id: string,
): Promise<SubmittedJob | undefined> {
  return (await submittedTo(reach)).find((job) => job.id === id);
}

/** A script as the head's machine finds it. */
function placeOf(script: string): string {
  if (script.startsWith("file:")) return fileURLToPath(script);
  return /^\w{2,}:/.test(script) ? script : resolve(script);
}

function unknownJob(id: string, { name }: Reach): string {
  return `Cannot show job "${id}": ${name} has none of that id; \`jobs\` lists them`;
}
