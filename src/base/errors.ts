/**
 * Every error a caller can catch, and `assert` for the ones nobody should.
 *
 * All are built the same way, a sentence and then their fields, so that one
 * that crosses a process boundary is built again by its name. Bad arguments
 * are not here: they are `TypeError` and `RangeError`.
 *
 * @module
 */

/** What a {@linkcode MantaError} is built with besides its message: its cause and its own fields. */
export interface ErrorFields {
  /** What led to this error. */
  cause?: unknown;
  /** Fields that the class declares, by name. */
  [field: string]: unknown;
}

/**
 * Any error of this library that a program may want to catch.
 *
 * @example
 * ```ts
 * import { free, get, MantaError, put } from "@manta/manta";
 * const ref = put(1);
 * free(ref);
 * await get(ref).catch((error) => {
 *   console.log(error instanceof MantaError, error.name); // true ObjectFreedError
 * });
 * ```
 */
export class MantaError extends Error {
  /** Builds the error from a full sentence and the fields its class declares. */
  constructor(message: string, fields: ErrorFields = {}) {
    const { cause, ...own } = fields;
    super(message, cause === undefined ? undefined : { cause });
    Object.assign(this, own);
  }

  /** The class's name, also where the class was minified. */
  override get name(): string {
    return "MantaError";
  }
}

/** The runtime ended meanwhile: the program wanted that, so it is no news. */
export class RuntimeClosedError extends MantaError {}

/**
 * A task's or an actor method's own code threw; `cause` is what it threw.
 *
 * @example
 * ```ts
 * import { get, remote, TaskError } from "@manta/manta";
 * const parse = remote(function parse(text: string): unknown {
 *   return JSON.parse(text);
 * });
 * await get(parse.remote("{")).catch((error) => {
 *   if (!(error instanceof TaskError)) throw error;
 *   console.log(error.functionName, (error.cause as Error).name); // parse SyntaxError
 * });
 * ```
 */
export class TaskError extends MantaError {
  /** The function, or `Class.method`. */
  declare readonly functionName: string;
  /** Process id of the worker that ran it. */
  declare readonly pid: number;
  /** Node that worker belongs to. */
  declare readonly nodeId: string;
  /** The class's name. */
  override get name(): string {
    return "TaskError";
  }
}

/** The worker that ran the task ended, and no retry was left. */
export class WorkerCrashedError extends MantaError {
  /** The function that ran. */
  declare readonly functionName: string;
  /** Exit code of the worker's process, if it exited. */
  declare readonly exitCode?: number;
  /** Signal that ended the worker's process, if one did. */
  declare readonly exitSignal?: string;
  /** How many runs were tried in all. */
  declare readonly attempts: number;
  /** The class's name. */
  override get name(): string {
    return "WorkerCrashedError";
  }
}

/** The node that ran the task, or held the object, is gone. */
export class NodeDiedError extends MantaError {
  /** The node. */
  declare readonly nodeId: string;
  /** The class's name. */
  override get name(): string {
    return "NodeDiedError";
  }
}

/** The actor is dead and will not come back; the message gives the reason. */
export class ActorDiedError extends MantaError {
  /** The actor. */
  declare readonly actorId: string;
  /** Why it died. */
  declare readonly reason: string;
  /** The class's name. */
  override get name(): string {
    return "ActorDiedError";
  }
}

/** The actor died during this call and is starting again: the call may have run. */
export class ActorUnavailableError extends MantaError {
  /** The actor. */
  declare readonly actorId: string;
  /** The class's name. */
  override get name(): string {
    return "ActorUnavailableError";
  }
}

/** An object's value is gone and can't be made again. */
export class ObjectLostError extends MantaError {
  /** The object. */
  declare readonly objectId: string;
  /** The class's name. */
  override get name(): string {
    return "ObjectLostError";
  }
}

/** The process that owned the object is gone, and the object with it. */
export class OwnerDiedError extends MantaError {
  /** The object. */
  declare readonly objectId: string;
  /** The class's name. */
  override get name(): string {
    return "OwnerDiedError";
  }
}

/** The object was given back by `free`. */
export class ObjectFreedError extends MantaError {
  /** The object. */
  declare readonly objectId: string;
  /** The class's name. */
  override get name(): string {
    return "ObjectFreedError";
  }
}

