/**
 * One sandboxed process as its worker sees it: started, asked one thing at a
 * time, ended. It runs one task and is never used again.
 *
 * A shell stands between: it ends the process when the worker is gone, however
 * that went and whatever the process computes, and removes what it stored.
 * What is said to it is in `sandboxes.ts`.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";
import { ProtocolError, RuntimeEnvSetupError } from "../base/errors.ts";
import type { ByteWriter } from "../wire/bytes.ts";
import { SandboxFrame } from "../wire/sandbox_frames.ts";
import { SandboxPipe } from "./sandbox_pipe.ts";

// Descriptor 3 is the process's connection, 4 ends with the worker. Deno keeps
// `localStorage` and caches in its own folder, whatever a program may, and holds
// them open: here in one that goes with the process, with links to what it
// downloaded, which is looked up by name.
const script = `
trap '' INT
dir=$1 modules=$2 packages=$3 texts=$4; shift 4
/bin/mkdir -m 700 -- "$dir" || exit 71
/bin/ln -s -- "$modules" "$packages" "$texts" "$dir" 3<&- 4<&- || exit 71
DENO_EXTRA_STDIO_FDS=3 "$@" 4<&- & process=$!
exec 3<&- 2>/dev/null
{ read -r _ <&4; kill -9 $process; } & watch=$!
exec 4<&-
wait $process; status=$?
kill -9 $watch
/bin/rm -rf -- "$dir"
exit $status
`;

/** What a sandboxed process is started with. */
export interface SandboxStart {
  flags: string[];
  entry: string;
  /** Whether what the flags leave open is locked inside. */
  isLocked: boolean;
  /** All the environment it has. */
  env: Record<string, string>;
  /** A folder that is not there yet, for what it stores. */
  storage: string;
  /** Where Deno keeps modules, packages and texts that it made of them. */
  downloads: [modules: string, packages: string, texts: string];
}

/** An answer of the process. */
export interface SandboxAnswer {
  readonly kind: number;
  readonly body: Uint8Array;
}

/** How the process ended, if it was not told to. */
export interface SandboxEnd {
  readonly code: number;
  /** What it said that none may say. */
  readonly fault?: unknown;
}

/** One process. */
export class Sandbox {
  /** Resolves once it can run a task. */
  readonly ready: Promise<void>;
  readonly #shell: ChildProcess;
  readonly #pipe: SandboxPipe;
  readonly #ended: Promise<SandboxEnd>;
  #fault: unknown;
  #awaited: PromiseWithResolvers<SandboxAnswer> | undefined;

  /** @throws {RuntimeEnvSetupError} Where no shell may be run. */
  constructor(start: SandboxStart) {
    this.#shell = startShell(start);
    const ended = Promise.withResolvers<SandboxEnd>();
    this.#ended = ended.promise;
    this.#shell.on("exit", (code) => {
      const fault = this.#fault;
      ended.resolve({
        code: code ?? 70,
        ...(fault === undefined ? {} : { fault }),
      });
    });
    this.#shell.on("error", (cause) => {
      this.#fault ??= cause;
      ended.resolve({ code: 71, fault: this.#fault });
    });
    this.#pipe = new SandboxPipe(this.#shell.stdio[3] as Socket, {
      frame: (kind, body) => {
        const awaited = this.#awaited;
        // Else it could fill this process's memory.
        if (awaited === undefined) {
          throw new ProtocolError("Cannot take what a sandbox said unasked");
        }
        this.#awaited = undefined;
        awaited.resolve({ kind, body: body.slice() });
      },
      ended: (fault) => {
        this.#fault ??= fault;
        this.#shell.stdio[4]!.destroy();
      },
    });
    this.ready = this.#ready();
    this.ready.catch(() => {}); // Whoever uses the process awaits it too.
  }

  /** Asks one thing; rejects with a {@linkcode SandboxEndedError} if it ends before it answers. */
  async ask(
    kind: number,
    write?: (out: ByteWriter) => void,
  ): Promise<SandboxAnswer> {
    const answer = this.#await();
    this.#pipe.send(kind, write);
    return await answer;
  }

  /** Says something that is not answered. */
  tell(kind: number, write: (out: ByteWriter) => void): void {
    this.#pipe.send(kind, write);
  }

  /** Ends it; resolves once it is gone. */
  async end(): Promise<void> {
    this.#pipe.close();
    this.#shell.stdio[4]!.destroy();
    await this.#ended;
  }

  async #ready(): Promise<void> {
    try {
      const { kind } = await this.#await();
      if (kind !== SandboxFrame.ready) {
        throw new ProtocolError("Cannot use a sandbox: it began with no word");
      }
    } catch (cause) {
      const { message } = cause as Error;
      throw new RuntimeEnvSetupError(
        `Cannot start a sandbox: ${message}; what it wrote is in the log`,
        { cause },
      );
    }
  }

  #await(): Promise<SandboxAnswer> {
    const awaited = Promise.withResolvers<SandboxAnswer>();
    this.#awaited = awaited;
    this.#ended.then((end) => awaited.reject(new SandboxEndedError(end)));
    return awaited.promise;
  }
}

/** The process ended in the middle of a task. */
export class SandboxEndedError extends Error {
  readonly end: SandboxEnd;

  constructor(end: SandboxEnd) {
    const { code, fault } = end;
    super(
      fault === undefined
        ? `its process ended by ${
          code > 128 ? `signal ${code - 128}` : `exit code ${code}`
        }`
        : String(fault),
    );
    this.end = end;
  }
}

function startShell(
  { flags, entry, isLocked, env, storage, downloads }: SandboxStart,
): ChildProcess {
  try {
    return spawn("/bin/sh", [
      "-c",
      script,
      "manta-sandbox",
      storage,
      ...downloads,
      Deno.execPath(),
      "run",
      ...flags,
      entry,
      ...(isLocked ? ["locked"] : []),
    ], {
      env: { ...env, DENO_DIR: storage, DENO_NO_UPDATE_CHECK: "1" },
      stdio: ["ignore", "inherit", "inherit", "pipe", "pipe"],
    });
  } catch (cause) {
    throw new RuntimeEnvSetupError(
      `Cannot start a sandbox: ${
        (cause as Error).message
      }; it takes --allow-run=/bin/sh beside deno, or --allow-run`,
      { cause },
    );
  }
}
