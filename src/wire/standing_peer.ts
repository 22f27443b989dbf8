/**
 * Somebody who is to be asked for as long as the session lasts, whichever
 * connection there is at the moment: the head of a cluster may be killed and
 * come back.
 *
 * A request whose connection ended is made again, so it must be one that can
 * be heard twice. Notices wait for a connection; one that was on its way when
 * a connection ended may be lost.
 *
 * @module
 */
import { afterMs, type Timer } from "../base/clock.ts";
import type { ProcessId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import type { Notices, Requests } from "./messages.ts";
import type { Network } from "./network.ts";
import { type Peer, PeerEndedError } from "./peer.ts";

/** Who answers requests and hears notices: one connection, or whichever there is. */
export type Asker = Pick<Peer, "request" | "notify" | "isEnded">;

/** What a {@linkcode StandingPeer} is told of. */
export interface StandingEvents {
  /** There is a connection; `isAgain` after an earlier one ended. */
  connected(isAgain: boolean): void;
}

/** A peer that is dialled again whenever it ends. */
export class StandingPeer implements Asker {
  readonly #network: Network;
  readonly #processId: ProcessId;
  readonly #events: StandingEvents;
  readonly #waitingNotices: ((peer: Peer) => void)[] = [];
  readonly #closing = Promise.withResolvers<never>();
  #peer: Peer | undefined;
  #connecting: Promise<Peer> | undefined;
  #hasConnected = false;
  #isClosed = false;

  constructor(
    network: Network,
    processId: ProcessId,
    events: StandingEvents = { connected: () => {} },
  ) {
    this.#network = network;
    this.#processId = processId;
    this.#events = events;
    this.#closing.promise.catch(() => {}); // Whoever waits is told.
  }

  /** Whether it was given up. */
  get isEnded(): boolean {
    return this.#isClosed;
  }

  /** Asks, again where the connection ended before the answer. Rejects where it is refused, or this side closes. */
  async request<K extends keyof Requests>(
    kind: K,
    ask: Requests[K]["ask"],
  ): Promise<Requests[K]["answer"]> {
    for (;;) {
      const peer = this.#peer ?? await this.#connected();
      try {
        return await Promise.race([
          peer.request(kind, ask),
          this.#closing.promise,
        ]);
      } catch (error) {
        if (this.#isClosed || !(error instanceof PeerEndedError)) throw error;
      }
    }
  }

  /** Says something, as soon as there is a connection. */
  notify<K extends keyof Notices>(kind: K, notice: Notices[K]): void {
    if (this.#isClosed) return;
    if (this.#peer !== undefined) return this.#peer.notify(kind, notice);
    this.#waitingNotices.push((peer) => peer.notify(kind, notice));
    this.#connected().catch(() => {}); // Closed meanwhile: nobody hears it.
  }

  /** Resolves when all notices so far are handed to the system, if there is a connection. */
  async flush(): Promise<void> {
    await this.#peer?.flush();
  }

  /** Nothing is asked any more. */
  close(): void {
    this.#isClosed = true;
    this.#closing.reject(
      new PeerEndedError("Cannot ask: this process is leaving"),
    );
  }

  #connected(): Promise<Peer> {
    this.#connecting ??= this.#connect().finally(() =>
      this.#connecting = undefined
    );
    return this.#connecting;
  }

  async #connect(): Promise<Peer> {
    let delayMs: number = limits.redialMs;
    const warning = afterMs(limits.waitWarnMs, () => {
      log.warn("still waiting for the head of the cluster to come back");
    });
    try {
      for (;;) {
        try {
          const peer = await Promise.race([
            this.#network.peer(this.#processId),
            this.#closing.promise,
          ]);
          this.#adopt(peer);
          return peer;
        } catch (error) {
          if (this.#isClosed) throw error;
          log.debug(`the head does not answer yet: ${error}`);
        }
        await this.#pause(delayMs);
        delayMs = Math.min(delayMs * 2, limits.redialMsMax);
      }
    } finally {
      clearTimeout(warning);
    }
  }

  #adopt(peer: Peer): void {
    this.#peer = peer;
    const isAgain = this.#hasConnected;
    this.#hasConnected = true;
    for (const send of this.#waitingNotices.splice(0)) send(peer);
    this.#events.connected(isAgain);
    peer.closed.then(async () => {
      this.#peer = undefined;
      // It may have ended while it was still being adopted.
      await this.#connecting?.catch(() => {});
      if (this.#isClosed || this.#peer !== undefined) return;
      this.#connected().catch(() => {}); // Closed meanwhile.
    });
  }

  async #pause(delayMs: number): Promise<void> {
    let timer: Timer | undefined;
    const passed = new Promise<void>((resolve) => {
      timer = afterMs(delayMs, resolve);
    });
    try {
      await Promise.race([passed, this.#closing.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}
