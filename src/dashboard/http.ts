/**
 * A small HTTP/1.1 server: one request a connection, without a body, answered
 * and closed.
 *
 * Deno's own has no deadline for a request's head, no bound on connections, and
 * shows a path that was tidied. What is kept here of HTTP is what a page and
 * its questions take, and every length and wait of it is bounded.
 *
 * @module
 */
import { afterMs } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import {
  listenAt,
  type ListenPlace,
  type NetConn,
  type NetListener,
} from "../wire/listening.ts";
import { closeUnlessClosed, writeAll } from "../wire/streams.ts";

/** A request, as it was sent. */
export interface HttpRequest {
  readonly method: string;
  /** Before the question mark; nothing in it is decoded or tidied. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** By name in lower case. */
  readonly headers: ReadonlyMap<string, string>;
}

/** What is answered. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Bounds that a test may set closer. */
export interface HttpLimits {
  connsMax: number;
  headBytesMax: number;
  headMs: number;
  answerMs: number;
}

const reasons: Record<number, string> = {
  200: "OK",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  421: "Misdirected Request",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
};
const requestLine = /^([!#$%&'*+\-.^_`|~\w]{1,32}) (\/[!-~]*) HTTP\/1\.[01]$/;
const headerLine = /^([!#$%&'*+\-.^_`|~\w]+):[ \t]*([ -~\x80-\xff\t]*?)[ \t]*$/;
const lingerMs = 500;
const lingerBytesMax = 1 << 20;

/** Answers requests at one port. */
export class HttpServer implements AsyncDisposable {
  readonly port: number;
  readonly #listener: NetListener;
  readonly #answer: (request: HttpRequest) => Promise<HttpAnswer>;
  readonly #limits: HttpLimits;
  /** Those whose request is not there yet, the oldest first. */
  readonly #silent = new Set<NetConn>();
  readonly #open = new Map<NetConn, Promise<void>>();
  readonly #accepting: Promise<void>;

  constructor(
    place: ListenPlace,
    answer: (request: HttpRequest) => Promise<HttpAnswer>,
    bounds: HttpLimits = {
      connsMax: limits.dashboardConnsMax,
      headBytesMax: limits.dashboardHeadBytesMax,
      headMs: limits.dashboardHeadMs,
      answerMs: limits.dashboardAnswerMs,
    },
  ) {
    this.#answer = answer;
    this.#limits = bounds;
    this.#listener = listenAt(place, {
      cannot: "Cannot serve a dashboard at",
      taken: "another process has that port; choose another, or 0 for any",
    });
    this.port = this.#listener.addr.port;
    this.#accepting = this.#accept();
  }

  /** Takes no more, and ends what there is. */
  async close(): Promise<void> {
    this.#listener.close();
    for (const conn of this.#open.keys()) closeUnlessClosed(conn);
    await this.#accepting;
    await Promise.all(this.#open.values());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #accept(): Promise<void> {
    for (;;) {
      try {
        this.#take(await this.#listener.accept());
      } catch (error) {
        const isClosed = error instanceof Deno.errors.BadResource ||
          error instanceof Deno.errors.Interrupted;
        if (isClosed) return;
        // One connection that broke at once keeps no other out.
        log.debug(`a connection was not taken: ${error}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }

  #take(conn: NetConn): void {
    const { connsMax } = this.#limits;
    if (this.#open.size >= connsMax) {
      const [oldest] = this.#silent;
      if (oldest === undefined) return closeUnlessClosed(conn);
      this.#silent.delete(oldest);
      closeUnlessClosed(oldest);
    }
    const served = this.#serve(conn).catch((error) => {
      log.debug(`a connection ended: ${error}`);
    }).finally(() => {
      this.#silent.delete(conn);
      this.#open.delete(conn);
      closeUnlessClosed(conn);
    });
    this.#open.set(conn, served);
  }

  async #serve(conn: NetConn): Promise<void> {
    const { headMs, headBytesMax, answerMs } = this.#limits;
    this.#silent.add(conn);
    const request = await timed(
      conn,
      headMs,
      () => readHead(conn, headBytesMax),
    );
    this.#silent.delete(conn);
    if (request === undefined) return;
    const isRefused = "status" in request;
    const answer = isRefused ? request : await this.#answerTo(request);
    const hasBody = isRefused || request.method !== "HEAD";
    await timed(conn, answerMs, () => writeAll(conn, bytesOf(answer, hasBody)));
    await timed(conn, lingerMs, () => linger(conn));
  }

  async #answerTo(request: HttpRequest): Promise<HttpAnswer> {
    try {
      return await this.#answer(request);
    } catch (error) {
      log.warn(`a request was not answered: ${error}`);
      return refused(500, "this went wrong; MANTA_LOG=debug says more");
    }
  }
}

/** Words for a status that is none of success. */
export function refused(
  status: number,
  why: string,
  headers: Record<string, string> = {},
): HttpAnswer {
  return {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", ...headers },
    body: `${why}\n`,
  };
}

/** Runs what uses a connection, which ends where that takes too long. */
async function timed<T>(
  conn: NetConn,
  ms: number,
  run: () => Promise<T>,
): Promise<T> {
  const timer = afterMs(ms, () => closeUnlessClosed(conn));
  try {
    return await run();
  } finally {
    clearTimeout(timer);
  }
}

/** Reads a request; a refusal where it is none, and undefined where nothing came. */
async function readHead(
  conn: NetConn,
  bytesMax: number,
): Promise<HttpRequest | HttpAnswer | undefined> {
  const bytes = new Uint8Array(bytesMax);
  let count = 0;
  for (;;) {
    const read = await conn.read(bytes.subarray(count));
    if (read === null) return undefined;
    // The end may stand across two reads.
    const from = Math.max(0, count - 3);
    count += read;
    const end = endOfHead(bytes.subarray(from, count));
    if (end >= 0) return parse(bytes.subarray(0, from + end));
    if (count === bytesMax) return refused(431, "this request is too long");
  }
}

/** Where an empty line begins; -1 where there is none. */
function endOfHead(bytes: Uint8Array): number {
  for (let at = 0; at + 3 < bytes.length; at++) {
    const isEnd = bytes[at] === 13 && bytes[at + 1] === 10 &&
      bytes[at + 2] === 13 && bytes[at + 3] === 10;
    if (isEnd) return at;
  }
  return -1;
}

function parse(bytes: Uint8Array): HttpRequest | HttpAnswer {
  const [first, ...lines] = new TextDecoder("latin1").decode(bytes)
    .split("\r\n");
  const [, method, target] = requestLine.exec(first!) ?? [];
  if (method === undefined) return refused(400, "this is no request");
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = headerLine.exec(line) ?? [];
    // Twice the same: whoever stands between may have read the other one.
    if (name === undefined || headers.has(name.toLowerCase())) {
      return refused(400, "this request has a header that is none, or twice");
    }
    headers.set(name.toLowerCase(), value!);
  }
  const [path, ...rest] = target!.split("?");
  const query = new URLSearchParams(rest.join("?"));
  return { method, path: path!, query, headers };
}

function bytesOf(
  { status, headers = {}, body = "" }: HttpAnswer,
  hasBody: boolean,
): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const content = encoder.encode(body);
  const all = {
    ...headers,
    "content-length": `${content.length}`,
    connection: "close",
  };
  const head = encoder.encode(
    `HTTP/1.1 ${status} ${reasons[status] ?? "Unknown"}\r\n${
      Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
        .join("")
    }\r\n`,
  );
  const bytes = new Uint8Array(head.length + (hasBody ? content.length : 0));
  bytes.set(head);
  if (hasBody) bytes.set(content, head.length);
  return bytes;
}

/** Lets the answer arrive: closing over what was not read would cut it short. */
async function linger(conn: NetConn): Promise<void> {
  await conn.closeWrite();
  const bytes = new Uint8Array(16 * 1024);
  for (let count = 0; count < lingerBytesMax;) {
    const read = await conn.read(bytes);
    if (read === null) return;
    count += read;
  }
}
