/**
 * The public contract, row by row, and the test that shows each: the file
 * under `tests/`, and a test or step in it. `tests/contract_test.ts` checks
 * that every export, option, variable and command has a row here, and that
 * each row's test is there.
 *
 * @module
 */

/** A file without its `_test.ts`, and the name of a test or a step in it. */
export type Shown = readonly [file: string, test: string];

/** What `mod.ts` exports and is there at run time. */
export const exportsShown: Record<string, Shown> = {
  ActorDiedError: [
    "e2e/actors_lives",
    "Deno.exit and a killed process are named as reasons",
  ],
  ActorPool: ["e2e/helpers", "ActorPool: map and mapUnordered"],
  ActorUnavailableError: [
    "e2e/actors_lives",
    "a call cut short by a restart is told so, later ones run",
  ],
  asCompleted: ["e2e/tasks", "asCompleted gives each as soon as it is ready"],
  AuthenticationError: [
    "e2e/cluster",
    "A wrong token, and an address that is no cluster, are told at init",
  ],
  cancel: ["e2e/cancel", "A cancelled task stops, and holds nothing"],
  exitActor: [
    "e2e/actors_lives",
    "exitActor ends it after its clean-up, without restart",
  ],
  free: ["e2e/objects", "free gives the memory back at once, whoever holds it"],
  get: ["e2e/tasks", "get keeps the shape it was given"],
  getActor: [
    "e2e/actors_lives",
    "a name finds its actor, and is free after its end",
  ],
  GetTimeoutError: ["e2e/nested", "GetTimeoutError says what it waits for"],
  init: [
    "e2e/lifecycle",
    "A second init is refused, unless it says to ignore it; shutdown can be called twice, init again",
  ],
  inspectSerializability: [
    "e2e/helpers",
    "inspectSerializability(value) names what can't travel",
  ],
  isInitialized: [
    "e2e/lifecycle",
    "A second init is refused, unless it says to ignore it; shutdown can be called twice, init again",
  ],
  kill: [
    "e2e/actors_lives",
    "a method that spins is killed, and the queue behind it",
  ],
  MantaError: [
    "e2e/actors_lives",
    "a name finds its actor, and is free after its end",
  ],
  map: ["e2e/helpers", "map(remoteFn, iterable, { window, ordered })"],
  NodeDiedError: [
    "e2e/node_ended",
    "When its node has ended, a program is told so at once, and can start anew",
  ],
  ObjectFreedError: ["e2e/tasks", "a freed object is gone for everyone"],
  ObjectLostError: [
    "e2e/reconstruction",
    "but not what put() stored, nor what an actor made",
  ],
  ObjectRef: [
    "e2e/contract",
    "a ref is no thenable: returned or awaited it stays one",
  ],
  ObjectRefStream: ["e2e/streams", "Generators stream"],
  ObjectStoreFullError: [
    "e2e/objects",
    "a store full of what is read says what holds it, and takes more when there is room",
  ],
  OutOfMemoryError: [
    "e2e/out_of_memory",
    "a task that fills memory is ended before the machine is full",
  ],
  OwnerDiedError: ["e2e/tasks", "an object dies with its owner"],
  PendingCallsLimitExceeded: [
    "e2e/actors_calls",
    "more than maxPendingCalls is an error at the call",
  ],
  PlacementGroup: [
    "e2e/placement_group",
    "reserves all, runs tasks and actors, and gives back",
  ],
  placementGroup: [
    "e2e/placement_group",
    "placementGroup(bundles, { strategy, name }) on one machine",
  ],
  Progress: [
    "e2e/progress",
    "progress(iterable | total, { label }): bars from any process, drawn by the driver",
  ],
  progress: [
    "e2e/progress",
    "progress(iterable | total, { label }): bars from any process, drawn by the driver",
  ],
  ProtocolError: [
    "wire/values_random",
    "ValueCodec answers spoilt bytes with a value or a ProtocolError",
  ],
  put: ["e2e/values", "values mean the same after put and after a task"],
  Queue: ["e2e/helpers", "Queue({ maxSize }): put, get, size"],
  registerClass: [
    "e2e/helpers",
    "registerClass(C): instances travel as instances",
  ],
  remote: [
    "e2e/functions",
    "functions travel through remote() with what they close over",
  ],
  removePlacementGroup: [
    "e2e/placement_group",
    "what waits for a removed one, or lives in it, ends",
  ],
  restoreState: [
    "e2e/durable",
    "saveState and restoreState keep what is private",
  ],
  runtimeContext: [
    "e2e/contract",
    "runtimeContext() in the driver, a task and an actor",
  ],
  RuntimeEnvSetupError: ["e2e/runtime_env", "runtimeEnv: { env, workingDir }"],
  saveState: ["e2e/durable", "saveState and restoreState keep what is private"],
  SerializationError: [
    "e2e/functions",
    "what can't travel is named, and the runtime goes on",
  ],
  shutdown: [
    "e2e/lifecycle",
    "While a runtime ends it takes nothing, and init waits for its end",
  ],
  signal: ["e2e/cancel", "running: its signal aborts"],
  TaskCancelledError: ["e2e/cancel", "not started: it never runs"],
  TaskError: [
    "e2e/errors",
    "with name, message, own properties and who ran it",
  ],
  TaskTimeoutError: [
    "e2e/cancel",
    "timeout ends a task that sleeps, its signal first",
  ],
  TaskUnschedulableError: [
    "e2e/tasks",
    "what no machine here has fails at once",
  ],
  wait: [
    "e2e/tasks",
    "wait gives both lists in input order, never more than asked",
  ],
  why: ["e2e/tasks", "why says what a ref waits for"],
  WorkerCrashedError: [
    "e2e/retries",
    "0 means once, and the error says how the worker ended",
  ],
};

