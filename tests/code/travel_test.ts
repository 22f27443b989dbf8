import { assertEquals, assertMatch } from "@std/assert";
import { config, type Outcome, travel } from "./ship.ts";

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
class C { y = Color.Green; }
class D extends C {}
const d = new D();
const bound = function (this: { q: number }, n: number) { return this.q + n; }.bind({ q: 1 }, 5);
const { max } = Math;
const log = console.log;
const parse = JSON.parse;
const get = globalThis.fetch;
const M = Math;
const own = Symbol("own");
const theCrypto = crypto, theNavigator = navigator, thePerformance = performance;
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
  instance: () => [d.y, d instanceof D],
  counters: () => { one.up(); two.up(); two.up(); two.up(); return [one.get(), two.get()]; },
  method: helpers.square.bind(null, 3),
  later: helpers.later,
  getter: Object.getOwnPropertyDescriptor(helpers, "now")!.get!,
  bound,
  builtins: () => [max(1, 2), typeof log, parse("[1]"), typeof get, M.min(3, 2)],
  objects: () => [theCrypto === crypto, theNavigator === navigator, thePerformance === performance],
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
    objects: [true, true, true],
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
  nameless: (() => (): never => fail({ a: 2 }))(),
});
`,
  }, { folder: "späße und mehr" });
  const { stack } = outcomes.failing!;
  assertMatch(stack!, /at fail \(file:.*\/späße und mehr\/main\.ts:10:9\)/);
  assertMatch(
    outcomes.nameless!.stack!,
    /at (<anonymous> \()?file:.*\/main\.ts:21:33/,
  );
  assertMatch(stack!, /at failing \(file:.*\/main\.ts:19:12\)/);
});

Deno.test("exports of other modules go by reference and keep their module's state", async () => {
  const outcomes = await travel({
    "main.ts": `
import { calls, bump, Thing as Renamed, makeAdder, shared, hidden, settings } from "./lib/lib.ts";
import lib, * as everything from "./lib/lib.ts";
import data from "./data.json" with { type: "json" };
import { parse } from "acorn";
import { createHash } from "node:crypto";
const dynamic = await import("./lib/lib.ts");
const adder = makeAdder(3);
const thing = new Renamed(4);
const { bump: alias } = everything;
bump();
settings.a = 7;
await ship({
  state: () => { bump(); bump(); return calls; },
  shorthand: () => ({ calls, ...{ data } }),
  exported: bump,
  default: () => lib(2),
  namespace: () => [everything.calls, typeof everything.bump],
  dynamic: () => typeof dynamic.makeAdder,
  renamed: () => new Renamed(5).twice(),
  instance: () => [thing.twice(), thing instanceof Renamed],
  closure: () => adder(4),
  closureItself: adder.bind(null, 1),
  alias: () => alias === bump,
  npm: () => parse("1", { ecmaVersion: 2020 }).type,
  node: () => createHash("sha256").update("a").digest("hex").slice(0, 4),
  hidden,
  settings: () => settings.a,
});
`,
    "lib/lib.ts": `
import { sep } from "node:path";
import { inner } from "./inner.ts";
export let calls = 0;
export function bump() { return ++calls; }
export class Thing { constructor(readonly n: number) {} twice() { return this.n * 2; } }
export const settings = { a: 1 };
const offset = 100;
export const shared = { n: 1 };
const secret = (n: number) => n + offset + inner(n) + shared.n;
export function makeAdder(a: number) { return (b = 0) => sep + secret(a + b) + import.meta.url.split("/").at(-1); }
export const hidden = (() => () => secret(1))();
export default (n: number) => n * 3;
`,
    "lib/inner.ts": `export const inner = (n: number) => n;`,
    "data.json": `{ "x": 1 }`,
  });
  assertEquals(values(outcomes), {
    state: 2,
    shorthand: { calls: 2, data: { x: 1 } },
    exported: 3,
    default: 6,
    namespace: [3, "function"],
    dynamic: "function",
    renamed: 10,
    instance: [8, true],
    closure: "/115lib.ts",
    closureItself: "/109lib.ts",
    alias: true,
    npm: "Program",
    node: "ca97",
    hidden: 103,
    settings: 1,
  });
});

Deno.test("a module whose graph contains the main one travels by value", async () => {
  const outcomes = await travel({
    "main.ts": `
import { helper, tools, Shape } from "./lib.ts";
import * as all from "./lib.ts";
if (Deno.env.get("RAN")) throw new Error("ran twice");
Deno.env.set("RAN", "1");
export const base = 5;
console.log("top level of main");
await ship({
  helper: () => helper(1),
  exported: helper,
  tools: () => tools.n,
  shape: () => new Shape().area(),
  namespace: () => all.helper(2),
});
`,
    "lib.ts": `
import { middle } from "./middle.ts";
export const tools = { n: 8 };
export class Shape { area() { return 12; } }
export function helper(n = 0) { return n + middle(); }
`,
    "middle.ts": `
