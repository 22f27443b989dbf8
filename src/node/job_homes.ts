/**
 * What a node asks of a job's home, the driver's node: what its processes are
 * started by, and its files. Where that is gone the head knows, for jobs that
 * have detached actors.
 *
 * @module
 */
import type { JobId, ProcessId } from "../base/ids.ts";
import type { Contents } from "../base/program_code.ts";
import type { Network } from "../wire/network.ts";
import type { RequestHandlers } from "../wire/peer.ts";
import type { StandingPeer } from "../wire/standing_peer.ts";
import type { Described } from "./jobs.ts";
import type { CodeKeeper } from "./shipped_code.ts";

/** Asks for jobs. */
export class JobHomes {
  readonly #network: Network;
  readonly #head: StandingPeer;
  readonly #code: CodeKeeper;

  constructor(
    { network, head, code }: {
      network: Network;
      head: StandingPeer;
      code: CodeKeeper;
    },
  ) {
    this.#network = network;
    this.#head = head;
    this.#code = code;
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

  async #describe(
    jobId: JobId,
    home: ProcessId,
    wanted?: string,
  ): Promise<Described> {
    try {
      const peer = await this.#network.peer(home);
      const description = await peer.request("job.describe", {
        jobId,
        ...(wanted === undefined ? {} : { wanted }),
      });
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
      const peer = await this.#network.peer(home);
      return (await peer.request("job.files", ask)).contents;
    } catch (error) {
      const { description } = await this.#head.request("job.kept", { jobId });
      if (description === undefined) throw error;
      return (await this.#head.request("job.files", ask)).contents;
    }
  }
}
