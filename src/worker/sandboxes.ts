/**
 * The sandboxed processes of one worker: one for each task, the next started
 * while one is in use.
 *
 * The worker is to its sandboxes what an airlock is: it holds the session, and
 * passes in code and values unopened, for they are not its own; what comes out
 * is read as data, which no code can hide in.
 *
 * @module
 */
import { granted } from "../base/environment.ts";
import type { ResourceAmounts } from "../base/spec.ts";
import type { CodeBundle, CodeRef } from "../base/stored.ts";
import {
  mayLink,
  sandboxFlags,
  type SandboxSetting,
} from "../node/sandbox_flags.ts";
import type { Owner } from "../owner/owner.ts";
import type { Peer } from "../wire/peer.ts";
import type { SandboxRun } from "../wire/sandbox_frames.ts";
import { type FunctionFrame, TaskFlag } from "../wire/task_frames.ts";
import { type OpeningRun, takeArguments } from "./arguments.ts";
import type { Invoked } from "./invoked.ts";
import { Sandbox } from "./sandbox.ts";
import { denoDownloads, hiddenPlaces, variablesFor } from "./sandbox_env.ts";
import { SandboxedTask } from "./sandboxed_task.ts";

/** What a worker takes to have sandboxes. */
export interface SandboxesOptions extends SandboxSetting {
  /** The session's folder. */
  folder: string;
  /** What none may see beside it. */
  secrets: string[];
  childNo: number;
  /** The process's entry module. */
  entry: string;
}

/** Starts and uses them. */
export class Sandboxes {
  readonly #owner: Owner;
  readonly #options: SandboxesOptions;
  readonly #downloads: ReturnType<typeof denoDownloads>;
  #spare: Promise<Sandbox> | undefined;
  #count = 0;

  constructor(owner: Owner, options: SandboxesOptions) {
    this.#owner = owner;
    this.#options = options;
    this.#downloads = denoDownloads();
    this.#downloads.catch(() => {}); // Whoever starts a process awaits it too.
    this.#prepare();
  }

  /** A task's function, to be run in a process of its own. */
  invoked(
    { code, name }: FunctionFrame,
    { resources, from }: { resources: ResourceAmounts; from: Peer },
  ): Invoked {
    const refusals = new WeakSet<object>();
    return {
      name,
      resources,
      open: async (run) => [
        { ...await this.#taken(code, run, from), name, resources },
      ],
      call: ([run]) => {
        const task = new SandboxedTask(run as SandboxRun, {
          process: this.#next(),
          refusals,
        });
        return task.run();
      },
      isOwnEnd: (error) =>
        typeof error === "object" && error !== null && refusals.has(error),
    };
  }

  /** All that goes in: the code and the arguments, as they came. */
  async #taken(
    code: CodeRef,
    run: OpeningRun,
    from: Peer,
  ): Promise<Omit<SandboxRun, "name" | "resources">> {
    const { values, job, self } = this.#owner;
    const { frame, taskId } = run;
    const bundles = new Map<string, CodeBundle>();
    const learn = async (ref: CodeRef | null) => {
      if (ref === null || bundles.has(ref.hash)) return;
      const { wire } = await values.code.ensure(ref.hash, from);
      const captured = await values.embedded(wire.values);
      bundles.set(ref.hash, { ...wire, values: captured });
    };
    await learn(code);
    const taken = await takeArguments(this.#owner, run, async (stored) => {
      for (const ref of stored.code ?? []) await learn(ref);
      return await values.embedded(stored);
    });
    const { jobId, nodeId, namespace, mainModule, code: shipped } = job;
    return {
      taskId,
      attempt: frame.attempt,
      depth: frame.depth,
      isStream: (frame.flags & TaskFlag.stream) !== 0,
      place: {
        jobId,
        nodeId,
        workerId: self,
        namespace,
        mainModule,
        ...(shipped === undefined ? {} : { shipped }),
      },
      code,
      bundles: [...bundles.values()],
      ...taken,
    };
  }

  /** A fresh process; another is started for the next task. */
  #next(): Promise<Sandbox> {
    const next = this.#spare ?? this.#start();
    this.#spare = undefined;
    // Not before this one is up: they would only slow each other.
    next.then(() => this.#prepare(), () => {});
    return next;
  }

  #prepare(): void {
    this.#spare ??= this.#start();
    this.#spare.catch(() => this.#spare = undefined); // Tried again when it is needed.
  }

  async #start(): Promise<Sandbox> {
    const { folder, secrets, childNo, entry, permissions, variables } =
      this.#options;
    const downloads = await this.#downloads;
    const flags = sandboxFlags(this.#options, {
      granted,
      entry,
      hidden: hiddenPlaces([folder, ...secrets]),
    });
    const sandbox = new Sandbox({
      flags,
      entry,
      isLocked: mayLink(permissions),
      env: { ...variablesFor(permissions, flags), ...variables },
      storage: `${folder}/sandbox-${childNo}-${++this.#count}`,
      downloads,
    });
    await sandbox.ready;
    return sandbox;
  }
}
