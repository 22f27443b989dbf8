/**
 * A sandboxed process: takes one task, or an actor and calls to it, runs what
 * it is asked to, answers, and is ended.
 *
 * It shares its memory with code that may be hostile: nothing here but
 * `sandbox_locks.ts` guards anything. What the process may is decided by its
 * flags, and what is believed of what it says by `sandboxed_run.ts`.
 *
 * @module
 */
import { Socket } from "node:net";
import { type ActorDiedError, unreachable } from "../base/errors.ts";
import type { ActorId } from "../base/ids.ts";
import { useShipped } from "../code/shipped.ts";
import { enterSandbox } from "../owner/current.ts";
import type { ByteWriter } from "../wire/bytes.ts";
import {
  readPlace,
  readRun,
  readRunNo,
  SandboxFrame,
  type SandboxPlace,
  type SandboxTarget,
} from "../wire/sandbox_frames.ts";
import { refuseValue } from "../wire/values.ts";
import { callMethod, dispose, exitError, type Instance } from "./instance.ts";
import { lockLinks } from "./sandbox_locks.ts";
import { SandboxPipe } from "./sandbox_pipe.ts";
import { InsideRun, type InsideWorld } from "./sandboxed_code.ts";
import { SandboxedValues } from "./sandboxed_values.ts";
import { listenForUncaught } from "./uncaught.ts";

/** The connection it was born with. */
const descriptor = 3;

type ActorClass = new (...args: unknown[]) => Instance;

/** What a sandboxed process takes of its entry. */
export interface SandboxedProcessOptions {
  /** Whether what the flags leave open is locked. */
  isLocked: boolean;
  /** Sets how the actor leaves that is in here. */
  setActorExit(exit: () => never): void;
}

/** Runs what comes. */
export function runSandboxed(options: SandboxedProcessOptions): void {
  if (options.isLocked) lockLinks();
  const process = new SandboxedProcess(options);
  listenForUncaught((error) => process.onUncaught(error));
  process.begin();
}

class SandboxedProcess implements InsideWorld {
  readonly #setActorExit: SandboxedProcessOptions["setActorExit"];
  readonly #pipe: SandboxPipe;
  readonly #runs = new Map<number, InsideRun>();
  /** Resolves once all that came so far has begun. */
  #begun: Promise<void> = Promise.resolve();
  #values: SandboxedValues | undefined;
  #actor: SandboxPlace["actor"];
  #instance: Instance | undefined;
  #exitError: ActorDiedError | undefined;

  constructor({ setActorExit }: SandboxedProcessOptions) {
    this.#setActorExit = setActorExit;
    this.#pipe = new SandboxPipe(new Socket({ fd: descriptor }), {
      frame: (kind, body) => this.#heard(kind, body),
      ended: () => Deno.exit(0),
    });
  }

  get values(): SandboxedValues {
    return this.#values!;
  }

  get actorId(): ActorId | undefined {
    return this.#actor?.actorId as ActorId | undefined;
  }

  /** It can be used. */
  begin(): void {
    this.#pipe.send(SandboxFrame.ready);
  }

  answer(
    kind: number,
    { no, write }: { no: number; write(out: ByteWriter): void },
  ): void {
    if (kind !== SandboxFrame.item) this.#runs.delete(no);
    this.#pipe.send(kind, (out) => {
      out.f64(no);
      write(out);
    });
  }

  isExit(error: unknown): boolean {
    return error !== undefined && error === this.#exitError;
  }

  async opened(target: SandboxTarget): Promise<(args: unknown[]) => unknown> {
    switch (target.kind) {
      case "function": {
        const fn = await this.values.functionOf(target.code);
        return (args) => fn(...args);
      }
      case "class": {
        const Class = await this.values.functionOf(target.code);
        return (args) => this.#make(Class as unknown as ActorClass, args);
      }
      case "method": {
        const { method } = target;
        const { className } = this.#actor!;
        return (args) =>
          callMethod(this.#instance!, { className, method, args });
      }
      case "dispose":
        return () => this.#instance && dispose(this.#instance);
      default:
        unreachable(target);
    }
  }

  /** Code of no run threw: the only task or call there is is to blame. */
  onUncaught(error: unknown): boolean {
    const calls = [...this.#runs.values()].filter((run) => run.isCall);
    return calls.length === 1 && calls[0]!.fail(error);
  }

  #heard(kind: number, body: Uint8Array): void {
    if (kind === SandboxFrame.enter) return this.#enter(readPlace(body));
    const { no, rest } = readRunNo(body);
    if (kind === SandboxFrame.run) {
      const run = new InsideRun({ no, ...readRun(rest) }, this);
      this.#runs.set(no, run);
      this.#begun = run.start(this.#begun);
    } else this.#runs.get(no)?.heard(kind, rest);
  }

  #enter(place: SandboxPlace): void {
    useShipped(place.shipped);
    enterSandbox({ self: place.workerId, job: place });
    this.#values = new SandboxedValues(place.mainModule);
    this.#actor = place.actor;
    if (this.#actor !== undefined) this.#setActorExit(() => this.#exit());
  }

  #make(Class: ActorClass, args: unknown[]): void {
    const instance = this.#instance = new Class(...args);
    const { className } = this.#actor!;
    refuseValue(
      instance,
      `it is the actor ${className} itself, which does not leave its sandbox`,
    );
  }

  #exit(): never {
    if (this.#exitError === undefined) {
      const { className } = this.#actor!;
      this.#exitError = exitError({ actorId: this.actorId!, className });
      this.#pipe.send(SandboxFrame.exiting);
    }
    throw this.#exitError;
  }
}
