/**
 * A simulated cluster of many machines under a seed: programs submit tasks
 * while machines join, die, slow down and lose each other, and the head comes
 * and goes; then there is peace, every ref must settle, and nothing may be
 * left over. The rooms that decide are the real ones, and are validated after
 * each event.
 *
 * @module
 */
import type { NodeTag, ProcessId } from "../../../src/base/ids.ts";
import { Kernel } from "../kernel.ts";
import { ClusterHead } from "./head.ts";
import { ClusterLedger } from "./ledger.ts";
import { Machine } from "./machine.ts";
import { deadMs, Net } from "./net.ts";
import type { Worker } from "./worker.ts";
import { type ClusterRooms, clusterRooms } from "./things.ts";

const faultsMs = 600;
const stepsMax = 60_000;

/** One cluster. */
export class ClusterWorld {
  readonly kernel: Kernel;
  readonly rooms: ClusterRooms;
  readonly net: Net;
  readonly ledger: ClusterLedger;
  readonly workers = new Map<ProcessId, Worker>();
  /** Tags that never come back: the head's disk. */
  readonly dead = new Set<NodeTag>();
  readonly #machines = new Map<NodeTag, Machine>();
  readonly #headTags = new Set<NodeTag>();
  #headMachine: Machine | undefined;
  #nextTag = 1;

  constructor(seed: number, rooms: ClusterRooms = clusterRooms) {
    this.kernel = new Kernel(seed);
    this.rooms = rooms;
    this.net = new Net(this.kernel);
    this.ledger = new ClusterLedger(this.kernel);
  }

  /** Where the head is, while there is one. */
  get headMachine(): Machine | undefined {
    return this.#headMachine;
  }

  isHeadTag(tag: NodeTag): boolean {
    return this.#headTags.has(tag);
  }

  machine(tag: NodeTag): Machine | undefined {
    return this.#machines.get(tag);
  }

  worker(id: ProcessId): Worker | undefined {
    return this.workers.get(id);
  }

  /** Acts after a time, if the machine still lives. */
  after(machine: Machine, delayMs: number, act: () => void): void {
    this.kernel.after(delayMs, "", () => {
      if (machine.isAlive) act();
    });
  }

  /** A machine was declared dead and lives: what it runs ends, and it comes anew. */
  fenced(machine: Machine): void {
    this.kernel.reach("node fenced");
    this.kernel.say(`${machine.tag} is fenced`);
    machine.die();
    if (!machine.isDriver) this.kernel.after(5, "", () => this.#start({}));
  }

  /** Runs it to its end; throws where a rule is broken. */
  run(): void {
    const kernel: Kernel = this.kernel;
    this.#startHead();
    for (let left = 1 + kernel.int(6); left > 0; left--) this.#start({});
    this.#start({ hasOwner: true });
    for (let left = 1 + kernel.int(2); left > 0; left--) {
      this.#start({ isDriver: true, hasOwner: true });
    }
    this.#submitSome();
    this.#planFaults();
    kernel.after(faultsMs, "peace", () => this.net.isFaulty = false);
    while (kernel.step()) {
      this.#validate();
      const isEndless = kernel.stepCount > stepsMax;
      kernel.check(!isEndless, `It does not come to rest: ${this.#left()}`);
    }
    const left = this.#left();
    kernel.check(left.length === 0, `Left over: ${left.join(", ")}`);
  }

  #submitSome(): void {
    const { kernel } = this;
    for (const { owner } of this.#alive()) {
      if (owner === undefined) continue;
      for (let left = 20 + kernel.int(60); left > 0; left--) {
        const atMs = kernel.chance(0.3) ? 20 : kernel.int(faultsMs);
        kernel.after(atMs, "", () => owner.isAlive && owner.submit());
      }
    }
  }

  #planFaults(): void {
    const { kernel, net } = this;
    const plan = (countMax: number, act: () => void) => {
      for (let left = kernel.int(countMax + 1); left > 0; left--) {
        kernel.after(kernel.int(faultsMs), "", act);
      }
    };
    const someone = () => kernel.pick(this.#alive());
    plan(20, () => net.breakOne());
    plan(6, () => someone()?.killSome());
    plan(3, () => this.#start({}));
    plan(3, () => {
      const one = someone();
      const isSpared = one === undefined || one.head !== undefined;
      if (!isSpared) this.#kill(one);
    });
    plan(2, () => {
      const head = this.#headMachine;
      if (head === undefined) return;
      kernel.reach("head killed");
      this.#kill(head);
      this.#headMachine = undefined;
      // What was linked to it is on no disk: that it is gone is known by silence.
      kernel.after(kernel.delay(100), "", () => this.#startHead());
    });
    plan(3, () => {
      const one = someone();
      const forMs = kernel.int(3 * deadMs);
      if (one !== undefined) net.cut(one.tag, undefined, forMs);
    });
    plan(3, () => {
      const [one, other] = [someone(), someone()];
      if (one === undefined || other === undefined || one === other) return;
      net.cut(one.tag, other.tag, kernel.int(3 * deadMs));
    });
  }

  #kill(machine: Machine): void {
    this.kernel.reach(machine.isDriver ? "driver killed" : "node killed");
    this.kernel.say(`${machine.tag} is killed`);
    machine.die();
  }

  #start(
    { isDriver = false, hasOwner = false }: {
      isDriver?: boolean;
      hasOwner?: boolean;
    },
  ): Machine {
    const tag = (this.#nextTag++).toString(16).padStart(8, "0") as NodeTag;
    const cpus = 1 + this.kernel.int(3);
    const machine = new Machine(this, { tag, cpus, isDriver, hasOwner });
    this.#machines.set(tag, machine);
    machine.join();
    return machine;
  }

  /** The head on a machine of its own. */
  #startHead(): void {
    if (this.#headMachine !== undefined) return;
    const tag = (this.#nextTag++).toString(16).padStart(8, "0") as NodeTag;
    this.kernel.say(`${tag} is the head`);
    const options = { tag, cpus: 1, isDriver: false, hasOwner: false };
    const machine = new Machine(this, options);
    machine.head = new ClusterHead(this, machine);
    this.#machines.set(tag, machine);
    this.#headTags.add(tag);
    this.#headMachine = machine;
    machine.view.updated(machine.describe());
  }

  #alive(): Machine[] {
    return [...this.#machines.values()].filter(({ isAlive }) => isAlive);
  }

  #validate(): void {
    for (const machine of this.#alive()) machine.validate();
    this.net.validate();
  }

  #left(): string[] {
    const alive = this.#alive();
    const left = alive.flatMap((machine) => machine.leftovers());
    const tags = alive.map(({ tag }) => tag).sort().join(" ");
    for (const { tag, view } of alive) {
      const known = [...view.all()].map((one) => one.tag).sort().join(" ");
      if (known !== tags) left.push(`${tag} knows ${known}, there are ${tags}`);
    }
    return left;
  }
}
