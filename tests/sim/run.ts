/**
 * One run of simulated code: random steps that compute, submit, call, get,
 * put, drop and return refs.
 *
 * A program waits only for what is older than itself, or its own: then no two
 * wait for each other, and all that is submitted must come to an end.
 *
 * @module
 */
import { openArguments } from "./arguments.ts";
import type { ActorHandle } from "./calls.ts";
import type { Kernel } from "./kernel.ts";
import { actorKind, planFor } from "./plans.ts";
import type { Process } from "./process.ts";
import { nameOf } from "./references.ts";
import type { Entry, Frame, Handle, Held, Reply } from "./things.ts";
import type { World } from "./world.ts";

/** Who starts runs, and hears of them. */
export interface RunHost {
  /** One more of its waits, or one less, may end before what it waits for. */
  impatient(change: 1 | -1): void;
  suspended(run: Run): void;
  resumed(run: Run): void;
  answering(run: Run): void;
  answer(run: Run, reply: Omit<Reply, "ordinal" | "slot">): void;
  finished(run: Run): void;
}

/** One run. */
export class Run {
  readonly frame: Frame | undefined;
  /** It computes: a crash is its doing. */
  isComputing = false;
  isSuspended = false;
  isAnswered = false;
  isCancelled = false;
  readonly #world: World;
  readonly #kernel: Kernel;
  readonly #process: Process;
  readonly #host: RunHost;
  readonly #callerNo: number;
  readonly #stepCount: number;
  #held: Held[] = [];
  #awaited: Entry | undefined;
  readonly #actors: ActorHandle[] = [];
  #stepsDone = 0;
  #computedMs = 0;

  constructor(
    world: World,
    process: Process,
    { frame, host, stepCount = frame?.plan.stepCount ?? 0 }: {
      frame?: Frame;
      host: RunHost;
      stepCount?: number;
    },
  ) {
    this.#world = world;
    this.#kernel = world.kernel;
    this.#process = process;
    this.#host = host;
    this.frame = frame;
    this.#stepCount = stepCount;
    // An actor is one caller, a task is one for each of its attempts.
    this.#callerNo = process.kind === "actor"
      ? 1
      : frame === undefined
      ? 0
      : process.owner.nextCallerNo();
  }

