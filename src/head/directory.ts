/**
 * What a head must know again after it was killed: the actors of its cluster
 * and where they are, the jobs that detached ones are of, placement groups, and
 * which nodes it declared dead. In a SQLite file of its own, written before
 * anybody is told.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { decode, encode } from "@std/msgpack";
import type { ActorId, JobId, NodeTag, ProcessId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import type { StoredValue } from "../base/stored.ts";
import type { ActorSpec, ResourceAmounts } from "../base/spec.ts";
import type { ActorPhase, ActorView } from "../state/actors.ts";
import type { KeptGroup } from "../state/group_table.ts";
import type { GroupStrategy } from "../state/placement_groups.ts";
import { type DatabaseKind, openDatabase } from "../store/database.ts";
import type { KeptJob } from "../wire/facts.ts";

const kind: DatabaseKind = {
  label: "head file",
  applicationId: 0x4d_54_48_44,
  migrations: [
    `
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
`,
    `
ALTER TABLE actors ADD COLUMN node_tag TEXT; -- which start of a node is to run it, once one is chosen
CREATE TABLE placement_groups (
  group_id TEXT PRIMARY KEY, -- a group that is reserved, or waits for room
  owner_id TEXT NOT NULL,    -- the process that made it
  strategy TEXT NOT NULL,    -- how its bundles are to lie
  bundles TEXT NOT NULL,     -- JSON: the amounts of each
  places TEXT NOT NULL       -- JSON: the tag of the node that each is reserved on, or null
) WITHOUT ROWID;
CREATE TABLE removed_groups (
  no INTEGER PRIMARY KEY,    -- in the order in which they were removed; the oldest are forgotten
  group_id TEXT NOT NULL UNIQUE
);
CREATE TABLE dead_actors (
  no INTEGER PRIMARY KEY,    -- in the order in which they died; the oldest are forgotten
  actor_id TEXT NOT NULL UNIQUE,
  incarnation INTEGER NOT NULL, -- its last
  reason TEXT,               -- why it is dead
  error BLOB,                -- MessagePack of what its constructor threw, if it did
  spec BLOB NOT NULL         -- MessagePack, without what starting it took
);
CREATE TABLE heads (
  no INTEGER PRIMARY KEY,    -- the last start of the head: its node is no more when there is another
  tag TEXT NOT NULL
);
`,
  ],
};

/** An actor as it was kept. */
export type KeptActor =
  & Pick<
    ActorView,
    "spec" | "phase" | "incarnation" | "processId"
  >
  & {
    /** Which node is to run it, if one was chosen. */
    tag: NodeTag | undefined;
  };

/** One that was dead. */
export type DeadActor = Pick<ActorView, "spec" | "incarnation" | "reason"> & {
  error: StoredValue | undefined;
};

/** Keeps a head's knowledge. */
export class Directory implements Disposable {
  readonly #database: DatabaseSync;
  readonly #put: StatementSync;
  readonly #update: StatementSync;
  readonly #place: StatementSync;
  readonly #remove: StatementSync;
  readonly #bury: StatementSync;
  readonly #putGroup: StatementSync;
  readonly #dead: Map<NodeTag, string>;
  /** What of a spec is in the file does not change. */
  readonly #known = new Set<ActorId>();

