/**
 * The tables of the lineage file, as SQL that explains itself: SQLite keeps
 * the comments, so `sqlite3 FILE .schema` shows them.
 *
 * A change is a further migration in `lineage_log.ts`, never an edit here:
 * files of version 1 exist. `docs/lineage.md` says more.
 *
 * @module
 */

/** Makes a file of version 1. */
export const lineageSchema = `
CREATE TABLE jobs (
  -- One program that ran once.
  job_id TEXT PRIMARY KEY,
  script TEXT NOT NULL,           -- its main module
  driver_pid INTEGER NOT NULL,
  started_at_ms REAL NOT NULL,    -- all times: ms since 1970, UTC
  finished_at_ms REAL,            -- NULL: runs, or was killed
  outcome TEXT                    -- finished, failed, crashed; NULL: as above
) WITHOUT ROWID;

CREATE TABLE lanes (
  -- What many attempts share: one function of one job on one worker.
  lane INTEGER PRIMARY KEY,
  job_id TEXT NOT NULL,           -- jobs.job_id
  name TEXT NOT NULL,             -- function, or Class.method
  node_id TEXT,                   -- NULL: on no node yet
  worker_pid INTEGER              -- NULL: on no worker yet
);
CREATE INDEX lanes_by_job ON lanes (job_id, name);

CREATE TABLE attempts (
  -- One run of one task. The view "tasks" is easier to read.
  task_id TEXT NOT NULL,          -- its first 16 digits name its owner
  attempt INTEGER NOT NULL,       -- from 1
  lane INTEGER NOT NULL,          -- lanes.lane
  state TEXT NOT NULL,            -- waiting, running, finished, failed, cancelled, crashed
  submitted_at_ms REAL NOT NULL,
  started_at_ms REAL,
  finished_at_ms REAL,
  args TEXT,                      -- the arguments in short
  PRIMARY KEY (task_id, attempt)
) WITHOUT ROWID;

CREATE TABLE errors (
  -- Why an attempt did not finish.
  task_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  error_name TEXT NOT NULL,       -- class, like TypeError
  error_message TEXT NOT NULL,
  PRIMARY KEY (task_id, attempt)
) WITHOUT ROWID;

CREATE TABLE task_counts (
  -- Tasks under a millisecond that got no row of their own, by minute.
  job_id TEXT NOT NULL,
  name TEXT NOT NULL,             -- function, or Class.method
  minute_at_ms INTEGER NOT NULL,  -- start of the minute they finished in
  count INTEGER NOT NULL,
  failed_count INTEGER NOT NULL,
  run_ms REAL NOT NULL,           -- their run times together
  PRIMARY KEY (job_id, name, minute_at_ms)
) WITHOUT ROWID;

CREATE TABLE objects (
  -- A value that a task returned or put stored.
  object_id TEXT PRIMARY KEY,     -- the id of its task, and 4 digits of return index
  job_id TEXT NOT NULL,
  owner_id TEXT NOT NULL,         -- process that owns it
  origin TEXT NOT NULL,           -- task, put
  size_bytes INTEGER NOT NULL,
  created_at_ms REAL NOT NULL,
  freed_at_ms REAL                -- NULL: lives, or its owner ended
) WITHOUT ROWID;

CREATE TABLE dependencies (
  -- A task takes an object as an argument.
  task_id TEXT NOT NULL,
  position INTEGER NOT NULL,      -- which argument, from 0
  object_id TEXT NOT NULL,
  PRIMARY KEY (task_id, position, object_id)
) WITHOUT ROWID;

CREATE TABLE actors (
  -- One actor, all its incarnations.
  actor_id TEXT PRIMARY KEY,
  job_id TEXT NOT NULL,
  owner_id TEXT NOT NULL,         -- process whose handle keeps it alive
  class_name TEXT NOT NULL,
  name TEXT,                      -- what getActor finds it by
  namespace TEXT NOT NULL,
  state TEXT NOT NULL,            -- starting, alive, restarting, dead
  incarnation INTEGER NOT NULL,   -- from 1
  node_id TEXT,
  worker_pid INTEGER,
  created_at_ms REAL NOT NULL,
  ended_at_ms REAL,
  reason TEXT                     -- why it is dead
) WITHOUT ROWID;

CREATE TABLE gaps (
  -- Rows that are missing, and why: the file says so itself.
  at_ms REAL NOT NULL,
  row_count INTEGER NOT NULL,
  reason TEXT NOT NULL
);

CREATE VIEW tasks AS
  -- Each task by its last attempt.
  SELECT a.task_id, a.attempt, l.job_id, substr(a.task_id, 1, 16) AS owner_id,
    l.name, a.state, l.node_id, l.worker_pid,
    a.submitted_at_ms, a.started_at_ms, a.finished_at_ms,
    a.finished_at_ms - a.started_at_ms AS run_ms,
    a.args, e.error_name, e.error_message
  FROM attempts a
  JOIN lanes l USING (lane)
  LEFT JOIN errors e USING (task_id, attempt)
  WHERE NOT EXISTS (
    SELECT 1 FROM attempts later
    WHERE later.task_id = a.task_id AND later.attempt > a.attempt
  );
`;

