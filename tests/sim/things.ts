/**
 * What simulated processes keep and send: entries, handles, task records,
 * frames; and the pure rooms that they are wired from.
 *
 * @module
 */
import { ResourcePool } from "../../src/state/resources.ts";
import type { ActorId, ProcessId } from "../../src/base/ids.ts";
import type { RefKey } from "../../src/base/stored.ts";
import { ActorTable } from "../../src/state/actors.ts";
import {
  type ActorNews,
  CallOrder,
  type Orderable,
} from "../../src/state/call_order.ts";
import type { LeaseLimits } from "../../src/state/lease_events.ts";
import { LeaseTable } from "../../src/state/leases.ts";
import { LineageTable } from "../../src/state/lineage.ts";
import { Mailbox } from "../../src/state/mailbox.ts";
import {
  type Pipeline,
  type PipelineLimits,
  type Queueable,
  type RunStats,
  TaskQueue,
} from "../../src/state/pipelines.ts";
import { type Referable, ReferenceTable } from "../../src/state/references.ts";
import { afterWorkerEnded } from "../../src/state/retries.ts";
import { noSlot } from "../../src/wire/task_frames.ts";
import type { Link } from "./network.ts";
import type { Run } from "./run.ts";

/** One object as one process knows it. */
export class Entry implements Referable {
  readonly ownerId: ProcessId;
  readonly ordinal: number;
  readonly index = 0;
  status: "pending" | "ready" | "failed" | "freed" = "pending";
  /** The refs inside its value. */
  value: Held[] = [];
  /** The shared memory that its value lies in, if it is large. */
  segment: Segment | undefined;
  why = "";
  isAsked = false;
  isShared = false;
  handleCount = 0;
  holders: Set<ProcessId> | undefined;
  producer: Task | undefined;
  onUnreferenced: (() => void) | undefined;
  /** Nothing refers to it: the collector would take it. */
  isGarbage = false;
  isFetching = false;
  #waiters: (() => void)[] = [];

  constructor(ownerId: ProcessId, ordinal: number) {
    this.ownerId = ownerId;
    this.ordinal = ordinal;
  }

  get isSettled(): boolean {
    return this.status !== "pending";
  }

  get isOutcomeNeedless(): boolean {
    return this.onUnreferenced !== undefined;
  }

  whenSettled(waiter: () => void): void {
    if (this.isSettled) waiter();
    else this.#waiters.push(waiter);
  }

  /** A second outcome changes nothing. */
  settle(status: "ready" | "failed", { value = [], segment, why = "" }: {
    value?: Held[];
    segment?: Segment | undefined;
    why?: string;
  }): boolean {
    if (this.isSettled) return false;
    this.status = status;
    this.value = value;
    this.segment = segment;
    this.why = why;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
    return true;
  }

  /** Its value is gone and made again: it is pending as before. */
  reopen(): void {
    this.status = "pending";
    this.value = [];
    this.segment = undefined;
  }
}

/** Shared memory of the machine: it may be lost, and whoever reads it sees that. */
export interface Segment {
  isLost: boolean;
}

/** What a program, a value or a pin holds of an entry. */
export interface Handle {
  readonly entry: Entry;
  isLive: boolean;
}

/**
 * A handle, and whether its object may be younger than whoever has it. Waiting
 * for such a one could be waiting in a circle, so programs only pass it on.
 */
export interface Held {
  readonly handle: Handle;
  readonly isForeign: boolean;
}

/** A ref on the wire. */
export interface SentRef {
  readonly key: RefKey;
  readonly isForeign: boolean;
}

/** A value on the wire. */
export interface SentValue {
  readonly refs: readonly SentRef[];
  readonly segment: Segment | undefined;
}

/** What all tasks of one function share. */
export interface Plan {
  readonly name: string;
  readonly stepCount: number;
  readonly computeMs: number;
  /** It may submit further tasks and make calls. */
  readonly isNesting: boolean;
  readonly failChance: number;
  readonly cpus: number;
  /** It may take only so long. */
  readonly isTimed: boolean;
  /** Its value may be too large to lie in its owner. */
  readonly largeChance: number;
}

/** One submitted task or call, as its owner keeps it. */
export class Task implements Queueable, Orderable {
  phase: Orderable["phase"] = "preparing";
  attempt = 1;
  isAlone = false;
  isAbandoned = false;
  slot: number = noSlot;
  generation = 0;
  pipeline: Pipeline<Task> | undefined;
  readonly priority: number;

  constructor(
    readonly ordinal: number,
    readonly callerNo: number,
    readonly depth: number,
    readonly plan: Plan,
    readonly stats: RunStats,
    readonly entry: Entry,
    readonly maxRetries: number,
    readonly isRetryable: boolean,
    /** Replaced by their values before it starts. */
    readonly dependencies: Held[],
    /** Refs inside its arguments. */
    readonly args: Held[],
    /** Of a call: its actor, which the call keeps alive. */
    readonly actor: { actorId: ActorId; life: Handle } | undefined,
    /** What submitted it. */
    readonly parent: Run | undefined,
  ) {
    this.priority = depth === 0 && ordinal % 7 === 0 ? 1 : 0;
  }
}

/** Mean run time up to which a function counts as short. */
export const shortMs = 10;

/** Whether it must not share its worker with strangers. */
export function wantsNoCompany({ isAlone, maxRetries }: Task): boolean {
  return isAlone || maxRetries === 0;
}

/** A task or call on the wire. */
export interface Frame {
  readonly link: Link;
  readonly ownerId: ProcessId;
  readonly ordinal: number;
  readonly slot: number;
  readonly generation: number;
  readonly leaseNo: number;
  readonly attempt: number;
  readonly depth: number;
  readonly callerNo: number;
  readonly isShort: boolean;
  readonly isAlone: boolean;
  readonly plan: Plan;
  readonly refs: readonly SentRef[];
  /** The values of its dependencies. */
  readonly values: readonly SentValue[];
}

/** An answer to a frame. */
export interface Reply {
  readonly ordinal: number;
  readonly outcome: "finished" | "failed" | "skipped";
  readonly slot: number;
  readonly runMs: number;
  readonly pinToken: number;
  readonly refs: readonly SentRef[];
  readonly segment: Segment | undefined;
}

/** The decisions, so that a test may put a faulty one in its place. */
export interface Rooms {
  leases(cpus: number, limits: LeaseLimits): LeaseTable;
  queue(limits: PipelineLimits): TaskQueue<Task>;
  afterWorkerEnded: typeof afterWorkerEnded;
  mailbox(incarnation: number): Mailbox<Run>;
  actors(): ActorTable;
  references(self: ProcessId): ReferenceTable<Entry, Link, Handle>;
  callOrder(maxTaskRetries: number): CallOrder<Task, Link, ActorNews>;
  lineage(): LineageTable;
}

/** What an owner remembers of how its objects were made. */
export const lineageLimits = { tasksMax: 1000, bytesMax: 1000 };

/** As they are. */
export const realRooms: Rooms = {
  leases: (cpus, limits) =>
    new LeaseTable(new ResourcePool({ CPU: cpus, place: 8 }), limits),
  queue: (limits) => new TaskQueue(limits),
  afterWorkerEnded,
  mailbox: () => new Mailbox({ concurrencyMax: 1 }),
  actors: () => new ActorTable(),
  references: (self) => new ReferenceTable(self),
  callOrder: (maxTaskRetries) => new CallOrder(maxTaskRetries),
  lineage: () => new LineageTable(lineageLimits),
};
