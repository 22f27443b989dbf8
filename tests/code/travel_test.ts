import { assertEquals, assertMatch } from "@std/assert";
import { type Outcome, travel } from "./ship.ts";

function values(outcomes: Record<string, Outcome>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(outcomes).map((
      [name, { value, error }],
    ) => [name, error ?? value]),
  );
}

Deno.test("functions of the main script travel with what they close over", async () => {
  const outcomes = await travel({
    "main.ts": `
import * as path from "node:path";
import { basename, join as joinPaths } from "node:path";
import fs from "node:fs";
console.log("top level");
if (Deno.env.get("SHIP_TO") === undefined) throw new Error("ran again");
const k = 10;
enum Color { Red, Green = 7 }
const cfg = { a: 1, deep: { list: [1, 2, 3] } };
let counter = 5;
const socket = Deno.listen({ port: 0 });
class A {
  #x = 1;
  static s = 4;
  static made: string[] = [];
  static { A.made.push("once"); }
  get x() { return this.#x + k; }
  static twice(n: number) { return n * 2; }
}
A.s = 9;
class B extends A { y = Color.Green; override get x() { return super.x * 2; } }
function even(n: number): boolean { return n === 0 ? true : odd(n - 1); }
function odd(n: number): boolean { return n === 0 ? false : even(n - 1); }
function increment() { counter++; }
function makeCounter() {
  let c = 0;
  return { up() { c++; }, get: () => c };
}
const one = makeCounter();
one.up();
const two = makeCounter();
const helpers = { square(n: number) { return n * n; }, async later() { return k; }, get now() { return k; } };
const b = new B();
const bound = function (this: { q: number }, n: number) { return this.q + n; }.bind({ q: 1 }, 5);
const { max } = Math;
const log = console.log;
const parse = JSON.parse;
const get = globalThis.fetch;
const M = Math;
const own = Symbol("own");
function withCache() { return (withCache as any).cache.n; }
withCache.cache = { n: 3 };
function outer(n: number) {
  const inner = (m: number) => m + n + k;
  return function nested() { return inner(1); };
}
await ship({
  constant: () => k,
  object: () => cfg.deep.list.length + cfg.a,
  color: () => [Color.Green, Color[7]],
  imports: () => [path.sep, basename("a/b"), joinPaths("a", "b"), fs.existsSync("/")],
  mutual: () => even(10),
  shared: () => { increment(); counter += 10; increment(); return counter; },
  classes: () => { const b = new B(); return [b.x, b.y, A.s, A.made, A.twice(4), b instanceof A, B.name]; },
  instance: () => [b.y, b instanceof B],
  counters: () => { one.up(); two.up(); two.up(); two.up(); return [one.get(), two.get()]; },
  method: helpers.square.bind(null, 3),
  later: helpers.later,
  getter: Object.getOwnPropertyDescriptor(helpers, "now")!.get!,
  bound,
  builtins: () => [max(1, 2), typeof log, parse("[1]"), typeof get, M.min(3, 2)],
  symbol: () => String(own),
  expando: withCache,
  nested: outer(5),
  *generator() { yield k; yield 2; },
  async *asyncGenerator() { yield k; yield 3; },
  async asynchronous() { await null; return k; },
  meta: () => [import.meta.url, import.meta.dirname, import.meta.filename, import.meta.resolve("./x.ts")],
  dynamic: async () => (await import("./lib.ts")).name,
  named: function fact(n = 5): number { return n < 2 ? 1 : n * fact(n - 1); },
  self: () => even.name,
  error: () => { throw new Error("boom"); },
});
socket.close();
`,
    "lib.ts": `export const name = "lib";`,
  });
  const got = values(outcomes);
  const url = (got.meta as string[])[0]!;
  assertMatch(url, /^file:.*\/main\.ts$/);
  const folder = new URL(".", url).pathname.slice(0, -1);
  delete got.meta;
  assertEquals(got, {
    constant: 10,
    object: 4,
    color: [7, "Green"],
    imports: ["/", "b", "a/b", true],
    mutual: true,
    shared: 17,
    classes: [22, 7, 9, ["once"], 8, true, "B"],
    instance: [7, true],
    counters: [2, 3],
    method: 9,
    later: 10,
    getter: 10,
    bound: 6,
    builtins: [2, "function", [1], "function", 2],
    symbol: "Symbol(own)",
    expando: 3,
    nested: 16,
    generator: [10, 2],
    asyncGenerator: [10, 3],
    asynchronous: 10,
    dynamic: "lib",
    named: 120,
    self: "even",
    error: "Error: boom",
  });
  assertEquals((outcomes.meta!.value as string[]).slice(1), [
    folder,
    `${folder}/main.ts`,
    new URL("./x.ts", url).href,
  ]);
});

Deno.test("a stack trace names the user's own file and line", async () => {
  const outcomes = await travel({
    "main.ts": `
interface Shape {
  readonly a: number;
}

// A comment.
enum Kind { A, B }

function fail(shape: Shape): never {
  throw new Error("boom " + shape.a + Kind.B);
}
type Y = Shape;

await ship({
  failing: (): never => {
    const shape: Shape = {
      a: 1,
    };
    return fail(shape);
  },
});
`,
  }, { folder: "späße und mehr" });
  const { stack } = outcomes.failing!;
  assertMatch(stack!, /at fail \(file:.*\/späße und mehr\/main\.ts:10:9\)/);
  assertMatch(stack!, /at failing \(file:.*\/main\.ts:19:12\)/);
});
