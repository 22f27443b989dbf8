/**
 * Faults put in place of the decisions, one at a time: the simulation must
 * find each, and by a rule that has to do with it.
 *
 * @module
 */
import { ResourcePool } from "../../src/state/resources.ts";
import { assert, assertMatch } from "@std/assert";
import type { LeaseId, ProcessId } from "../../src/base/ids.ts";
import type { Word } from "../../src/state/borrows.ts";
import { CallOrder, type Lost } from "../../src/state/call_order.ts";
import type { LeaseCommand } from "../../src/state/lease_events.ts";
import { LeaseTable } from "../../src/state/leases.ts";
import {
  type LineageCommand,
  type LineageKey,
  LineageTable,
  type Produced,
} from "../../src/state/lineage.ts";
import { Mailbox } from "../../src/state/mailbox.ts";
import { ReferenceTable } from "../../src/state/references.ts";
import { afterWorkerEnded } from "../../src/state/retries.ts";
import type { Link } from "./network.ts";
import type { Run } from "./run.ts";
import {
  type Entry,
  type Handle,
  lineageLimits,
  realRooms,
  type Rooms,
  type Task,
} from "./things.ts";
import { LeasesTwice } from "./planted.ts";
import { findBroken, runSeed } from "./walk.ts";

/** Most are found within the 300 seeds of a test run; a rare one may take more. */
const seedCount = 3000;

/** The simulation finds it, by a message like this. */
function plant(name: string, rooms: Partial<Rooms>, foundBy: RegExp): void {
  Deno.test(`the simulation finds a planted fault: ${name}`, () => {
    const planted = { ...realRooms, ...rooms };
    const broken = findBroken(
      (seed) => runSeed(seed, { rooms: planted }),
      seedCount,
    );
    assert(broken !== undefined, `Nothing found in ${seedCount} seeds`);
    assertMatch(broken.message, foundBy);
  });
}

plant("a lost reply leases twice", {
  leases: (cpus, limits) =>
    new LeasesTwice(new ResourcePool({ CPU: cpus, place: 8 }), limits),
}, /is granted worker \d+ and worker \d+|is granted to nobody/);

/** A retry of a request whose lease has ended gets no answer. */
class AnswersNothing extends LeaseTable {
  override requested(
    leaseId: LeaseId,
    request: Parameters<LeaseTable["requested"]>[1],
  ): LeaseCommand[] {
    return super.requested(leaseId, request).filter((command) =>
      command.kind !== "reject" || command.reason !== "ended"
    );
  }
}

plant("a request that comes late is never answered", {
  leases: (cpus, limits) =>
    new AnswersNothing(new ResourcePool({ CPU: cpus, place: 8 }), limits),
}, /lease.request \d+ has no answer|waits for/);

plant("a retry charged to a task that only waited", {
  afterWorkerEnded: (task, isOwnDoing) =>
    task.progress === "suspended" && task.maxRetries !== 0
      ? "retry"
      : afterWorkerEnded(task, isOwnDoing),
}, /is at attempt 2, and was charged 0/);

plant("a retry charged to the wrong task of two", {
  afterWorkerEnded: (task, isOwnDoing) => {
    const swapped = { unstarted: "running", running: "suspended" } as const;
    const { progress } = task;
    return afterWorkerEnded({
      ...task,
      progress: progress in swapped
        ? swapped[progress as keyof typeof swapped]
        : progress,
    }, isOwnDoing);
  },
}, /is at attempt \d, and was charged \d|fails with retries left/);

/** A holder's word that comes twice counts twice. */
class CountsTwice extends ReferenceTable<Entry, Link, Handle> {
  #turn = 0;

