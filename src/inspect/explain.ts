/**
 * What a task or object waits for, runs on, or failed of; how an actor, a
 * process or a node is. Asked of who knows: its owner, the head, its node; of
 * what is over, the lineage file.
 *
 * @module
 */
import type { ProcessId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import { counted } from "../base/text.ts";
import type { ActorFacts, ProcessFacts } from "../wire/command_messages.ts";
import { actorsOf, gather, type Gathered, readLineages } from "./gather.ts";
import { type Reach, within } from "./reach.ts";
import { spanText } from "./words.ts";

/** What an id names, and what is to be said of it in one line. */
export interface Explained {
  id: string;
  kind: "task" | "object" | "actor" | "process" | "node";
  line: string;
}

/** What was found by an id. */
export interface Explanation {
  /** Undefined where nothing has that id, or several things. */
  answer: Explained | undefined;
  /** What the id begins, where that is more than one thing. */
  others: { id: string; kind: string }[];
  /** What could not be read. */
  notes: string[];
  /** Who did not answer. */
  silent: readonly string[];
}

/** So many digits of an id name it. */
export const idLengthMin = 4;
const taskIdLength = 28;
const objectIdLength = 32;

/**
 * Explains what an id names: of a task, object, actor, process or node, whole
 * or its first digits; an actor's name, or a process's pid.
 */
export async function explain(
  reach: Reach,
  id: string,
): Promise<Explanation> {
  const [gathered, { actors }] = await Promise.all([
    gather(reach, { rowsMax: limits.factsRowsMax }),
    actorsOf(reach, limits.factsRowsMax),
  ]);
  const notes: string[] = [];
  const { silent } = gathered;
  const found = named(id, { gathered, actors });
  const one = found.find((each) => each.id === id) ??
    (found.length === 1 ? found[0] : undefined);
  if (one !== undefined && "line" in one) {
    return { answer: inOneLine(one), others: [], notes, silent };
  }
  const whole = await explainWhole(reach, {
    id: one?.id ?? id,
    gathered,
    failed: (line) => notes.push(line),
  });
  const others = whole === undefined && found.length > 1 ? found : [];
  return { answer: whole && inOneLine(whole), others, notes, silent };
}

/** All that has that id or name, or an id that begins so. */
function named(
  id: string,
  { gathered, actors }: { gathered: Gathered; actors: ActorFacts[] },
): (Explained | { id: string; kind: "object" })[] {
  const found: (Explained | { id: string; kind: "object" })[] = [];
  const isMeant = (of: string) =>
    of === id || id.length >= idLengthMin && of.startsWith(id);
  for (const actor of actors) {
    if (isMeant(actor.actorId) || actor.name === id) {
      found.push({
        id: actor.actorId,
        kind: "actor",
        line: actorLine(actor, gathered),
      });
    }
  }
  for (const process of gathered.processes()) {
    if (isMeant(process.processId) || `${process.pid}` === id) {
      const line = processLine(process, gathered);
      found.push({ id: process.processId, kind: "process", line });
    }
  }
  for (const { row } of gathered.nodes) {
    if (!isMeant(row.nodeId)) continue;
    const free = `${row.available["CPU"] ?? 0} of ${row.resources["CPU"] ?? 0}`;
    const line = `is alive, process ${row.pid}, ${free} CPUs free`;
    found.push({ id: row.nodeId, kind: "node", line });
  }
  for (const { facts } of gathered.owners) {
    for (const { taskId, why, ageMs } of facts.tasks) {
      if (!isMeant(taskId)) continue;
      const line = `${why}, since ${spanText(ageMs)}`;
      found.push({ id: taskId, kind: "task", line });
    }
    for (const { objectId } of facts.objects) {
      if (isMeant(objectId)) found.push({ id: objectId, kind: "object" });
    }
  }
  return found;
}

/** Refuses an id that begins those of several things: which it could be. */
export function ambiguity(id: string, { others }: Explanation): string {
  const named = others.slice(0, 5).map(({ kind, id }) => `${kind} ${id}`);
  return `"${id}" begins the ids of ${others.length} things: ${
    named.join(", ")
  }${others.length > 5 ? " and more" : ""}; give more of it`;
}

/** Says that nothing has that id, and who did not answer. */
export function unknown(
  id: string,
  { name }: Reach,
  { notes, silent }: Explanation,
): string {
  const unheard = [...silent, ...notes].join("; ");
  return `Cannot find "${id}" in ${name}: nothing there has that id${
    unheard === "" ? "" : `; but ${unheard}`
  }`;
}

/** An error's message may have several lines. */
function inOneLine(answer: Explained): Explained {
  return { ...answer, line: answer.line.replace(/\s*\n\s*/g, " ") };
}

/** What a whole id of a task or object is: its owner may know, and else its program's lineage. */
async function explainWhole(
  reach: Reach,
  { id, gathered, failed }: {
    id: string;
    gathered: Gathered;
    failed(line: string): void;
  },
): Promise<Explained | undefined> {
  const isObject = id.length === objectIdLength;
  if (!isObject && id.length !== taskIdLength || !/^[0-9a-f]+$/.test(id)) {
    return undefined;
  }
  const kind = isObject ? "object" : "task";
  const ownerId = id.slice(0, 16) as ProcessId;
  const isThere = gathered.processes().some((one) => one.processId === ownerId);
  const line = isThere ? await askOwner(reach, id) : undefined;
  if (line) return { id, kind, line };
  const taskId = id.slice(0, taskIdLength);
  const over = readLineages(gathered.lineages(), {
    read: (lineage) => lineage.attempts(taskId).at(-1),
    failed,
  }).find((row) => row !== undefined);
  if (over !== undefined) {
    const { state, name, attempt, errorName, errorMessage, workerPid } = over;
    const where = workerPid === undefined ? "" : ` on worker ${workerPid}`;
    const reason = errorName === undefined
      ? ""
      : `: ${errorName}: ${errorMessage ?? ""}`;
    const line =
      `${state}${where}${reason} (task "${name}", attempt ${attempt})`;
    return { id, kind, line };
  }
  const stored = readLineages(gathered.lineages(), {
    read: (lineage) => lineage.object(id),
    failed,
  }).find((row) => row !== undefined);
  if (stored !== undefined) {
    const { sizeBytes, freedAtMs } = stored;
    const line = freedAtMs === undefined
      ? `is ready: ${sizeBytes} bytes`
      : "was let go";
    return { id, kind, line };
  }
  return isThere
    ? {
      id,
      kind,
      line: "is not under way: it has finished, or was let go, or never was",
    }
    : undefined;
}

/** Empty where its owner does not know it. */
async function askOwner(
  reach: Reach,
  id: string,
): Promise<string | undefined> {
  const ownerId = id.slice(0, 16) as ProcessId;
  const ordinal = parseInt(id.slice(16, 28), 16);
  const index = id.length === objectIdLength ? parseInt(id.slice(28), 16) : 0;
  try {
    const peer = await within(reach.peer(ownerId));
    return (await within(peer.request("object.why", { ordinal, index }))).line;
  } catch (error) {
    log.debug(`the owner of ${id} does not answer: ${error}`);
    return `belongs to process ${ownerId}, which computes, or has ended, and did not answer`;
  }
}

function actorLine(actor: ActorFacts, gathered: Gathered): string {
  const { className, name, state, pid, processId, incarnation } = actor;
  const what = name === undefined ? className : `${className} "${name}"`;
  const where = pid === undefined
    ? ""
    : ` in process ${pid} of node ${gathered.nodeName(processId)}`;
  const starts = incarnation === 0 ? "" : `, started ${incarnation + 1} times`;
  const reason = actor.reason === undefined ? "" : `: ${actor.reason}`;
  return `(${what}) is ${state}${where}${starts}${reason}`;
}

function processLine(process: ProcessFacts, gathered: Gathered): string {
  const { role, pid, processId, owner } = process;
  const runs = gathered.owners.flatMap(({ facts }) =>
    facts.tasks.filter(({ workerId }) => workerId === processId)
  );
  const names = [...new Set(runs.map(({ name }) => `"${name}"`))];
  const what = runs.length === 0
    ? owner === undefined ? "computes and did not answer" : "waits for work"
    : `runs, or was sent, ${counted(runs.length, "task")}: ${
      names.slice(0, 5).join(", ")
    }`;
  return `is ${role} ${pid}: ${what}`;
}
