/**
 * Results of this process's tasks, kept in the lineage file before anybody
 * sees them, and found there again when the program was killed and resumes.
 *
 * Only where the program named the file. Many are kept in one transaction:
 * while one is under way, the next ones gather.
 *
 * @module
 */
import { afterMs } from "../base/clock.ts";
import { log } from "../base/log.ts";
import { limits } from "../base/limits.ts";
import {
  type HeldValue,
  storedBytes,
  type StoredValue,
} from "../base/stored.ts";
import type { Asker } from "../wire/standing_peer.ts";
import {
  type KeptResult,
  readResults,
  writeResults,
} from "../wire/kept_results.ts";
import type { Values } from "./values.ts";

interface Waiting<T, Answer> {
  readonly what: T;
  readonly done: (answer: Answer) => void;
  readonly failed: (error: unknown) => void;
}

/** Keeps and finds the results of one process. */
export class Results {
  readonly #home: Asker;
  readonly #values: Values;
  readonly #keeping: Batches<KeptResult, void>;
  readonly #finding: Batches<string, HeldValue[] | undefined>;
  readonly #onMany: () => void;
  #isFailureSaid = false;

  /**
   * `openCount`: of tasks without an outcome, those included whose results are
   * being kept. `onMany` is called when several are about to be: what else goes
   * to the file now is in the same transaction.
   */
  constructor(
    home: Asker,
    values: Values,
    { openCount, onMany }: { openCount(): number; onMany(): void },
  ) {
    this.#home = home;
    this.#onMany = onMany;
    this.#values = values;
    this.#keeping = new Batches((waiting) => this.#keepAll(waiting), openCount);
    this.#finding = new Batches((waiting) => this.#findAll(waiting), openCount);
  }

  /** Calls `done` once a result is in the file; at once where it can't be there. */
  keep(
    { key, values }: { key: string; values: readonly HeldValue[] },
    done: () => void,
    failed: (error: unknown) => void,
  ): void {
    let bytes = 0;
    let hasSegment = false;
    for (const { stored } of values) {
      // Refs, handles and code in it are of this run alone.
      if (stored.refs !== undefined || stored.code !== undefined) return done();
      bytes += storedBytes(stored);
      hasSegment ||= stored.segment !== undefined;
    }
    if (bytes > limits.keptResultBytesMax) return done();
    if (!hasSegment) {
      const what = { key, values: values.map(({ stored }) => stored) };
      return this.#keeping.add({ what, done, failed });
    }
    Promise.all(values.map(({ stored }) => this.#values.embedded(stored))).then(
      (whole) => {
        this.#keeping.add({ what: { key, values: whole }, done, failed });
      },
    ).catch(failed);
  }

  /** The values that an earlier run of the program kept of a task. */
  find(key: string): Promise<HeldValue[] | undefined> {
    return new Promise((done, failed) => {
      this.#finding.add({ what: key, done, failed });
    });
  }

  async #keepAll(waiting: Waiting<KeptResult, void>[]): Promise<void> {
    if (waiting.length > 1) this.#onMany();
    const results = writeResults(waiting.map(({ what }) => what));
    const { failure } = await this.#home.request("results.keep", { results });
    for (const { done } of waiting) done();
    if (failure === undefined || this.#isFailureSaid) return;
    this.#isFailureSaid = true;
    log.warn(
      `results are not kept, so these tasks can't be resumed: ${failure}`,
    );
  }

  async #findAll(
    waiting: Waiting<string, HeldValue[] | undefined>[],
  ): Promise<void> {
    const keys = waiting.map(({ what }) => what);
    const answer = await this.#home.request("results.find", { keys });
    const found = new Map<string, readonly StoredValue[]>();
    for (const { key, values } of readResults(answer.results)) {
      found.set(key, values);
    }
    for (const { what, done, failed } of waiting) {
      const values = found.get(what);
      if (values === undefined) done(undefined);
      else {
        Promise.all(values.map((stored) => this.#values.restore(stored)))
          .then(done, failed);
      }
    }
  }
}

/** What waits is sent together; while it is under way, the next ones gather. */
class Batches<T, Answer> {
  readonly #send: (waiting: Waiting<T, Answer>[]) => Promise<void>;
  /** Of those that may still be added, and those that were. */
  readonly #openCount: () => number;
  #waiting: Waiting<T, Answer>[] = [];
  #isSending = false;
  #endGathering: (() => void) | undefined;

  constructor(
    send: (waiting: Waiting<T, Answer>[]) => Promise<void>,
    openCount: () => number,
  ) {
    this.#send = send;
    this.#openCount = openCount;
  }

  add(one: Waiting<T, Answer>): void {
    this.#waiting.push(one);
    if (this.#waiting.length >= this.#openCount()) this.#endGathering?.();
    if (this.#isSending) return;
    this.#isSending = true;
    // What comes in one turn goes together.
    setImmediate(() => this.#sendAll());
  }

  async #sendAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting;
      this.#waiting = [];
      try {
        await this.#send(waiting);
      } catch (error) {
        for (const { failed } of waiting) failed(error);
      }
      // One by one nobody waits for others; many are cheaper together.
      if (waiting.length > 1) await this.#gather();
    }
    this.#isSending = false;
  }

  /** Resolves after a while, or once no other can come. */
  #gather(): Promise<void> {
    if (this.#waiting.length >= this.#openCount()) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = afterMs(limits.keepGatherMs, () => this.#endGathering!());
      this.#endGathering = () => {
        clearTimeout(timer);
        this.#endGathering = undefined;
        resolve();
      };
    });
  }
}