/** The object store has no room, and nothing in it can go, to disk neither; the message says what holds it. */
export class ObjectStoreFullError extends MantaError {
  /** Bytes that were asked for. */
  declare readonly neededBytes: number;
  /** Bytes in use. */
  declare readonly usedBytes: number;
  /** Bytes the store may hold. */
  declare readonly capacityBytes: number;
  /** The class's name. */
  override get name(): string {
    return "ObjectStoreFullError";
  }
}

/** The task or actor was stopped because it took more memory than there was, or than might be used. */
export class OutOfMemoryError extends MantaError {
  /** Bytes its process held, shared objects left out, where the runtime ended it. */
  declare readonly rssBytes?: number;
  /** Bytes that may be used in all, where the runtime ended it. */
  declare readonly limitBytes?: number;
  /** The task. */
  declare readonly taskId?: string;
  /** The function that ran. */
  declare readonly functionName?: string;
  /** The class's name. */
  override get name(): string {
    return "OutOfMemoryError";
  }
}

/** The task was cancelled. */
export class TaskCancelledError extends MantaError {
  /** The task. */
  declare readonly taskId: string;
  /** The class's name. */
  override get name(): string {
    return "TaskCancelledError";
  }
}

/** The task ran longer than its `timeout`, or waited longer than its `schedulingTimeout`. */
export class TaskTimeoutError extends MantaError {
  /** The task. */
  declare readonly taskId: string;
  /** The bound it passed, in milliseconds. */
  declare readonly timeoutMs: number;
  /** The class's name. */
  override get name(): string {
    return "TaskTimeoutError";
  }
}

/** `get` or `wait` gave up; the task goes on. */
export class GetTimeoutError extends MantaError {
  /** The bound it passed, in milliseconds. */
  declare readonly timeoutMs: number;
  /** The class's name. */
  override get name(): string {
    return "GetTimeoutError";
  }
}

/** The actor has as many calls waiting as its `maxPendingCalls` allows. */
export class PendingCallsLimitExceeded extends MantaError {
  /** The actor. */
  declare readonly actorId: string;
  /** The bound. */
  declare readonly maxPendingCalls: number;
  /** The class's name. */
  override get name(): string {
    return "PendingCallsLimitExceeded";
  }
}

/** A worker with the asked-for `runtimeEnv` could not be made, or the program's files not be written on a node. */
export class RuntimeEnvSetupError extends MantaError {
  /** The class's name. */
  override get name(): string {
    return "RuntimeEnvSetupError";
  }
}

/** A value or function can't travel; the message names the path to what can't. */
export class SerializationError extends MantaError {
  /** Where in the value the culprit stands, like `cfg.db.conn`. */
  declare readonly path: string;
  /** The class's name. */
  override get name(): string {
    return "SerializationError";
  }
}

/** The other side could not prove that it knows the cluster's token. */
export class AuthenticationError extends MantaError {
  /** The class's name. */
  override get name(): string {
    return "AuthenticationError";
  }
}

/** The other side spoke another version, or no protocol of ours. */
export class ProtocolError extends MantaError {
  /** The class's name. */
  override get name(): string {
    return "ProtocolError";
  }
}

/** No amount of waiting could satisfy what the task asks for. */
export class TaskUnschedulableError extends MantaError {
  /** The amounts that were asked for, by name. */
  declare readonly resources: Record<string, number>;
  /** The class's name. */
  override get name(): string {
    return "TaskUnschedulableError";
  }
}

/** Every class a wire may name, by name. */
export const errorClasses: ReadonlyMap<string, typeof MantaError> = new Map([
  MantaError,
  TaskError,
  WorkerCrashedError,
  NodeDiedError,
  ActorDiedError,
  ActorUnavailableError,
  ObjectLostError,
  OwnerDiedError,
  ObjectFreedError,
  ObjectStoreFullError,
  OutOfMemoryError,
  TaskCancelledError,
  TaskTimeoutError,
  GetTimeoutError,
  PendingCallsLimitExceeded,
  RuntimeEnvSetupError,
  SerializationError,
  AuthenticationError,
  ProtocolError,
  TaskUnschedulableError,
  RuntimeClosedError,
].map((errorClass) => [errorClass.name, errorClass]));

/** A broken invariant: a bug in this library, never in the caller's program. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** Throws {@linkcode InvariantError} unless `condition` holds. Stays on in production. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** Proves to the compiler that a union was matched to its end. */
export function unreachable(value: never): never {
  throw new InvariantError(`Unmatched case ${JSON.stringify(value)}`);
}