const amounts: Record<string, Shown> = {
  numCpus: ["e2e/tasks", "whole CPUs"],
  numGpus: ["e2e/contract", "numGpus and memory bound what runs"],
  memory: ["e2e/contract", "numGpus and memory bound what runs"],
  resources: ["e2e/tasks", "custom resources, without CPU"],
};

/** The options of `remote(fn)`. */
export const taskOptionsShown: Record<string, Shown> = {
  ...amounts,
  numReturns: ["e2e/tasks", "numReturns gives as many refs"],
  maxRetries: ["e2e/retries", "Crashed tasks go again, up to maxRetries"],
  retryExceptions: [
    "e2e/retries",
    "retryExceptions decides which errors go again",
  ],
  timeout: ["e2e/cancel", "timeout ends a task that spins"],
  schedulingTimeout: [
    "e2e/cancel",
    "schedulingTimeout ends a task that can't start",
  ],
  schedulingStrategy: [
    "e2e/cluster",
    "schedulingStrategy places tasks by node, by label, and spread",
  ],
  runtimeEnv: [
    "e2e/runtime_env",
    "for tasks: their own worker, used again for equal ones",
  ],
  name: [
    "e2e/timeline",
    "timeline(path) is a trace of what ran: slices on workers, named, retries and errors told",
  ],
  priority: [
    "e2e/contract",
    "priority: the higher runs first among waiting tasks",
  ],
  maxCalls: [
    "e2e/options",
    "maxCalls: a worker that ran this many is replaced",
  ],
  backpressure: [
    "e2e/streams",
    "each item is there before the next is made",
  ],
};

