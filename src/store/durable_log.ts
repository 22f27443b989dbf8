/**
 * The states of durable actors in the lineage file, and the calls that left
 * them: asks carried out within the writer's transaction.
 *
 * Decisions are `state/durable.ts`'s, who writes when is
 * `node/lineage_writer.ts`'s.
 *
 * @module
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import { wallMs } from "../base/clock.ts";
import type {
  DurableAnswer,
  DurableAsk,
  DurableCommit,
  DurableIdentity,
  DurableRow,
  DurableRules,
} from "../base/durable.ts";
import { unreachable } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { failureOf } from "./database.ts";
import { livingJobs } from "./lineage_jobs.ts";

type Row = Record<string, unknown>;

/** Keeps durable actors in one file. */
export class DurableLog {
  readonly #database: DatabaseSync;
  readonly #rules: DurableRules | undefined;
  readonly #statements = new Map<string, StatementSync>();

  constructor(database: DatabaseSync, rules: DurableRules | undefined) {
    this.#database = database;
    this.#rules = rules;
  }

  /** Carries out one ask: all of it, or nothing. Throws where the file can't be written at all. */
  answer(ask: DurableAsk): DurableAnswer {
    this.#run("SAVEPOINT ask", []);
    try {
      return this.#carryOut(ask);
    } catch (error) {
      // What is wrong with one ask must not keep others from the file.
      if (failureOf(error) !== "other") throw error;
      this.#run("ROLLBACK TO ask", []);
      const reason = error instanceof Error ? error.message : String(error);
      return { kind: "refused", reason };
    } finally {
      if (this.#database.isTransaction) this.#run("RELEASE ask", []);
    }
  }

  #carryOut(ask: DurableAsk): DurableAnswer {
    switch (ask.kind) {
      case "open":
        return this.#open(ask.identity);
      case "commit":
        return this.#commit(ask.commit);
      case "result":
        return this.#result(ask.durableId, ask.callId);
      case "find":
        return this.#find(ask.namespace, ask.name);
      case "leave":
        return this.#leave(ask.actorId, ask.isForgotten);
      default:
        return unreachable(ask);
    }
  }

