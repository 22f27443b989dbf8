/**
 * The arguments of one run, from its frame: opened at once where that is
 * possible, and fetched anew where the memory of one is gone.
 *
 * @module
 */
import { ObjectLostError } from "../base/errors.ts";
import type { SegmentId, TaskId } from "../base/ids.ts";
import type { StoredValue } from "../base/stored.ts";
import type { Owner } from "../owner/owner.ts";
import type { Peer } from "../wire/peer.ts";
import type { Dependency, TaskFrame } from "../wire/task_frames.ts";

/** The run that arguments are opened for. */
export interface OpeningRun {
  readonly taskId: TaskId;
  readonly frame: TaskFrame;
  readonly peer: Peer;
  /** It waits for its owner: meanwhile it holds no CPU. */
  suspended(isImpatient: boolean): void;
  resumed(isImpatient: boolean): void;
}

/** All arguments, refs among them replaced by their values; a promise where some must be waited for. */
export function openArguments(
  owner: Owner,
  run: OpeningRun,
): unknown[] | Promise<unknown[]> {
  const { args, dependencies } = run.frame;
  const open = (stored: StoredValue) =>
    openValue(owner, { stored, from: run.peer });
  const opened = open(args);
  if (dependencies.length === 0) return opened as unknown[];
  const values = dependencies.map((one) => openOne(owner, run, { one, open }));
  if (![opened, ...values].some(isPromise)) {
    return placed(run, opened, values);
  }
  return Promise.all([opened, ...values]).then(([opened, ...values]) =>
    placed(run, opened, values)
  );
}

/** All arguments as they are stored, taken one by one for a process that can't fetch them. */
export async function takeArguments(
  owner: Owner,
  run: OpeningRun,
  take: (stored: StoredValue) => Promise<StoredValue>,
): Promise<{ args: StoredValue; dependencies: Dependency[] }> {
  const { args, dependencies } = run.frame;
  const taken = await Promise.all(
    dependencies.map(async (one) => ({
      position: one.position,
      value: await openOne(owner, run, { one, open: take }) as StoredValue,
    })),
  );
  return { args: await take(args), dependencies: taken };
}

/** Whether a value is to be waited for. */
export function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === "object" && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}

function placed(
  { frame }: OpeningRun,
  opened: unknown,
  values: unknown[],
): unknown[] {
  const args = opened as unknown[];
  frame.dependencies.forEach(({ position }, at) => {
    args[position] = values[at];
  });
  return args;
}

function openOne(
  owner: Owner,
  run: OpeningRun,
  { one, open }: { one: Dependency; open(stored: StoredValue): unknown },
): unknown {
  const { position, value } = one;
  const opened = open(value);
  const lost = value.segment?.segmentId;
  if (lost === undefined || !isPromise(opened)) return opened;
  return opened.catch((error) => {
    const isLost = error instanceof ObjectLostError && error.objectId === lost;
    if (!isLost) throw error;
    return fetchAnew(owner, run, { position, lost, open });
  });
}

/** The submitter knows whose object it is, and who can make it again. */
async function fetchAnew(
  owner: Owner,
  run: OpeningRun,
  { position, lost, open }: {
    position: number;
    lost: SegmentId;
    open(stored: StoredValue): unknown;
  },
): Promise<unknown> {
  const { peer, frame } = run;
  run.suspended(false);
  try {
    const answer = await peer.request("argument.fetch", {
      ordinal: frame.ordinal,
      position,
      lost,
    });
    if (answer.kind === "failed") {
      throw await openValue(owner, { stored: answer.error, from: peer });
    }
    const { value, pinToken } = answer;
    const opened = await openOne(owner, run, {
      one: { position, value },
      open,
    });
    owner.release(peer, pinToken);
    return opened;
  } finally {
    run.resumed(false);
  }
}

function openValue(
  owner: Owner,
  { stored, from }: { stored: StoredValue; from: Peer },
): unknown {
  // The refs inside are registered as the codec makes their handles.
  return owner.values.open({ stored, refs: [] }, from);
}