  override holderCame(holder: ProcessId, { objects }: Word) {
    return super.holderCame(holder, { turn: ++this.#turn, objects });
  }

  override holderWent(holder: ProcessId, { objects }: Word) {
    return super.holderWent(holder, { turn: ++this.#turn, objects });
  }
}

plant("a late release drops a reference that is borrowed again", {
  references: (self) => new CountsTwice(self),
}, /is freed while .* holds it|is lost to/);

/** The last handle of the owner's own takes the object along. */
class ForgetsHolders extends ReferenceTable<Entry, Link, Handle> {
  override handleGone(entry: Entry) {
    if (entry.handleCount === 1) {
      for (const holder of [...entry.holders ?? []]) {
        entry.holders!.delete(holder);
      }
    }
    return super.handleGone(entry);
  }

  override validate(): { borrowedCount: number } {
    return { borrowedCount: 0 };
  }
}

plant("a reference dropped while borrowed", {
  references: (self) => new ForgetsHolders(self),
}, /is freed while .* holds it/);

/** Refs on their way are not held. */
class PinsNothing extends ReferenceTable<Entry, Link, Handle> {
  override pinned(link: Link, handles: readonly Handle[]): number {
    const token = super.pinned(link, []);
    for (const { entry } of handles) entry.handleCount--;
    return token;
  }

  override validate(): { borrowedCount: number } {
    return { borrowedCount: 0 };
  }
}

plant("a reference dropped on its way", {
  references: (self) => new PinsNothing(self),
}, /is lost to|is freed while|More handles went/);

/** In every incarnation but the first the newest call comes first. */
class Reorders extends Mailbox<Run> {
  override next(): Run | undefined {
    const newestFirst = [...this.waiting].reverse();
    for (const run of newestFirst) this.withdrawn(run);
    for (const run of newestFirst) this.arrived(run);
    return super.next();
  }
}

plant("a mailbox that reorders after a restart", {
  mailbox: (incarnation) =>
    incarnation === 0
      ? new Mailbox({ concurrencyMax: 1 })
      : new Reorders({ concurrencyMax: 1 }),
}, /starts after call \d+ of its caller/);

/** What a death took along goes behind what was never sent. */
class SendsAgainLast extends CallOrder<Task, Link> {
  #aside: Task[] = [];

  override disconnected(link: Link, processId: ProcessId): Lost<Task> {
    const lost = super.disconnected(link, processId);
    const calls = this.buried();
    this.#aside.push(...calls.filter(({ attempt }) => attempt > 1));
    for (const call of calls) if (call.attempt === 1) this.#back(call);
    return lost;
  }

  override buried(): Task[] {
    const calls = [...super.buried(), ...this.#aside];
    this.#aside = [];
    return calls;
  }

  override withdrawn(call: Task): boolean {
    this.#aside = this.#aside.filter((one) => one !== call);
    return super.withdrawn(call);
  }

  override get callers(): number[] {
    return [...super.callers, ...this.#aside.map(({ callerNo }) => callerNo)];
  }

  override next(callerNo: number): Task | undefined {
    const next = super.next(callerNo);
    const last = this.#aside.find((call) => call.callerNo === callerNo);
    if (next !== undefined || this.connection === undefined) return next;
    if (last === undefined) return undefined;
    this.#aside = this.#aside.filter((call) => call !== last);
    this.#back(last);
    return super.next(callerNo);
  }

  override validate(): void {}

  #back(call: Task): void {
    this.called(call);
    if (call.phase !== "queued") return;
    call.phase = "preparing";
    this.prepared(call);
  }
}

plant("calls that a death took along are sent again last", {
  callOrder: (maxTaskRetries) => new SendsAgainLast(maxTaskRetries),
}, /starts after call \d+ of its caller/);

/** An answered call is taken for one that is under way. */
class ForgetsAnswers extends CallOrder<Task, Link> {
  override answered(call: Task): void {
    if (call.ordinal % 5 !== 0) super.answered(call);
  }
}

plant("a call that was answered is sent again", {
  callOrder: (maxTaskRetries) => new ForgetsAnswers(maxTaskRetries),
}, /runs again after it was answered|has two outcomes/);

/** However many ask, each of them makes the task run. */
class RemakesTwice extends LineageTable {
  override lost(key: LineageKey): LineageCommand[] {
    const commands = super.lost(key);
    const again = commands.filter(({ kind }) => kind === "rerun");
    return [...commands, ...again];
  }
}

plant("a reconstruction that starts twice", {
  lineage: () => new RemakesTwice(lineageLimits),
}, /is made again while it runs/);

/** What a task may still run is not counted down. */
class RemakesForEver extends LineageTable {
  override produced(task: Produced): LineageCommand[] {
    return super.produced({ ...task, runsLeft: -1 });
  }
}

plant("a reconstruction of a task that may not run again", {
  lineage: () => new RemakesForEver(lineageLimits),
}, /is made again as attempt \d of \d/);

/** A value that is made again for a dependent alone is never given back. */
class RemembersAll extends LineageTable {
  override dropped(): LineageCommand[] {
    return [];
  }
}

plant("a lineage that forgets nothing", {
  lineage: () => new RemembersAll(lineageLimits),
}, /Left over: .*tasks remembered/);