  constructor(path: string) {
    const database = this.#database = openDatabase(path, kind);
    this.#put = database.prepare(
      `INSERT OR REPLACE INTO actors (actor_id, phase, incarnation, process_id, spec)
        VALUES (?, ?, ?, ?, ?)`,
    );
    this.#update = database.prepare(
      `UPDATE actors SET phase = ?1, incarnation = ?2, process_id = ?3,
        node_tag = iif(?1 = 'alive', node_tag, NULL) WHERE actor_id = ?4`,
    );
    this.#place = database.prepare(
      "UPDATE actors SET node_tag = ? WHERE actor_id = ?",
    );
    this.#remove = database.prepare("DELETE FROM actors WHERE actor_id = ?");
    this.#bury = database.prepare(
      `INSERT OR REPLACE INTO dead_actors (actor_id, incarnation, reason, error, spec)
        VALUES (?, ?, ?, ?, ?)`,
    );
    this.#putGroup = database.prepare(
      "INSERT OR REPLACE INTO placement_groups VALUES (?, ?, ?, ?, ?)",
    );
    this.#dead = new Map(
      database.prepare("SELECT tag, reason FROM dead_nodes").all().map((
        row,
      ) => [row["tag"] as NodeTag, row["reason"] as string]),
    );
  }

  /** The actors that were not dead. */
  actors(): KeptActor[] {
    return this.#database.prepare("SELECT * FROM actors").all().map((row) => {
      const spec: ActorSpec = valueOf(row["spec"]);
      this.#known.add(spec.actorId);
      return {
        spec,
        phase: row["phase"] as ActorPhase,
        incarnation: Number(row["incarnation"]),
        processId: row["process_id"] === null
          ? undefined
          : row["process_id"] as ProcessId,
        tag: row["node_tag"] === null ? undefined : row["node_tag"] as NodeTag,
      };
    });
  }

  /** An actor is new, or has changed. */
  told(view: ActorView, error?: StoredValue): void {
    const { spec, phase, incarnation, processId } = view;
    const { actorId } = spec;
    if (phase === "dead") {
      if (!this.#known.delete(actorId)) return;
      this.#died(view, error);
      this.#remove.run(actorId);
    } else if (this.#known.has(actorId)) {
      this.#update.run(phase, incarnation, processId ?? null, actorId);
    } else {
      this.#known.add(actorId);
      const bytes = bytesOf(spec);
      this.#put.run(actorId, phase, incarnation, processId ?? null, bytes);
    }
  }

  /** Those that were, the latest last. */
  deadActors(): DeadActor[] {
    const all = this.#database.prepare("SELECT * FROM dead_actors ORDER BY no");
    return all.all().map((row) => ({
      spec: valueOf(row["spec"]),
      incarnation: Number(row["incarnation"]),
      reason: row["reason"] === null ? undefined : row["reason"] as string,
      error: row["error"] === null ? undefined : valueOf(row["error"]),
    }));
  }

  #died({ spec, incarnation, reason }: ActorView, error?: StoredValue): void {
    this.#bury.run(
      ...[spec.actorId, incarnation, reason ?? null],
      ...[error === undefined ? null : bytesOf(error), bytesOf(spec)],
    );
    this.#forget("dead_actors");
  }

  /** The oldest of what is remembered in order go. */
  #forget(table: "dead_actors" | "removed_groups"): void {
    this.#database.prepare(
      `DELETE FROM ${table} WHERE no <= (SELECT max(no) FROM ${table}) - ?`,
    ).run(limits.rememberedMax);
  }

  /** A node is about to be told to run an actor, or was found to run it. */
  placed(actorId: ActorId, tag: NodeTag): void {
    if (this.#known.has(actorId)) this.#place.run(tag, actorId);
  }

  /** The placement groups that were not removed. */
  groups(): KeptGroup[] {
    const all = this.#database.prepare("SELECT * FROM placement_groups").all();
    return all.map((row) => {
      const places = JSON.parse(row["places"] as string) as (NodeTag | null)[];
      return {
        groupId: row["group_id"] as string,
        ownerId: row["owner_id"] as ProcessId,
        strategy: row["strategy"] as GroupStrategy,
        bundles: JSON.parse(row["bundles"] as string) as ResourceAmounts[],
        places: places.map((tag) => tag ?? undefined),
      };
    });
  }

  /** Those that were, the latest last. */
  removedGroupIds(): string[] {
    return this.#database
      .prepare("SELECT group_id FROM removed_groups ORDER BY no").all()
      .map((row) => row["group_id"] as string);
  }

  /** A group is new, or its bundles lie elsewhere. */
  keepGroup({ groupId, ownerId, strategy, bundles, places }: KeptGroup): void {
    const tags = JSON.stringify(places.map((tag) => tag ?? null));
    const amounts = JSON.stringify(bundles);
    this.#putGroup.run(groupId, ownerId, strategy, amounts, tags);
  }

  /** A group is no more. */
  groupRemoved(groupId: string): void {
    const run = (sql: string) => this.#database.prepare(sql).run(groupId);
    // First: of a group that is in neither table nobody would be told.
    run("INSERT OR IGNORE INTO removed_groups (group_id) VALUES (?)");
    run("DELETE FROM placement_groups WHERE group_id = ?");
    this.#forget("removed_groups");
  }

  /** A head begins; answers the tag of the one before it, whose node is no more. */
  begun(tag: NodeTag): NodeTag | undefined {
    const row = this.#database.prepare("SELECT tag FROM heads").get();
    this.#database.prepare("INSERT OR REPLACE INTO heads VALUES (1, ?)")
      .run(tag);
    return row?.["tag"] as NodeTag | undefined;
  }

  /** What starts the processes of a job, if it is kept. */
  job(jobId: JobId): KeptJob | undefined {
    const row = this.#database
      .prepare("SELECT description FROM jobs WHERE job_id = ?").get(jobId);
    return row && valueOf<KeptJob>(row["description"]);
  }

  /** A job has a detached actor. */
  keepJob(jobId: JobId, description: KeptJob): void {
    this.#database.prepare("INSERT OR REPLACE INTO jobs VALUES (?, ?)")
      .run(jobId, bytesOf(description));
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

function bytesOf(value: object): Uint8Array<ArrayBuffer> {
  return encode(value as Parameters<typeof encode>[0]);
}

function valueOf<Value>(bytes: unknown): Value {
  return decode(bytes as Uint8Array<ArrayBuffer>) as unknown as Value;
}
