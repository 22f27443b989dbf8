/**
 * Every bound of the runtime, each named once, with its unit.
 *
 * @module
 */

/** The bounds. A test may pass others to the rooms that take them. */
export const limits = {
  /** Version of the wire; both sides of a connection must speak the same. */
  protocolVersion: 2,
  /** Longest frame after authentication: what one message may take from memory. */
  frameBytesMax: 1 << 30,
  /** A value's array this large or larger travels outside its skeleton. */
  outOfBandBytesMin: 4096,
  /** A value whose arrays reach this lies in a shared segment. */
  segmentBytesMin: 64 * 1024,
  /** Segments are whole pages of a `WebAssembly.Memory`. */
  segmentPageBytes: 64 * 1024,
  /** A capture above this warns once. */
  captureWarnBytes: 1 << 20,
  /** Requests that may wait for a worker; one more is rejected. */
  leaseWaitingMax: 100_000,
  /** Unstarted tasks that may ride one lease whose functions are known to be short. */
  pipelineDepthMax: 1000,
  /** Expected run time that may ride one lease. */
  pipelineWindowMs: 10,
  /** Lease requests that one owner has under way for one scheduling class. */
  leaseRequestsMax: 4,
  /** Bytes of lines that wait for a slow reader of the program's output, and how often it is tried. */
  printBytesMax: 4 << 20,
  printRetryMs: 10,
  /** Mean run time up to which a function counts as short. */
  shortTaskMs: 10,
  /** How long a worker runs short tasks without looking at its connections. */
  turnMs: 2,
  /** A run that takes less is brief, and a function after so many of them: what was said before may leave after it. */
  briefRunMs: 1,
  briefRunsMin: 8,
  /** How long a lease without work is kept for the next task. */
  leaseLingerMs: 100,
  /** Slots in an owner's page of claims. */
  claimSlots: 1 << 16,
  /** Shared segments a node keeps: each costs it a descriptor. */
  segmentsMax: 8000,
  /** Segments that may wait for room in the store. */
  segmentsWaitingMax: 10_000,
  /** Recyclable segments that a writer may keep. */
  recyclablesMax: 8,
  /** Ended things that a table remembers for late messages. */
  rememberedMax: 4096,
  /** How soon an actor that did not answer is connected to again; twice as long each time. */
  redialMs: 20,
  /** How long a node asks a program that lives, over connections that end, before its job can't be set up there. */
  homeAskMs: 3000,
  /** How long a node waits for its head before it says so. */
  waitSayMs: 300,
  /** Longest time between two attempts to reach the head of a cluster. */
  redialMsMax: 1000,
  /** How soon processes collect garbage for who waits for what actors hold; ever less often after. */
  collectForActorsMs: 50,
  /** Longest time between two such collections. */
  collectForActorsMsMax: 10_000,
  /** How often a process tells how far a progress bar is. */
  progressTellMs: 50,
  /** How often the driver draws progress bars. */
  progressDrawMs: 80,
  /** How long all processes may take to collect their garbage. */
  collectDeadlineMs: 1000,
  /** The same, where cold objects can go to disk instead. */
  collectBriefMs: 50,
  /** Segments that a node copies to disk or back at once. */
  spillCopiesMax: 3,
  /** What is copied in one piece, and has its checksum taken at once: 0.2 ms. */
  spillChunkBytes: 8 << 20,
  /** How often a node looks at its memory, while workers are leased. */
  memoryLookMs: 250,
  /** The same, where little is left. */
  memoryLookNearMs: 50,
  /** Share of a bound on memory from which on little is left. */
  memoryNearShare: 0.7,
  /** Share of the machine's memory that may be used before a task is ended. */
  memoryShareMax: 0.95,
  /** Actors that get a host process each; further ones share. */
  dedicatedHostsMax: 32,
  /** Workers of one node, whatever waits. */
  workersMax: 128,
  /** How long a worker above the kept number may be idle. */
  workerIdleMs: 2000,
  /** Longest time between two looks at idle workers that others still need. */
  trimMsMax: 60_000,
  /** Workers that may fail to start one after another before those who wait are told. */
  startFailuresMax: 3,
  /** Where workers can't be started, how long until one is tried again for those who wait. */
  startRetryMs: 1000,
  /** How long an asked process may take to leave before SIGKILL. */
  stopGraceMs: 1000,
  /** A child has ended: for so long nothing more of what it printed may come before that is all. */
  printQuietMs: 200,
  /** So often it is waited for more. */
  printRoundsMax: 20,
  /** How long a task over its time may take to heed its signal. */
  abortGraceMs: 500,
  /** How long a disposed actor may take for its own clean-up. */
  disposeGraceMs: 5000,
  /** How often an actor with a bound on its memory looks whether its heap passed it. */
  heapLookMs: 100,
  /** How long a started process may take to connect. */
  startDeadlineMs: 30_000,
  /** A failure that nobody asked for within this is logged. */
  failureUnaskedMs: 5000,
  /** A wait longer than this says what it waits for. */
  waitWarnMs: 10_000,
  /** How long both sides of a link may take to know each other. */
  handshakeMs: 5000,
  /** How often something is heard of a link, and after what silence it is given up. */
  linkTiming: { heartbeatMs: 1000, deadMs: 5000 },
  /** Turns in which something was sent before a connection is worth rings. */
  ringTurns: 16,
  /** Bytes of one ring. */
  ringBytes: 64 * 1024,
  /** Bytes after which a ring's reader may begin, though the turn goes on. */
  ringPourBytes: 4096,
  /** How long a ring is looked at before its reader sleeps. */
  ringPollMs: 0.1,
  /** Of things that came after it had slept, how many a reader lets pass before it looks at its ring again. */
  ringPassesMax: 63,
  /** Bytes that a link keeps unconfirmed before writers wait. */
  linkBytesMax: 16 << 20,
  /** Bytes after which what has come is confirmed. */
  linkConfirmBytes: 1 << 20,
  /** How long a link that ends waits for its last words to be confirmed. */
  linkCloseMs: 1000,
  /** Bytes of one stream over a link that its reader has not taken. */
  channelBytesMax: 4 << 20,
  /** Longest piece of a stream in one frame. */
  channelFrameBytesMax: 256 * 1024,
  /** Connections that have not proved themselves. */
  strangersMax: 128,
  /** Of strangers so many are told of. */
  strangersSaidMax: 100,
  /** How long a stream waits for a link that the other side is to make. */
  linkWaitMs: 10_000,
  /** How soon that is asked for again: words to a head that is killed are lost. */
  linkAskMs: 500,
  /** How long lines of other machines' processes gather before they are sent to the driver. */
  logGatherMs: 20,
  /** Lines that may gather; further ones are counted. */
  logLinesMax: 10_000,
  /** How long news of nodes gather at the head before they are told. */
  viewGatherMs: 30,
  /** How long a node's news gather before the head is told. */
  loadGatherMs: 10,
  /** Characters of a token, at least. */
  tokenLengthMin: 16,
  /** How long a node may take to leave when it is told to. */
  nodeLeaveMs: 15_000,
  /** Nodes that are gone and still shown. */
  pastNodesMax: 100,
  /** How long a head that came back waits for the nodes it knew. */
  rejoinGraceMs: 8000,
  /** Longest line of a worker's output that is kept whole. */
  logLineBytesMax: 64 * 1024,
  /** Finished tasks that an owner could run again, because their values can be lost. */
  lineageTasksMax: 100_000,
  /** Bytes of their arguments. */
  lineageArgumentBytesMax: 256 * 1024 * 1024,
  /** What remembering one takes beside its arguments. */
  lineageTaskBytes: 500,
  /** How long results gather for one transaction, where several came for the last. */
  keepGatherMs: 10,
  /** A result larger than this is not kept for a program that resumes: SQLite holds no larger value. */
  keptResultBytesMax: 900_000_000,
  /** Rows that may wait for the lineage file before new ones are counted instead of kept. */
  lineageRowsMax: 200_000,
  /** Tasks shorter than this may be counted instead of kept as rows. */
  lineageRunMsMin: 1,
  /** Oldest a batch of lineage rows may get before it is written. */
  lineageBatchMs: 10,
  /** The same for the session's own file, which tells nobody after a kill: short tasks add up longer. */
  lineageOwnBatchMs: 100,
  /** A task that is open for longer has a row in a named lineage file that says so. */
  lineageOpenMs: 100,
  /** Rows of one batch for tasks that are open still: more follow with the next. */
  lineageOpenRowsMax: 2000,
  /** Longest time between two looks at tasks that were sent and have not started. */
  lineageLookMsMax: 500,
  /** How long rows wait before a locked lineage file is tried again. */
  lineageRetryMs: 200,
  /** How long a lineage file must be written well before its failure counts as over. */
  lineageRecoveredMs: 1000,
  /** Jobs whose end is longer ago go from a named lineage file. */
  lineageAgeMsMax: 30 * 24 * 3_600_000,
  /** Jobs go from a named lineage file, the oldest first, while more of it than this is in use. */
  lineageFileBytesMax: 1 << 30,
  /** How often a named lineage file is looked through for what may go. */
  lineagePruneMs: 60_000,
  /** Time between two steps of removing, for rows to be written. */
  lineagePrunePauseMs: 5,
  /** Rows that one step removes. */
  lineagePruneRows: 2000,
  /** How long a call to SQLite may wait for another program that locks the file. */
  databaseBusyMs: 2000,
  /** Calls of a durable actor whose ids it remembers; of older ones the lineage file is asked. */
  durableCallsKnownMax: 100_000,
  /** A durable actor's state and a call's result together: what SQLite takes in one piece. */
  durableBytesMax: 999_000_000,
  /** How soon it is said that the lineage thread has ended without a word: a process that ends ends it first. */
  lineageEndSayMs: 500,
  /** How long a node waits for what its processes tell a command line: one that computes can't answer. */
  factsWaitMs: 1000,
  /** How long a command line waits for a node. */
  factsNodeWaitMs: 3000,
  /** Open tasks that a process looks at before it goes on with its work for a moment. */
  factsStepCount: 2000,
  /** Rows of one list that a process tells, whatever is asked. */
  factsRowsMax: 10_000,
  /** What processes printed that a machine keeps for `logs`, in characters. */
  keptLogBytesMax: 4 << 20,
  /** The same, in lines. */
  keptLogLinesMax: 20_000,
  /** Longest time that a question for news is left open. */
  newsWaitMsMax: 10_000,
  /** How often the output of a submitted job is looked at for who waits for more. */
  jobLookMs: 50,
  /** Output of a submitted job in one answer. */
  jobReadBytesMax: 1 << 20,
  /** How long a submitted job that is stopped may take to leave. */
  jobStopGraceMs: 3000,
  /** Submitted jobs that are kept once they are over. */
  jobsKeptMax: 200,
  /** Bytes of a program's files that are asked for at once. */
  shippedBytesMax: 4 << 20,
  /** Connections to a dashboard at a time; for one more the oldest that asks nothing goes. */
  dashboardConnsMax: 64,
  /** Longest head of a request to a dashboard. */
  dashboardHeadBytesMax: 64 * 1024,
  /** How long a request to a dashboard may take to arrive. */
  dashboardHeadMs: 5000,
  /** How long an answer of a dashboard may take to be read. */
  dashboardAnswerMs: 30_000,
  /** Rows of one list of a dashboard, whatever is asked. */
  dashboardRowsMax: 1000,
  /** How long a dashboard may take to end what it answers. */
  dashboardLeaveMs: 2000,
  /** How long the lineage thread of a node that failed may take to write what it has. */
  lineageLeaveMs: 2000,
} as const;
