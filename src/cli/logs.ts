/**
 * `logs`: what workers and actors printed lately, and with `--follow` what
 * they print from now on.
 *
 * @module
 */
import { delay } from "@std/async";
import type { NodeTag } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import { MantaError } from "../base/errors.ts";
import { printable } from "../base/text.ts";
import { actorsOf, gather } from "../inspect/gather.ts";
import { type Line, type OpenedLines, openLines } from "../inspect/lines.ts";
import { type Reach, within } from "../inspect/reach.ts";
import { readFlags } from "./flags.ts";
import { followJob, isJobId } from "./jobs.ts";
import { write } from "./show.ts";
import { askingFlags, reachAny, reachHead } from "./where.ts";

const membersEveryMs = 1000;

/** Runs `logs`. */
export async function logs(args: string[]): Promise<number> {
  const given = readFlags(args, {
    texts: askingFlags.texts!,
    booleans: ["json", "follow"],
    wordsMax: 1,
  });
  const [id] = given.words;
  const isFollowing = given.has("follow");
  if (id !== undefined && isJobId(id)) {
    await using head = await reachHead(given);
    return await followJob(head, { id, isFollowing });
  }
  await using reach = await reachAny(given);
  const isWanted = id === undefined ? () => true : await matching(reach, id);
  const print = (lines: Line[]) =>
    lines.every((line) =>
      !isWanted(line) ||
      write(given.has("json") ? `${JSON.stringify(line)}\n` : textOf(line))
    );
  await read(reach, { isFollowing, print });
  return 0;
}

/** Which lines an id means: of a process, an actor, a job or a node. */
async function matching(
  reach: Reach,
  id: string,
): Promise<(line: Line) => boolean> {
  const [gathered, { actors }] = await Promise.all([
    gather(reach, { rowsMax: 0, isBrief: true }),
    actorsOf(reach, limits.factsRowsMax),
  ]);
  const pids = new Set<number>();
  const isPrefix = (of: string | undefined) =>
    id.length >= 4 && of?.startsWith(id) === true;
  for (const { processId, pid, actorId } of gathered.processes()) {
    if (isPrefix(processId) || isPrefix(actorId)) pids.add(pid);
  }
  for (const { actorId, name, pid } of actors) {
    if (pid !== undefined && (isPrefix(actorId) || name === id)) pids.add(pid);
  }
  const isMatch = (line: Line) =>
    `${line.pid}` === id || pids.has(line.pid) || line.name === id ||
    isPrefix(line.jobId) || isPrefix(line.nodeId);
  // What is not there now may have printed before it ended.
  const isKnown = pids.size > 0 || /^\d+$/.test(id) ||
    gathered.nodes.some(({ row, about }) =>
      isPrefix(row.nodeId) || isPrefix(about.jobId)
    );
  if (isKnown) return isMatch;
  let isSeen = false;
  const lookedAt = await read(reach, {
    isFollowing: false,
    print: (lines) => {
      isSeen ||= lines.some(isMatch);
      return true;
    },
  });
  if (isSeen) return isMatch;
  throw new MantaError(
    `Cannot find "${id}" in ${reach.name}: no process, actor, job or node has that id or name, and none of ${lookedAt} lines kept is of it`,
  );
}

/** Reads all nodes' lines by time, and goes on with what comes; resolves with how many there were at first. */
async function read(
  reach: Reach,
  { isFollowing, print }: {
    isFollowing: boolean;
    print(lines: Line[]): boolean;
  },
): Promise<number> {
  const known = new Map<NodeTag, Promise<void>>();
  const over = Promise.withResolvers<void>();
  let firstCount = 0;
  const first: Line[] = [];
  const follow = async (tag: NodeTag, isFirst: boolean) => {
    let told: OpenedLines;
    try {
      told = await openLines(reach, tag);
    } catch (error) {
      log.debug(`node ${tag} tells no lines: ${error}`);
      return;
    }
    if (isFirst) first.push(...told.lines);
    else if (!print(told.lines)) return over.resolve();
    if (isFollowing) followed(told, { print, over }).catch(over.reject);
  };
  const look = async (isFirst: boolean) => {
    const { tags } = await within(reach.head.request("cluster.tags", {}));
    await Promise.all(tags.map((tag) => {
      let following = known.get(tag);
      if (following === undefined) {
        known.set(tag, following = follow(tag, isFirst));
      }
      return following;
    }));
  };
  await look(true);
  firstCount = first.length;
  first.sort((a, b) => a.atMs - b.atMs);
  if (!print(first) || !isFollowing) return firstCount;
  // Nodes come and go; when who is asked for them is gone, all is over.
  const looking = (async () => {
    for (;;) {
      await delay(membersEveryMs);
      await look(false);
    }
  })().catch((error) => log.debug(`following ends: ${error}`));
  await Promise.race([over.promise, looking, reach.head.closed]);
  return firstCount;
}

async function followed(
  { peer, nodeId, nextSeq: seq }: OpenedLines,
  { print, over }: {
    print(lines: Line[]): boolean;
    over: PromiseWithResolvers<void>;
  },
): Promise<void> {
  for (let afterSeq = seq - 1;;) {
    let answer;
    try {
      const waitMs = limits.newsWaitMsMax;
      answer = await peer.request("log.read", { afterSeq, waitMs });
    } catch (error) {
      log.debug(`node ${nodeId} tells no more: ${error}`);
      return;
    }
    afterSeq = answer.nextSeq - 1;
    const lines = answer.lines.map((line) => ({ ...line, nodeId }));
    if (!print(lines)) return over.resolve();
  }
}

function textOf({ name, pid, nodeId, line }: Line): string {
  return `(${printable(name)} pid=${pid} node=${nodeId.slice(0, 8)}) ${line}\n`;
}
