/**
 * What this process owns, for a command line that asks: its open tasks, and
 * the objects that others know.
 *
 * Nothing is kept for it: it is read off what the owner has anyway, a part at
 * a time, so that a million open tasks hold up nothing.
 *
 * @module
 */
import { monotonicMs } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { taskIdOf } from "../base/ids.ts";
import { storedBytes } from "../base/stored.ts";
import { counted } from "../base/text.ts";
import type {
  OpenFunction,
  OpenTask,
  OwnedObject,
  OwnerFacts,
} from "../wire/command_messages.ts";
import type { ObjectKey } from "../wire/messages.ts";
import type { RequestHandlers } from "../wire/peer.ts";
import { describeTask, describeWait, failedOf } from "./explain.ts";
import { openFailure } from "./failures.ts";
import { type ObjectEntry, Status } from "./object_ref.ts";
import type { Owner } from "./owner.ts";
import type { TaskRecord } from "./task_record.ts";

const states = ["pending", "ready", "failed", "freed"] as const;

/** Tells what one owner has. */
export class Census {
  readonly #owner: Owner;
  /** One that is under way serves all who ask for no more. */
  #taking: { rowsMax: number; facts: Promise<string> } | undefined;

  constructor(owner: Owner) {
    this.#owner = owner;
  }

  /** What it answers. */
  requests(): RequestHandlers {
    return {
      "owner.facts": async ({ rowsMax }) => ({
        facts: await this.#take(Math.min(rowsMax, limits.factsRowsMax)),
      }),
      "object.why": async (key) => ({ line: await this.#why(key) }),
    };
  }

  #take(rowsMax: number): Promise<string> {
    if (this.#taking !== undefined && this.#taking.rowsMax >= rowsMax) {
      return this.#taking.facts;
    }
    const facts = this.#taken(rowsMax);
    const taking = this.#taking = { rowsMax, facts };
    facts.finally(() => {
      if (this.#taking === taking) this.#taking = undefined;
    });
    return facts;
  }

  async #taken(rowsMax: number): Promise<string> {
    const { intake } = this.#owner;
    const { openCount } = intake;
    const functions = new Map<string, OpenFunction>();
    const tasks: OpenTask[] = [];
    let lookedAt = 0;
    for (const record of intake.walk()) {
      // What came since is for the next who asks.
      if (lookedAt++ >= openCount) break;
      if (lookedAt % limits.factsStepCount === 0) await nextTurn();
      if (record.phase === "done") continue;
      const state = this.#stateOf(record);
      const { name } = record.template.settings;
      const sum = functions.get(name) ?? { name, waiting: 0, running: 0 };
      functions.set(name, sum);
      if (state === "running") sum.running++;
      else sum.waiting++;
      if (tasks.length < rowsMax) tasks.push(this.#task(record, state));
    }
    const facts: OwnerFacts = {
      openCount,
      tasks,
      functions: [...functions.values()],
      objects: firstOf(this.#objects(), rowsMax).map(describeObject),
      segments: firstOf(this.#owner.lineage.inSegments(), rowsMax),
    };
    return JSON.stringify(facts);
  }

  *#objects(): Iterable<ObjectEntry> {
    for (const entry of this.#owner.references.shareds()) {
      // What stands for an actor or a stream is no object to anybody.
      if (!entry.isOutcomeNeedless) yield entry;
    }
  }

  #stateOf(record: TaskRecord): OpenTask["state"] {
    if (record.phase === "preparing") return "preparing";
    if (record.template.method !== undefined) {
      return record.phase === "pushed" ? "sent" : "waiting";
    }
    if (record.phase === "queued") return "waiting";
    return this.#owner.submitter.hasStarted(record) ? "running" : "sent";
  }

  #task(record: TaskRecord, state: OpenTask["state"]): OpenTask {
    const { submitter, actors, self } = this.#owner;
    const { template, attempt, ordinal, submittedAtMs } = record;
    const isCall = template.method !== undefined;
    const peer = isCall && state === "sent"
      ? actors.peerOf(record)?.remote
      : submitter.workerOf(record)?.peer.remote;
    return {
      taskId: taskIdOf(self, ordinal),
      name: template.settings.name,
      kind: isCall ? "call" : "task",
      state,
      attempt,
      ageMs: Math.round(monotonicMs() - submittedAtMs),
      ...(peer === undefined
        ? {}
        : { workerPid: peer.pid, workerId: peer.processId }),
      why: describeTask(this.#owner, record),
    };
  }

  async #why({ ordinal, index }: ObjectKey): Promise<string> {
    const { references, intake, values } = this.#owner;
    const entry = references.find({ ordinal, index });
    if (entry?.isSettled) {
      if (entry.status === Status.freed) return "was freed";
      if (entry.status === Status.failed) {
        const error = await openFailure(entry.error, values);
        return failedOf(error);
      }
      const { bytes, handleCount, holders } = describeObject(entry);
      return `is ready: ${counted(bytes, "byte")}, held by ${
        counted(handleCount, "ref")
      } in its owner, and in ${holders.length} other processes`;
    }
    let lookedAt = 0;
    for (const record of intake.walk()) {
      if (++lookedAt % limits.factsStepCount === 0) await nextTurn();
      if (record.ordinal === ordinal && record.phase !== "done") {
        return describeTask(this.#owner, record);
      }
    }
    return entry === undefined ? "" : describeWait(this.#owner, entry);
  }
}

function describeObject(entry: ObjectEntry): OwnedObject {
  const { value, holders, handleCount, origin, id, status } = entry;
  const segmentId = value?.stored.segment?.segmentId;
  return {
    objectId: id,
    state: states[status],
    origin,
    bytes: value === undefined ? 0 : storedBytes(value.stored),
    ...(segmentId === undefined ? {} : { segmentId }),
    handleCount,
    holders: [...holders ?? []],
  };
}

function firstOf<T>(all: Iterable<T>, countMax: number): T[] {
  const first: T[] = [];
  for (const one of all) {
    if (first.length >= countMax) break;
    first.push(one);
  }
  return first;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