  /**
   * Forgets what calls of a program came to: it won't call again to ask. Those
   * of a run that goes on at the same time stay.
   */
  forgetCalls(script: string): void {
    forgetCallsIn(this.#database, script);
  }

  /** Removes what actors without a name left whose program is gone: nobody finds it again. */
  sweep(): void {
    const kept = [...livingJobs(this.#database)];
    const marks = kept.map(() => "?").join(", ");
    const orphans = `SELECT durable_id FROM durable_actors
      WHERE name IS NULL AND job_id NOT IN (${marks})`;
    this.#run(
      `DELETE FROM durable_calls WHERE durable_id IN (${orphans})`,
      kept,
    );
    this.#run(
      `DELETE FROM durable_actors WHERE durable_id IN (${orphans})`,
      kept,
    );
  }

  #open(identity: DurableIdentity): DurableAnswer {
    const { actorId, jobId, className, namespace, name } = identity;
    const row = name === undefined
      ? this.#get("SELECT * FROM durable_actors WHERE actor_id = ?", [actorId])
      : this.#get(
        "SELECT * FROM durable_actors WHERE namespace = ? AND name = ?",
        [namespace, name],
      );
    const holder = row === undefined ? undefined : this.#holder(row, jobId);
    const verdict = this.#rules!.opening(row && known(row), identity, holder);
    if (verdict.kind === "refuse") {
      return { kind: "refused", reason: verdict.reason };
    }
    const { epoch } = verdict;
    if (row === undefined) {
      const { lastInsertRowid } = this.#run(
        `INSERT INTO durable_actors VALUES
          (NULL, ?, ?, ?, ?, ?, ?, 0, NULL, NULL, ?)`,
        [actorId, jobId, className, namespace, name ?? null, epoch, wallMs()],
      );
      const durableId = Number(lastInsertRowid);
      const calls = { callIds: [], isComplete: true };
      return { kind: "opened", durableId, epoch, seq: 0, ...calls };
    }
    const { durableId, seq } = known(row);
    this.#dropStrange(durableId, jobId);
    this.#run(
      `UPDATE durable_actors SET epoch = ?, actor_id = ?, job_id = ?
        WHERE durable_id = ?`,
      [epoch, actorId, jobId, durableId],
    );
    return {
      kind: "opened",
      durableId,
      epoch,
      seq,
      ...(row.state === null ? {} : { state: bytesOf(row.state) }),
      ...this.#callIds(durableId),
    };
  }

  #commit(commit: DurableCommit<ArrayBuffer>): DurableAnswer {
    const { durableId, seq, state, spec, call } = commit;
    const row = this.#get(
      `SELECT durable_id, class_name, epoch, seq FROM durable_actors
        WHERE durable_id = ?`,
      [durableId],
    );
    const verdict = this.#rules!.committing(row && known(row), commit);
    if (verdict.kind === "refuse") {
      return { kind: "refused", reason: verdict.reason };
    }
    if (verdict.kind === "again") return { kind: "done" };
    this.#run(
      `UPDATE durable_actors SET seq = ?, state = coalesce(?, state),
        spec = coalesce(?, spec), updated_at_ms = ? WHERE durable_id = ?`,
      [seq, bound(state), bound(spec), wallMs(), durableId],
    );
    if (call !== undefined) {
      const outcome = call.isError ? "failed" : "finished";
      this.#run(
        `INSERT INTO durable_calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        [
          durableId,
          call.callId,
          seq,
          call.what,
          call.jobId,
          call.script,
          outcome,
          bound(call.result),
          wallMs(),
        ],
      );
    }
    return { kind: "done" };
  }

  #result(durableId: number, callId: string): DurableAnswer {
    const row = this.#get(
      "SELECT * FROM durable_calls WHERE durable_id = ? AND call_id = ?",
      [durableId, callId],
    );
    if (row === undefined) return { kind: "none" };
    return {
      kind: "result",
      what: String(row.call),
      isError: row.outcome === "failed",
      result: bytesOf(row.result),
    };
  }

  #find(namespace: string, name: string): DurableAnswer {
    const row = this.#get(
      "SELECT spec FROM durable_actors WHERE namespace = ? AND name = ?",
      [namespace, name],
    );
    const hasSpec = row !== undefined && row.spec !== null;
    return hasSpec
      ? { kind: "found", spec: bytesOf(row.spec) }
      : { kind: "none" };
  }

  #leave(actorId: string, isForgotten: boolean): DurableAnswer {
    if (!isForgotten) {
      this.#run(
        "UPDATE durable_actors SET job_id = '' WHERE actor_id = ?",
        [actorId],
      );
      return { kind: "done" };
    }
    this.#run(
      `DELETE FROM durable_calls WHERE durable_id IN
        (SELECT durable_id FROM durable_actors WHERE actor_id = ?)`,
      [actorId],
    );
    this.#run("DELETE FROM durable_actors WHERE actor_id = ?", [actorId]);
    return { kind: "done" };
  }

  /** A program that runs and has the actor, if it is not the one that asks. */
  #holder({ job_id: holderId }: Row, jobId: string): string | undefined {
    if (holderId === jobId || holderId === "") return undefined;
    if (!livingJobs(this.#database).has(String(holderId))) return undefined;
    const job = this.#get(
      "SELECT script, driver_pid FROM jobs WHERE job_id = ?",
      [String(holderId)],
    );
    return `the program ${job?.script} (process ${job?.driver_pid})`;
  }

  /** Calls of a program that runs at the same time: another run of the same one would take them for its own. */
  #dropStrange(durableId: number, jobId: string): void {
    for (const other of livingJobs(this.#database)) {
      if (other === jobId) continue;
      this.#run(
        "DELETE FROM durable_calls WHERE durable_id = ? AND job_id = ?",
        [durableId, other],
      );
    }
  }

  #callIds(durableId: number): { callIds: string[]; isComplete: boolean } {
    const countMax = limits.durableCallsKnownMax;
    const rows = this.#statement(
      `SELECT call_id FROM durable_calls WHERE durable_id = ?
        ORDER BY rowid DESC LIMIT ?`,
    ).all(durableId, countMax + 1);
    const newest = rows.slice(0, countMax).reverse();
    return {
      callIds: newest.map((row) => String(row.call_id)),
      isComplete: rows.length <= countMax,
    };
  }

  #get(sql: string, values: SQLInputValue[]): Row | undefined {
    return this.#statement(sql).get(...values);
  }

  #run(sql: string, values: SQLInputValue[]) {
    return this.#statement(sql).run(...values);
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/** Forgets what calls of runs of a program that are over came to; false if there are none. */
export function forgetCallsIn(
  database: DatabaseSync,
  script: string,
): boolean {
  const running = [...livingJobs(database)];
  const marks = running.map(() => "?").join(", ");
  const { changes } = database.prepare(
    `DELETE FROM durable_calls WHERE script = ? AND job_id NOT IN (${marks})`,
  ).run(script, ...running);
  return changes > 0;
}

function known(row: Row): DurableRow {
  return {
    durableId: Number(row.durable_id),
    className: String(row.class_name),
    epoch: Number(row.epoch),
    seq: Number(row.seq),
  };
}

function bound(bytes: ArrayBuffer | undefined): Uint8Array | null {
  return bytes === undefined ? null : new Uint8Array(bytes);
}

/** A blob as bytes of its own, which may be transferred. */
function bytesOf(blob: unknown): ArrayBuffer {
  return (blob as Uint8Array<ArrayBuffer>).slice().buffer;
}
