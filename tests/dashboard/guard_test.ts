import { assertEquals } from "@std/assert";
import { Guard, type GuardPlace } from "../../src/dashboard/guard.ts";

const token = "0123456789abcdef".repeat(4);
const loopback = { hostname: "127.0.0.1", port: 8265, isTls: false, token };

function statusOf(
  place: GuardPlace,
  headers: Record<string, string>,
  { method = "GET", query = "", isPage = false } = {},
): number {
  const request = {
    method,
    path: "/",
    query: new URLSearchParams(query),
    headers: new Map(Object.entries(headers)),
  };
  return new Guard(place).refusal(request, { isPage })?.status ?? 200;
}

const bearer = { authorization: `Bearer ${token}` };

Deno.test("Guard lets in who has the token and says the right name", () => {
  for (const host of ["127.0.0.1:8265", "localhost:8265", "LOCALHOST:8265"]) {
    assertEquals(statusOf(loopback, { host, ...bearer }), 200, host);
    const origin = `http://${host}`;
    assertEquals(statusOf(loopback, { host, origin, ...bearer }), 200, origin);
  }
  const host = "127.0.0.1:8265";
  assertEquals(statusOf(loopback, { host }, { query: `token=${token}` }), 200);
});

Deno.test("Guard refuses other names and ports, token or not", () => {
  const names = [
    "",
    "127.0.0.1",
    "127.0.0.1:8266",
    "127.0.0.1:8265.evil.example",
    "127.0.0.1.evil.example:8265",
    "evil.example:8265",
    "evil@127.0.0.1:8265",
    "127.0.0.2:8265",
    "[::1]:8265",
    "localhost.:8265",
  ];
  for (const host of names) {
    assertEquals(statusOf(loopback, { host, ...bearer }), 421, host);
  }
  assertEquals(statusOf(loopback, bearer), 421);
});

Deno.test("Guard: where all addresses are bound each is good, and no stranger's name", () => {
  const open = { ...loopback, hostname: "0.0.0.0", isTls: true };
  for (const name of ["10.0.0.7", "[fe80::1]", "localhost", Deno.hostname()]) {
    const host = `${name}:8265`;
    assertEquals(statusOf(open, { host, ...bearer }), 200, host);
    const origin = `https://${host}`;
    assertEquals(statusOf(open, { host, origin, ...bearer }), 200, origin);
    const plain = `http://${host}`;
    assertEquals(statusOf(open, { host, origin: plain, ...bearer }), 403);
  }
  const host = "evil.example:8265";
  assertEquals(statusOf(open, { host, ...bearer }), 421);
  const standard = { ...open, hostname: "node.example", port: 443 };
  assertEquals(statusOf(standard, { host: "node.example", ...bearer }), 200);
});

Deno.test("Guard refuses other origins, methods and tokens", () => {
  const host = "127.0.0.1:8265";
  for (
    const origin of [
      "null",
      "http://evil.example",
      "https://127.0.0.1:8265",
      "http://127.0.0.1:8266",
      "http://localhost:8265",
    ]
  ) {
    assertEquals(statusOf(loopback, { host, origin, ...bearer }), 403, origin);
  }
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "get", "TRACE"]) {
    assertEquals(statusOf(loopback, { host, ...bearer }, { method }), 405);
  }
  const wrong = ["", "Bearer", "Bearer ", `Basic ${token}`, `Bearer ${token}0`];
  for (const authorization of [...wrong, `Bearer ${token.slice(1)}`]) {
    const headers = { host, authorization };
    assertEquals(statusOf(loopback, headers), 401, authorization);
  }
});

Deno.test("Guard: the page's cookie opens the page of its own dashboard, and nothing else", () => {
  const host = "127.0.0.1:8265";
  const request = (cookie: string) => ({
    method: "GET",
    path: "/",
    query: new URLSearchParams(),
    headers: new Map([["host", host], ["cookie", cookie]]),
  });
  const guard = new Guard(loopback);
  const [cookie] = guard.pageCookie().split(";");
  const status = (cookie: string, isPage: boolean) =>
    guard.refusal(request(cookie), { isPage })?.status ?? 200;
  assertEquals(status(cookie!, true), 200);
  assertEquals(status(`a=b; ${cookie}`, true), 200);
  assertEquals(status(cookie!, false), 401);
  assertEquals(status(`${cookie}0`, true), 401);
  assertEquals(status(`manta-page-8265=${token}`, true), 401);
  const [other] = new Guard(loopback).pageCookie().split(";");
  assertEquals(status(other!, true), 401);
});
