/**
 * Who may ask a dashboard: whoever has its token, by its own name, and no other
 * site's page.
 *
 * Decides over a request's head and nothing else. The token opens all; the
 * cookie that comes with the page opens the page alone, which is empty without
 * the token: a browser sends cookies to every port of a host, so what other
 * servers of this machine get to see of it is worth nothing.
 *
 * @module
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { randomHex } from "../base/ids.ts";
import { type HttpAnswer, type HttpRequest, refused } from "./http.ts";

const pageKeyBytes = 32;
const ipv4 = /^\d{1,3}(\.\d{1,3}){3}$/;
const ipv6 = /^\[[0-9a-f:]+\]$/;

/** What a dashboard listens on. */
export interface GuardPlace {
  /** As it is bound. */
  hostname: string;
  port: number;
  isTls: boolean;
  token: string;
}

/** Decides who is let in. */
export class Guard {
  readonly #place: GuardPlace;
  readonly #pageKey = randomHex(pageKeyBytes);

  constructor(place: GuardPlace) {
    this.#place = place;
  }

  /** Why a request is refused; undefined where it is let in. */
  refusal(request: HttpRequest, { isPage }: { isPage: boolean }):
    | HttpAnswer
    | undefined {
    const { method, headers } = request;
    const host = headers.get("host");
    if (host === undefined || !this.#isOwn(host)) {
      return refused(421, "this dashboard is not at that host");
    }
    const origin = headers.get("origin");
    const scheme = this.#place.isTls ? "https" : "http";
    if (origin !== undefined && origin !== `${scheme}://${host}`) {
      return refused(403, "other sites may not ask this dashboard");
    }
    if (method !== "GET" && method !== "HEAD") {
      return refused(405, "a dashboard only shows", { allow: "GET, HEAD" });
    }
    if (this.#hasToken(request)) return undefined;
    if (isPage && this.#hasPageKey(request)) return undefined;
    return refused(
      401,
      "this dashboard opens by the URL that was printed, with its token",
    );
  }

  /** What lets a browser load the page again without the token. */
  pageCookie(): string {
    const secure = this.#place.isTls ? "; Secure" : "";
    return `${this.#cookieName}=${this.#pageKey}; HttpOnly; SameSite=Strict; Path=/${secure}`;
  }

  get #cookieName(): string {
    return `manta-page-${this.#place.port}`;
  }

  #hasToken({ headers, query }: HttpRequest): boolean {
    const [, bearer] = /^Bearer (\S+)$/i.exec(
      headers.get("authorization") ?? "",
    ) ?? [];
    return isSame(bearer ?? query.get("token") ?? "", this.#place.token);
  }

  #hasPageKey({ headers }: HttpRequest): boolean {
    const cookies = (headers.get("cookie") ?? "").split("; ");
    const own = cookies.find((each) => each.startsWith(`${this.#cookieName}=`));
    return isSame(own?.slice(this.#cookieName.length + 1) ?? "", this.#pageKey);
  }

  /**
   * Whether a `Host` is this dashboard's: a page that has its own name resolved
   * to this machine (DNS rebinding) says that name. An address can't be such
   * a name, so where all addresses are bound each is good.
   */
  #isOwn(host: string): boolean {
    const { hostname, port, isTls } = this.#place;
    const [, name, given] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(
      host.toLowerCase(),
    ) ?? [];
    if (name === undefined) return false;
    if (Number(given ?? (isTls ? 443 : 80)) !== port) return false;
    const bound = hostname.includes(":") ? `[${hostname}]` : hostname;
    if (bound === "0.0.0.0" || bound === "[::]") {
      return ipv4.test(name) || ipv6.test(name) || name === "localhost" ||
        name === Deno.hostname().toLowerCase();
    }
    const isLoopback = /^(127\.\d+\.\d+\.\d+|\[::1\]|localhost)$/.test(bound);
    return name === bound.toLowerCase() || isLoopback && name === "localhost";
  }
}

/** Compares two secrets in a time that says nothing of them. */
function isSame(given: string, known: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(known));
}
