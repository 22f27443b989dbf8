/**
 * Who submits tasks to this worker, and the functions that each has named.
 *
 * @module
 */
import type { ResourceAmounts } from "../base/spec.ts";
import type { ClaimPage } from "../wire/claims.ts";
import type { Peer } from "../wire/peer.ts";
import type { FunctionFrame, TaskFrame } from "../wire/task_frames.ts";
import type { Invoked } from "./invoked.ts";
import { RunPace } from "./run_pace.ts";

/** A function as its submitter named it. */
export interface KnownFunction {
  readonly frame: FunctionFrame;
  readonly resources: ResourceAmounts;
  /** What its tasks run, once it is revived. */
  revived: Invoked | undefined;
  reviving: Promise<Invoked> | undefined;
  readonly pace: RunPace;
}

/** A task, and whose it is. */
export interface Submitted {
  readonly frame: TaskFrame;
  readonly peer: Peer;
}

/** One submitter. */
export interface Client {
  page: ClaimPage | undefined;
  readonly functions: Map<number, KnownFunction>;
  /** How many started tasks there are of each of its leases. */
  readonly openCounts: Map<number, number>;
}

/** The submitters of one worker. */
export class Clients {
  readonly #clients = new WeakMap<Peer, Client>();

  /** The submitter behind a connection. */
  of(peer: Peer): Client {
    let client = this.#clients.get(peer);
    if (client === undefined) {
      client = {
        page: undefined,
        functions: new Map(),
        openCounts: new Map(),
      };
      this.#clients.set(peer, client);
    }
    return client;
  }

  /** The function of a task; undefined if its submitter gave it up. */
  functionOf({ frame, peer }: Submitted): KnownFunction | undefined {
    return this.of(peer).functions.get(frame.functionNo);
  }

  /** A submitter names a function. */
  learn(frame: FunctionFrame, peer: Peer): void {
    this.of(peer).functions.set(frame.functionNo, {
      frame,
      resources: JSON.parse(frame.resources),
      revived: undefined,
      reviving: undefined,
      pace: new RunPace(),
    });
  }
}
