/**
 * What others know of an actor: the head, or while it is on its way the process
 * that makes it.
 *
 * @module
 */
import { type ActorId, makerOf } from "../base/ids.ts";
import type { ActorState } from "../wire/messages.ts";
import type { Network } from "../wire/network.ts";
import type { RequestHandlers } from "../wire/peer.ts";
import type { ActorBirths } from "./actor_births.ts";
import type { Callees } from "./callees.ts";
import type { OwnerPort } from "./owner_port.ts";

/** Asks for one process, and answers for the actors that it makes. */
export class ActorDirectory {
  readonly #owner: OwnerPort;
  readonly #rooms: { network: Network; births: ActorBirths; callees: Callees };

  constructor(
    owner: OwnerPort,
    rooms: { network: Network; births: ActorBirths; callees: Callees },
  ) {
    this.#owner = owner;
    this.#rooms = rooms;
  }

  /** How an actor is, whatever it is known by; from now on the head tells. */
  async stateOf(actorId: ActorId): Promise<ActorState> {
    const ask = () => this.#owner.head.request("actor.watch", { actorId });
    const state = await ask();
    if (state.isUnknown !== true) return state;
    const { reason } = await this.#askMaker(actorId);
    return reason === undefined ? await ask() : { ...state, reason };
  }

  /** Ends an actor at once; resolves when it has ended. */
  async kill(
    actorId: ActorId,
    { noRestart }: { noRestart: boolean },
  ): Promise<void> {
    const { births, callees } = this.#rooms;
    if (births.kill(actorId, { noRestart })) return;
    await births.created(actorId);
    for (const isAgain of [false, true]) {
      const { isUnknown } = await this.#owner.askHead("actor.kill", {
        actorId: callees.realId(actorId),
        noRestart,
      });
      if (isUnknown !== true || isAgain) return;
      await this.#askMaker(actorId, { noRestart });
    }
  }

  /** What it answers to others of the actors that this process makes. */
  requests(): RequestHandlers {
    const { births, callees } = this.#rooms;
    return {
      "actor.birth": async ({ actorId, kill }) => {
        if (kill !== undefined && births.kill(actorId, kill)) return {};
        await births.created(actorId);
        const news = callees.get(actorId)?.order.news;
        return news?.phase === "dead" && news.reason !== undefined
          ? { reason: news.reason }
          : {};
      },
    };
  }

  /** Resolves once an actor of another process's making is known to the head, or never will be. */
  async #askMaker(
    actorId: ActorId,
    kill?: { noRestart: boolean },
  ): Promise<{ reason?: string }> {
    const { ownerId } = makerOf(actorId);
    if (ownerId === this.#owner.self) return {};
    try {
      const peer = await this.#rooms.network.peer(ownerId);
      return await peer.request("actor.birth", {
        actorId,
        ...(kill === undefined ? {} : { kill }),
      });
    } catch {
      // It has ended: it makes nothing any more.
      return {};
    }
  }
}
