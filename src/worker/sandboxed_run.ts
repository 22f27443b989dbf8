/**
 * One run in a sandboxed process, as who has that process knows it: goes in,
 * and its value, items or error come out.
 *
 * What the process says is data from somebody who may be hostile: it is read
 * without code, and errors of it are rid of what would make this process look
 * at files.
 *
 * @module
 */
import { afterMs } from "../base/clock.ts";
import {
  ProtocolError,
  SerializationError,
  TaskTimeoutError,
} from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import type { CodeBundle } from "../base/stored.ts";
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
  type SandboxEnd,
  SandboxEndedError,
} from "./sandbox.ts";

/** Knows the language's own kinds of object, and no others. */
const codec = new ValueCodec();

/** The process that a run is in, and whose it is. */
export interface RunningIn {
  readonly process: Promise<Sandbox>;
  /** Errors that are not the run's own. */
  readonly refusals: WeakSet<object>;
  /** The code that is in there. */
  readonly code: readonly CodeBundle[];
  /** The run has its outcome. */
  over?(): Promise<void>;
  /** The process ended in the middle of it; rejects with what it failed of. */
  lost(end: SandboxEnd): Promise<never>;
  /** The method has left by `exitActor`: with that error. */
  left?(): Error;
}

/** One run. */
export class SandboxedRun {
  readonly #run: SandboxRun;
  readonly #in: RunningIn;
  readonly #signal: AbortSignal | undefined;
  /** The answer that the process owes. */
  #owed: Promise<unknown> = Promise.resolve();
  #isOver = false;

  constructor(run: SandboxRun, running: RunningIn) {
    this.#run = run;
    this.#in = running;
    this.#signal = currentContext()?.signal;
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
      process = await this.#in.process;
    } catch (error) {
      throw this.#refused(error);
    }
    const signal = this.#signal;
    if (signal?.aborted) throw this.#refused(signal.reason);
    signal?.addEventListener("abort", () => {
      const { reason } = signal;
      const timeoutMs = reason instanceof TaskTimeoutError
        ? reason.timeoutMs
        : 0;
      process.cancel(this.#run.no, timeoutMs);
    });
    return await this.#ask(SandboxFrame.run, process);
  }

  async #ask(kind: number, known?: Sandbox): Promise<SandboxAnswer> {
    const process = known ?? await this.#in.process;
    const { no, ...run } = this.#run;
    const asked = process.ask(
      kind,
      no,
      kind === SandboxFrame.run ? (out) => writeRun(out, run) : undefined,
    );
    this.#owed = asked.catch(() => {});
    try {
      return await asked;
    } catch (error) {
      // Ended because nobody wants it any more.
      if (this.#isOver || !(error instanceof SandboxEndedError)) throw error;
      const lost = this.#in.lost(error.end);
      return await lost.catch((fault) => {
        throw this.#refused(fault);
      });
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
      case SandboxFrame.left:
        if (this.#in.left !== undefined) throw this.#refused(this.#in.left());
    }
    throw this.#refused(
      new ProtocolError(`Cannot read a sandbox's word of kind ${kind}`),
    );
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

  /** The files that lines of the code in there are told by. */
  #marks(): Set<string> {
    return new Set(
      this.#in.code.flatMap(({ meta }) =>
        (JSON.parse(meta) as Meta).modules.map((module) =>
          marked({ ...module, url: placeOf(module.url) })
        )
      ),
    );
  }

  #refused<Thrown>(error: Thrown): Thrown {
    if (typeof error === "object" && error !== null) {
      this.#in.refusals.add(error);
    }
    return error;
  }

  async #end(): Promise<void> {
    this.#isOver = true;
    try {
      await this.#in.over?.();
    } catch (error) {
      // It never began, which its task was told.
      log.debug(`no sandbox to end: ${error}`);
    }
  }
}
