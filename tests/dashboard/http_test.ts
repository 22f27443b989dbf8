import { assert, assertEquals, assertThrows } from "@std/assert";
import { MantaError } from "../../src/base/errors.ts";
import {
  type HttpLimits,
  type HttpRequest,
  HttpServer,
} from "../../src/dashboard/http.ts";
import { until } from "../support/notes.ts";

const bounds = {
  connsMax: 4,
  headBytesMax: 1024,
  headMs: 10_000,
  answerMs: 10_000,
};

/** A server that keeps what it was asked. */
function serve(
  closer: Partial<HttpLimits> = {},
): { server: HttpServer; asked: HttpRequest[] } {
  const asked: HttpRequest[] = [];
  const server = new HttpServer(
    { hostname: "127.0.0.1", port: 0 },
    (request) => {
      asked.push(request);
      if (request.path === "/wrong") throw new Error("no such luck");
      const body = "x".repeat(Number(request.query.get("length") ?? 2));
      return Promise.resolve({ status: 200, headers: { a: "b" }, body });
    },
    { ...bounds, ...closer },
  );
  return { server, asked };
}

async function connect({ port }: HttpServer): Promise<Deno.TcpConn> {
  return await Deno.connect({ hostname: "127.0.0.1", port });
}

/** All that comes until the end. */
async function rest(conn: Deno.TcpConn): Promise<string> {
  const chunks: string[] = [];
  for await (const text of conn.readable.pipeThrough(new TextDecoderStream())) {
    chunks.push(text);
  }
  return chunks.join("");
}

/** Sends pieces, one after the other, and reads the answer. */
async function send(server: HttpServer, ...pieces: string[]): Promise<string> {
  const conn = await connect(server);
  const encoder = new TextEncoder();
  for (const piece of pieces) await conn.write(encoder.encode(piece));
  return await rest(conn);
}

Deno.test("HttpServer answers one request a connection, and closes", async () => {
  const { server, asked } = serve();
  await using _server = server;
  const answer = await send(
    server,
    "GET /a/../b?c=d%20e&f HTTP/1.1\r\nHo",
    "st: x:1\r\nEmpty:\r\n\r",
    "\nGET /second HTTP/1.1\r\n\r\n",
  );
  assertEquals(
    answer,
    "HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 2\r\nconnection: close\r\n\r\nxx",
  );
  assertEquals(asked.length, 1);
  const [{ method, path, query, headers }] = asked as [HttpRequest];
  assertEquals([method, path], ["GET", "/a/../b"]);
  assertEquals([...query], [["c", "d e"], ["f", ""]]);
  assertEquals([...headers], [["host", "x:1"], ["empty", ""]]);
  const head = await send(server, "HEAD /?length=7 HTTP/1.1\r\n\r\n");
  assert(head.includes("content-length: 7\r\n"), head);
  assert(head.endsWith("\r\n\r\n"), head);
});

Deno.test("HttpServer: a long answer arrives whole, also where a body came that nobody reads", async () => {
  const { server } = serve();
  await using _server = server;
  const body = "y".repeat(100_000);
  const answer = await send(
    server,
    `POST /?length=3000000 HTTP/1.1\r\ncontent-length: ${body.length}\r\n\r\n`,
    body,
  );
  assertEquals(answer.split("\r\n\r\n")[1]!.length, 3_000_000);
});

Deno.test("HttpServer refuses what is no request, and goes on", async () => {
  const { server, asked } = serve();
  await using _server = server;
  for (
    const bad of [
      "nonsense",
      "GET http://evil.example/ HTTP/1.1",
      "GET * HTTP/1.1",
      "GET /a b HTTP/1.1",
      "GET / HTTP/2.0",
      "GET /\x01 HTTP/1.1",
      "\x16\x03\x01\x02",
      "GET / HTTP/1.1\r\nHost: a\r\nhost: b",
      "GET / HTTP/1.1\r\nHost : a",
      "GET / HTTP/1.1\r\n folded",
      "GET / HTTP/1.1\r\na: b\x00",
    ]
  ) {
    const answer = await send(server, `${bad}\r\n\r\n`);
    assert(answer.startsWith("HTTP/1.1 400 "), `${bad}: ${answer}`);
  }
  assertEquals(asked.length, 0);
  const long = await send(server, `GET /${"a".repeat(2000)} HTTP/1.1\r\n\r\n`);
  assert(long.startsWith("HTTP/1.1 431 "), long);
  const wrong = await send(server, "GET /wrong HTTP/1.1\r\n\r\n");
  assert(wrong.startsWith("HTTP/1.1 500 "), wrong);
  assert(!wrong.includes("no such luck"), wrong);
});

Deno.test("HttpServer ends who takes too long to ask, or to read", async () => {
  const { server } = serve({ headMs: 20, answerMs: 50, connsMax: 1 });
  await using _server = server;
  assertEquals(await send(server, "GET / HT"), "");
  const conn = await connect(server);
  const ask = "GET /?length=100000000 HTTP/1.1\r\n\r\n";
  await conn.write(new TextEncoder().encode(ask));
  // Nothing of the answer is read. There is room for another once it is given up.
  const other = () => send(server, "GET / HTTP/1.1\r\n\r\n").catch(String);
  await until(
    async () => (await other()).includes(" 200 "),
    "room for another",
  );
  const read = await rest(conn).catch(String);
  assert(read.length < 100_000_000);
});

Deno.test("HttpServer: silent connections keep nobody out", async () => {
  const { server } = serve();
  await using _server = server;
  const silent = [];
  for (let at = 0; at < 3 * bounds.connsMax; at++) {
    silent.push(await connect(server));
  }
  const answer = await send(server, "GET / HTTP/1.1\r\n\r\n");
  assert(answer.startsWith("HTTP/1.1 200 "), answer);
  for (const conn of silent) conn.close();
});

Deno.test("HttpServer: a port that is taken is named; closed, it is free", async () => {
  const { server } = serve();
  const { port } = server;
  const again = () =>
    new HttpServer(
      { hostname: "127.0.0.1", port },
      () => Promise.resolve({ status: 200 }),
    );
  assertThrows(again, MantaError, `127.0.0.1:${port}: another process`);
  const open = await connect(server);
  await server.close();
  assertEquals(await rest(open), "");
  await again().close();
});
