/**
 * Takes connections of other nodes: lets in who knows the token, makes links,
 * and gives those that lost their connection a new one.
 *
 * Connections that have not proved themselves are few: where there are more,
 * the oldest goes, so that strangers who say nothing keep nobody out.
 *
 * @module
 */
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import { greetAsListener } from "./handshake.ts";
import { Link, type LinkIdentity, type LinkTiming } from "./link.ts";
import type { DialWord, ListenWord } from "./link_dial.ts";
import { listenAt, type NetConn, type NetListener } from "./listening.ts";
import { closeUnlessClosed } from "./streams.ts";

/** What a node that speaks TLS has: PEM texts. */
export interface TlsServer {
  cert: string;
  key: string;
}

/** How connections are taken. */
export interface ListenOptions {
  hostname: string;
  /** 0 picks one. */
  port: number;
  tls?: TlsServer;
  token?: string;
  clusterId(): string;
  self(): LinkIdentity;
  timing?: LinkTiming;
  /** Why a node is not let in, if it is not. */
  refusal?(remote: LinkIdentity): string | undefined;
  onLink(link: Link): void;
}

/** Listens on one port. */
export class LinkListener {
  /** `HOST:PORT` that it listens on. */
  readonly address: string;
  readonly #options: ListenOptions;
  readonly #listener: NetListener;
  readonly #links = new Map<string, Link>();
  /** Not let in yet, the oldest first. */
  readonly #strangers = new Set<NetConn>();
  readonly #accepting: Promise<void>;
  #warnedCount = 0;

  constructor(options: ListenOptions) {
    this.#options = options;
    const { hostname, port, tls } = options;
    this.#listener = listenAt({ hostname, port, tls }, {
      cannot: "Cannot listen on",
      taken: "another process has it; choose another --port, or 0 for any",
    });
    const { addr } = this.#listener;
    const host = addr.hostname.includes(":")
      ? `[${addr.hostname}]`
      : addr.hostname;
    this.address = `${host}:${addr.port}`;
    this.#accepting = this.#accept();
  }

  /** Takes no more connections; links that there are go on without. */
  async close(): Promise<void> {
    this.#listener.close();
    for (const conn of this.#strangers) closeUnlessClosed(conn);
    await this.#accepting;
  }

  async #accept(): Promise<void> {
    for (;;) {
      try {
        const conn = await this.#listener.accept();
        this.#greet(conn);
      } catch (error) {
        if (error instanceof Deno.errors.BadResource) return;
        if (error instanceof Deno.errors.Interrupted) return;
        // One connection that broke at once keeps no other out.
        log.debug(`a connection was not taken: ${error}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }

  async #greet(conn: NetConn): Promise<void> {
    const { hostname, port } = conn.remoteAddr as Deno.NetAddr;
    const peerName = `${hostname}:${port}`;
    this.#strangers.add(conn);
    if (this.#strangers.size > limits.strangersMax) {
      const [oldest] = this.#strangers;
      this.#strangers.delete(oldest!);
      closeUnlessClosed(oldest!);
    }
    try {
      conn.unref();
      if ("setNoDelay" in conn) conn.setNoDelay(true);
      const { token } = this.#options;
      const { linkId, resume, link } = await greetAsListener(conn, {
        token,
        clusterId: this.#options.clusterId(),
        peerName,
        answerOf: (told) => this.#answer(told as DialWord),
      });
      if (link === undefined) return closeUnlessClosed(conn);
      link.connected(conn, resume ?? 0);
      if (resume === undefined) {
        this.#links.set(linkId, link);
        link.closed.then(() => this.#links.delete(linkId));
        this.#options.onLink(link);
      }
    } catch (error) {
      closeUnlessClosed(conn);
      // One that had to make room for others is not told of.
      if (this.#strangers.has(conn)) this.#warn(error);
    } finally {
      this.#strangers.delete(conn);
    }
  }

  #answer(
    { identity, linkId, resume }: DialWord,
  ): {
    answer: ListenWord;
    told: {
      linkId: string;
      resume: number | undefined;
      link: Link | undefined;
    };
  } {
    const refuse = (refused: string) => ({
      answer: { refused },
      told: { linkId, resume, link: undefined },
    });
    const reason = this.#options.refusal?.(identity);
    if (reason !== undefined) return refuse(reason);
    const { timing } = this.#options;
    const link = resume === undefined
      ? new Link({ id: linkId, remote: identity, isDialled: false, timing })
      : this.#links.get(linkId);
    if (link === undefined || link.isClosed) {
      return refuse("this side has given the link up");
    }
    return {
      answer: { identity: this.#options.self(), hasSeq: link.receivedSeq },
      told: { linkId, resume, link },
    };
  }

  /** Strangers are told of, but can't fill a log. */
  #warn(error: unknown): void {
    const text = (error as Error).message;
    if (this.#warnedCount++ < limits.strangersSaidMax) log.warn(text);
    else log.debug(text);
  }
}