/** The options of `remote(Class)`. */
export const actorOptionsShown: Record<string, Shown> = {
  numCpus: ["e2e/actors_lives", "resources are waited for, and given back"],
  numGpus: [
    "e2e/contract",
    "runtimeContext() in the driver, a task and an actor",
  ],
  memory: [
    "e2e/contract",
    "runtimeContext() in the driver, a task and an actor",
  ],
  resources: ["e2e/actors_lives", "resources are waited for, and given back"],
  schedulingStrategy: ["e2e/cluster", "labels, for tasks and actors"],
  runtimeEnv: ["e2e/runtime_env", "for actors"],
  name: [
    "e2e/actors_lives",
    "a name finds its actor, and is free after its end",
  ],
  namespace: [
    "e2e/actors_lives",
    "a name finds its actor, and is free after its end",
  ],
  getIfExists: ["e2e/actors_lives", "getIfExists, raced, makes one actor"],
  lifetime: [
    "e2e/actors_lives",
    "a detached actor outlives the task that made it",
  ],
  ttl: [
    "e2e/options",
    "lifetime, ttl: an actor ends that long after its last call",
  ],
  maxRestarts: ["e2e/actors_lives", "restarts are bounded by maxRestarts"],
  maxTaskRetries: [
    "e2e/actors_lives",
    "maxTaskRetries runs cut calls again, in order",
  ],
  maxConcurrency: [
    "e2e/actors_calls",
    "maxConcurrency methods run at a time, no more",
  ],
  concurrencyGroups: [
    "e2e/options",
    "concurrencyGroups: methods of a group run beside the others",
  ],
  maxPendingCalls: [
    "e2e/actors_names",
    "maxPendingCalls counts the calls of all of them",
  ],
  isolation: [
    "e2e/actors_many",
    "isolation: process gives a host of its own",
  ],
  durable: [
    "e2e/durable",
    "A durable actor has its state again after its host was killed",
  ],
};

/** The options of an actor's method. */
export const methodOptionsShown: Record<string, Shown> = {
  numReturns: ["e2e/actors_calls", "numReturns and refs nested in values"],
  name: ["e2e/contract", "a call goes by the name that it is given"],
  timeout: [
    "e2e/actors_stopped",
    "one over its time that spins is ended with its actor",
  ],
  backpressure: [
    "e2e/sandboxed_actors",
    "streams, no further than its consumer lets it",
  ],
};

/** The options of `get`. */
export const getOptionsShown: Record<string, Shown> = {
  timeout: ["e2e/tasks", "get with timeout 0 takes only what is ready"],
  signal: [
    "e2e/tasks",
    "an aborted signal rejects with its reason, and the task goes on",
  ],
};

/** The options of `wait`. */
export const waitOptionsShown: Record<string, Shown> = {
  numReturns: [
    "e2e/tasks",
    "wait gives both lists in input order, never more than asked",
  ],
  timeout: [
    "e2e/tasks",
    "wait gives both lists in input order, never more than asked",
  ],
  signal: [
    "e2e/tasks",
    "an aborted signal rejects with its reason, and the task goes on",
  ],
  fetchLocal: [
    "e2e/cluster",
    "what wait calls ready is on this machine, but with fetchLocal: false",
  ],
};

/** The options of `asCompleted`. */
export const asCompletedOptionsShown: Record<string, Shown> = {
  timeout: ["e2e/tasks", "asCompleted gives each as soon as it is ready"],
  signal: ["e2e/contract", "asCompleted ends where its signal aborts"],
};

/** The options of `cancel`. */
export const cancelOptionsShown: Record<string, Shown> = {
  force: ["e2e/cancel", "spinning: force ends its worker"],
  recursive: ["e2e/cancel", "unless recursive is false"],
};

/** The options of `kill`. */
export const killOptionsShown: Record<string, Shown> = {
  noRestart: ["e2e/actors_lives", "kill with noRestart: false starts it again"],
};

/** The options of `map`. */
export const mapOptionsShown: Record<string, Shown> = {
  window: [
    "e2e/helpers",
    "takes endless inputs, never more than window at a time",
  ],
  ordered: ["e2e/helpers", "or as they are ready"],
};