  start(): void {
    this.isComputing = true;
    const { frame } = this;
    if (frame !== undefined) {
      const { references } = this.#process.owner;
      this.#held = references.borrowAll(frame.refs);
    }
    if (frame === undefined) return this.#next();
    openArguments(this.#world, this.#process, {
      frame,
      taken: (held) => this.#takeForeign(held),
      suspend: () => this.#suspend(false),
      resume: () => this.#resume(false),
      opened: () => this.#next(),
      failed: () => this.#end("failed"),
    });
  }

  /** What it waits for, in words. */
  get waitsFor(): string {
    const entry = this.#awaited;
    if (entry === undefined) return "nothing";
    const { producer } = entry;
    const what = producer === undefined
      ? "no task of this process"
      : `${producer.actor ? "call" : "task"} ${producer.plan.name}, ` +
        `${producer.phase}, attempt ${producer.attempt}`;
    return `object ${nameOf(entry)} (${what})`;
  }

  cancel(): void {
    this.isCancelled = true;
  }

  /** What a run of the driver still holds is waited for, and let go. */
  finishDriver(done: () => void): void {
    const pending = this.#held.find(({ handle }) => !handle.entry.isSettled);
    if (pending !== undefined) {
      this.#await(pending, () => this.finishDriver(done));
      return;
    }
    this.#letAllGo();
    done();
  }

  #takeForeign(held: readonly Held[]): void {
    for (const { handle } of held) {
      this.#held.push({ handle, isForeign: true });
    }
  }

  #next(): void {
    const kernel = this.#kernel;
    if (this.isCancelled && kernel.chance(0.7)) return this.#end("failed");
    if (this.#stepsDone++ >= this.#stepCount) return this.#finish();
    const depth = this.frame?.depth ?? -1;
    const isNesting = this.frame === undefined ||
      (this.frame.plan.isNesting && depth < 2);
    const isActor = this.#process.kind === "actor";
    const draw = kernel.int(100);
    if (draw < 20) return this.#compute();
    if (draw < 45 && (isNesting || isActor)) this.#submit(isActor);
    else if (draw < 60) {
      const own = this.#held.filter(({ isForeign }) => !isForeign);
      const mine = isActor ? own.filter(isOwnOfActor) : own;
      const lost = mine.filter(({ handle }) => handle.entry.segment?.isLost);
      const one = kernel.pick(lost.length > 0 ? lost : mine);
      if (one !== undefined) return this.#get(one);
    } else if (draw < 68) this.#put();
    else if (draw < 78) this.#drop();
    else if (draw < 92 && isNesting && !isActor) this.#call();
    else if (draw < 96 && isNesting && !isActor) this.#cancelOne();
    else if (isActor) this.#exchange();
    this.#process.after(kernel.delay(1), "", () => this.#next());
  }

  #compute(): void {
    const computeMs = this.#kernel.delay(
      2 * (this.frame?.plan.computeMs ?? 5),
    );
    this.#computedMs += computeMs;
    this.#process.after(computeMs, "", () => this.#next());
  }

  #submit(isLeaf: boolean): void {
    const kernel = this.#kernel;
    const own = this.#held.filter(({ isForeign }) => !isForeign);
    const isDepending = !isLeaf && kernel.chance(0.4);
    const dependencies = isDepending ? this.#some(own, 2) : [];
    const args = this.#some(this.#held, 2);
    const isChain = !isLeaf && kernel.chance(0.2);
    if (isChain) {
      // What the task takes is let go, and needed if its value is lost.
      const handle = this.#submitOne(isLeaf, { dependencies, args });
      dependencies.splice(0, Infinity, { handle, isForeign: false });
    }
    const handle = this.#submitOne(isLeaf, { dependencies, args });
    this.#keep(handle, isLeaf ? "leaf" : "own");
    if (isChain) this.#process.owner.references.letAllGo(dependencies);
    // Often a program passes a ref on and needs it no more.
    if (kernel.chance(0.4)) {
      for (const one of [...args, ...dependencies]) this.#letGo(one);
    }
  }

  #submitOne(
    isLeaf: boolean,
    taken: { dependencies: readonly Held[]; args: readonly Held[] },
  ): Handle {
    const kernel = this.#kernel;
    return this.#process.owner.submit({
      plan: planFor(kernel, { isLeaf }),
      callerNo: this.#callerNo,
      depth: (this.frame?.depth ?? -1) + 1,
      maxRetries: kernel.pick([0, 1, 3, 3, -1])!,
      isRetryable: kernel.chance(0.5),
      ...taken,
      parent: this,
    });
  }

  #call(): void {
    const kernel = this.#kernel;
    const { calls } = this.#process.owner;
    const isNew = this.#actors.length === 0 || kernel.chance(0.15);
    if (isNew && this.#actors.length < 3) {
      this.#actors.push(calls.create(actorKind(kernel)));
    }
    const actor = kernel.pick(this.#actors);
    if (actor === undefined) return;
    if (kernel.chance(0.06)) {
      kernel.reach("actor killed by kill()");
      calls.kill(actor, kernel.chance(0.5));
      return;
    }
    const own = this.#held.filter(({ isForeign }) => !isForeign);
    const pending = own.filter(({ handle }) => !handle.entry.isSettled);
    for (let left = 1 + kernel.int(5); left > 0; left--) {
      const isDepending = kernel.chance(0.3);
      const handle = calls.call(actor, {
        plan: planFor(kernel, { isLeaf: true }),
        callerNo: this.#callerNo,
        depth: (this.frame?.depth ?? -1) + 1,
        maxRetries: actor.maxTaskRetries,
        isRetryable: false,
        dependencies: isDepending
          ? this.#some(kernel.chance(0.5) ? own : pending, 1)
          : [],
        args: this.#some(this.#held, 2),
        parent: this,
      });
      this.#keep(handle, "own");
    }
  }

  #get(one: Held): void {
    const { references } = this.#process.owner;
    if (this.#kernel.chance(0.2)) {
      // The program waits for the value, and has no handle on it any more.
      this.#kernel.reach("asked for and dropped");
      this.#held = this.#held.filter((held) => held !== one);
      this.#process.after(0, "", () => references.letGo(one.handle));
    }
    this.#await(one, () => this.#next());
  }

  /** Waits for an object, or for a time, and takes what refs are in its value. */
  #await({ handle: { entry } }: Held, then: () => void): void {
    const { owner } = this.#process;
    owner.objects.demand(entry);
    if (entry.isSettled) return this.#arrived(entry, then);
    this.#awaited = entry;
    const isImpatient = this.frame !== undefined && this.#kernel.chance(0.15);
    this.#suspend(isImpatient);
    let isOver = false;
    const over = () => {
      if (isOver) return;
      isOver = true;
      this.#awaited = undefined;
      this.#resume(isImpatient);
      this.#arrived(entry, then);
    };
    entry.whenSettled(() => this.#process.after(0, "", over));
    if (isImpatient) this.#process.after(this.#kernel.delay(20), "", over);
  }

  #arrived(entry: Entry, then: () => void): void {
    const { segment } = entry;
    if (entry.status === "ready" && segment?.isLost) {
      const { owner } = this.#process;
      this.#suspend(false);
      owner.objects.recovered(
        entry,
        segment,
        () =>
          this.#process.after(0, "", () => {
            this.#resume(false);
            this.#arrived(entry, then);
          }),
      );
      return;
    }
    const inside = entry.status === "ready"
      ? this.#process.owner.holdAll(this.#some(entry.value, 2))
      : [];
    this.#takeForeign(inside);
    this.#process.after(0, "", then);
  }

  #put(): void {
    const handle = this.#process.owner.put(this.#some(this.#held, 2));
    this.#keep(handle, "leaf");
  }

  #drop(): void {
    const one = this.#kernel.pick(this.#held);
    if (one !== undefined) this.#letGo(one);
  }

  #letGo(one: Held): void {
    this.#held = this.#held.filter((held) => held !== one);
    this.#process.owner.references.letGo(one.handle);
  }

  #cancelOne(): void {
    const producers = this.#held.map(({ handle }) => handle.entry.producer)
      .filter((task) => task !== undefined);
    const task = this.#kernel.pick(producers);
    if (task === undefined || this.#world.faults.isCalm) return;
    this.#world.ledger.cancelled();
    this.#process.owner.cancel(task, this.#kernel.chance(0.5));
  }

  /** Leaves a ref in the actor's state, or takes one from there. */
  #exchange(): void {
    const { state } = this.#process.actor;
    const { references } = this.#process.owner;
    if (state.length > 0 && this.#kernel.chance(0.4)) {
      const [one] = state.splice(this.#kernel.int(state.length), 1);
      this.#held.push({ handle: one!.handle, isForeign: true });
      return;
    }
    const one = this.#kernel.pick(this.#held);
    if (one === undefined || state.length > 3) return;
    this.#kernel.reach("ref kept in an actor");
    const handle = references.hold(one.handle);
    state.push({ handle, isForeign: true });
  }

  #suspend(isImpatient: boolean): void {
    this.isSuspended = true;
    this.isComputing = false;
    if (isImpatient) this.#host.impatient(1);
    this.#host.suspended(this);
  }

  #resume(isImpatient: boolean): void {
    this.isSuspended = false;
    this.isComputing = true;
    if (isImpatient) this.#host.impatient(-1);
    this.#host.resumed(this);
  }

  #finish(): void {
    if (this.frame === undefined) return this.#host.finished(this);
    const isFailing = this.#kernel.chance(this.frame.plan.failChance);
    this.#end(isFailing ? "failed" : "finished");
  }

  #end(outcome: "finished" | "failed"): void {
    const world = this.#world;
    if (world.faults.mayDie("before the answer", this.#process)) return;
    const { references } = this.#process.owner;
    const result = outcome === "finished" ? this.#some(this.#held, 2) : [];
    const stored = this.#process.owner.holdAll(result);
    this.isAnswered = true;
    this.isComputing = false;
    this.#host.answering(this);
    references.registeredAll(() => {
      const { link } = this.frame!;
      if (!link.isEnded) {
        if (world.faults.mayDie("before the reply", this.#process)) return;
        const pinToken = references.pin(link, stored);
        const refs = this.#process.owner.sent(stored);
        const runMs = this.#computedMs;
        const isLarge = outcome === "finished" &&
          this.#kernel.chance(this.frame!.plan.largeChance);
        const segment = isLarge ? world.newSegment() : undefined;
        this.#host.answer(this, { outcome, runMs, pinToken, refs, segment });
      }
      references.letAllGo(stored);
    });
    this.#letAllGo();
    this.#host.finished(this);
  }

  #letAllGo(): void {
    const { references } = this.#process.owner;
    const held = this.#held;
    this.#held = [];
    // The collector comes when it comes.
    this.#process.after(this.#kernel.delay(30), "", () => {
      references.letAllGo(held);
      for (const { life } of this.#actors) references.letGo(life);
    });
  }

  #keep(handle: Held["handle"], kind: "own" | "leaf"): void {
    if (kind === "leaf") leaves.add(handle.entry);
    this.#held.push({ handle, isForeign: false });
  }

  /** Up to so many of them. */
  #some(held: readonly Held[], countMax: number): Held[] {
    const some: Held[] = [];
    for (let left = this.#kernel.int(countMax + 1); left > 0; left--) {
      const one = this.#kernel.pick(held);
      if (one !== undefined && !some.includes(one)) some.push(one);
    }
    return some;
  }
}

/** Objects that an actor made itself, and that wait for no call: it may wait for them. */
const leaves = new WeakSet<object>();

function isOwnOfActor({ handle }: Held): boolean {
  return leaves.has(handle.entry);
}
