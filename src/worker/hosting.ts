/**
 * Which tasks of other processes have descendants that compute in this one:
 * if such a descendant takes the process along, its host must not be near it
 * the next time.
 *
 * @module
 */
import type { Owner } from "../owner/owner.ts";
import type { Company } from "../state/worker_choice.ts";
import { TaskFlag, type TaskFrame } from "../wire/task_frames.ts";
import { Invocation } from "./invocation.ts";

/** Knows the hosts among the runs of this process. */
export class Hosting {
  readonly #owner: Owner;
  /** How many descendants of each compute here. */
  readonly #counts = new Map<Invocation, number>();
  readonly #hosts = new WeakMap<Invocation, Invocation>();

  constructor(owner: Owner) {
    this.#owner = owner;
  }

  /** A run began: what it stems from is looked up once, while that is known. */
  began(invocation: Invocation): void {
    const host = this.#hostOf(invocation);
    if (host !== undefined) this.#hosts.set(invocation, host);
  }

  /** A run computes, or does no more. Gives its host, if it has one. */
  changed(invocation: Invocation, change: 1 | -1): Invocation | undefined {
    const host = this.#hosts.get(invocation);
    if (host === undefined) return undefined;
    const count = (this.#counts.get(host) ?? 0) + change;
    if (count > 0) this.#counts.set(host, count);
    else this.#counts.delete(host);
    return host;
  }

  /** Whether a descendant of a run computes here. */
  isHost(invocation: Invocation): boolean {
    return this.#counts.has(invocation);
  }

  /** A run ended: it hosts nobody. */
  ended(invocation: Invocation): void {
    this.#counts.delete(invocation);
  }

  /** The task of another process from which a run of this process's own stems. */
  #hostOf(invocation: Invocation): Invocation | undefined {
    let at: Invocation | undefined = invocation;
    while (at?.peer.remote?.processId === this.#owner.self) {
      const parent: unknown = this.#owner.submitter.inFlight(at.frame.ordinal)
        ?.parent;
      at = parent instanceof Invocation ? parent : undefined;
    }
    return at === invocation ? undefined : at;
  }
}

/** Whether a task may run while this company waits here. */
export function isWelcome(frame: TaskFrame, company: Company): boolean {
  const { flags, depth } = frame;
  if (company.isAlone || (flags & TaskFlag.timed) !== 0) return false;
  const isAlone = (flags & TaskFlag.alone) !== 0;
  if (!isAlone && (flags & TaskFlag.short) !== 0) return true;
  if (company.isImpatient || depth === 0) return false;
  return depth > company.depth || (!isAlone && depth === company.depth);
}
