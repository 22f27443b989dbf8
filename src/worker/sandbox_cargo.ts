/**
 * What goes into a sandbox: code and arguments as they came, unopened, with
 * all that they need.
 *
 * @module
 */
import type { ActorSpec, ResourceAmounts } from "../base/spec.ts";
import type { CodeBundle, CodeRef, StoredValue } from "../base/stored.ts";
import type { Owner } from "../owner/owner.ts";
import type { SandboxPlace, SandboxRun } from "../wire/sandbox_frames.ts";
import { TaskFlag } from "../wire/task_frames.ts";
import { type OpeningRun, takeArguments } from "./arguments.ts";

/** What comes along with a run. */
export type Cargo = Pick<
  SandboxRun,
  "context" | "isStream" | "bundles" | "args" | "dependencies"
>;

/** Where a sandbox of this process is; of an actor's, which. */
export function placeIn(
  { job, self }: Owner,
  spec?: Pick<ActorSpec, "actorId" | "className">,
): SandboxPlace {
  const { jobId, nodeId, namespace, mainModule, code: shipped } = job;
  return {
    jobId,
    nodeId,
    workerId: self,
    namespace,
    mainModule,
    ...(shipped === undefined ? {} : { shipped }),
    ...(spec === undefined
      ? {}
      : { actor: { actorId: spec.actorId, className: spec.className } }),
  };
}

/** A task's, with its function's code, or a call's. */
export async function cargoOf(
  owner: Owner,
  run: OpeningRun,
  { code, resources }: { code?: CodeRef; resources: ResourceAmounts },
): Promise<Cargo> {
  const { frame: { attempt, depth, flags }, taskId, peer } = run;
  const { values } = owner;
  const bundles = new Map<string, CodeBundle>();
  const learn = async (ref: CodeRef | null) => {
    if (ref === null || bundles.has(ref.hash)) return;
    const { wire } = await values.code.ensure(ref.hash, peer);
    bundles.set(ref.hash, await bundleIn(owner, wire));
  };
  if (code !== undefined) await learn(code);
  const taken = await takeArguments(owner, run, async (stored) => {
    for (const ref of stored.code ?? []) await learn(ref);
    return await values.embedded(stored);
  });
  return {
    context: { taskId, attempt, depth, resources },
    isStream: (flags & TaskFlag.stream) !== 0,
    bundles: [...bundles.values()],
    ...taken,
  };
}

/** A constructor's. */
export async function birthCargoOf(
  owner: Owner,
  { bundles, args, dependencies }: ActorSpec,
): Promise<Cargo> {
  const embedded = (stored: StoredValue) => owner.values.embedded(stored);
  return {
    isStream: false,
    bundles: await Promise.all(bundles.map((one) => bundleIn(owner, one))),
    args: await embedded(args),
    dependencies: await Promise.all(
      dependencies.map(async ({ position, value }) => ({
        position,
        value: await embedded(value),
      })),
    ),
  };
}

async function bundleIn(
  { values }: Owner,
  bundle: CodeBundle,
): Promise<CodeBundle> {
  return { ...bundle, values: await values.embedded(bundle.values) };
}