/** The options of `placementGroup`. */
export const groupOptionsShown: Record<string, Shown> = {
  strategy: [
    "e2e/placement_group",
    "placementGroup(bundles, { strategy, name }) on one machine",
  ],
  name: [
    "e2e/placement_group",
    "placementGroup(bundles, { strategy, name }) on one machine",
  ],
};

/** The option of a `Queue`. */
export const queueOptionsShown: Record<string, Shown> = {
  maxSize: ["e2e/helpers", "is bounded, and both sides can give up"],
};

/** The option of `progress`. */
export const progressOptionsShown: Record<string, Shown> = {
  label: [
    "e2e/progress",
    "progress(iterable | total, { label }): bars from any process, drawn by the driver",
  ],
};

/** What `runtimeEnv` takes, for tasks and for actors. */
export const runtimeEnvShown: Record<"task" | "actor", Record<string, Shown>> =
  {
    task: {
      env: [
        "e2e/runtime_env",
        "for tasks: their own worker, used again for equal ones",
      ],
      workingDir: [
        "e2e/runtime_env",
        "for tasks: their own worker, used again for equal ones",
      ],
      permissions: ["e2e/sandbox", "may read what it was given"],
    },
    actor: {
      env: ["e2e/runtime_env", "for actors"],
      workingDir: ["e2e/runtime_env", "for actors"],
      permissions: [
        "e2e/sandboxed_actors",
        "knows where it is, and is alone there",
      ],
    },
  };

/** The options of `init`. */
export const initOptionsShown: Record<string, Shown> = {
  address: [
    "e2e/cluster",
    "A wrong token, and an address that is no cluster, are told at init",
  ],
  token: [
    "e2e/cluster",
    "A wrong token, and an address that is no cluster, are told at init",
  ],
  tls: [
    "e2e/cluster_input",
    "A cluster that speaks TLS is joined with its authority's certificate, and not without",
  ],
  numCpus: ["e2e/contract", "nodes() tells of the one"],
  numGpus: ["e2e/contract", "nodes() tells of the one"],
  resources: ["e2e/tasks", "custom resources, without CPU"],
  labels: ["e2e/contract", "nodes() tells of the one"],
  objectStoreMemory: [
    "e2e/spill",
    "4 GiB of objects pass through a store of 256 MiB, and every page is kept",
  ],
  namespace: [
    "e2e/contract",
    "runtimeContext() in the driver, a task and an actor",
  ],
  lineage: [
    "e2e/lineage",
    "A named lineage file keeps every task of the program",
  ],
  resume: [
    "e2e/resume",
    "A killed program that resumes repeats no finished task",
  ],
  runtimeEnv: [
    "e2e/runtime_env",
    "init({ runtimeEnv }) is for all of the program, here and on other nodes",
  ],
  dashboard: [
    "e2e/dashboard",
    "init({ dashboard }) serves a page, and the data of what runs",
  ],
  logToDriver: [
    "e2e/contract",
    "MANTA_LOG=off and logToDriver: false: nothing but the program's own",
  ],
  ignoreReinit: [
    "e2e/lifecycle",
    "A second init is refused, unless it says to ignore it; shutdown can be called twice, init again",
  ],
};

/** The variables that are read. */
export const variablesShown: Record<string, Shown> = {
  MANTA_ADDRESS: [
    "e2e/contract",
    "A node's flags are what its cluster has, and programs find it by the environment, or by run",
  ],
  MANTA_LOG: ["e2e/contract", "a level that is none is refused by init"],
  MANTA_MEMORY_LIMIT_BYTES: [
    "e2e/out_of_memory",
    "a memory limit that is no number of bytes is refused at the start",
  ],
  MANTA_TOKEN: [
    "e2e/runtime_env",
    "runtimeEnv on a cluster; a node's token is in no task's environment",
  ],
  MANTA_TOKEN_FILE: [
    "e2e/contract",
    "A node's flags are what its cluster has, and programs find it by the environment, or by run",
  ],
  MANTA_TRANSPORT: ["e2e/transports", "A transport that there is not is named"],
};

