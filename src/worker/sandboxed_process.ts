/**
 * The process of one sandboxed task: takes the task from its worker, runs it,
 * answers, and is ended.
 *
 * It shares its memory with code that may be hostile: nothing here but
 * `sandbox_locks.ts` guards anything. What the process may is decided by its
 * flags, and what its worker believes by `sandboxed_task.ts`.
 *
 * @module
 */
import { Socket } from "node:net";
import { SerializationError } from "../base/errors.ts";
import type { TaskId } from "../base/ids.ts";
import { useShipped } from "../code/shipped.ts";
import { runInContext, type TaskContext } from "../owner/context.ts";
import { enterSandbox } from "../owner/current.ts";
import { ByteReader, type ByteWriter } from "../wire/bytes.ts";
import {
  readRun,
  SandboxFrame,
  type SandboxRun,
  writeData,
  writeRefusal,
} from "../wire/sandbox_frames.ts";
import { iteratorOf } from "./producer.ts";
import { lockLinks } from "./sandbox_locks.ts";
import { SandboxPipe } from "./sandbox_pipe.ts";
import { SandboxedValues } from "./sandboxed_values.ts";
import { stopReason } from "./task_errors.ts";

/** The connection it was born with. */
const descriptor = 3;

/** Runs one task, once it comes. */
export function runSandboxed(isLocked: boolean): void {
  if (isLocked) lockLinks();
  let task: Task | undefined;
  const pipe: SandboxPipe = new SandboxPipe(new Socket({ fd: descriptor }), {
    frame: (kind, body) => {
      if (kind === SandboxFrame.run) {
        task = new Task(readRun(body), pipe);
        task.start();
      } else task?.heard(kind, body);
    },
    ended: () => Deno.exit(0),
  });
  const uncaught = (event: Event, error: unknown) => {
    event.preventDefault();
    task?.fail(error);
  };
  globalThis.addEventListener(
    "error",
    (event) => uncaught(event, event.error),
  );
  globalThis.addEventListener(
    "unhandledrejection",
    (event) => uncaught(event, event.reason),
  );
  pipe.send(SandboxFrame.ready);
}

class Task {
  readonly #run: SandboxRun;
  readonly #pipe: SandboxPipe;
  readonly #values: SandboxedValues;
  readonly #controller = new AbortController();
  readonly #context: TaskContext;
  #items: Iterator<unknown> | AsyncIterator<unknown> | undefined;
  /** The worker waits for an answer. */
  #isAsked = true;
  /** What it failed of while nothing was asked. */
  #failure: { error: unknown } | undefined;

  constructor(run: SandboxRun, pipe: SandboxPipe) {
    const { name, taskId, attempt, depth, resources, place } = run;
    useShipped(place.shipped);
    enterSandbox({ self: place.workerId, job: place });
    this.#run = run;
    this.#pipe = pipe;
    this.#values = new SandboxedValues(run);
    this.#context = {
      taskId: taskId as TaskId,
      functionName: name,
      attempt,
      depth,
      callerNo: 0,
      resources,
      signal: this.#controller.signal,
      children: new Set(),
      suspended: () => {},
      resumed: () => {},
      fail: (error) => this.fail(error),
    };
  }

  /** Runs it. */
  async start(): Promise<void> {
    let opened: [(...args: unknown[]) => unknown, unknown[]];
    try {
      opened = [
        await this.#values.function() as (...args: unknown[]) => unknown,
        await this.#values.args(),
      ];
    } catch (error) {
      return this.#refuse(error);
    }
    const [fn, args] = opened;
    await this.#answering(async () => {
      const result = await runInContext(this.#context, () => fn(...args));
      if (!this.#run.isStream) return this.#tell(result, "result");
      this.#items = iteratorOf(result, this.#run.name);
      await this.#draw();
    });
  }

  /** The worker says something. */
  heard(kind: number, body: Uint8Array): void {
    switch (kind) {
      case SandboxFrame.cancel: {
        const timeoutMs = new ByteReader(body).f64();
        const { name: functionName, taskId } = this.#run;
        const reason = stopReason(
          { functionName, taskId: taskId as TaskId },
          timeoutMs === 0 ? undefined : timeoutMs,
        );
        runInContext(this.#context, () => this.#controller.abort(reason));
        return;
      }
      case SandboxFrame.next:
        this.#isAsked = true;
        if (this.#failure !== undefined) this.fail(this.#failure.error);
        else this.#answering(() => this.#draw());
        return;
      case SandboxFrame.leave:
        this.#isAsked = true;
        this.#answering(async () => {
          await runInContext(this.#context, () => this.#items?.return?.());
          this.#tell(undefined, "result");
        });
    }
  }

  /** The task's own code threw; false: it had its outcome already. */
  fail(error: unknown): boolean {
    if (!this.#isAsked) {
      this.#failure ??= { error };
      return true;
    }
    this.#isAsked = false;
    this.#send(SandboxFrame.failed, this.#failed(error));
    return true;
  }

  async #answering(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.fail(error);
    }
  }

  async #draw(): Promise<void> {
    const { done, value } = await runInContext(
      this.#context,
      () => this.#items!.next(),
    );
    if (done) this.#tell(undefined, "result");
    else this.#tell(value, "item", SandboxFrame.item);
  }

  #tell(
    value: unknown,
    label: string,
    kind: number = SandboxFrame.value,
  ): void {
    if (!this.#isAsked) return;
    let encoded;
    try {
      encoded = this.#values.encode(value, label);
    } catch (error) {
      return this.#refuse(error);
    }
    this.#isAsked = false;
    this.#send(kind, encoded);
  }

  #send(kind: number, data: Parameters<typeof writeData>[1]): void {
    this.#pipe.send(kind, (out: ByteWriter) => writeData(out, data));
  }

  #refuse(error: unknown): void {
    if (!this.#isAsked) return;
    if (!(error instanceof SerializationError)) {
      this.fail(error);
      return;
    }
    this.#isAsked = false;
    const message = error.message.replace(
      /^Cannot send value:/,
      `Cannot return from task "${this.#run.name}":`,
    );
    this.#pipe.send(
      SandboxFrame.refused,
      (out) => writeRefusal(out, { message, path: error.path }),
    );
  }

  /** An error as data; of one that can't travel, what it says. */
  #failed(error: unknown): Parameters<typeof writeData>[1] {
    try {
      return this.#values.encode(error, "error");
    } catch (fault) {
      const told = error instanceof Error
        ? error
        : new Error(Deno.inspect(error));
      const copy = new Error(String(told.message));
      copy.name = String(told.name);
      copy.stack = `${told.stack}\n[${(fault as Error).message}]`;
      return this.#values.encode(copy, "error");
    }
  }
}
