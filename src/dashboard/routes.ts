/**
 * What a dashboard is asked: each route, what its query may say, and the data
 * that is answered, as JSON.
 *
 * The data is what the command line shows: rows for programs, cells for
 * people, and notes of what is missing.
 *
 * @module
 */
import { MantaError } from "../base/errors.ts";
import type { NodeTag } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { ambiguity, explain, unknown } from "../inspect/explain.ts";
import { gather } from "../inspect/gather.ts";
import { latestLines, type SeenLines } from "../inspect/lines.ts";
import {
  listableLive,
  listLive,
  type LiveKind,
  liveStates,
} from "../inspect/lists.ts";
import { holderCells, memoryOf } from "../inspect/memory.ts";
import { objectCells } from "../inspect/object_rows.ts";
import type { Reach } from "../inspect/reach.ts";
import { submittedCells, submittedTo } from "../inspect/submitted.ts";
import { functionCells, programRows, summaryOf } from "../inspect/sums.ts";
import { traceOf } from "../inspect/trace.ts";
import { type Cells, nameOf } from "../inspect/words.ts";

/** A question that can't be answered, and the HTTP status that says so. */
export class RouteError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Answers one route. */
type Route = (reach: Reach, query: URLSearchParams) => Promise<unknown>;

const rowsDefault = 100;
const linesDefault = 500;
const textLengthMax = 200;

const lists = Object.fromEntries(
  listableLive.map((kind) => [`/api/${kind}`, listOf(kind)]),
);
const routes: Readonly<Record<string, Route>> = {
  ...lists,
  "/api/summary": async (reach) => {
    const { summary, notes } = await summaryOf(reach);
    const { functions } = summary;
    return {
      name: reach.name,
      isCluster: reach.isCluster,
      ...summary,
      functionCells: functions.map(functionCells).map(whole),
      notes,
    };
  },
  "/api/memory": async (reach, query) => {
    const { memory, notes } = await memoryOf(reach, limitOf(query));
    return {
      ...memory,
      holderCells: memory.holders.map(holderCells).map(whole),
      objectCells: memory.objects.map(objectCells).map(whole),
      notes,
    };
  },
  "/api/jobs": async (reach) => {
    const [gathered, submitted] = await Promise.all([
      gather(reach, { rowsMax: 0, isBrief: true }),
      submittedTo(reach),
    ]);
    const programs = programRows(gathered);
    return {
      isCluster: reach.isCluster,
      programs,
      programCells: programs.map(({ jobId, script, pid }) => ({
        job: jobId,
        program: nameOf(script),
        pid,
      })).map(whole),
      submitted,
      submittedCells: submitted.map(submittedCells).map(whole),
      notes: [],
    };
  },
  "/api/logs": async (reach, query) => {
    const limit = limitOf(query, linesDefault);
    return await latestLines(reach, { seen: seenOf(query), limit });
  },
  "/api/why": async (reach, query) => {
    const id = textOf(query, "id");
    if (id === undefined) throw new RouteError(400, "why what? ?id=ID");
    const found = await explain(reach, id);
    const { answer, others, notes } = found;
    if (others.length > 0) throw new RouteError(404, ambiguity(id, found));
    if (answer === undefined) {
      throw new RouteError(404, unknown(id, reach, found));
    }
    return { ...answer, notes };
  },
  "/api/timeline": async (reach, query) => {
    try {
      return (await traceOf(reach, textOf(query, "job"))).trace;
    } catch (error) {
      if (!(error instanceof MantaError)) throw error;
      throw new RouteError(404, error.message);
    }
  },
};

/** What answers a path; undefined where nothing is there. */
export function routeOf(path: string): Route | undefined {
  return Object.hasOwn(routes, path) ? routes[path] : undefined;
}

function listOf(kind: LiveKind): Route {
  return async (reach, query) => {
    const limit = limitOf(query);
    const state = textOf(query, "state");
    if (state !== undefined && !liveStates[kind].includes(state)) {
      throw new RouteError(
        400,
        `Cannot list ${kind} of state "${state}": expected ${
          liveStates[kind].join(", ")
        }`,
      );
    }
    const listed = await listLive(reach, kind, { limit, state });
    return { ...listed, cells: listed.cells.map(whole) };
  };
}

/** JSON leaves out what is undefined, and with it a column's place. */
function whole(cells: Cells): Cells {
  return Object.fromEntries(
    Object.entries(cells).map(([name, value]) => [name, value ?? null]),
  );
}

function limitOf(query: URLSearchParams, byDefault = rowsDefault): number {
  const text = query.get("limit");
  if (text === null) return byDefault;
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (limit < 1) throw new RouteError(400, "limit: a whole number from 1 on");
  return Math.min(limit, limits.dashboardRowsMax);
}

function textOf(query: URLSearchParams, name: string): string | undefined {
  const text = query.get(name);
  if (text === null || text === "") return undefined;
  if (text.length > textLengthMax) {
    throw new RouteError(400, `${name}: ${textLengthMax} characters at most`);
  }
  return text;
}

/** `seen=TAG:SEQ,…`, as an answer before gave it. */
function seenOf(query: URLSearchParams): SeenLines {
  const seen = new Map<NodeTag, number>();
  for (const pair of query.get("seen")?.split(",") ?? []) {
    const [, tag, seq] = /^([0-9a-f]{8}):(\d{1,15})$/.exec(pair) ?? [];
    if (tag === undefined) {
      throw new RouteError(400, "seen: TAG:NUMBER,… as it was answered");
    }
    seen.set(tag as NodeTag, Number(seq));
  }
  return seen;
}