/** The commands of the command line. */
export const commandsShown: Record<string, Shown> = {
  cluster: ["e2e/cluster_input", "a node's folder in use, by its process"],
  "cluster join": [
    "e2e/cluster_input",
    "A node may start before its head, and says once that it waits",
  ],
  "cluster status": [
    "e2e/cluster",
    "status lists nodes, for people and programs",
  ],
  "cluster drain": ["e2e/cluster", "a drained node leaves"],
  "cluster stop": ["e2e/cluster", "stop ends the head"],
  run: [
    "e2e/contract",
    "A node's flags are what its cluster has, and programs find it by the environment, or by run",
  ],
  submit: [
    "e2e/command_line",
    "one that succeeds: its output, then its end",
  ],
  jobs: ["e2e/command_line", "one that is stopped"],
  list: ["e2e/command_line", "list nodes, workers and actors"],
  summary: ["e2e/command_line", "summary adds up by function"],
  memory: ["e2e/command_line", "objects and memory, the largest first"],
  logs: ["e2e/command_line", "logs: of all, of one, and of what comes"],
  why: [
    "e2e/command_line",
    "why: of refs, actors, processes, and of nothing",
  ],
  timeline: ["e2e/command_line", "timeline: a trace of what ran"],
  dashboard: [
    "e2e/dashboard",
    "The dashboard of a program on this machine: its own, or served by the command",
  ],
  doctor: ["e2e/command_line", "doctor and bench say what this machine gives"],
  bench: ["e2e/command_line", "doctor and bench say what this machine gives"],
};

const nodeFlags: Shown = [
  "e2e/contract",
  "A node's flags are what its cluster has, and programs find it by the environment, or by run",
];
const tlsFlags: Shown = [
  "e2e/cluster_input",
  "A cluster that speaks TLS is joined with its authority's certificate, and not without",
];

/** The options of all commands. */
export const flagsShown: Record<string, Shown> = {
  "--address": ["e2e/cluster_input", "a cluster that is not there"],
  "--dir": nodeFlags,
  "--session": [
    "e2e/command_line",
    "one of two is chosen by its session",
  ],
  "--token-file": nodeFlags,
  "--tls-ca": tlsFlags,
  "--tls-cert": tlsFlags,
  "--tls-key": tlsFlags,
  "--host": ["e2e/cluster_input", "where a node takes connections"],
  "--port": ["e2e/cluster_input", "where a node takes connections"],
  "--insecure": ["e2e/cluster_input", "where a node takes connections"],
  "--ready-file": ["e2e/cluster_input", "where a node takes connections"],
  "--dashboard-port": [
    "e2e/dashboard",
    "A cluster's head has a dashboard, and is asked for it by programs and commands",
  ],
  "--no-dashboard": [
    "e2e/dashboard",
    "A cluster's head has a dashboard, and is asked for it by programs and commands",
  ],
  "--num-cpus": nodeFlags,
  "--num-gpus": nodeFlags,
  "--resources": [
    "e2e/cluster",
    "what no node can do waits, and runs once one joins",
  ],
  "--labels": nodeFlags,
  "--object-store-memory": nodeFlags,
  "--json": ["e2e/cluster", "status lists nodes, for people and programs"],
  "--follow": ["e2e/command_line", "logs: of all, of one, and of what comes"],
  "--limit": ["e2e/command_line", "list tasks: where each is, and why"],
  "--state": ["e2e/command_line", "list tasks: where each is, and why"],
  "--lineage": ["e2e/command_line", "one of two is chosen by its session"],
  "--job": ["e2e/command_line", "timeline: a trace of what ran"],
  "--rounds": [
    "e2e/command_line",
    "doctor and bench say what this machine gives",
  ],
  "--full": [
    "e2e/command_line",
    "doctor and bench say what this machine gives",
  ],
  "--help": ["e2e/command_line", "without being told where"],
};
