/**
 * A simulated cluster in one process: a driver, a node, workers and actors,
 * wired from the pure rooms of `src/state/`, under a seed.
 *
 * The walk: the driver's random program runs while processes are killed and
 * connections break; then there is peace, all must come to an end, and nothing
 * may be left over. Each room is validated after each event.
 *
 * @module
 */
import type { ProcessId } from "../../src/base/ids.ts";
import { Kernel } from "./kernel.ts";
import { Ledger } from "./ledger.ts";
import { type Link, Network } from "./network.ts";
import { Node } from "./node.ts";
import { type Kind, Process } from "./process.ts";
import { Run, type RunHost } from "./run.ts";
import { realRooms, type Rooms, type Segment } from "./things.ts";

const stepsMax = 60_000;
const faultsMs = 120;
const killsMax = 12;

/** Decides who dies, and which connections break. */
export class Faults {
  readonly #world: World;
  /** Nobody is killed or cancelled. */
  readonly isCalm: boolean;
  readonly #killChance: number;
  #killsLeft: number;

  constructor(world: World) {
    this.#world = world;
    const { kernel } = world;
    // Some seeds are calm: there nothing may be lost at all.
    this.isCalm = kernel.chance(0.2);
    this.#killsLeft = this.isCalm ? 0 : 1 + kernel.int(killsMax);
    this.#killChance = 0.01 + kernel.delay(0.05);
  }

  /** Plans kills and breaks for the time of faults. */
  plan(): void {
    const { kernel, network, node } = this.#world;
    for (let left = kernel.int(25); left > 0; left--) {
      kernel.after(kernel.int(faultsMs), "", () => network.breakOne());
    }
    for (let left = kernel.int(50); left > 0; left--) {
      kernel.after(kernel.int(faultsMs), "", () => this.#world.loseSegment());
    }
    for (let left = this.isCalm ? 0 : kernel.int(4); left > 0; left--) {
      kernel.after(kernel.int(faultsMs), "", () => {
        const owner = kernel.pick(this.#world.processes);
        if (owner?.isAlive) owner.owner.submitter.killSome();
      });
    }
    const times = Math.ceil(this.#killsLeft / 2);
    for (let left = times; left > 0; left--) {
      kernel.after(kernel.int(faultsMs), "", () => {
        const mortal = kernel.pick(node.mortals);
        if (mortal !== undefined) this.#kill(mortal, "killed");
      });
    }
  }

  /** Whether a process dies here. */
  mayDie(where: string, process: Process): boolean {
    const { kernel } = this.#world;
    if (kernel.nowMs > faultsMs || process.kind === "driver") return false;
    if (this.#killsLeft === 0 || !kernel.chance(this.#killChance)) return false;
    kernel.reach(`died ${where}`);
    this.#kill(process, where);
    return true;
  }

  #kill(process: Process, reason: string): void {
    if (this.#killsLeft === 0) return;
    this.#killsLeft--;
    process.die(reason);
  }
}

/** One cluster. */
export class World {
  readonly kernel: Kernel;
  readonly rooms: Rooms;
  readonly network: Network;
  readonly ledger: Ledger;
  readonly faults: Faults;
  readonly node: Node;
  readonly processes: Process[] = [];
  readonly #byId = new Map<ProcessId, Process>();
  readonly #segments: Segment[] = [];
  #nextNo = 2;

  constructor(seed: number, rooms: Rooms = realRooms) {
    this.kernel = new Kernel(seed);
    this.rooms = rooms;
    this.network = new Network(this.kernel);
    this.ledger = new Ledger(this);
    this.node = new Node(this);
    this.#byId.set(this.node.process.id, this.node.process);
    this.faults = new Faults(this);
  }

  process(id: ProcessId | undefined): Process | undefined {
    return id === undefined ? undefined : this.#byId.get(id);
  }

  /** A new process, connected to the node. */
  start(kind: Kind): Process {
    const process = new Process(this, this.#nextNo++, kind);
    this.processes.push(process);
    this.#byId.set(process.id, process);
    process.nodeLink = this.network.connect(process, this.node.process);
    return process;
  }

  /** Memory for a large value. */
  newSegment(): Segment {
    const segment = { isLost: false };
    this.#segments.push(segment);
    return segment;
  }

  /** Some of the last values that are too large to lie in their owner are gone. */
  loseSegment(): void {
    const segment = this.kernel.pick(this.#segments.slice(-10));
    if (segment === undefined) return;
    this.kernel.say("memory is lost");
    segment.isLost = true;
  }

  dial(
    from: Process,
    to: ProcessId,
    then: (link: Link | undefined) => void,
  ): void {
    this.network.peer(from, this.process(to), then);
  }

  /** Runs it to its end; throws where a rule is broken. */
  run(): void {
    const driver = this.start("driver");
    this.node.start();
    this.faults.plan();
    let isDone = false;
    const host = new DriverHost(() =>
      program.finishDriver(() => isDone = true)
    );
    const stepCount = 10 + this.kernel.int(40);
    const program = new Run(this, driver, { host, stepCount });
    program.start();
    while (this.kernel.step()) {
      this.#validate();
      const isEndless = this.kernel.stepCount > stepsMax;
      this.kernel.check(!isEndless, "It does not come to rest");
    }
    this.kernel.check(isDone, `The driver waits for ${program.waitsFor}`);
    this.#validateEnd();
  }

  #validate(): void {
    this.node.validate();
    for (const process of this.processes) process.validate();
  }

  #validateEnd(): void {
    this.ledger.validateEnd();
    const left = [...this.node.leftovers(), ...this.network.unanswered];
    for (const process of this.processes) {
      if (!process.isAlive) continue;
      const { owner, name } = process;
      const { table } = owner.references;
      const its = [...owner.submitter.leftovers(), ...owner.calls.leftovers()];
      if (owner.open.size > 0) its.push(`${owner.open.size} open tasks`);
      if (table.sharedCount > 0) its.push(`${table.sharedCount} shared`);
      const { borrowedCount } = table.validate();
      if (borrowedCount > 0) its.push(`${borrowedCount} borrowed`);
      if (owner.isNeeded) its.push("is needed");
      const { size } = owner.recovery.table;
      if (size > 0) its.push(`${size} tasks remembered`);
      left.push(...its.map((what) => `${name}: ${what}`));
    }
    this.kernel.check(left.length === 0, `Left over: ${left.join(", ")}`);
  }
}

/** The driver's own code runs in no worker. */
class DriverHost implements RunHost {
  readonly finished: () => void;

  constructor(finished: () => void) {
    this.finished = finished;
  }

  impatient(): void {}

  suspended(): void {}

  resumed(): void {}

  answering(): void {}

  answer(): void {}
}
