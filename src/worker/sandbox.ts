/**
 * One sandboxed process as who started it sees it: started, asked one thing of
 * each of its runs at a time, ended. It is one task's or one actor's, and is
 * never used again.
 *
 * A shell stands between: it ends the process when who started it is gone,
 * however that went and whatever the process computes, and removes what it
 * stored. What comes of one run is in `sandboxed_run.ts`.
 *
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { builtin } from "../base/builtin.ts";
import type { Socket } from "node:net";
import {
  MantaError,
  ProtocolError,
  RuntimeEnvSetupError,
} from "../base/errors.ts";
import type { ByteWriter } from "../wire/bytes.ts";
import {
  readRunNo,
  SandboxFrame,
  type SandboxPlace,
  writePlace,
} from "../wire/sandbox_frames.ts";
import { signalOf } from "./end_like.ts";
import { SandboxPipe } from "./sandbox_pipe.ts";

// Descriptor 3 is the process's connection, 4 ends with who started it. Deno
// keeps `localStorage` and caches in its own folder, whatever a program may, and
// holds them open: here in one that goes with the process, with links to what it
// downloaded, which is looked up by name. An isolate that ends kills the shell.
// Of the two that watch each sees the other's end: none is left alone.
const script = `
trap '' INT
trap : CHLD
dir=$1 modules=$2 packages=$3 texts=$4; shift 4
/bin/mkdir -m 700 -- "$dir" || exit 71
/bin/ln -s -- "$modules" "$packages" "$texts" "$dir" 3<&- 4<&- || exit 71
DENO_EXTRA_STDIO_FDS=3 "$@" 4<&- & process=$!
exec 3<&- 2>/dev/null
{ read -r _ <&4; kill -9 $process; /bin/rm -rf -- "$dir"; } & watch=$!
exec 4<&-
while :; do
  wait $process; status=$?
  kill -0 $process || break
  kill -0 $watch || kill -9 $process
done 2>/dev/null
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
  readonly fault?: MantaError;
}

/** One process. */
export class Sandbox {
  /** Resolves once it can run something. */
  readonly ready: Promise<void>;
  readonly #shell: ChildProcess;
  readonly #pipe: SandboxPipe;
  readonly #ended: Promise<SandboxEnd>;
  readonly #begun = Promise.withResolvers<void>();
  #isBegun = false;
  #fault: MantaError | undefined;
  #end: SandboxEnd | undefined;
  /** What is asked of each run. */
  readonly #awaited = new Map<number, PromiseWithResolvers<SandboxAnswer>>();
  #onExiting: (() => void) | undefined;

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
      const fault = this.#fault ??= faultOf(cause);
      ended.resolve({ code: 71, fault });
    });
    this.#ended.then((end) => this.#over(end));
    this.#pipe = new SandboxPipe(this.#shell.stdio[3] as Socket, {
      frame: (kind, body) => this.#heard(kind, body),
      ended: (cause) => {
        if (cause !== undefined) this.#fault ??= faultOf(cause);
        this.#shell.stdio[4]!.destroy();
      },
    });
    this.ready = this.#ready();
    this.ready.catch(() => {}); // Whoever uses the process awaits it too.
  }

  /** Resolves once it has ended, told to or not. */
  get ended(): Promise<SandboxEnd> {
    return this.#ended;
  }

  /** Tells it where it is, before anything else; an actor's may ask to leave, once. */
  enter(place: SandboxPlace, onExiting?: () => void): void {
    this.#onExiting = onExiting;
    this.#pipe.send(SandboxFrame.enter, (out) => writePlace(out, place));
  }

  /** Asks one thing of a run; rejects with a {@linkcode SandboxEndedError} if the process ends before it answers. */
  async ask(
    kind: number,
    no: number,
    write: (out: ByteWriter) => void = () => {},
  ): Promise<SandboxAnswer> {
    if (this.#end !== undefined) throw new SandboxEndedError(this.#end);
    const awaited = Promise.withResolvers<SandboxAnswer>();
    this.#awaited.set(no, awaited);
    this.#pipe.send(kind, (out) => {
      out.f64(no);
      write(out);
    });
    return await awaited.promise;
  }

  /** Tells it that a run is to stop, which is not answered. */
  cancel(no: number, timeoutMs: number): void {
    this.#pipe.send(SandboxFrame.cancel, (out) => {
      out.f64(no);
      out.f64(timeoutMs);
    });
  }

  /** Ends it; resolves once it is gone. */
  async end(): Promise<void> {
    this.#pipe.close();
    this.#shell.stdio[4]!.destroy();
    await this.#ended;
  }

  async #ready(): Promise<void> {
    try {
      await this.#begun.promise;
    } catch (cause) {
      const { message } = cause as Error;
      throw new RuntimeEnvSetupError(
        `Cannot start a sandbox: ${message}; what it wrote is in the log`,
        { cause },
      );
    }
  }

  #heard(kind: number, body: Uint8Array): void {
    if (!this.#isBegun) {
      if (kind !== SandboxFrame.ready) {
        throw new ProtocolError("Cannot use a sandbox: it began with no word");
      }
      this.#isBegun = true;
      this.#begun.resolve();
    } else if (kind === SandboxFrame.exiting && this.#onExiting !== undefined) {
      this.#onExiting();
      this.#onExiting = undefined;
    } else this.#answered(kind, body);
  }

  #answered(kind: number, body: Uint8Array): void {
    const { no, rest } = readRunNo(body);
    const awaited = this.#awaited.get(no);
    // Else it could fill this process's memory.
    if (awaited === undefined) {
      throw new ProtocolError("Cannot take what a sandbox said unasked");
    }
    this.#awaited.delete(no);
    awaited.resolve({ kind, body: rest.slice() });
  }

  #over(end: SandboxEnd): void {
    this.#end = end;
    const error = new SandboxEndedError(end);
    this.#begun.reject(error);
    for (const awaited of this.#awaited.values()) awaited.reject(error);
    this.#awaited.clear();
  }
}

/** The process ended in the middle of a run. */
export class SandboxEndedError extends Error {
  readonly end: SandboxEnd;

  constructor(end: SandboxEnd) {
    super(
      end.fault === undefined
        ? `its process ended by ${howOf(end)}`
        : end.fault.message,
    );
    this.end = end;
  }
}

function faultOf(cause: unknown): MantaError {
  return cause instanceof MantaError
    ? cause
    : new ProtocolError(`Cannot go on with a sandbox: ${cause}`, { cause });
}

/** By what it ended. */
export function howOf({ code }: SandboxEnd): string {
  const signal = signalOf(code) ?? (code > 128 ? code - 128 : undefined);
  return signal === undefined ? `exit code ${code}` : `signal ${signal}`;
}

function startShell(
  { flags, entry, isLocked, env, storage, downloads }: SandboxStart,
): ChildProcess {
  try {
    const { spawn } = builtin("node:child_process");
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
