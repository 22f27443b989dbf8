/**
 * The processes that joined one machine's node: what they are, and who wants
 * to hear of their end.
 *
 * @module
 */
import type { ProcessId } from "../base/ids.ts";
import type { Registration } from "../wire/messages.ts";
import type { Peer } from "../wire/peer.ts";

/** A process that joined, and lives. */
export interface Joined extends Registration {
  readonly peer: Peer;
}

/** Knows the processes of one machine. */
export class Processes {
  readonly #joined = new Map<ProcessId, Joined>();
  readonly #ends = new Map<ProcessId, PromiseWithResolvers<void>>();

  /** A process says what it is. */
  joined(registration: Registration, peer: Peer): void {
    this.#joined.set(registration.processId, { ...registration, peer });
  }

  /** A connection ended: the process whose it was, if that had joined. */
  ended(peer: Peer): Joined | undefined {
    const processId = peer.remote?.processId;
    const joined = processId && this.#joined.get(processId);
    if (joined?.peer !== peer) return undefined;
    this.#joined.delete(joined.processId);
    this.#ends.get(joined.processId)?.resolve();
    this.#ends.delete(joined.processId);
    return joined;
  }

  /** The living process of that id. */
  find(processId: ProcessId): Joined | undefined {
    return this.#joined.get(processId);
  }

  /** All that there are. */
  all(): Iterable<Joined> {
    return this.#joined.values();
  }

  /** All of a job. */
  *ofJob(jobId: string): Iterable<Joined> {
    for (const one of this.#joined.values()) if (one.jobId === jobId) yield one;
  }

  /** What it is called in messages. */
  describe(processId: ProcessId): string {
    const known = this.#joined.get(processId);
    return known === undefined ? "a process" : `${known.role} ${known.pid}`;
  }

  /** Resolves once it has ended; at once where it is not here. */
  end(processId: ProcessId): Promise<void> {
    if (!this.#joined.has(processId)) return Promise.resolve();
    let end = this.#ends.get(processId);
    if (end === undefined) {
      this.#ends.set(processId, end = Promise.withResolvers<void>());
    }
    return end.promise;
  }
}
