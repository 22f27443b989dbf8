/**
 * One incarnation of a simulated actor: its mailbox and its state. Mirrors
 * `src/worker/actor_runner.ts`.
 *
 * @module
 */
import type { ActorSpec } from "../../src/base/spec.ts";
import type { Mailbox } from "../../src/state/mailbox.ts";
import type { Process } from "./process.ts";
import { Run, type RunHost } from "./run.ts";
import type { Frame, Held, Reply } from "./things.ts";
import type { World } from "./world.ts";

/** Runs one actor's calls. */
export class ActorRunner implements RunHost {
  /** Refs that calls left in the actor's state. */
  readonly state: Held[] = [];
  readonly #world: World;
  readonly #process: Process;
  #mailbox!: Mailbox<Run>;
  #life: { spec: ActorSpec; incarnation: number } | undefined;
  #isReady = false;
  #isLeaving = false;

  constructor(world: World, process: Process) {
    this.#world = world;
    this.#process = process;
  }

  /** Which life of which actor this is. */
  get life(): { spec: ActorSpec; incarnation: number } {
    return this.#life!;
  }

  construct(spec: ActorSpec, incarnation: number): void {
    this.#life = { spec, incarnation };
    this.#mailbox = this.#world.rooms.mailbox(incarnation);
    const { kernel, node } = this.#world;
    const { actorId } = spec;
    this.#process.after(kernel.delay(8), "constructor", () => {
      const { nodeLink, id } = this.#process;
      if (kernel.chance(0.04)) {
        kernel.reach("constructor threw");
        nodeLink.notify(
          "actor.failed",
          () => node.head.actorFailed(actorId, incarnation),
          true,
        );
        return;
      }
      this.#isReady = true;
      nodeLink.notify(
        "actor.ready",
        () => node.head.actorReady(actorId, incarnation, id),
        true,
      );
      this.#advance();
    });
  }

  onCall(frame: Frame): void {
    const run = new Run(this.#world, this.#process, { frame, host: this });
    this.#mailbox.arrived(run);
    this.#advance();
  }

  /** Ends it, gracefully after its own clean-up. */
  leave(isGraceful: boolean): void {
    this.#isLeaving = true;
    const graceMs = isGraceful ? this.#world.kernel.delay(5) : 0;
    this.#process.after(graceMs, "leaves", () => this.#process.die("asked to"));
  }

  impatient(): void {}

  suspended(_run: Run): void {}

  resumed(_run: Run): void {}

  answering(_run: Run): void {}

  answer(run: Run, reply: Omit<Reply, "ordinal" | "slot">): void {
    const { link, ordinal, slot } = run.frame!;
    const caller = link.other(this.#process) as Process;
    link.reply(
      `reply ${ordinal}: ${reply.outcome}`,
      () => caller.owner.calls.onReply({ ...reply, ordinal, slot }, link),
    );
  }

  finished(run: Run): void {
    this.#mailbox.finished(run);
    this.#advance();
  }

  validate(): void {
    if (this.#life !== undefined) this.#mailbox.validate();
  }

  #advance(): void {
    while (this.#isReady && !this.#isLeaving) {
      const run = this.#mailbox.next();
      if (run === undefined) return;
      if (this.#world.faults.mayDie("before a call", this.#process)) return;
      this.#world.ledger.callStarted(run.frame!, this.#process);
      run.start();
    }
  }
}
