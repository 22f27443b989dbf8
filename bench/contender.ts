/**
 * One contender's process, and the lines by which it is told what to run.
 *
 * Requests are one JSON object a line on its stdin. Replies are lines of its
 * stdout that begin with `@bench `; all else it prints goes to our stderr.
 * What it measures, and how, is the contender's: see `contenders/`.
 *
 * @module
 */
import { deadline } from "@std/async";
import type { ContenderName } from "./rows.ts";

/** What a contender is asked to do. */
export type Request =
  | { kind: "setup"; row: string; scale: number; warmupMs: number }
  | { kind: "round"; roundMs: number }
  | { kind: "teardown" };

/** What it answers. */
export type Reply =
  | { kind: "ready"; version: string }
  | { kind: "done" }
  | { kind: "figure"; value: number }
  | { kind: "failed"; message: string };

/** How to start one. */
export interface ContenderCommand {
  readonly name: ContenderName;
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const mark = "@bench ";
const readyMsMax = 60_000;
const exitMsMax = 20_000;

/** The reply a line of output holds, or undefined for what is none. */
export function replyIn(line: string): Reply | undefined {
  if (!line.startsWith(mark)) return undefined;
  return JSON.parse(line.slice(mark.length)) as Reply;
}

/** A running contender. */
export class Contender implements AsyncDisposable {
  readonly name: ContenderName;
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: AsyncGenerator<string>;

  private constructor({ name, program, args, env }: ContenderCommand) {
    this.name = name;
    this.#child = new Deno.Command(program, {
      args: [...args],
      env: { ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
      // A process group of its own: so its children can be ended with it.
      detached: true,
    }).spawn();
    this.#stdin = this.#child.stdin.getWriter();
    this.#lines = linesOf(this.#child.stdout);
  }

  /** Starts one that stays until disposed of; gives it with its version. */
  static async start(
    command: ContenderCommand,
  ): Promise<{ contender: Contender; version: string }> {
    const contender = new Contender(command);
    try {
      const reply = await deadline(contender.#reply(), readyMsMax);
      if (reply.kind === "ready") return { contender, version: reply.version };
      throw unexpected(contender.name, reply);
    } catch (error) {
      await contender[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Lets a process of its own measure its start up to its first result, in ms. */
  static async firstResultMs(command: ContenderCommand): Promise<number> {
    await using contender = new Contender({
      ...command,
      args: [...command.args, "--first-result"],
    });
    const reply = await deadline(contender.#reply(), readyMsMax);
    if (reply.kind === "figure") return reply.value;
    throw unexpected(contender.name, reply);
  }

  /** Asks for something that is answered by "done". */
  async tell(request: Request, msMax: number): Promise<void> {
    const reply = await this.#ask(request, msMax);
    if (reply.kind !== "done") throw unexpected(this.name, reply);
  }

  /** Asks for something that is answered by a figure. */
  async figure(request: Request, msMax: number): Promise<number> {
    const reply = await this.#ask(request, msMax);
    if (reply.kind !== "figure") throw unexpected(this.name, reply);
    return reply.value;
  }

  async #ask(request: Request, msMax: number): Promise<Reply> {
    const line = new TextEncoder().encode(`${JSON.stringify(request)}\n`);
    await this.#stdin.write(line);
    return await deadline(this.#reply(), msMax);
  }

  async #reply(): Promise<Reply> {
    for (;;) {
      const { done, value } = await this.#lines.next();
      if (done) throw new Error(`Contender "${this.name}" ended early`);
      const reply = replyIn(value);
      if (reply !== undefined) return reply;
      console.error(`(${this.name}) ${value}`);
    }
  }

  /** Asks it to end, waits for that, and ends what is left of its group. */
  async [Symbol.asyncDispose](): Promise<void> {
    // It may have ended by itself: then there is nobody to say goodbye to.
    await this.#stdin.close().catch(() => {});
    try {
      await deadline(this.#child.status, exitMsMax);
    } catch {
      console.error(`Contender "${this.name}" did not end when asked to`);
    }
    this.kill();
    await this.#child.status;
    // Its last words have no reader; closing frees the pipe.
    await this.#lines.return(undefined).catch(() => {});
  }

  /** Ends it and all of its group, at once. */
  kill(): void {
    try {
      Deno.kill(-this.#child.pid, "SIGKILL");
    } catch (error) {
      // The whole group is gone already: what we wanted.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

function unexpected(name: ContenderName, reply: Reply): Error {
  const what = reply.kind === "failed" ? reply.message : JSON.stringify(reply);
  return new Error(`Contender "${name}": ${what}`);
}

async function* linesOf(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}