import { base } from "./main.ts";
export function middle() { return base; }
`,
  });
  assertEquals(values(outcomes), {
    helper: 6,
    exported: 5,
    tools: 8,
    shape: 12,
    namespace: 7,
  });
});

Deno.test("functions travel from stdin, eval, the REPL and a path with spaces and letters", async () => {
  const program = `
import { basename } from "node:path";
interface Pair { a: number; b: number }
const pair: Pair = { a: 1, b: 2 };
const sum = (p: Pair) => p.a + p.b;
await ship({ sum: () => [sum(pair), basename("x/y")] });
`;
  const ways = [
    undefined,
    (_: string, text: string) => ({
      args: ["run", "-A", config, "-"],
      stdin: text,
    }),
    (_: string, text: string) => ({ args: ["eval", config, text] }),
    // Notebooks evaluate their cells the same way.
    (_: string, text: string) => ({
      args: ["repl", "-A", config],
      stdin: text,
    }),
  ];
  for (const run of ways) {
    const outcomes = await travel({ "haupt programm.ts": program }, {
      folder: "späße und mehr/日本",
      ...(run === undefined ? {} : { run }),
    });
    assertEquals(values(outcomes), { sum: [3, "y"] });
  }
});

Deno.test("what can't travel is named by function, variable and path", async () => {
  const outcomes = await travel({
    "main.ts": `
