/**
 * All subprocesses of a node: workers and actor hosts, and how they ended.
 *
 * A child is known by its number from the start, and by its process id once
 * it has registered. The node's roles decide when one is started or ended.
 *
 * @module
 */
import { denoFolder } from "../base/environment.ts";
import type { ProcessId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import type { Fate } from "../wire/messages.ts";
import type { WorkerEnv } from "../base/spec.ts";
import type { JobInfo } from "../wire/facts.ts";
import { Child } from "./child.ts";
import type { LineSink } from "./recent_lines.ts";
import type { SandboxSetting } from "./sandbox_flags.ts";

/** How children are started. */
export interface ChildCommand {
  /** Flags for `deno run`. */
  flags: string[];
  /** Entry modules' URLs by role. */
  entries: { worker: string; host: string };
  /** What they are started with beside what this process has. */
  env?: WorkerEnv;
  /** The session that they join. */
  session: Omit<ChildArguments, "childNo" | "sandbox">;
}

/** What a subprocess is told by its one argument, as JSON. */
export interface ChildArguments {
  folder: string;
  nodeProcessId: ProcessId;
  job: JobInfo;
  childNo: number;
  /** Files and folders that no sandbox may see, beside the session's. */
  secrets?: string[];
  /** What its tasks may, where that has limits. */
  sandbox?: SandboxSetting;
}

/** A subprocess that was started. */
export interface Kept {
  readonly no: number;
  readonly role: "worker" | "host";
  readonly child: Child;
  processId: ProcessId | undefined;
}

/** With a home of its own a process would look there for what Deno has downloaded. */
function withDownloads(
  variables: Record<string, string>,
): Record<string, string> {
  const moves = ["HOME", "XDG_CACHE_HOME"].some((name) => name in variables);
  const folder = moves ? denoFolder() : undefined;
  return folder === undefined ? variables : { DENO_DIR: folder, ...variables };
}

/** Numbers tell the children of all kinds apart. */
let nextNo = 1;

/** Starts, names and ends subprocesses. */
export class Children {
  readonly #command: ChildCommand;
  readonly #printer: LineSink;
  readonly #byNo = new Map<number, Kept>();
  readonly #byProcess = new Map<ProcessId, Kept>();
  readonly #fates = new Map<ProcessId, Promise<Fate>>();
  /** Workers that were started before anybody asked. */
  readonly #spares: Kept[] = [];

  constructor(command: ChildCommand, printer: LineSink) {
    this.#command = command;
    this.#printer = printer;
  }

  /** Whether they are started with more than what this process has. */
  get hasEnv(): boolean {
    return this.#command.env !== undefined;
  }

  /** The same for processes of another environment. */
  in(env: WorkerEnv): Children {
    const whole = {
      ...this.#command.env,
      ...env,
      variables: { ...this.#command.env?.variables, ...env.variables },
    };
    return new Children({ ...this.#command, env: whole }, this.#printer);
  }

  /** Starts workers that the next to be asked for will be. */
  prestart(workerCount: number): void {
    while (this.#spares.length < workerCount) {
      this.#spares.push(this.#spawn("worker"));
    }
  }

  /** Starts a subprocess; `ended` is called once it is gone. */
  start(
    role: "worker" | "host",
    ended: (kept: Kept, fate: Fate) => void,
  ): Kept {
    const spare = role === "worker" ? this.#spares.shift() : undefined;
    const kept = spare ?? this.#spawn(role);
    kept.child.fate.then((fate) => ended(kept, fate));
    return kept;
  }

  #spawn(role: "worker" | "host"): Kept {
    const { flags, entries, session, env } = this.#command;
    const no = nextNo++;
    const { permissions, variables } = env ?? {};
    const told: ChildArguments = {
      ...session,
      childNo: no,
      ...(permissions === undefined
        ? {}
        : { sandbox: { permissions, flags, variables: variables ?? {} } }),
    };
    const child: Child = new Child({
      args: [
        "run",
        ...flags,
        entries[role],
        JSON.stringify(told),
      ],
      ...(env === undefined ? {} : {
        env: withDownloads(env.variables ?? {}),
        ...(env.workingDir === undefined ? {} : { cwd: env.workingDir }),
      }),
      onLine: (line, stream) =>
        this.#printer.print(child.pid, { line, stream }),
    });
    const kept: Kept = { no, role, child, processId: undefined };
    this.#byNo.set(no, kept);
    child.fate.then(() => this.#byNo.delete(no));
    return kept;
  }

  /** A subprocess has registered. */
  registered(no: number, processId: ProcessId): Kept | undefined {
    const kept = this.#byNo.get(no);
    if (kept === undefined) return undefined;
    kept.processId = processId;
    this.#byProcess.set(processId, kept);
    this.#fates.set(processId, kept.child.fate);
    if (this.#fates.size > limits.rememberedMax) {
      const oldest = this.#fates.keys().next().value!;
      this.#fates.delete(oldest);
    }
    kept.child.fate.then(() => this.#byProcess.delete(processId));
    return kept;
  }

  /** The living subprocess of that id. */
  find(processId: ProcessId): Kept | undefined {
    return this.#byProcess.get(processId);
  }

  /** How a subprocess ended, once it has; undefined for one that was never here, or long ago. */
  fate(processId: ProcessId): Promise<Fate> | undefined {
    return this.#fates.get(processId);
  }

  /** All that live. */
  all(): Kept[] {
    return [...this.#byNo.values()];
  }
}
