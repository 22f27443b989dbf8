/**
 * The sandboxed processes of one worker: one for each task, the next started
 * while one is in use.
 *
 * @module
 */
import type { ResourceAmounts } from "../base/spec.ts";
import type { Owner } from "../owner/owner.ts";
import type { SandboxRun } from "../wire/sandbox_frames.ts";
import type { FunctionFrame } from "../wire/task_frames.ts";
import { endLike } from "./end_like.ts";
import type { Invoked } from "./invoked.ts";
import type { Sandbox } from "./sandbox.ts";
import { cargoOf, placeIn } from "./sandbox_cargo.ts";
import type { SandboxStarter } from "./sandbox_starter.ts";
import { SandboxedRun } from "./sandboxed_run.ts";

/** Has and uses them. */
export class Sandboxes {
  readonly #owner: Owner;
  readonly #starter: SandboxStarter;
  #spare: Promise<Sandbox> | undefined;

  constructor(owner: Owner, starter: SandboxStarter) {
    this.#owner = owner;
    this.#starter = starter;
    this.#prepare();
  }

  /** A task's function, to be run in a process of its own. */
  invoked(
    { code, name }: FunctionFrame,
    resources: ResourceAmounts,
  ): Invoked {
    const refusals = new WeakSet<object>();
    return {
      name,
      resources,
      open: async (run) => [
        {
          ...await cargoOf(this.#owner, run, { code, resources }),
          no: 0,
          name,
          target: { kind: "function", code },
        } satisfies SandboxRun,
      ],
      call: ([run]) => this.#run(run as SandboxRun, refusals),
      isOwnEnd: (error) =>
        typeof error === "object" && error !== null && refusals.has(error),
    };
  }

  #run(run: SandboxRun, refusals: WeakSet<object>): unknown {
    const process = this.#next().then((sandbox) => {
      sandbox.enter(placeIn(this.#owner));
      return sandbox;
    });
    return new SandboxedRun(run, {
      process,
      refusals,
      code: run.bundles,
      over: async () => await (await process).end(),
      // So does this worker, the same way, for that is what the owner knows.
      lost: (end) => Promise.reject(end.fault ?? endLike(end.code)),
    }).run();
  }

  /** A fresh process; another is started for the next task. */
  #next(): Promise<Sandbox> {
    const next = this.#spare ?? this.#starter.start();
    this.#spare = undefined;
    // Not before this one is up: they would only slow each other.
    next.then(() => this.#prepare(), () => {});
    return next;
  }

  #prepare(): void {
    this.#spare ??= this.#starter.start();
    this.#spare.catch(() => this.#spare = undefined); // Tried again when it is needed.
  }
}
