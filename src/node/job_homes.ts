/**
 * What a node asks of a job's home, the driver's node: what its processes are
 * started by, and its files. Where that is gone the head knows, for jobs that
 * have detached actors.
 *
 * @module
 */
import { delay } from "@std/async";
import { monotonicMs } from "../base/clock.ts";
import {
  type JobId,
  type NodeTag,
  nodeTagOf,
  type ProcessId,
} from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import type { Contents } from "../base/program_code.ts";
import type { Network } from "../wire/network.ts";
import {
  type Peer,
  PeerEndedError,
  type RequestHandlers,
} from "../wire/peer.ts";
import type { StandingPeer } from "../wire/standing_peer.ts";
import type { Described } from "./jobs.ts";
import type { CodeKeeper } from "./shipped_code.ts";

/** Asks for jobs. */
export class JobHomes {
  readonly #network: Network;
  readonly #head: StandingPeer;
  readonly #code: CodeKeeper;
  readonly #isThere: (tag: NodeTag) => boolean;

  constructor(
    { network, head, code, isThere }: {
      network: Network;
      head: StandingPeer;
      code: CodeKeeper;
      /** Whether the cluster knows a node as one that lives. */
      isThere(tag: NodeTag): boolean;
    },
  ) {
    this.#network = network;
    this.#head = head;
    this.#code = code;
    this.#isThere = isThere;
  }

  /** What a job's processes are started by, ready on this machine. */
  async ready(jobId: JobId, home: ProcessId): Promise<Described> {
    const { description, isHomeGone } = await this.#describe(jobId, home);
    const fetch = (hashes: string[]) => this.#files(jobId, home, hashes);
    return {
      description: await this.#code.prepare(description, { jobId, fetch }),
      isHomeGone,
    };
  }

  /** What it answers to processes of this machine. */
  requests(): RequestHandlers {
    return {
      "job.bring": async ({ jobId, home, url }) => {
        const { description } = await this.#describe(jobId, home, url);
        const fetch = (hashes: string[]) => this.#files(jobId, home, hashes);
        await this.#code.bring(description, { jobId, fetch });
        return {};
      },
    };
  }

  /** A connection that ends is not yet the program's end: while its node lives it is asked again. */
  async #atHome<Answer>(
    home: ProcessId,
    ask: (peer: Peer) => Promise<Answer>,
  ): Promise<Answer> {
    const untilMs = monotonicMs() + limits.homeAskMs;
    for (let waitMs = limits.redialMs;; waitMs *= 2) {
      try {
        return await ask(await this.#network.peer(home));
      } catch (error) {
        const isOver = !(error instanceof PeerEndedError) ||
          !this.#isThere(nodeTagOf(home)) || monotonicMs() + waitMs > untilMs;
        if (isOver) throw error;
        log.debug(`process ${home} is asked again: ${error}`);
      }
      await delay(waitMs);
    }
  }

  async #describe(
    jobId: JobId,
    home: ProcessId,
    wanted?: string,
  ): Promise<Described> {
    try {
      const description = await this.#atHome(
        home,
        (peer) =>
          peer.request("job.describe", {
            jobId,
            ...(wanted === undefined ? {} : { wanted }),
          }),
      );
      return { description, isHomeGone: false };
    } catch (error) {
      const { description } = await this.#head.request("job.kept", { jobId });
      if (description !== undefined) return { description, isHomeGone: true };
      throw error;
    }
  }

  async #files(
    jobId: JobId,
    home: ProcessId,
    hashes: string[],
  ): Promise<Contents> {
    const ask = { jobId, hashes };
    try {
      return (await this.#atHome(
        home,
        (peer) => peer.request("job.files", ask),
      )).contents;
    } catch (error) {
      const { description } = await this.#head.request("job.kept", { jobId });
      if (description === undefined) throw error;
      return (await this.#head.request("job.files", ask)).contents;
    }
  }
}
