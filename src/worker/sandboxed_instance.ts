/**
 * An actor's instance in a sandboxed process of its own, as its isolate knows
 * it: made there, called there, and over when that process is.
 *
 * The isolate is the actor to everybody else: its mailbox, its streams and its
 * refs are here. Only code and values go in, and only data comes out.
 *
 * @module
 */
import type { ActorDiedError } from "../base/errors.ts";
import { log } from "../base/log.ts";
import type { Owner } from "../owner/owner.ts";
import type { SandboxRun } from "../wire/sandbox_frames.ts";
import type { TaskFrame } from "../wire/task_frames.ts";
import { ValueCodec } from "../wire/values.ts";
import type { ActorInstance } from "./actor_instance.ts";
import type { OpeningRun } from "./arguments.ts";
import type { Incarnation } from "./durable_actor.ts";
import { signalOf } from "./end_like.ts";
import type { Invoked } from "./invoked.ts";
import { howOf, type Sandbox, type SandboxEnd } from "./sandbox.ts";
import { birthCargoOf, type Cargo, cargoOf, placeIn } from "./sandbox_cargo.ts";
import {
  type SandboxingArguments,
  type SandboxStarter,
  starterFor,
} from "./sandbox_starter.ts";
import { type RunningIn, SandboxedRun } from "./sandboxed_run.ts";

const noArguments = new ValueCodec().encode([]);

/** What such an instance tells. */
export interface SandboxedInstanceEvents {
  /** Its code asks to end the actor: gives what that method fails with. */
  exiting(): ActorDiedError;
  /** Its process ended unasked, and the actor with it. */
  lost(reason: string): void;
}

/** One that lives in a sandbox. */
export class SandboxedInstance implements ActorInstance {
  readonly here = undefined;
  readonly #owner: Owner;
  readonly #life: Incarnation;
  readonly #starter: SandboxStarter;
  readonly #events: SandboxedInstanceEvents;
  readonly #refusals = new WeakSet<object>();
  /** Of each caller, when its calls so far have all they need. */
  readonly #opened = new Map<string, Promise<void>>();
  #process: Promise<Sandbox> | undefined;
  #nextNo = 0;
  #isEnding = false;

  constructor(
    owner: Owner,
    { life, joining, entry }: {
      life: Incarnation;
      joining: SandboxingArguments;
      entry: URL;
    },
    events: SandboxedInstanceEvents,
  ) {
    this.#owner = owner;
    this.#life = life;
    this.#starter = starterFor(joining, entry)!;
    this.#events = events;
  }

  async make(): Promise<void> {
    const { spec } = this.#life;
    const cargo = birthCargoOf(this.#owner, spec);
    const process = this.#process = this.#start();
    const [taken] = await Promise.all([cargo, process]);
    const target = { kind: "class", code: spec.code } as const;
    await this.#run({ ...taken, ...this.#named(spec.className), target });
  }

  invoked(frame: TaskFrame): Pick<Invoked, "open" | "call" | "isOwnEnd"> {
    const { method } = frame;
    return {
      open: async (run) => [await this.#taken(run)],
      call: ([cargo]) => {
        const { className } = this.#life.spec;
        const target = { kind: "method", method } as const;
        const named = this.#named(`${className}.${method}`);
        return this.#run({ ...cargo as Cargo, ...named, target });
      },
      isOwnEnd: (error) =>
        typeof error === "object" && error !== null &&
        this.#refusals.has(error),
    };
  }

  dispose(): unknown {
    return this.#run({
      ...this.#named(this.#life.spec.className),
      target: { kind: "dispose" },
      isStream: false,
      bundles: [],
      args: { bytes: noArguments.bytes },
      dependencies: [],
    });
  }

  async end(): Promise<void> {
    this.#isEnding = true;
    try {
      await (await this.#process)?.end();
    } catch (error) {
      // It never began, which the actor's calls were told.
      log.debug(`no sandbox to end: ${error}`);
    }
  }

  async #start(): Promise<Sandbox> {
    const { spec } = this.#life;
    const sandbox = await this.#starter.start(spec.resources["memory"]);
    sandbox.ended.then((end) => {
      if (!this.#isEnding) this.#events.lost(this.#reasonOf(end));
    });
    sandbox.enter(placeIn(this.#owner, spec), () => this.#events.exiting());
    return sandbox;
  }

  /** What a call takes along, in the order of its caller's: what one must fetch holds back the next. */
  async #taken(run: OpeningRun): Promise<Cargo> {
    const { peer, frame: { callerNo } } = run;
    const caller = `${peer.remote!.processId}/${callerNo}`;
    const before = this.#opened.get(caller);
    const { resources } = this.#life.spec;
    const cargo = cargoOf(this.#owner, run, { resources });
    const inTurn = before === undefined
      ? cargo
      : Promise.allSettled([cargo, before]).then(() => cargo);
    const opened = inTurn.then(() => {}, () => {}); // Whoever takes it is told.
    this.#opened.set(caller, opened);
    opened.then(() => {
      if (this.#opened.get(caller) === opened) this.#opened.delete(caller);
    });
    return await inTurn;
  }

  #named(name: string): Pick<SandboxRun, "no" | "name"> {
    return { no: this.#nextNo++, name };
  }

  #run(run: SandboxRun): unknown {
    return new SandboxedRun(run, this.#running(run)).run();
  }

  #running({ bundles }: SandboxRun): RunningIn {
    return {
      process: this.#process!,
      refusals: this.#refusals,
      code: [...this.#life.spec.bundles, ...bundles],
      // Its outcome is the actor's end, which others tell.
      lost: () => new Promise<never>(() => {}),
      left: () => this.#events.exiting(),
    };
  }

  #reasonOf(end: SandboxEnd): string {
    const { fault } = end;
    if (fault !== undefined) return `its sandbox was ended: ${fault.message}`;
    const how = `its sandbox ended by ${howOf(end)}`;
    const { memory } = this.#life.spec.resources;
    const isFull = memory !== undefined &&
      ["SIGTRAP", "SIGABRT"].includes(signalOf(end.code) ?? "");
    return isFull
      ? `it ran out of memory: its heap passed its memory of ${memory} bytes, and ${how}`
      : how;
  }
}
