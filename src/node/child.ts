/**
 * One subprocess of a node: started, listened to, ended.
 *
 * Its output is passed on line by line; how it ended is kept for whoever asks.
 *
 * @module
 */
import { deadline } from "@std/async";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import { TextLineSplitter } from "./lines.ts";
import type { Fate, OutOfMemory } from "../wire/messages.ts";

const stderrTailLength = 2000;

/** What a child is started with. */
export interface ChildOptions {
  args: string[];
  env?: Record<string, string>;
  cwd?: string;
  /** Hears each whole line that the child prints. */
  onLine(line: string, stream: "stdout" | "stderr"): void;
}

/** A running subprocess. */
export class Child {
  readonly pid: number;
  /** Resolves once it has ended and all it printed was passed on. */
  readonly fate: Promise<Fate>;
  readonly #process: Deno.ChildProcess;
  #stderrTail = "";
  #reason: string | undefined;
  #outOfMemory: OutOfMemory | undefined;
  #hasEnded = false;
  /** Pieces of output that have come. */
  #chunkCount = 0;

  constructor(options: ChildOptions) {
    this.#process = new Deno.Command(Deno.execPath(), {
      args: options.args,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      ...(options.env === undefined ? {} : { env: options.env }),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    }).spawn();
    this.pid = this.#process.pid;
    this.fate = this.#watch(options);
  }

  /** Ends it at once; the reason is told to whoever asks for its fate. */
  kill(reason: string, outOfMemory?: OutOfMemory): void {
    if (this.#reason === undefined) this.#outOfMemory = outOfMemory;
    this.#reason ??= reason;
    if (this.#hasEnded) return;
    try {
      this.#process.kill("SIGKILL");
    } catch (error) {
      // It ended by itself just now.
      if (!(error instanceof TypeError)) throw error;
    }
  }

  /** Resolves once all that it printed has come; whoever it started may have the same streams, and live on. */
  async #printed(outputs: Promise<unknown>): Promise<void> {
    for (let round = 0; round < limits.printRoundsMax; round++) {
      const before = this.#chunkCount;
      try {
        await deadline(outputs, limits.printQuietMs);
        return;
      } catch (error) {
        const isLate = error instanceof DOMException &&
          error.name === "TimeoutError";
        if (!isLate) throw error;
      }
      if (this.#chunkCount === before) break;
    }
    log.debug(`what process ${this.pid} started has its output, and lives on`);
  }

  async #watch(options: ChildOptions): Promise<Fate> {
    const { stdout, stderr } = this.#process;
    const outputs = Promise.all([
      this.#passOn(stdout, (line) => options.onLine(line, "stdout")),
      this.#passOn(stderr, (line) => {
        this.#stderrTail = `${this.#stderrTail}${line}\n`.slice(
          -stderrTailLength,
        );
        options.onLine(line, "stderr");
      }),
    ]);
    const status = await this.#process.status;
    this.#hasEnded = true;
    await this.#printed(outputs);
    const tail = this.#stderrTail.trim();
    return {
      ...(status.signal === null
        ? { exitCode: status.code }
        : { exitSignal: status.signal }),
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
      ...(this.#outOfMemory === undefined
        ? {}
        : { outOfMemory: this.#outOfMemory }),
      ...(tail === "" ? {} : { stderrTail: tail }),
    };
  }

  async #passOn(
    output: ReadableStream<Uint8Array>,
    onLine: (line: string) => void,
  ): Promise<void> {
    const lines = new TextLineSplitter(onLine);
    for await (const chunk of output) {
      this.#chunkCount++;
      lines.push(chunk);
    }
    lines.end();
  }
}
