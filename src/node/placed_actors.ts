/**
 * The actors that the head places on this node, whichever job's they are; and
 * those that are still on their way to their job's part, which may take a while
 * to be made.
 *
 * How they run is in `actor_hosts.ts`.
 *
 * @module
 */
import { RuntimeEnvSetupError } from "../base/errors.ts";
import type { ActorId, JobId, ProcessId } from "../base/ids.ts";
import type { ActorPlace } from "../wire/facts.ts";
import type { Requests } from "../wire/messages.ts";
import type { NoticeHandlers, RequestHandlers } from "../wire/peer.ts";
import type { ActorHosts } from "./actor_hosts.ts";

type Part = {
  readonly hosts: Pick<ActorHosts, "start" | "stop" | "runs" | "places">;
};

/** How an incarnation ended. */
export interface ActorEnd {
  incarnation: number;
  reason: string;
}

/** What taking actors in takes. */
export interface PlacedRooms {
  /** A job's part on this machine; made if there is none yet. */
  partOf(jobId: JobId, home: ProcessId): Promise<Part>;
  parts(): Iterable<Part>;
  /** An actor is no more, or will never be: the head is told. */
  ended(actorId: ActorId, how: ActorEnd): void;
  /** Something of this machine's load has changed. */
  loaded(): void;
}

type Answer = Requests["actor.place"]["answer"];

interface Arriving {
  readonly incarnation: number;
  readonly placed: Promise<Answer>;
  /** It is not to be any more, and why. */
  haltReason: string | undefined;
}

/** Takes in the actors of one machine. */
export class PlacedActors {
  readonly #rooms: PlacedRooms;
  readonly #arriving = new Map<ActorId, Arriving>();

  constructor(rooms: PlacedRooms) {
    this.#rooms = rooms;
  }

  /** What it answers the head. */
  requests(): RequestHandlers {
    return {
      "actor.place": async (ask) => {
        const { actorId } = ask.spec;
        let arriving = this.#arriving.get(actorId);
        if (arriving?.incarnation !== ask.incarnation) {
          const { promise: placed, resolve } = Promise.withResolvers<Answer>();
          const { incarnation } = ask;
          arriving = { incarnation, placed, haltReason: undefined };
          this.#arriving.set(actorId, arriving);
          this.#place(ask, arriving).then(resolve);
        }
        return await arriving.placed;
      },
      "actor.runs": async (call) => {
        for (const { hosts } of this.#rooms.parts()) {
          if (await hosts.runs(call)) return { isRunning: true };
        }
        return { isRunning: false };
      },
    };
  }

  /** What it hears from the head. */
  notices(): NoticeHandlers {
    return {
      "actor.halt": ({ actorId, ...how }) => {
        const arriving = this.#arriving.get(actorId);
        const { incarnation = arriving?.incarnation } = how;
        if (arriving !== undefined && arriving.incarnation === incarnation) {
          arriving.haltReason = how.reason;
        }
        for (const { hosts } of this.#rooms.parts()) hosts.stop(actorId, how);
      },
    };
  }

  /** All that run here, wait, or are on their way. */
  places(): ActorPlace[] {
    const arriving = [...this.#arriving].map(([actorId, { incarnation }]) => ({
      actorId,
      incarnation,
    }));
    const parts = [...this.#rooms.parts()];
    return [...arriving, ...parts.flatMap(({ hosts }) => hosts.places())];
  }

  async #place(
    { spec, incarnation }: Requests["actor.place"]["ask"],
    arriving: Arriving,
  ): Promise<Answer> {
    const { actorId, jobId, home } = spec;
    let failure: string | undefined;
    let isRefused = false;
    try {
      const { hosts } = await this.#rooms.partOf(jobId, home);
      if (arriving.haltReason === undefined) hosts.start(spec, incarnation);
    } catch (error) {
      failure = `its node did not start it: ${(error as Error).message}`;
      isRefused = error instanceof RuntimeEnvSetupError;
    }
    if (this.#arriving.get(actorId) === arriving) {
      this.#arriving.delete(actorId);
    }
    this.#rooms.loaded();
    const reason = arriving.haltReason ?? failure;
    if (reason === undefined) return {};
    if (isRefused && reason === failure) return { refusal: reason };
    this.#rooms.ended(actorId, { incarnation, reason });
    return {};
  }
}
