/**
 * One run inside a sandboxed process: a task, an actor's constructor, a call
 * to it, or its clean-up. Answers what it is asked, each time once.
 *
 * @module
 */
import { SerializationError } from "../base/errors.ts";
import type { ActorId, TaskId } from "../base/ids.ts";
import { runInContext, type TaskContext } from "../owner/context.ts";
import { ByteReader, type ByteWriter } from "../wire/bytes.ts";
import {
  SandboxFrame,
  type SandboxRun,
  type SandboxTarget,
  writeData,
  writeRefusal,
} from "../wire/sandbox_frames.ts";
import { iteratorOf } from "./producer.ts";
import type { SandboxedValues } from "./sandboxed_values.ts";
import { stopReason } from "./task_errors.ts";

type Data = Parameters<typeof writeData>[1];

/** What a run takes of the process that it is in. */
export interface InsideWorld {
  readonly values: SandboxedValues;
  readonly actorId: ActorId | undefined;
  /** What is to be called. */
  opened(target: SandboxTarget): Promise<(args: unknown[]) => unknown>;
  /** Answers what was asked of a run; but for an item, it is the run's last word. */
  answer(
    kind: number,
    what: { no: number; write(out: ByteWriter): void },
  ): void;
  /** Whether the actor left by that error. */
  isExit(error: unknown): boolean;
}

/** One run. */
export class InsideRun {
  readonly #run: SandboxRun;
  readonly #world: InsideWorld;
  readonly #controller = new AbortController();
  readonly #context: TaskContext | undefined;
  #items: Iterator<unknown> | AsyncIterator<unknown> | undefined;
  /** An answer is waited for. */
  #isAsked = true;
  /** It has said its last word. */
  #isOver = false;
  /** What it failed of while nothing was asked. */
  #failure: { error: unknown } | undefined;
  /** The code that came with it, which is here as long as it runs. */
  #code: unknown;

  constructor(run: SandboxRun, world: InsideWorld) {
    this.#run = run;
    this.#world = world;
    const { context, name } = run;
    const { actorId } = world;
    this.#context = context && {
      ...context,
      taskId: context.taskId as TaskId,
      ...(actorId === undefined ? {} : { actorId }),
      functionName: name,
      callerNo: 0,
      signal: this.#controller.signal,
      children: new Set(),
      suspended: () => {},
      resumed: () => {},
      fail: (error) => this.fail(error),
    };
  }

  /** Whether it is a task or a call, as its code may know. */
  get isCall(): boolean {
    return this.#context !== undefined;
  }

  /** Runs it, after those before it have begun; resolves once it has begun itself. */
  async start(before: Promise<void>): Promise<void> {
    const opening = this.#open();
    opening.catch(() => {}); // It is awaited in its turn.
    await before;
    try {
      const call = await opening;
      // Not awaited: the next may begin.
      this.#answering(() => this.#call(call));
    } catch (error) {
      this.#refuse(error);
    }
  }

  /** Something is said of it. */
  heard(kind: number, body: Uint8Array): void {
    switch (kind) {
      case SandboxFrame.cancel:
        return this.#cancel(new ByteReader(body).f64());
      case SandboxFrame.next:
        this.#isAsked = true;
        if (this.#failure !== undefined) this.fail(this.#failure.error);
        else this.#answering(() => this.#draw());
        return;
      case SandboxFrame.leave:
        this.#isAsked = true;
        this.#answering(async () => {
          await this.#within(() => this.#items?.return?.());
          this.#tell(undefined, "result");
        });
    }
  }

  /** Its own code threw; false: it had its outcome already. */
  fail(error: unknown): boolean {
    if (this.#isOver) return false;
    if (!this.#isAsked) this.#failure ??= { error };
    else if (this.#world.isExit(error)) this.#answer(SandboxFrame.left);
    else this.#send(SandboxFrame.failed, this.#failed(error));
    return true;
  }

  async #open(): Promise<() => unknown> {
    const { values } = this.#world;
    this.#code = values.take(this.#run.bundles);
    const call = await this.#world.opened(this.#run.target);
    const args = await values.args(this.#run);
    return () => call(args);
  }

  async #call(call: () => unknown): Promise<void> {
    const result = await this.#within(call);
    if (!this.#run.isStream) return this.#tell(result, "result");
    this.#items = iteratorOf(result, this.#run.name);
    await this.#draw();
  }

  #within<T>(body: () => T): T {
    const context = this.#context;
    return context === undefined ? body() : runInContext(context, body);
  }

  #cancel(timeoutMs: number): void {
    const { name: functionName, context } = this.#run;
    const reason = stopReason(
      { functionName, taskId: context!.taskId as TaskId },
      timeoutMs === 0 ? undefined : timeoutMs,
    );
    this.#within(() => this.#controller.abort(reason));
  }

  async #answering(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.fail(error);
    }
  }

  async #draw(): Promise<void> {
    const { done, value } = await this.#within(() => this.#items!.next());
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
      encoded = this.#world.values.encode(value, {
        label,
        name: this.#run.name,
      });
    } catch (error) {
      return this.#refuse(error);
    }
    this.#send(kind, encoded);
  }

  #refuse(error: unknown): void {
    if (!this.#isAsked) return;
    if (!(error instanceof SerializationError)) {
      this.fail(error);
      return;
    }
    const message = error.message.replace(
      /^Cannot send value:/,
      `Cannot return from task "${this.#run.name}":`,
    );
    this.#answer(
      SandboxFrame.refused,
      (out) => writeRefusal(out, { message, path: error.path }),
    );
  }

  /** An error as data; of one that can't travel, what it says. */
  #failed(error: unknown): Data {
    const { values } = this.#world;
    const how = { label: "error", name: this.#run.name };
    try {
      return values.encode(error, how);
    } catch (fault) {
      return values.encode(wordsOf(error, fault as Error), how);
    }
  }

  #send(kind: number, data: Data): void {
    this.#answer(kind, (out) => writeData(out, data));
  }

  #answer(kind: number, write: (out: ByteWriter) => void = () => {}): void {
    this.#isAsked = false;
    this.#isOver = kind !== SandboxFrame.item;
    this.#world.answer(kind, { no: this.#run.no, write });
  }
}

/** What an error says that can't travel, and why it can't. */
function wordsOf(error: unknown, { message: why }: Error): Error {
  try {
    const told = error instanceof Error
      ? error
      : new Error(Deno.inspect(error));
    const copy = new Error(String(told.message));
    copy.name = String(told.name);
    copy.stack = `${told.stack}\n[${why}]`;
    return copy;
  } catch (fault) {
    // A getter of its own threw.
    return new Error(`Cannot read what was thrown: ${fault}`);
  }
}
