/**
 * One simulated process: it lives, acts after a time, and dies at once.
 *
 * @module
 */
import type { ProcessId } from "../../src/base/ids.ts";
import { ActorRunner } from "./actor_runner.ts";
import { Executor } from "./executor.ts";
import type { Link, Party } from "./network.ts";
import { Owner } from "./owner.ts";
import type { World } from "./world.ts";

/** What a process is for. */
export type Kind = "driver" | "worker" | "actor" | "node";

/** A process; all but the node own tasks and objects. */
export class Process implements Party {
  readonly id: ProcessId;
  readonly kind: Kind;
  readonly name: string;
  isAlive = true;
  readonly owner: Owner;
  readonly executor: Executor;
  readonly actor: ActorRunner;
  /** The connection to the node. */
  nodeLink!: Link;
  /** Called when it is dead; what it still sent may arrive later. */
  onDied: () => void = () => {};
  /** A connection ended: for the node. */
  onLinkEnded: ((link: Link) => void) | undefined;
  readonly #world: World;

  constructor(world: World, no: number, kind: Kind) {
    this.#world = world;
    this.id = no.toString(16).padStart(16, "0") as ProcessId;
    this.kind = kind;
    this.name = `${kind} ${no}`;
    this.owner = new Owner(world, this);
    this.executor = new Executor(world, this);
    this.actor = new ActorRunner(world, this);
  }

  /** Acts after a time, if it lives then. */
  after(delayMs: number, what: string, act: () => void): () => void {
    const named = what === "" ? "" : `${this.name}: ${what}`;
    return this.#world.kernel.after(delayMs, named, () => {
      if (this.isAlive) act();
    });
  }

  /** It ends at once, whatever it does. */
  die(reason: string): void {
    if (!this.isAlive) return;
    this.#world.kernel.say(`${this.name} dies: ${reason}`);
    this.#world.ledger.died(this);
    this.isAlive = false;
    this.#world.network.died(this);
    this.onDied();
  }

  linkEnded(link: Link): void {
    if (this.onLinkEnded !== undefined) return this.onLinkEnded(link);
    this.owner.linkEnded(link);
    this.executor.linkEnded(link);
  }

  /** Asserts the invariants of its rooms. */
  validate(): void {
    if (!this.isAlive || this.kind === "node") return;
    this.owner.validate();
    this.actor.validate();
  }
}