const listener = Deno.listen({ port: 0 });
const cfg = { db: { conn: listener } };
const file = { handle: Deno.openSync(".", { read: true }) };
class Secret { #x = 1; read() { return () => this.#x; } plain() { return this.#x; } has(o: object) { return #x in o; } override() { return super.toString(); } }
class Box { v = 1; get() { return () => this.v; } }
const helper = () => cfg;
const cache = { at: { secret: new Secret() } };
function later() { return () => arguments.length; }
const native = { at: { revoke: Proxy.revocable({}, {}).revoke } };
await ship({
  work: () => cfg.db,
  file: () => file.handle,
  helped: () => helper(),
  private: new Secret().read(),
  method: new Secret().plain,
  in: new Secret().has,
  instance: () => cache.at.secret.plain(),
  super: new Secret().override,
  this: new Box().get(),
  arguments: (later as any)(1),
  native: () => native.at,
});
listener.close();
file.handle.close();
`,
  });
  const errors = Object.fromEntries(
    Object.entries(outcomes).map(([name, { error }]) => [name, error]),
  );
  const start = "SerializationError: Cannot send function";
  const fault =
    'needs the native "Listener", which is no global and no export, so a worker can\'t have it';
  assertEquals(errors.work, `${start} "work": "cfg.db.conn" ${fault}`);
  assertEquals(errors.file, `${start} "file": "file.handle" is an open file`);
  assertEquals(outcomes.file!.path, "file.handle");
  assertEquals(outcomes.work!.path, "cfg.db.conn");
  assertEquals(errors.helped, `${start} "helped": "cfg.db.conn" ${fault}`);
  assertMatch(errors.private!, /"anonymous": it uses a #private name/);
  assertMatch(errors.method!, /"plain": it uses a #private name/);
  assertMatch(errors.in!, /"has": it uses a #private name/);
  assertMatch(errors.instance!, /"instance": "cache\.at\.secret" hides/);
  assertMatch(errors.super!, /"override": it uses "super"/);
  assertMatch(errors.this!, /arrow function that uses "this"/);
  assertMatch(errors.arguments!, /arrow function that uses "arguments"/);
  assertMatch(errors.native!, /"native": "native.at.revoke" needs the native/);
});

Deno.test("classes travel whole, with what was hung on them", async () => {
  const outcomes = await travel({
    "main.ts": `
const key = "dynamic";
const tag = Symbol("tag");
const start = 3;
let made = 0;
class Base {
  static #secret = start * 2;
  static registry = new Map<string, number>();
  static { Base.registry.set("a", 1); }
  static name = "Renamed";
  #value: number;
  constructor(value = 1) { this.#value = value; made++; }
  static get secret() { return Base.#secret; }
  [key]() { return "key " + this.#value; }
  [tag]() { return "tag"; }
  static [Symbol.hasInstance](x: unknown) { return typeof x === "object"; }
  *[Symbol.iterator]() { yield this.#value; yield 2; }
  get value() { return this.#value; }
  set value(v: number) { this.#value = v; }
  #hidden() { return this.#value * 10; }
  hidden() { return this.#hidden(); }
  has(x: object) { return #value in x; }
  callTag() { return this[tag](); }
  arrow = () => this.#value;
}
const Mixin = (Super: typeof Base) => class extends Super { mixed() { return "mixed " + this.value; } };
class Derived extends Mixin(Base) {
  override hidden() { return super.hidden() + 1; }
  static override get secret() { return super.secret + 1; }
}
class Failure extends Error { override name = "Failure"; constructor(readonly code: number) { super("code " + code); } }
class Listy extends Array<number> { sum() { return this.reduce((a, b) => a + b, 0); } }
class Nothing {}
const Anonymous = class { x = 1; };
function Old(this: any) { this.y = 5; }
Old.prototype.read = function () { return this.y; };
(Base.prototype as any).late = function () { return "late"; };
class Point { constructor(readonly x: number, readonly y: number) {} static origin = new Point(0, 0); plus(o: Point) { return new Point(this.x + o.x, this.y + o.y); } }
class Counted {
  static #n = made;
  static #log: unknown[] = [
    "begun",
  ];
  static #none; static #odd = NaN; static #self = Counted; static #made() { return "made"; }
  static { Counted.#log.push("block"); }
  static get #size() { return Counted.#log.length; }
  static inc() { Counted.#log.push(Counted.#n); return ++Counted.#n; }
  static all() { return [Counted.#n, ...Counted.#log, Counted.#size, Counted.#none === undefined, String(Counted.#odd), Counted.#self === Counted, Counted.#made()]; }
}
Counted.inc();
Counted.inc();
const import_meta = 6, $base = "captured";
class Over {}
class Under extends Over { who() { return $base; } }
const abstract = abstractly();
function abstractly() { class Local { n = start; } return class extends Local { get m() { return this.n + 1; } }; }
await ship({
  base: () => { const b = new Base(4) as any; return [b.dynamic(), [...b], b.hidden(), b.has(b), b.callTag(), b.arrow(), b.late(), Base.secret, Base.name, Base.registry.get("a")]; },
  derived: () => { const d = new Derived(2); d.value++; return [d.mixed(), d.hidden(), Derived.secret, Derived.registry.size, made]; },
  failure: () => { const f = new Failure(7); return [f instanceof Error, f.name, f.message, f.code]; },
  listy: () => Listy.from([1, 2, 3]).sum(),
  nothing: () => new Nothing().constructor.name,
  anonymous: () => [new Anonymous().x, Anonymous.name],
  old: () => new (Old as any)().read(),
  statics: () => [Point.origin.plus(new Point(1, 2)).x, Point.origin instanceof Point],
  local: () => new abstract().m,
  named: () => [import_meta, import.meta.main, new Under().who(), new Under() instanceof Over],
  meta: () => import.meta.main,
  plain: () => import_meta,
  counted: () => { Counted.inc(); return Counted.all(); },
  Derived: () => Derived,
});
`,
  });
  const got = values(outcomes);
  assertMatch(String(got.Derived), /Class constructor|class/);
  delete got.Derived;
  assertEquals(got, {
    base: ["key 4", [4, 2], 40, true, "tag", 4, "late", 6, "Renamed", 1],
    derived: ["mixed 3", 31, 7, 1, 1],
    failure: [true, "Failure", "code 7", 7],
    listy: 6,
    nothing: "Nothing",
    anonymous: [1, "Anonymous"],
    old: 5,
    statics: [1, true],
    local: 4,
    named: [6, true, "captured", true],
    meta: true,
    plain: 6,
    counted: [3, "begun", "block", 0, 1, 2, 5, true, "NaN", true, "made"],
  });
});

Deno.test("functions share the variables they shared, and only those", async () => {
  const outcomes = await travel({
    "main.ts": `
let total = 0;
function makeCounter() {
  let c = 0;
  return { up() { c++; total++; }, get: () => c };
}
const one = makeCounter();
const two = makeCounter();
const { up: up1, get: get1 } = makeCounter();
const { up: up2, get: get2 } = makeCounter();
const add = (n: number) => { total += n; };
const loops: (() => number)[] = [];
for (let i = 0; i < 3; i++) loops.push(() => i++);
function memo() { let last: number | undefined; return (n: number) => { const was = last; last = n; return was; }; }
const remember = memo();
const fresh = () => notYet;
const early = await ship({
  counters: () => { one.up(); two.up(); two.up(); add(10); return [one.get(), two.get(), total]; },
  destructured: () => { up1(); up2(); up2(); return [get1(), get2(), total]; },
  loops: () => loops.map((f) => f() + f()),
  remember: () => [remember(1), remember(2)],
  tooEarly: () => { try { return fresh(); } catch (error) { return String(error); } },
  global: () => setByProgram.n + typeof nowhere,
  evaluated: () => { const n = 2; return eval("n + total"); },
  nested: () => { const local = 5; return function again() { return [local, total, import.meta.url.split("/").at(-1)]; }; },
  nestedTwice: () => { let local = 5; const bump = () => local++; return function () { bump(); bump(); return local; }; },
});
const notYet = 1;
declare const nowhere: unknown, setByProgram: { n: number };
`.replace("const early =", "(globalThis as any).setByProgram = { n: 4 };"),
  });
  assertEquals(values(outcomes), {
    counters: [1, 2, 13],
    destructured: [1, 2, 3],
    loops: [1, 3, 5],
    remember: [null, 1],
    tooEarly: "ReferenceError: notYet is not defined",
    global: "4undefined",
    evaluated: 2,
    nested: [5, 0, "main.ts"],
    nestedTwice: 7,
  });
});
