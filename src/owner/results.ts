/**
 * Results of this process's tasks, kept in the lineage file before anybody
 * sees them, and found there again when the program was killed and resumes.
 *
 * Only where the program named the file. Many are kept in one transaction:
 * while one is under way, the next ones gather.
 *
 * @module
 */
import { log } from "../base/log.ts";
import { limits } from "../base/limits.ts";
import {
  type HeldValue,
  storedBytes,
  type StoredValue,
} from "../base/stored.ts";
import type { Peer } from "../wire/peer.ts";
import {
  type KeptResult,
  readResults,
  writeResults,
} from "../wire/kept_results.ts";
import type { Values } from "./values.ts";

interface Waiting<T> {
  readonly what: T;
  readonly done: PromiseWithResolvers<HeldValue[] | undefined>;
}

/** Keeps and finds the results of one process. */
export class Results {
  readonly #node: Peer;
  readonly #values: Values;
  readonly #keeping: Batches<KeptResult>;
  readonly #finding: Batches<string>;
  #isFailureSaid = false;

  constructor(node: Peer, values: Values) {
    this.#node = node;
    this.#values = values;
    this.#keeping = new Batches((waiting) => this.#keepAll(waiting));
    this.#finding = new Batches((waiting) => this.#findAll(waiting));
  }

  /** Resolves once a result is in the file; at once where it can't be there. */
  async keep(key: string, values: readonly HeldValue[]): Promise<void> {
    // Refs, handles and code in it are of this run alone.
    const isOfRun = values.some(({ stored }) =>
      stored.refs !== undefined || stored.code !== undefined
    );
    const bytes = values.reduce((sum, one) => sum + storedBytes(one.stored), 0);
    if (isOfRun || bytes > limits.keptResultBytesMax) return;
    const whole = await Promise.all(values.map((held) => this.#whole(held)));
    await this.#keeping.add({ key, values: whole });
  }

  /** The values that an earlier run of the program kept of a task. */
  find(key: string): Promise<HeldValue[] | undefined> {
    return this.#finding.add(key);
  }

  /** The value without shared memory. */
  async #whole(held: HeldValue): Promise<StoredValue> {
    const { stored } = held;
    if (stored.segment === undefined) return stored;
    const [bytes, ...buffers] = await this.#values.partsOf(held);
    return { bytes: bytes!, buffers };
  }

  async #keepAll(waiting: Waiting<KeptResult>[]): Promise<void> {
    const results = writeResults(waiting.map(({ what }) => what));
    const { failure } = await this.#node.request("results.keep", { results });
    for (const { done } of waiting) done.resolve(undefined);
    if (failure === undefined || this.#isFailureSaid) return;
    this.#isFailureSaid = true;
    log.warn(
      `results are not kept, so these tasks can't be resumed: ${failure}`,
    );
  }

  async #findAll(waiting: Waiting<string>[]): Promise<void> {
    const keys = waiting.map(({ what }) => what);
    const answer = await this.#node.request("results.find", { keys });
    const found = new Map<string, readonly StoredValue[]>();
    for (const { key, values } of readResults(answer.results)) {
      found.set(key, values);
    }
    for (const { what, done } of waiting) {
      const values = found.get(what);
      if (values === undefined) done.resolve(undefined);
      else {
        Promise.all(values.map((stored) => this.#values.restore(stored)))
          .then(done.resolve, done.reject);
      }
    }
  }
}

/** What waits is sent together; while it is under way, the next ones gather. */
class Batches<T> {
  readonly #send: (waiting: Waiting<T>[]) => Promise<void>;
  #waiting: Waiting<T>[] = [];
  #isSending = false;

  constructor(send: (waiting: Waiting<T>[]) => Promise<void>) {
    this.#send = send;
  }

  add(what: T): Promise<HeldValue[] | undefined> {
    const done = Promise.withResolvers<HeldValue[] | undefined>();
    this.#waiting.push({ what, done });
    if (!this.#isSending) {
      this.#isSending = true;
      queueMicrotask(() => this.#sendAll());
    }
    return done.promise;
  }

  async #sendAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting;
      this.#waiting = [];
      try {
        await this.#send(waiting);
      } catch (error) {
        for (const { done } of waiting) done.reject(error);
      }
    }
    this.#isSending = false;
  }
}
