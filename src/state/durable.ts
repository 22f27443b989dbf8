/**
 * Durable actors: who may commit a state, which call has run, and what a call
 * is called in every run.
 *
 * 1. Each start of an incarnation opens the state and is granted an epoch, one
 *    more than any before. A commit of an older epoch is refused: so an old
 *    incarnation that nobody could stop changes nothing any more.
 * 2. Each commit is the state after one call, numbered without gaps. One that
 *    comes twice is there already.
 * 3. A call is known by an id that its caller makes again when it runs again:
 *    the caller's own, and how many calls it made to that actor before.
 *
 * Pure: rows and ids in, verdicts out. SQLite is `store/durable_log.ts`'s.
 *
 * @module
 */
import type {
  CommitVerdict,
  DurableCommit,
  DurableIdentity,
  DurableRow,
  OpenVerdict,
} from "../base/durable.ts";

/** Decides about an incarnation that begins; `holder` is a program that runs and has the actor. */
export function opening(
  row: DurableRow | undefined,
  { className, name }: Pick<DurableIdentity, "className" | "name">,
  holder: string | undefined,
): OpenVerdict {
  if (row === undefined) return { kind: "grant", epoch: 1 };
  if (row.className !== className) {
    return {
      kind: "refuse",
      reason: `the lineage file keeps a state of "${name}", which is a ` +
        `${row.className}: choose another name, or kill() that one first`,
    };
  }
  if (holder !== undefined) {
    return {
      kind: "refuse",
      reason: `"${name}" lives in ${holder}, which uses the same lineage ` +
        "file: wait until that has ended, or choose another name",
    };
  }
  return { kind: "grant", epoch: row.epoch + 1 };
}

/** Decides about a commit. */
export function committing(
  row: DurableRow | undefined,
  commit: Pick<DurableCommit<unknown>, "epoch" | "seq">,
): CommitVerdict {
  if (row === undefined) {
    return { kind: "refuse", reason: "the actor was ended, and its state" };
  }
  if (row.epoch !== commit.epoch) {
    return { kind: "refuse", reason: "a newer incarnation has taken over" };
  }
  if (row.seq === commit.seq) return { kind: "again" };
  if (row.seq + 1 !== commit.seq) {
    const reason = `state ${commit.seq} can't follow state ${row.seq}`;
    return { kind: "refuse", reason };
  }
  return { kind: "commit" };
}

/** The calls of one actor that are committed, as far as they are remembered. */
export class CommittedCalls {
  readonly #countMax: number;
  readonly #known = new Set<string>();
  #isComplete: boolean;

  constructor(
    known: Iterable<string>,
    { isComplete, countMax }: { isComplete: boolean; countMax: number },
  ) {
    this.#countMax = countMax;
    this.#isComplete = isComplete;
    for (const callId of known) this.committed(callId);
  }

  /** Whether a call is certain to be new; if not, the file knows. */
  isNew(callId: string): boolean {
    return this.#isComplete && !this.#known.has(callId);
  }

  /** A call is committed, or about to be. */
  committed(callId: string): void {
    this.#known.add(callId);
    if (this.#known.size <= this.#countMax) return;
    const [oldest] = this.#known;
    this.#known.delete(oldest!);
    this.#isComplete = false;
  }
}

/** Counts the calls of one caller to each durable actor. */
export class CallCounter {
  readonly #counts = new Map<string, number>();

  /** The id of the caller's next call to an actor. */
  next(callerKey: string, actorKey: string): string {
    const count = this.#counts.get(actorKey) ?? 0;
    this.#counts.set(actorKey, count + 1);
    return `${callerKey}/${count}`;
  }
}
