/**
 * The tables of durable actors, as SQL that explains itself. See
 * `lineage_schema.ts` for the others of the same file.
 *
 * @module
 */

/** Takes a lineage file of version 2 to version 3. */
export const durableSchema = `
CREATE TABLE durable_actors (
  -- The state that the last call of a durable actor left.
  durable_id INTEGER PRIMARY KEY,
  actor_id TEXT NOT NULL,         -- actors.actor_id of the one that has it, or had it last
  job_id TEXT NOT NULL,           -- jobs.job_id that has it; '': none
  class_name TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT,                      -- NULL: it goes with its program
  epoch INTEGER NOT NULL,         -- incarnation that may commit, from 1
  seq INTEGER NOT NULL,           -- states committed so far
  state BLOB,                     -- NULL: none yet
  spec BLOB,                      -- class and arguments, to start it in another program
  updated_at_ms REAL NOT NULL
);
CREATE UNIQUE INDEX durable_actors_by_name ON durable_actors (namespace, name);
CREATE INDEX durable_actors_by_actor ON durable_actors (actor_id);

CREATE TABLE durable_calls (
  -- A call that ran: it never runs again.
  durable_id INTEGER NOT NULL,    -- durable_actors.durable_id
  call_id TEXT NOT NULL,          -- its caller, and its number among that one's calls
  seq INTEGER NOT NULL,           -- the state it left
  call TEXT NOT NULL,             -- method, and a checksum of plain arguments
  job_id TEXT NOT NULL,
  script TEXT NOT NULL,           -- main module of the program that called
  outcome TEXT NOT NULL,          -- finished, failed
  result BLOB NOT NULL,           -- its values, or its error
  at_ms REAL NOT NULL,
  PRIMARY KEY (durable_id, call_id)
);
`;
