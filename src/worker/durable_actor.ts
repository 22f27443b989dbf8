/**
 * What makes one incarnation of an actor durable: its state is fetched when it
 * begins and committed after each call, together with what the call came to.
 *
 * A state is copied as the call ends; the next call may run while the commit
 * is on its way, but nobody sees a call's result before its own commit, what a
 * call submits does not leave before the commits of those before it, and
 * commits are in the order of the calls. What is granted and refused is
 * decided by `state/durable.ts`, where the file is.
 *
 * @module
 */
import type { DurableAnswer, DurableCall } from "../base/durable.ts";
import { restoreState, saveState } from "../base/durable_symbols.ts";
import { MantaError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { ActorSpec } from "../base/spec.ts";
import { storedBytes, type StoredValue } from "../base/stored.ts";
import type { Owner } from "../owner/owner.ts";
import { CommittedCalls } from "../state/durable.ts";
import type { TaskFrame } from "../wire/task_frames.ts";
import type { Instance } from "./instance.ts";

/** Which life of which actor. */
export interface Incarnation {
  readonly spec: ActorSpec;
  readonly incarnation: number;
}

/** A call's outcome on its way to the file. */
export interface Keeping {
  /** The state is copied: the next call may run. Undefined: it is already. */
  readonly copied: Promise<unknown> | undefined;
  /** It is in the file. Rejects if it can't be kept: then the call has failed. */
  readonly committed: Promise<void>;
}

/** What a call came to before. */
export interface Remembered {
  readonly isError: boolean;
  readonly values: readonly StoredValue[];
}

/** What an incarnation hears of its state. */
export interface DurableEvents {
  /** It can't be kept as it is: the instance is to be made anew from what is. */
  lost(): void;
  /** A newer incarnation has it, or nobody: this one is over. */
  superseded(reason: string): void;
}

type Opened = Extract<DurableAnswer<Uint8Array>, { kind: "opened" }>;

/** Keeps the state of one incarnation. */
export class DurableActor {
  readonly #owner: Owner;
  readonly #life: Incarnation;
  readonly #events: DurableEvents;
  #opened: Opened | undefined;
  #seq = 0;
  #calls: CommittedCalls | undefined;
  /** The state as it was committed, or is about to be; undefined where it is not compared. */
  #state: Uint8Array | undefined;
  #isSpecKept = false;
  /** Resolves when all commits so far are sent. */
  #sent: Promise<unknown> = Promise.resolve();
  readonly #open = new Set<Promise<unknown>>();

  constructor(owner: Owner, life: Incarnation, events: DurableEvents) {
    this.#owner = owner;
    this.#life = life;
    this.#events = events;
  }

  /** Gives an instance that was just made its state; one that has none yet has its first one kept. */
  async begin(instance: Instance): Promise<void> {
    const { spec: { actorId, className }, incarnation } = this.#life;
    const answer = await this.#owner.head.request("durable.open", {
      actorId,
      incarnation,
    });
    if (answer.kind !== "opened") {
      const reason = answer.kind === "refused" ? answer.reason : answer.kind;
      throw new MantaError(
        `Cannot begin durable actor ${className}: ${reason}`,
      );
    }
    this.#opened = answer;
    this.#seq = answer.seq;
    const { callIds, isComplete } = answer;
    const countMax = limits.durableCallsKnownMax;
    this.#calls = new CommittedCalls(callIds, { isComplete, countMax });
    this.#state = comparable(answer.state);
    if (answer.state !== undefined) await this.#restore(instance, answer.state);
    else await this.#first(instance);
  }

  /** Whether a call is certain to have never been committed. */
  isNew(callId: string): boolean {
    return this.#calls!.isNew(callId);
  }

  /** What a call came to, if it was committed. */
  async remembered(frame: TaskFrame): Promise<Remembered | undefined> {
    const { durableId } = this.#opened!;
    const callId = frame.callId!;
    await this.#sent; // One with this id may be on its way.
    const answer = await this.#owner.head.request("durable.result", {
      durableId,
      callId,
    });
    if (answer.kind !== "result") return undefined;
    if (answer.what !== frame.method) {
      throw new MantaError(
        `Cannot call "${frame.method}": by its place among its caller's calls it is ${callId}, ` +
          `which was a call of "${answer.what}" in the run before. A run that goes on where one ` +
          "was cut short must make the same calls in the same order",
      );
    }
    const values = this.#owner.kept.outcomeOf(answer.result);
    return { isError: answer.isError, values };
  }

  /** A call has ended. Its state is copied now. */
  keep(
    instance: Instance,
    { frame, isError, values }: {
      frame: TaskFrame;
      isError: boolean;
      values: readonly StoredValue[];
    },
  ): Keeping {
    const { jobId, mainModule: script } = this.#owner.job;
    const callId = frame.callId!;
    const call = { callId, what: frame.method, jobId, script, isError };
    const commit = (state: Uint8Array) => this.#commit(state, { call, values });
    try {
      const state = this.#stateOf(instance, values);
      if (!(state instanceof Promise)) {
        return { copied: undefined, committed: commit(state) };
      }
      const committed = state.then(commit, (error) => {
        this.#events.lost();
        throw error;
      });
      return { copied: state.then(() => {}, () => {}), committed };
    } catch (error) {
      this.#events.lost();
      return { copied: undefined, committed: Promise.reject(error) };
    }
  }

  /** Resolves when no commit is on its way; undefined if none is. */
  settled(): Promise<unknown> | undefined {
    return this.#open.size === 0 ? undefined : Promise.allSettled(this.#open);
  }

  async #restore(instance: Instance, bytes: Uint8Array): Promise<void> {
    const state = await this.#owner.kept.stateOf(bytes);
    const restore = instance[restoreState];
    if (typeof restore === "function") {
      await restore.call(instance, state);
      return;
    }
    const fields = state as Instance;
    for (const key of Object.keys(instance)) {
      if (!Object.hasOwn(fields, key)) delete instance[key];
    }
    for (const [key, value] of Object.entries(fields)) {
      // Not by assignment, which would call a setter of the class.
      Object.defineProperty(instance, key, {
        value,
        writable: true,
        enumerable: true,
        configurable: true,
      });
    }
  }

  /** What the constructor left. One that can't be kept is told of by the first call. */
  async #first(instance: Instance): Promise<void> {
    let state: Uint8Array;
    try {
      state = await this.#stateOf(instance, []);
    } catch {
      // The call that can't be kept either says so, with its path.
      return;
    }
    await this.#commit(state, undefined);
  }

  #stateOf(
    instance: Instance,
    values: readonly StoredValue[],
  ): Uint8Array | Promise<Uint8Array> {
    const { kept } = this.#owner;
    const { className } = this.#life.spec;
    const resultBytes = values.reduce((sum, one) => sum + storedBytes(one), 0);
    const checked = (state: Uint8Array) => {
      const totalBytes = state.length + resultBytes;
      if (totalBytes <= limits.durableBytesMax) return state;
      throw new MantaError(
        `Cannot keep the state of durable actor ${className}: with the result it takes ` +
          `${totalBytes} bytes, and ${limits.durableBytesMax} is the most. Keep less of it`,
      );
    };
    const save = instance[saveState];
    const value: unknown = typeof save === "function"
      ? save.call(instance)
      : { ...instance };
    if (value instanceof Promise) {
      return value.then((late) => kept.state(late)).then(checked);
    }
    const state = kept.state(value);
    return state instanceof Promise ? state.then(checked) : checked(state);
  }

  /** Resolves when it is in the file; never, if this incarnation is over. */
  #commit(
    state: Uint8Array,
    ended: {
      call: Omit<DurableCall<Uint8Array>, "result">;
      values: readonly StoredValue[];
    } | undefined,
  ): Promise<void> {
    const { durableId, epoch } = this.#opened!;
    const seq = ++this.#seq;
    const isSame = this.#state !== undefined && areEqual(this.#state, state);
    this.#state = comparable(state);
    if (ended !== undefined) this.#calls!.committed(ended.call.callId);
    const { kept, head } = this.#owner;
    const prepared = Promise.all([
      ended === undefined ? undefined : kept.outcome(ended.values),
      this.#specOnce(),
    ]);
    const sent = this.#sent.then(async () => {
      const [result, spec] = await prepared;
      const commit = {
        durableId,
        epoch,
        seq,
        ...(isSame ? {} : { state }),
        ...(spec === undefined ? {} : { spec }),
        ...(result === undefined ? {} : { call: { ...ended!.call, result } }),
      };
      return { answer: head.request("durable.commit", { commit }) };
    });
    this.#sent = sent.catch(() => {}); // It ends this incarnation, below.
    const committed = sent.then(({ answer }) => answer).then((answer) => {
      if (answer.kind === "done") return;
      throw new Error(
        answer.kind === "refused" ? answer.reason : `answered ${answer.kind}`,
      );
    }).catch((error) => {
      this.#events.superseded(messageOf(error));
      return new Promise<void>(() => {});
    });
    this.#open.add(committed);
    return committed.finally(() => this.#open.delete(committed));
  }

  /** What starts the actor again, for the first commit of an incarnation; without a name nobody would look for it. */
  async #specOnce(): Promise<Uint8Array | undefined> {
    const { spec } = this.#life;
    if (this.#isSpecKept || spec.name === undefined) return undefined;
    this.#isSpecKept = true;
    return await this.#owner.kept.spec(spec);
  }
}

/** A state that the next one is compared with; a large one is neither looked through nor remembered. */
function comparable(state: Uint8Array | undefined): Uint8Array | undefined {
  return (state?.length ?? Infinity) <= comparedBytesMax ? state : undefined;
}

function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

const comparedBytesMax = 16 * 1024;

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
