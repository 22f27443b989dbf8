/**
 * Why an actor is dead, or never lived: told to its calls, or where there are
 * none to the log.
 *
 * @module
 */
import {
  ActorDiedError,
  ActorUnavailableError,
  MantaError,
  RuntimeClosedError,
  TaskUnschedulableError,
} from "../base/errors.ts";
import type { ProcessId } from "../base/ids.ts";
import { log } from "../base/log.ts";
import type { ActorSpec } from "../base/spec.ts";
import type { ActorState } from "../wire/messages.ts";
import { PeerEndedError } from "../wire/peer.ts";
import type { Callee } from "./callee.ts";
import { HeldFailure, openFailure } from "./failures.ts";
import type { OwnerPort } from "./owner_port.ts";
import type { TaskRecord } from "./task_record.ts";

/** Tells of deaths in one process. */
export class ActorDeaths {
  readonly #owner: OwnerPort;
  readonly #tellings = new Set<Promise<void>>();

  constructor(owner: OwnerPort) {
    this.#owner = owner;
  }

  /** Fails calls to a dead actor. */
  async fail(
    callee: Callee,
    records: readonly TaskRecord[],
    state: ActorState,
  ): Promise<void> {
    const error = await this.#error(callee, state);
    for (const record of records) this.#owner.outcomes.fail(record, error);
  }

  /** Fails a call that died with its actor by what the head says next: dead for good, or starting again. */
  async failWhenKnown(
    callee: Callee,
    record: TaskRecord,
    processId: ProcessId,
  ): Promise<void> {
    const { actorId, className } = callee.info;
    const ask = { actorId, processId };
    const asked = this.#owner.head.request("actor.fate", ask);
    const state = await asked.catch(() => undefined);
    if (state?.phase === "dead") {
      return await this.fail(callee, [record], state);
    }
    const { name } = record.template.settings;
    const why = state?.reason === undefined ? "" : ` (${state.reason})`;
    this.#owner.outcomes.fail(
      record,
      new ActorUnavailableError(
        `Cannot finish call "${name}": actor ${className} died during it${why} and is starting again; the call may have run`,
        { actorId },
      ),
    );
  }

  /** Nobody has called it: nobody else would say why it never lived. */
  tell(callee: Callee, state: ActorState): void {
    const { deathCause } = callee;
    const isFailure = state.error !== undefined || deathCause !== undefined;
    if (!isFailure || deathCause instanceof PeerEndedError) return;
    const telling = this.#error(callee, state).then(logDeath);
    this.#tellings.add(telling);
    telling.finally(() => this.#tellings.delete(telling));
  }

  /** Resolves once all that is to be told was. */
  async told(): Promise<void> {
    await Promise.all(this.#tellings);
  }

  /** What calls to a dead actor reject with. */
  async #error(
    { info: { className }, deathCause }: Callee,
    state: ActorState,
  ): Promise<Error> {
    if (deathCause instanceof TaskUnschedulableError) return deathCause;
    const { values } = this.#owner;
    const { actorId, error, reason = "for an unknown reason" } = state;
    const cause = error === undefined
      ? deathCause
      : await openFailure(new HeldFailure(values.hold(error)), values);
    return new ActorDiedError(
      `Cannot call actor ${className}: it is dead, ${reason}`,
      { actorId, reason, ...(cause === undefined ? {} : { cause }) },
    );
  }
}

/** Why the head made no actor. */
export function refusal(
  { className, resources }: Pick<ActorSpec, "className" | "resources">,
  { reason, isUnschedulable }: { reason: string; isUnschedulable: boolean },
): Error {
  const message = `Cannot create actor ${className}: ${reason}`;
  return isUnschedulable
    ? new TaskUnschedulableError(message, { resources })
    : new MantaError(message);
}

/** Logs a death that no call will be told of. */
function logDeath({ message, cause }: Error): void {
  if (cause instanceof RuntimeClosedError) return;
  const detail = cause instanceof Error ? `\n${cause.stack ?? cause}` : "";
  log.error(`${message}${detail}`);
}
