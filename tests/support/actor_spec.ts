/**
 * An actor as its creator describes it, for tests of who keeps, places and
 * hosts actors.
 *
 * @module
 */
import type {
  ActorId,
  CodeHash,
  JobId,
  ProcessId,
} from "../../src/base/ids.ts";
import type { ActorSpec } from "../../src/base/spec.ts";

/** An actor with every default, but for what is given. */
export function actorSpec(
  actorId: string,
  fields: Partial<ActorSpec> = {},
): ActorSpec {
  return {
    actorId: actorId as ActorId,
    ownerId: "owner" as ProcessId,
    jobId: "job" as JobId,
    home: "home" as ProcessId,
    className: "Clock",
    methods: {},
    code: { hash: "code" as CodeHash, index: 0 },
    bundles: [],
    args: { bytes: new Uint8Array() },
    dependencies: [],
    namespace: "default",
    getIfExists: false,
    isDetached: false,
    isDurable: false,
    maxRestarts: 0,
    maxTaskRetries: 0,
    maxConcurrency: 1,
    maxPendingCalls: -1,
    isolation: "isolate",
    resources: {},
    ...fields,
  };
}
