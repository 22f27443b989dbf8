/**
 * Starts sandboxed processes: by which flags, with which variables, and where
 * they may store what is theirs.
 *
 * Whoever starts them is to them what an airlock is: it holds the session, and
 * passes in code and values unopened, for they are not its own; what comes out
 * is read as data, which no code can hide in.
 *
 * @module
 */
import { granted } from "../base/environment.ts";
import {
  mayLink,
  sandboxFlags,
  type SandboxSetting,
} from "../node/sandbox_flags.ts";
import type { JoinArguments } from "../owner/session.ts";
import { sessionsOf } from "../store/folder.ts";
import { Sandbox } from "./sandbox.ts";
import { denoDownloads, hiddenPlaces, variablesFor } from "./sandbox_env.ts";

/** What a process is told, and what its code may where that has limits. */
export interface SandboxingArguments extends JoinArguments {
  /** What no sandbox may see beside the folder of sessions. */
  secrets?: string[];
  sandbox?: SandboxSetting;
}

/** Starts them where a process was told to; `entry` is their entry module. */
export function starterFor(
  joining: SandboxingArguments,
  entry: URL,
): SandboxStarter | undefined {
  const { sandbox } = joining;
  return sandbox && new SandboxStarter(sandbox, { joining, entry });
}

/** Starts them. */
export class SandboxStarter {
  readonly #setting: SandboxSetting;
  readonly #joining: SandboxingArguments;
  readonly #entry: string;
  readonly #downloads: ReturnType<typeof denoDownloads>;
  #count = 0;

  constructor(
    setting: SandboxSetting,
    { joining, entry }: { joining: SandboxingArguments; entry: URL },
  ) {
    this.#setting = setting;
    this.#joining = joining;
    this.#entry = entry.href;
    this.#downloads = denoDownloads();
    this.#downloads.catch(() => {}); // Whoever starts a process awaits it too.
  }

  /** A fresh process, once it can be used; with a bound on its heap, if it is given. */
  async start(memoryBytes?: number): Promise<Sandbox> {
    const { permissions, variables } = this.#setting;
    const { folder, secrets = [], childNo = 0 } = this.#joining;
    const downloads = await this.#downloads;
    const flags = sandboxFlags(this.#setting, {
      granted,
      entry: this.#entry,
      hidden: hiddenPlaces([sessionsOf(folder), ...secrets]),
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
    });
    const sandbox = new Sandbox({
      flags,
      entry: this.#entry,
      isLocked: mayLink(permissions),
      env: { ...variablesFor(permissions, flags), ...variables },
      storage: `${folder}/sandbox-${childNo}-${++this.#count}`,
      downloads,
    });
    await sandbox.ready;
    return sandbox;
  }
}
