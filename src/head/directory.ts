/**
 * What a head must know again after it was killed: the actors of its cluster,
 * the jobs that detached ones are of, and which nodes it declared dead. In a
 * SQLite file of its own, written before anybody is told.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { decode, encode } from "@std/msgpack";
import type { ActorId, JobId, NodeTag, ProcessId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import type { ActorSpec } from "../base/spec.ts";
import type { ActorPhase, ActorView } from "../state/actors.ts";
import { type DatabaseKind, openDatabase } from "../store/database.ts";
import type { KeptJob } from "../wire/facts.ts";

const kind: DatabaseKind = {
  label: "head file",
  applicationId: 0x4d_54_48_44,
  migrations: [`
-- What the head of a cluster knows.
CREATE TABLE actors (
  actor_id TEXT PRIMARY KEY, -- the actor
  phase TEXT NOT NULL,       -- starting, alive or restarting; dead ones are not kept
  incarnation INTEGER NOT NULL, -- which start of it, from 0
  process_id TEXT,           -- where it takes calls, while alive
  spec BLOB NOT NULL         -- MessagePack of what starts it
) WITHOUT ROWID;
CREATE TABLE jobs (
  job_id TEXT PRIMARY KEY,   -- a job that has detached actors
  description BLOB NOT NULL  -- MessagePack of what starts its processes
) WITHOUT ROWID;
CREATE TABLE dead_nodes (
  tag TEXT PRIMARY KEY,      -- one start of a node that was declared dead
  reason TEXT NOT NULL
) WITHOUT ROWID;
`],
};

/** An actor as it was kept. */
export type KeptActor = Pick<
  ActorView,
  "spec" | "phase" | "incarnation" | "processId"
>;

/** Keeps a head's knowledge. */
export class Directory implements Disposable {
  readonly #database: DatabaseSync;
  readonly #put: StatementSync;
  readonly #update: StatementSync;
  readonly #remove: StatementSync;
  readonly #dead: Map<NodeTag, string>;
  /** What of a spec is in the file does not change. */
  readonly #known = new Set<ActorId>();

  constructor(path: string) {
    const database = this.#database = openDatabase(path, kind);
    this.#put = database.prepare(
      "INSERT OR REPLACE INTO actors VALUES (?, ?, ?, ?, ?)",
    );
    this.#update = database.prepare(
      "UPDATE actors SET phase = ?, incarnation = ?, process_id = ? WHERE actor_id = ?",
    );
    this.#remove = database.prepare("DELETE FROM actors WHERE actor_id = ?");
    this.#dead = new Map(
      database.prepare("SELECT tag, reason FROM dead_nodes").all().map((
        row,
      ) => [row["tag"] as NodeTag, row["reason"] as string]),
    );
  }

  /** The actors that were not dead. */
  actors(): KeptActor[] {
    return this.#database.prepare("SELECT * FROM actors").all().map((row) => {
      const spec = decode(bytesOf(row["spec"])) as unknown as ActorSpec;
      this.#known.add(spec.actorId);
      return {
        spec,
        phase: row["phase"] as ActorPhase,
        incarnation: Number(row["incarnation"]),
        processId: row["process_id"] === null
          ? undefined
          : row["process_id"] as ProcessId,
      };
    });
  }

  /** An actor is new, or has changed. */
  told({ spec, phase, incarnation, processId }: ActorView): void {
    const { actorId } = spec;
    if (phase === "dead") {
      if (this.#known.delete(actorId)) this.#remove.run(actorId);
    } else if (this.#known.has(actorId)) {
      this.#update.run(phase, incarnation, processId ?? null, actorId);
    } else {
      this.#known.add(actorId);
      const bytes = encode(spec as unknown as Parameters<typeof encode>[0]);
      this.#put.run(actorId, phase, incarnation, processId ?? null, bytes);
    }
  }

  /** What starts the processes of a job, if it is kept. */
  job(jobId: JobId): KeptJob | undefined {
    const row = this.#database
      .prepare("SELECT description FROM jobs WHERE job_id = ?").get(jobId);
    return row && decode(bytesOf(row["description"])) as unknown as
      | KeptJob
      | undefined;
  }

  /** A job has a detached actor. */
  keepJob(jobId: JobId, description: KeptJob): void {
    const bytes = encode(
      description as unknown as Parameters<typeof encode>[0],
    );
    this.#database.prepare("INSERT OR REPLACE INTO jobs VALUES (?, ?)")
      .run(jobId, bytes);
  }

  /** Nodes that were declared dead, and why. */
  dead(): ReadonlyMap<NodeTag, string> {
    return this.#dead;
  }

  /** A node is declared dead. */
  buried(tag: NodeTag, reason: string): void {
    this.#dead.set(tag, reason);
    this.#database.prepare("INSERT OR REPLACE INTO dead_nodes VALUES (?, ?)")
      .run(tag, reason);
    if (this.#dead.size <= limits.rememberedMax) return;
    const [oldest] = this.#dead.keys();
    this.#dead.delete(oldest!);
    this.#database.prepare("DELETE FROM dead_nodes WHERE tag = ?").run(oldest!);
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

function bytesOf(value: unknown): Uint8Array<ArrayBuffer> {
  return value as Uint8Array<ArrayBuffer>;
}
