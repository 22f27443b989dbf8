/**
 * Branded ids, and the arithmetic that makes one id of another.
 *
 * A node draws 4 random bytes when it starts, each process of its machine 4
 * more; a task is that and an ordinal, an object is its task and a return
 * index. So an id needs no coordination, and its owner, and where that is, can
 * be read from it.
 *
 * @module
 */
declare const brand: unique symbol;
type Id<Name extends string> = string & { readonly [brand]: Name };

/** Names one start of a node: 8 hex digits, the first half of the ids of its machine's processes. */
export type NodeTag = Id<"NodeTag">;
/** Names one process (driver, worker, actor isolate or node) for its whole life: its node's tag and 8 hex digits. */
export type ProcessId = Id<"ProcessId">;
/** Names one task, all its attempts included: its owner's process id and 12 hex digits. */
export type TaskId = Id<"TaskId">;
/** Names one object: its task's id and 4 hex digits of return index. */
export type ObjectId = Id<"ObjectId">;
/** Names one actor, all its incarnations included: the shape of a task id. */
export type ActorId = Id<"ActorId">;
/** Names one lease request for its whole life, retries included. */
export type LeaseId = Id<"LeaseId">;
/** Names one node. */
export type NodeId = Id<"NodeId">;
/** Names one job: a program that ran once. */
export type JobId = Id<"JobId">;
/** Names one shared memory segment: its creator's process id and 8 hex digits. */
export type SegmentId = Id<"SegmentId">;
/** Names a piece of code by the SHA-256 of what it is made of. */
export type CodeHash = Id<"CodeHash">;

/** Draws `byteCount` random bytes as hex. */
export function randomHex(byteCount: number): string {
  return crypto.getRandomValues(new Uint8Array(byteCount)).toHex();
}

/** Draws a tag for a node that starts. */
export function newNodeTag(): NodeTag {
  return randomHex(4) as NodeTag;
}

/** Draws the id of a process of that node. */
export function newProcessId(tag: NodeTag): ProcessId {
  return tag + randomHex(4) as ProcessId;
}

/** The id of a node's own process. */
export function nodeProcessIdOf(tag: NodeTag): ProcessId {
  return `${tag}00000000` as ProcessId;
}

/** On which node a process is; the maker's, of an id that begins with one. */
export function nodeTagOf(id: ProcessId | SegmentId | LeaseId): NodeTag {
  return id.slice(0, 8) as NodeTag;
}

/** The id of the `ordinal`th task that `owner` submitted. */
export function taskIdOf(owner: ProcessId, ordinal: number): TaskId {
  return owner + ordinal.toString(16).padStart(12, "0") as TaskId;
}

/** Who made an actor, and as what: the object that keeps it alive has the same number. */
export function makerOf(
  actorId: ActorId,
): { ownerId: ProcessId; ordinal: number } {
  return {
    ownerId: actorId.slice(0, 16) as ProcessId,
    ordinal: parseInt(actorId.slice(16), 16),
  };
}

/** The id of the object that is return `index` of a task. */
export function objectIdOf(
  owner: ProcessId,
  ordinal: number,
  index: number,
): ObjectId {
  return taskIdOf(owner, ordinal) +
    index.toString(16).padStart(4, "0") as ObjectId;
}
