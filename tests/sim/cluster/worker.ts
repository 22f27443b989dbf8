/**
 * A worker of a simulated cluster: runs what it is sent, in order.
 *
 * @module
 */
import type { ProcessId } from "../../../src/base/ids.ts";
import type { Machine } from "./machine.ts";
import type { ClusterWorld } from "./world.ts";

interface Run {
  readonly runMs: number;
  done(): void;
}

/** A process that runs tasks, one after another. */
export class Worker {
  readonly watchers = new Set<() => void>();
  isAlive = true;
  readonly #world: ClusterWorld;
  readonly #machine: Machine;
  readonly id: ProcessId;
  readonly #line: Run[] = [];

  constructor(world: ClusterWorld, machine: Machine, id: ProcessId) {
    this.#world = world;
    this.#machine = machine;
    this.id = id;
  }

  push(run: Run): void {
    if (this.isAlive && this.#line.push(run) === 1) this.#next();
  }

  #next(): void {
    const run = this.#line[0];
    if (run === undefined) return;
    const runMs = run.runMs * this.#machine.slowness;
    this.#world.after(this.#machine, runMs, () => {
      if (!this.isAlive) return;
      this.#line.shift();
      run.done();
      this.#next();
    });
  }
}