/** Takes a file of version 4 to version 5. */
export const lineageSchema5 = `
ALTER TABLE programs ADD COLUMN job_id TEXT; -- jobs.job_id of the run whose results these are
`;

/** Takes a file of version 2 to version 3. */
export const lineageSchema3 = `
CREATE TABLE programs (
  -- A main module whose results are kept.
  program INTEGER PRIMARY KEY,
  script TEXT NOT NULL UNIQUE     -- its address
);

CREATE TABLE results (
  -- What finished tasks returned, until their program ends in success.
  batch INTEGER PRIMARY KEY,      -- results that were committed together
  program INTEGER NOT NULL,       -- programs.program
  bytes BLOB NOT NULL             -- keys (code, arguments, place) and values, as they travel
);
`;

/** Takes a file of version 1 to version 2. */
export const lineageSchema2 = `
CREATE TABLE jobs_2 (
  -- One program that ran once.
  job_id TEXT PRIMARY KEY,
  script TEXT NOT NULL,           -- its main module
  driver_pid INTEGER NOT NULL,
  started_at_ms REAL NOT NULL,    -- all times: ms since 1970, UTC
  finished_at_ms REAL,            -- NULL: runs, or was killed
  outcome TEXT,                   -- finished, crashed; NULL: runs, or nobody knows
  driver_mark TEXT                -- machine, boot, pid namespace, start of its process
) WITHOUT ROWID;
INSERT INTO jobs_2 SELECT job_id, script, driver_pid, started_at_ms,
  finished_at_ms, outcome, NULL FROM jobs;
DROP TABLE jobs;
ALTER TABLE jobs_2 RENAME TO jobs;

CREATE TABLE owners (
  -- A process that submitted tasks or stored objects: their ids begin with its.
  owner_id TEXT PRIMARY KEY,
  job_id TEXT NOT NULL            -- jobs.job_id
) WITHOUT ROWID;
CREATE INDEX owners_by_job ON owners (job_id);
INSERT OR IGNORE INTO owners SELECT DISTINCT substr(a.task_id, 1, 16), l.job_id
  FROM attempts a JOIN lanes l USING (lane);
INSERT OR IGNORE INTO owners SELECT DISTINCT owner_id, job_id FROM objects;

CREATE TABLE pruned (
  -- A job whose rows were removed to bound the file, or are being removed.
  job_id TEXT PRIMARY KEY,
  script TEXT NOT NULL,
  started_at_ms REAL NOT NULL,
  pruned_at_ms REAL NOT NULL,
  reason TEXT NOT NULL            -- age, size
) WITHOUT ROWID;
`;
