/**
 * manta: ordinary functions become tasks, ordinary classes become actors, and
 * a program written for one core runs on every core of the machine.
 *
 * @example
 * ```ts
 * import { get, remote } from "@manta/manta";
 *
 * const square = remote((x: number) => x * x);
 * const refs = [1, 2, 3].map((x) => square.remote(x));
 * console.log(await get(refs)); // [ 1, 4, 9 ]
 * ```
 *
 * @module
 */
export { restoreState, saveState } from "./src/base/durable_symbols.ts";
export {
  ActorDiedError,
  ActorUnavailableError,
  AuthenticationError,
  type ErrorFields,
  GetTimeoutError,
  MantaError,
  NodeDiedError,
  ObjectFreedError,
  ObjectLostError,
  ObjectStoreFullError,
  OutOfMemoryError,
  OwnerDiedError,
  PendingCallsLimitExceeded,
  ProtocolError,
  RuntimeEnvSetupError,
  SerializationError,
  TaskCancelledError,
  TaskError,
  TaskTimeoutError,
  TaskUnschedulableError,
  WorkerCrashedError,
} from "./src/base/errors.ts";
export { type ActorClass, getActor, kill } from "./src/client/actor.ts";
export { ActorPool, type PoolCall } from "./src/client/actor_pool.ts";
export type { ConcurrencyGroup } from "./src/client/groups.ts";
export type { Items } from "./src/client/flow.ts";
export { map, type MapOptions, type Mappable } from "./src/client/map.ts";
export {
  type GroupStrategy,
  PlacementGroup,
  placementGroup,
  type PlacementGroupOptions,
  removePlacementGroup,
} from "./src/client/placement_group.ts";
export {
  Progress,
  progress,
  type ProgressOptions,
} from "./src/client/progress.ts";
export { Queue, type QueueWait } from "./src/client/queue.ts";
export type { RuntimeEnv } from "./src/client/runtime_env.ts";
export { registerClass } from "./src/client/register_class.ts";
export {
  inspectSerializability,
  type Serializability,
  type SerializabilityNode,
} from "./src/client/serializability.ts";
export {
  exitActor,
  type RuntimeContext,
  runtimeContext,
} from "./src/client/context.ts";
export { get, type GetOptions, type Values } from "./src/client/get.ts";
export type { ActorHandle, RemoteMethod } from "./src/client/handle.ts";
export type { InitOptions } from "./src/client/init_options.ts";
export {
  asCompleted,
  cancel,
  free,
  put,
  wait,
  type WaitOptions,
} from "./src/client/objects.ts";
export type {
  ActorOptions,
  AnyClass,
  MethodOptions,
  ResourceOptions,
  TaskOptions,
} from "./src/client/options.ts";
export { remote, type RemoteFunction, signal } from "./src/client/remote.ts";
export type {
  NodeStrategy,
  SchedulingStrategy,
} from "./src/client/strategy.ts";
export { ObjectRefStream } from "./src/client/stream.ts";
export type {
  IsAny,
  IsNever,
  RefOr,
  RefsOf,
  RemoteArgs,
  RemoteResult,
  SoManyRefs,
} from "./src/client/types.ts";
export { why } from "./src/client/why.ts";
export type { Timeline, TraceEvent } from "./src/store/timeline.ts";
export { ObjectRef } from "./src/owner/object_ref.ts";
export {
  init,
  isInitialized,
  type NodeInfo,
  type Runtime,
  shutdown,
} from "./src/runtime.ts";
