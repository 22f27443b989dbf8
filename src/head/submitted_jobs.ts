/**
 * Programs that were given to the cluster: run on the head's machine, detached
 * from whoever submitted them, stopped with the cluster.
 *
 * Each is watched by a small shell, which writes how it ended; so one goes on
 * when the head is killed, and the head that comes back knows it again. All
 * state is in the files (`store/job_files.ts`).
 *
 * @module
 */
import { delay } from "@std/async";
import { wallMs } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import { JobFiles, type JobStart } from "../store/job_files.ts";
import { markOf } from "../store/process_mark.ts";
import { writePrivate } from "../store/tokens.ts";
import type { SubmittedJob } from "../base/jobs.ts";
import type { Requests } from "../wire/messages.ts";
import type { RequestHandlers } from "../wire/peer.ts";

/** Where submitted programs are run. */
export interface SubmittedJobsOptions {
  /** Their folders are in it. */
  folder: string;
  /** The cluster's. */
  address: string;
  token: string | undefined;
}

// Signals of a terminal are the head's to hear. Files are there whole or not
// at all.
const watcher = `
trap '' INT HUP QUIT
folder=$1; cd -- "$2" || exit; shift 2
umask 077
"$@" >"$folder/output" 2>&1 </dev/null &
echo $! >"$folder/pid.new"; mv "$folder/pid.new" "$folder/pid"
wait $!
echo $? >"$folder/exit.new"; mv "$folder/exit.new" "$folder/exit"
`;

/** Runs submitted programs. */
export class SubmittedJobs {
  readonly #options: SubmittedJobsOptions;
  readonly #tokenFile: string | undefined;
  #isClosed = false;

  constructor(options: SubmittedJobsOptions) {
    this.#options = options;
    const { folder, token } = options;
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (token === undefined) return;
    this.#tokenFile = `${folder}/.token`;
    writePrivate(this.#tokenFile, token);
  }

  /** What it answers. */
  requests(): RequestHandlers {
    return {
      "job.submit": (ask) => this.#submit(ask),
      "job.list": () => ({ jobs: this.#list() }),
      "job.read": (ask) => this.#read(ask),
      "job.stop": async ({ id }) => {
        const files = this.#files(id);
        if (files?.state() === undefined) return { refusal: unknown(id) };
        await this.#stop(files);
        return {};
      },
    };
  }

  /** Stops all, and takes no more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const running = this.#list().filter(({ state }) => state === "running");
    await Promise.all(running.map(({ id }) => this.#stop(this.#files(id)!)));
  }

  #submit(
    { id, script, args, cwd }: Requests["job.submit"]["ask"],
  ): { refusal?: string } {
    const refusal = this.#refusal({ id, script, cwd });
    if (refusal !== undefined) return { refusal };
    const { folder, address } = this.#options;
    const files = new JobFiles(`${folder}/${id}`);
    if (!files.make()) return {}; // Heard twice.
    this.#forget();
    const child = new Deno.Command("/bin/sh", {
      args: [
        ...["-c", watcher, "manta-job", files.path, cwd],
        ...[Deno.execPath(), "run", "-A", script, ...args],
      ],
      env: {
        MANTA_ADDRESS: address,
        NO_COLOR: "1",
        ...(this.#tokenFile === undefined
          ? {}
          : { MANTA_TOKEN_FILE: this.#tokenFile }),
      },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    child.unref();
    const watcherMark = markOf(child.pid);
    const start: JobStart = {
      id,
      script,
      args,
      cwd,
      submittedAtMs: wallMs(),
      ...(watcherMark === undefined ? {} : { watcherMark }),
    };
    files.started(start);
    return {};
  }

  #refusal(
    { id, script, cwd }: Pick<JobStart, "id" | "script" | "cwd">,
  ): string | undefined {
    if (this.#isClosed) return "the cluster is ending";
    if (!isJobId(id)) return `"${id}" is no id of a job`;
    const isThere = (path: string, what: "isFile" | "isDirectory") => {
      try {
        return Deno.statSync(path)[what];
      } catch (error) {
        log.debug(`${path} of a submitted job: ${error}`);
        return false;
      }
    };
    const hint = "it runs on the head's machine: put it there at the same path";
    if (!/^\w+:/.test(script) && !isThere(script, "isFile")) {
      return `there is no file "${script}" on the head's machine; ${hint}`;
    }
    return isThere(cwd, "isDirectory")
      ? undefined
      : `there is no folder "${cwd}" on the head's machine; submit from one that is there too`;
  }

  #list(): SubmittedJob[] {
    const jobs: SubmittedJob[] = [];
    for (const { name } of Deno.readDirSync(this.#options.folder)) {
      const job = this.#files(name)?.state();
      if (job !== undefined) jobs.push(job);
    }
    return jobs.sort((a, b) => a.submittedAtMs - b.submittedAtMs);
  }

  async #read(
    { id, from, waitMs }: Requests["job.read"]["ask"],
  ): Promise<Requests["job.read"]["answer"]> {
    const files = this.#files(id);
    const untilMs = performance.now() +
      Math.min(waitMs, limits.newsWaitMsMax);
    for (;;) {
      // First: what it printed last is there when it is over.
      const state = files?.state()?.state;
      const bytes = files?.output(from, limits.jobReadBytesMax) ??
        new Uint8Array(0);
      const isUnknown = state === undefined;
      const isOver = state !== "running";
      const isNews = bytes.length > 0 || isOver;
      if (isNews || performance.now() >= untilMs) {
        const isAll = bytes.length < limits.jobReadBytesMax;
        return { bytes, isOver: isOver && isAll, isUnknown };
      }
      await delay(limits.jobLookMs, { persistent: false });
    }
  }

  async #stop(files: JobFiles): Promise<void> {
    if (files.state()?.state !== "running") return;
    files.stopAsked();
    const killAtMs = performance.now() + limits.jobStopGraceMs;
    let last: Deno.Signal | undefined;
    while (files.state()?.state === "running") {
      const signal = performance.now() < killAtMs ? "SIGTERM" : "SIGKILL";
      const pid = files.pid();
      if (pid !== undefined && signal !== last) {
        last = signal;
        kill(pid, signal);
      }
      await delay(limits.jobLookMs);
    }
  }

  /** Those that ended longest ago go. */
  #forget(): void {
    const over = this.#list().filter(({ state }) => state !== "running");
    for (const { id } of over.slice(0, -limits.jobsKeptMax)) {
      this.#files(id)!.remove();
    }
  }

  #files(id: string): JobFiles | undefined {
    return isJobId(id)
      ? new JobFiles(`${this.#options.folder}/${id}`)
      : undefined;
  }
}

/** Its id is a folder's name: nothing else may be meant by it. */
function isJobId(id: string): boolean {
  return /^job-[0-9a-f]{8}$/.test(id);
}

function unknown(id: string): string {
  return `there is no job "${id}"; \`jobs\` lists them`;
}

function kill(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch (error) {
    // It ended just now: its watcher is about to say so.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
