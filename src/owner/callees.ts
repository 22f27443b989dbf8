/**
 * The actors that one process calls: one callee for each, by whatever id its
 * handles name it.
 *
 * Which actor an id is may not be known at first (see `callee.ts`). An actor of
 * the same name is the likely one: its queue is where such calls wait.
 *
 * @module
 */
import type { ActorId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import type { ActorState } from "../wire/messages.ts";
import {
  type ActorInfo,
  type Callee,
  type Expected,
  newCallee,
  type OpenCall,
} from "./callee.ts";

/** Keeps the callees of one process. */
export class Callees {
  readonly #byId = new Map<ActorId, Callee>();
  /** Living ones. */
  readonly #byName = new Map<string, Callee>();
  /** Ids that turned out to be of another actor. */
  readonly #aliases = new Map<ActorId, ActorId>();
  readonly #expected = new Map<ActorId, Expected>();
  /** News of actors that no id here is known to mean, while some ids are not known. */
  readonly #early = new Map<ActorId, ActorState[]>();
  /** Remembered for late calls, the oldest first. */
  readonly #dead = new Set<Callee>();

  /** How many are known, for tests. */
  get size(): number {
    return this.#byId.size + this.#aliases.size + this.#expected.size;
  }

  /** The callee of an actor, if it is known which one that is. */
  get(actorId: ActorId): Callee | undefined {
    return this.#byId.get(this.realId(actorId));
  }

  /** The id of the actor that calls by this one go to, as far as it is known. */
  realId(actorId: ActorId): ActorId {
    return this.#aliases.get(actorId) ?? actorId;
  }

  /** All that are not known to be dead. */
  living(): Callee[] {
    return [...this.#byId.values()].filter((callee) => !this.#dead.has(callee));
  }

  /** What is not known yet of an id. */
  expected(actorId: ActorId): Expected | undefined {
    return this.#expected.get(actorId);
  }

  /**
   * There is news of an actor that is not known: an id that is being found out
   * may mean it. Its answer may have come in the same turn, and is taken later.
   */
  heardEarly(news: ActorState): void {
    if (this.#expected.size === 0) return;
    const before = this.#early.get(news.actorId) ?? [];
    this.#early.set(news.actorId, [...before, news]);
  }

  /** An answer of how an actor is, and what was heard of it before that was taken. */
  newsSince(answer: ActorState): ActorState[] {
    const early = this.#early.get(answer.actorId) ?? [];
    this.#early.delete(answer.actorId);
    if (this.#expected.size === 0) this.#early.clear();
    return [answer, ...early];
  }

  /** An actor is there, or is being made. Calls that may be to it wait with its own. */
  add(info: ActorInfo): Callee {
    const callee = newCallee(info);
    this.#byId.set(info.actorId, callee);
    const key = nameKey(info);
    if (key === undefined) return callee;
    this.#byName.set(key, callee);
    for (const expected of this.#expected.values()) {
      if (nameKey(expected.info) === key) this.#move(expected, callee);
    }
    return callee;
  }

  /** An id is used of which is not known yet which actor it is. */
  expect(info: ActorInfo): Expected {
    const likely = this.#byName.get(nameKey(info) ?? "");
    const callee = likely ?? newCallee(info);
    const expected = {
      info,
      callee,
      calls: new Set(),
      prepared: new Set(),
    } as Expected;
    this.#expected.set(info.actorId, expected);
    return expected;
  }

  /** A call is queued where calls of its handle are. */
  queued(call: OpenCall): void {
    call.callee.order.called(call.record);
    call.expected?.calls.add(call);
  }

  /** Whether a call whose arguments are there must wait until its actor is known. */
  holds(call: OpenCall): boolean {
    call.expected?.prepared.add(call);
    return call.expected !== undefined;
  }

  /** A call is settled, or on its way. */
  left(call: OpenCall): void {
    call.expected?.calls.delete(call);
    call.expected?.prepared.delete(call);
  }

  /** It is known which actor an id is. Its calls may go from now on. */
  identified(expected: Expected, real: ActorInfo): Callee {
    const { actorId } = expected.info;
    this.#expected.delete(actorId);
    const before = expected.callee;
    const callee = this.#byId.get(real.actorId) ?? this.add(real);
    if (real.actorId !== actorId) this.#aliases.set(actorId, real.actorId);
    // Those that wait in the same place were taken for the same actor.
    for (const other of this.#expected.values()) {
      const isSame = other.callee === before &&
        nameKey(other.info) === nameKey(real);
      if (isSame) this.#move(other, callee);
    }
    this.#move(expected, callee);
    for (const call of expected.calls) {
      call.expected = undefined;
      if (expected.prepared.has(call)) callee.order.prepared(call.record);
    }
    return callee;
  }

  /** An actor is dead for good: calls that wait with its own may be to another. */
  buried(callee: Callee): void {
    if (this.#dead.has(callee)) return;
    this.#dead.add(callee);
    const key = nameKey(callee.info);
    if (key !== undefined && this.#byName.get(key) === callee) {
      this.#byName.delete(key);
      // One that was refused its name leaves it to the one that has it.
      const other = this.living().find(({ info }) => nameKey(info) === key);
      if (other !== undefined) this.#byName.set(key, other);
    }
    for (const expected of this.#expected.values()) {
      if (expected.callee !== callee) continue;
      this.#move(expected, newCallee(expected.info));
    }
    if (this.#dead.size <= limits.rememberedMax) return;
    const [oldest] = this.#dead;
    this.#dead.delete(oldest!);
    this.#byId.delete(oldest!.info.actorId);
  }

  /** No handle by this id is left. */
  released(actorId: ActorId): void {
    this.#aliases.delete(actorId);
  }

  #move(expected: Expected, to: Callee): void {
    const from = expected.callee;
    if (from === to) return;
    expected.callee = to;
    for (const call of expected.calls) {
      from.order.withdrawn(call.record);
      to.order.called(call.record);
      to.isCalled = true;
      call.callee = to;
    }
  }
}

function nameKey({ namespace, name }: ActorInfo): string | undefined {
  return name === undefined ? undefined : JSON.stringify([namespace, name]);
}
