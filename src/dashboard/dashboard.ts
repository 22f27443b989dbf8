/**
 * A dashboard: one page and the data it shows, at one port, for who has the
 * token.
 *
 * Reads only. Where the data comes from is its source; who is let in is the
 * guard's.
 *
 * @module
 */
import { MantaError } from "../base/errors.ts";
import { randomHex } from "../base/ids.ts";
import { log } from "../base/log.ts";
import type { ListenPlace } from "../wire/listening.ts";
import { Guard } from "./guard.ts";
import {
  type HttpAnswer,
  type HttpRequest,
  HttpServer,
  refused,
} from "./http.ts";
import { contentPolicy, page } from "./page.ts";
import { RouteError, routeOf } from "./routes.ts";
import type { Source } from "./source.ts";

/** Where and how a dashboard is served. */
export interface DashboardPlace extends ListenPlace {
  /** Of 256 bits; default: a fresh one. */
  token?: string | undefined;
}

const tokenBytes = 32;
const secure: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy": contentPolicy,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

/** Serves until it is closed. */
export class Dashboard implements AsyncDisposable {
  /** With the token. */
  readonly url: string;
  readonly #source: Source;
  readonly #guard: Guard;
  readonly #server: HttpServer;
  /** Questions under way: several pages that ask the same are one question. */
  readonly #asked = new Map<string, Promise<HttpAnswer>>();

  constructor(
    source: Source,
    { token = randomHex(tokenBytes), ...place }: DashboardPlace,
  ) {
    this.#source = source;
    this.#server = new HttpServer(place, (request) => this.#answer(request));
    const { hostname } = place;
    const { port } = this.#server;
    const isTls = place.tls !== undefined;
    this.#guard = new Guard({ hostname, port, isTls, token });
    this.url = `${isTls ? "https" : "http"}://${
      hostOf(hostname)
    }:${port}/?token=${token}`;
  }

  /** Takes no more questions, and leaves what it asked. */
  async close(): Promise<void> {
    const closed = this.#server.close();
    await this.#source[Symbol.asyncDispose]();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #answer(request: HttpRequest): Promise<HttpAnswer> {
    const isPage = request.path === "/";
    const answer = this.#guard.refusal(request, { isPage }) ??
      (isPage ? this.#page() : await this.#data(request));
    return { ...answer, headers: { ...secure, ...answer.headers } };
  }

  #page(): HttpAnswer {
    return {
      status: 200,
      headers: {
        "content-type": "text/html; charset=utf-8",
        "set-cookie": this.#guard.pageCookie(),
      },
      body: page,
    };
  }

  async #data({ path, query }: HttpRequest): Promise<HttpAnswer> {
    const route = routeOf(path);
    if (route === undefined) return refused(404, "there is nothing here");
    const asked = new URLSearchParams(query);
    asked.delete("token");
    const key = `${path}?${asked}`;
    let answer = this.#asked.get(key);
    if (answer === undefined) {
      answer = this.#ask(async () => route(await this.#source.reach(), asked))
        .finally(() => this.#asked.delete(key));
      this.#asked.set(key, answer);
    }
    return await answer;
  }

  async #ask(act: () => Promise<unknown>): Promise<HttpAnswer> {
    try {
      return json(200, await act());
    } catch (error) {
      if (error instanceof RouteError) {
        return json(error.status, { error: error.message });
      }
      if (!(error instanceof Error)) throw error;
      // Who was asked is gone, or on its way.
      log.debug(`a dashboard's question failed: ${error.stack}`);
      const isTold = error instanceof MantaError;
      const why = isTold ? error.message : `Cannot ask: ${error.message}`;
      return json(503, { error: why });
    }
  }
}

function json(status: number, value: unknown): HttpAnswer {
  return {
    status,
    headers: { "content-type": "application/json; charset=utf-8" },
    body: JSON.stringify(value),
  };
}

/** What of a bound address a browser can go to. */
function hostOf(hostname: string): string {
  if (hostname === "0.0.0.0" || hostname === "::") return Deno.hostname();
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}
