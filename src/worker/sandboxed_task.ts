/**
 * One task in its sandboxed process, as its worker runs it: goes in, and its
 * value, items or error come out.
 *
 * What the process says is data from somebody who may be hostile: it is read
 * without code, and errors of it are rid of what would make this process look
 * at files.
 *
 * @module
 */
import { afterMs } from "../base/clock.ts";
import {
  MantaError,
  ProtocolError,
  SerializationError,
  TaskTimeoutError,
} from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import type { Meta } from "../code/meta.ts";
import { placeOf } from "../code/shipped.ts";
import { marked } from "../code/stack.ts";
import { currentContext } from "../owner/context.ts";
import {
  readData,
  readRefusal,
  SandboxFrame,
  type SandboxRun,
  writeRun,
} from "../wire/sandbox_frames.ts";
import { ValueCodec } from "../wire/values.ts";
import { keepErrorMarks } from "./error_stacks.ts";
import {
  type Sandbox,
  type SandboxAnswer,
  SandboxEndedError,
} from "./sandbox.ts";

/** Knows the language's own kinds of object, and no others. */
const codec = new ValueCodec();

/** One task. */
export class SandboxedTask {
  readonly #run: SandboxRun;
  readonly #process: Promise<Sandbox>;
  /** Errors that are not the task's own. */
  readonly #refusals: WeakSet<object>;
  readonly #signal: AbortSignal;
  /** The answer that the process owes. */
  #owed: Promise<unknown> = Promise.resolve();
  #isOver = false;

  constructor(
    run: SandboxRun,
    { process, refusals }: {
      process: Promise<Sandbox>;
      refusals: WeakSet<object>;
    },
  ) {
    this.#run = run;
    this.#process = process;
    this.#refusals = refusals;
    this.#signal = currentContext()!.signal;
  }

  /** Runs it: gives its value, or its items. */
  run(): unknown {
    if (!this.#run.isStream) return this.#value();
    let isBegun = false;
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => {
          const asked = isBegun ? this.#ask(SandboxFrame.next) : this.#begin();
          isBegun = true;
          return this.#item(asked);
        },
        return: () => this.#leave(isBegun),
      }),
    };
  }

  async #value(): Promise<unknown> {
    try {
      return this.#read(await this.#begin());
    } finally {
      await this.#end();
    }
  }

  async #item(asked: Promise<SandboxAnswer>): Promise<IteratorResult<unknown>> {
    try {
      const answer = await asked;
      const value = this.#read(answer);
      if (answer.kind === SandboxFrame.item) return { value, done: false };
      await this.#end();
      return { value, done: true };
    } catch (error) {
      await this.#end();
      throw error;
    }
  }

  /** Nobody wants more: the generator's own `finally` runs, for a while. */
  async #leave(isBegun: boolean): Promise<IteratorResult<unknown>> {
    const late = Promise.withResolvers<void>();
    const timer = afterMs(limits.abortGraceMs, late.resolve);
    const left = this.#owed.then(() =>
      isBegun && !this.#isOver ? this.#ask(SandboxFrame.leave) : undefined
    ).catch(() => {}); // It may end as it likes now.
    await Promise.race([left, late.promise]);
    clearTimeout(timer);
    await this.#end();
    return { value: undefined, done: true };
  }

  async #begin(): Promise<SandboxAnswer> {
    let process: Sandbox;
    try {
      process = await this.#process;
    } catch (error) {
      throw this.#refused(error);
    }
    if (this.#signal.aborted) throw this.#refused(this.#signal.reason);
    this.#signal.addEventListener("abort", () => {
      const { reason } = this.#signal;
      const timeoutMs = reason instanceof TaskTimeoutError
        ? reason.timeoutMs
        : 0;
      process.tell(SandboxFrame.cancel, (out) => out.f64(timeoutMs));
    });
    return await this.#ask(SandboxFrame.run, process);
  }

  async #ask(kind: number, known?: Sandbox): Promise<SandboxAnswer> {
    const process = known ?? await this.#process;
    const asked = process.ask(
      kind,
      kind === SandboxFrame.run ? (out) => writeRun(out, this.#run) : undefined,
    );
    this.#owed = asked.catch(() => {});
    try {
      return await asked;
    } catch (error) {
      // Ended because nobody wants it any more.
      if (this.#isOver || !(error instanceof SandboxEndedError)) throw error;
      const { fault, code } = error.end;
      if (fault === undefined) endLike(code);
      throw this.#refused(
        fault instanceof MantaError
          ? fault
          : new ProtocolError(`Cannot go on with a sandbox: ${fault}`),
      );
    }
  }

  /** What an answer comes to: a value, or it throws. */
  #read({ kind, body }: SandboxAnswer): unknown {
    switch (kind) {
      case SandboxFrame.value:
      case SandboxFrame.item:
        return this.#data(body);
      case SandboxFrame.failed: {
        const error = this.#data(body);
        keepErrorMarks(error, this.#marks());
        throw error;
      }
      case SandboxFrame.refused: {
        const { message, path } = this.#safely(() => readRefusal(body));
        throw this.#refused(new SerializationError(message, { path }));
      }
      default:
        throw this.#refused(
          new ProtocolError(`Cannot read a sandbox's word of kind ${kind}`),
        );
    }
  }

  #data(body: Uint8Array): unknown {
    return this.#safely(() => {
      const { bytes, buffers } = readData(body);
      return codec.decode(bytes, { buffers });
    });
  }

  #safely<Result>(read: () => Result): Result {
    try {
      return read();
    } catch (error) {
      throw this.#refused(error);
    }
  }

  /** The files that lines of the task's own code are told by. */
  #marks(): Set<string> {
    return new Set(
      this.#run.bundles.flatMap(({ meta }) =>
        (JSON.parse(meta) as Meta).modules.map((module) =>
          marked({ ...module, url: placeOf(module.url) })
        )
      ),
    );
  }

  #refused<Thrown>(error: Thrown): Thrown {
    if (typeof error === "object" && error !== null) this.#refusals.add(error);
    return error;
  }

  async #end(): Promise<void> {
    this.#isOver = true;
    try {
      await (await this.#process).end();
    } catch (error) {
      // It never began, which its task was told.
      log.debug(`no sandbox to end: ${error}`);
    }
  }
}

const signals: Record<number, Deno.Signal> = {
  4: "SIGILL",
  5: "SIGTRAP",
  6: "SIGABRT",
  9: "SIGKILL",
  11: "SIGSEGV",
  15: "SIGTERM",
};

/** The process of the task ended: so does its worker, the same way, for that is what its owner knows. */
function endLike(code: number): never {
  const signal = signals[code - 128];
  if (signal !== undefined) {
    try {
      Deno.kill(Deno.pid, signal);
    } catch (error) {
      // Not allowed: the exit code says it too.
      log.debug(`could not end by ${signal}: ${error}`);
    }
  }
  Deno.exit(code);
}
