/**
 * A submitted program's folder: what was asked, what it printed, how it ended.
 * The files are the truth about it; whoever runs it may be killed and read
 * them again.
 *
 * @module
 */
import type { SubmittedJob } from "../base/jobs.ts";
import { isGone } from "./process_mark.ts";
import { writePrivate } from "./tokens.ts";

/** What is written when a program starts. */
export interface JobStart {
  id: string;
  script: string;
  args: string[];
  cwd: string;
  submittedAtMs: number;
  /** Names the process that watches it, so that its end can be told later. */
  watcherMark?: string;
}

/** One program's folder. */
export class JobFiles {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** What it prints goes there. */
  get outputPath(): string {
    return `${this.path}/output`;
  }

  /** Makes the folder; false where there is one already. */
  make(): boolean {
    try {
      Deno.mkdirSync(this.path, { mode: 0o700 });
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return false;
      throw error;
    }
  }

  /** It has started. */
  started(start: JobStart): void {
    writePrivate(`${this.path}/start.json`, JSON.stringify(start));
  }

  /** Somebody wants it to end. */
  stopAsked(): void {
    writePrivate(`${this.path}/stop`, "");
  }

  /** Its process, once it is there. */
  pid(): number | undefined {
    const text = read(`${this.path}/pid`);
    return text === undefined ? undefined : Number(text);
  }

  /** How it stands; undefined where nothing was started here. */
  state(): SubmittedJob | undefined {
    const text = read(`${this.path}/start.json`);
    if (text === undefined) return undefined;
    const start = JSON.parse(text) as JobStart;
    const { id, script, args, submittedAtMs, watcherMark } = start;
    const pid = this.pid();
    const job = {
      id,
      script,
      args,
      submittedAtMs,
      ...(pid === undefined ? {} : { pid }),
    };
    // First: who is found gone may have written just before.
    const isWatcherGone = watcherMark !== undefined &&
      isGone(watcherMark) === true;
    const ended = read(`${this.path}/exit`);
    if (ended === undefined) {
      return { ...job, state: isWatcherGone ? "lost" : "running" };
    }
    const exitCode = Number(ended);
    const { mtime } = Deno.statSync(`${this.path}/exit`);
    const wasStopped = read(`${this.path}/stop`) !== undefined;
    return {
      ...job,
      state: wasStopped ? "stopped" : exitCode === 0 ? "finished" : "failed",
      exitCode,
      ...(mtime === null ? {} : { endedAtMs: mtime.getTime() }),
    };
  }

  /** What it printed from a byte on. */
  output(from: number, bytesMax: number): Uint8Array {
    try {
      using file = Deno.openSync(this.outputPath, { read: true });
      file.seekSync(from, Deno.SeekMode.Start);
      const bytes = new Uint8Array(bytesMax);
      return bytes.subarray(0, file.readSync(bytes) ?? 0);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return new Uint8Array(0);
      throw error;
    }
  }

  /** Forgets it. */
  remove(): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path).trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
