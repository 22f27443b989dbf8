/**
 * The dashboard: the page and its data, who may ask for them, and how long they
 * are there; of a program, of a cluster, and by the command line.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { fileURLToPath } from "node:url";
import {
  cancel,
  get,
  init,
  isInitialized,
  type NodeInfo,
  put,
  remote,
  shutdown,
} from "../../mod.ts";
import { Browser, browserPath } from "../support/browser.ts";
import { TestCluster } from "../support/cluster.ts";
import { rejection, until } from "../support/notes.ts";
import { Program, type Running } from "../support/program.ts";

const cli = fileURLToPath(new URL("../../cli.ts", import.meta.url));
type Row = Record<string, unknown>;
type Rows = { rows: Row[]; cells: Row[]; notes: string[] };

const markup = "<img src=x onerror=\"document.title='broken'\">";
const square = remote(function square(x: number) {
  return x * x;
});
const fails = remote(function fails() {
  throw new RangeError("no such luck");
});
const held = remote(async function held(_array: unknown) {
  console.log("\x1b[32mheld\x1b[0m here");
  await new Promise<never>(() => {});
}, { name: markup });

class Ledger {
  count(): number {
    return 1;
  }
}

/** A dashboard that is asked. */
class Desk {
  readonly origin: string;
  readonly token: string;
  readonly port: number;

  constructor(readonly url: string) {
    const { origin, port, searchParams } = new URL(url);
    this.origin = origin;
    this.port = Number(port);
    this.token = searchParams.get("token")!;
  }

  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { authorization: `Bearer ${this.token}`, ...init.headers };
    return await fetch(this.origin + path, { ...init, headers });
  }

  async json<T = Rows>(path: string): Promise<T> {
    const response = await this.fetch(path);
    const text = await response.text();
    assertEquals(response.status, 200, `${path}: ${text}`);
    return JSON.parse(text);
  }

  /** The status of a request with those headers alone, as they are written. */
  async status(
    path: string,
    headers: Record<string, string>,
    method = "GET",
  ): Promise<number> {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port: this.port });
    const lines = Object.entries(headers).map((pair) => pair.join(": "));
    const text = [`${method} ${path} HTTP/1.1`, ...lines, "", ""].join("\r\n");
    await conn.write(new TextEncoder().encode(text));
    const bytes = new Uint8Array(100);
    const count = await conn.read(bytes) ?? 0;
    const answer = new TextDecoder().decode(bytes.subarray(0, count));
    return Number(answer.split(" ")[1]);
  }
}

/** The status of what is at a URL. */
async function statusAt(url: string): Promise<number> {
  const response = await fetch(url);
  await response.body?.cancel();
  return response.status;
}

const paths = [
  ...["/", "/api/summary", "/api/nodes", "/api/workers", "/api/tasks"],
  ...["/api/actors", "/api/objects", "/api/memory", "/api/jobs", "/api/logs"],
  ...["/api/why?id=1", "/api/timeline", "/none", "/../../etc/passwd"],
];

Deno.test("init({ dashboard }) serves a page, and the data of what runs", async (t) => {
  const runtime = await init({ numCpus: 2, dashboard: true });
  const desk = new Desk(runtime.dashboardUrl!);
  const ledger = remote(Ledger, { name: "ledger" }).remote();
  await get(ledger.count.remote());
  await get([1, 2, 3].map((x) => square.remote(x)));
  const failed = fails.remote();
  await get(failed).catch(() => {});
  const array = put(new Float64Array(1 << 17));
  const holding = held.remote(array);
  get(holding).catch(() => {});

  await t.step("at its own URL, with a token of 256 bits", () => {
    assertEquals(new URL(desk.url).hostname, "127.0.0.1");
    assert(/^[0-9a-f]{64}$/.test(desk.token), desk.url);
  });
  await t.step("the page: one text that loads nothing", async () => {
    const response = await fetch(desk.url);
    const text = await response.text();
    assertEquals(response.status, 200);
    const header = (name: string) => response.headers.get(name) ?? "";
    assertEquals(header("content-type"), "text/html; charset=utf-8");
    assertEquals(header("cache-control"), "no-store");
    assertEquals(header("referrer-policy"), "no-referrer");
    assertEquals(header("x-content-type-options"), "nosniff");
    const policy = header("content-security-policy");
    assert(policy.startsWith("default-src 'none'; script-src 'sha256-"));
    assert(!policy.includes("unsafe"), policy);
    assert(/HttpOnly; SameSite=Strict/.test(header("set-cookie")));
    assert(!/(src|href)="(?!data:,")/.test(text), "it names another file");
    assert(!text.includes(desk.token));
    assert(!/innerHTML|outerHTML|insertAdjacent|document\.write/.test(text));
    const [cookie] = header("set-cookie").split(";");
    const again = await fetch(desk.origin, { headers: { cookie: cookie! } });
    assertEquals(await again.text(), text);
    const head = await desk.fetch("/", { method: "HEAD" });
    assertEquals([head.status, await head.text()], [200, ""]);
  });
  await t.step("sums, nodes, workers, actors", async () => {
    let functions = new Map<unknown, Row>();
    await until(async () => {
      const sums = await desk.json<{ functions: Row[]; isCluster: boolean }>(
        "/api/summary",
      );
      assertEquals(sums.isCluster, false);
      functions = new Map(sums.functions.map((row) => [row["name"], row]));
      return functions.get("square")?.["finished"] === 3 &&
        functions.get("fails")?.["failed"] === 1 &&
        functions.get(markup)?.["running"] === 1;
    }, "what is over in the lineage file, and what runs");
    const nodes = await desk.json("/api/nodes");
    const [{ nodeId, resources }] = await runtime.nodes() as [NodeInfo];
    assertEquals(
      nodes.rows.map((row) => [row["nodeId"], row["resources"]]),
      [[nodeId, resources]],
    );
    const { rows } = await desk.json("/api/workers");
    const busy = rows.filter(({ state }) => state === "busy");
    assertEquals(busy.map(({ runs }) => runs), [markup]);
    const actors = await desk.json("/api/actors?state=alive");
    assertEquals(actors.cells.map(({ name }) => name), ["ledger"]);
  });
  await t.step("tasks by state, and why", async () => {
    const running = await desk.json("/api/tasks?state=running");
    const taskId = holding.id.slice(0, 28);
    assertEquals(running.rows.map((row) => row["taskId"]), [taskId]);
    assertEquals(running.rows[0]!["name"], markup);
    const over = await desk.json("/api/tasks?state=failed&limit=1");
    assert(String(over.rows[0]!["why"]).includes("no such luck"));
    const why = await desk.json<Row>(`/api/why?id=${taskId}`);
    assertEquals([why["kind"], why["id"]], ["task", taskId]);
    assert(String(why["line"]).includes(`task "${markup}"`));
    const none = await desk.fetch("/api/why?id=zzzz");
    assertEquals(none.status, 404);
    assert((await none.json()).error.includes("zzzz"));
  });
  await t.step("objects and memory, jobs, logs, timeline", async () => {
    const { rows } = await desk.json("/api/objects");
    assertEquals(rows[0]!["objectId"], array.id);
    const memory = await desk.json<Record<string, Row[]>>("/api/memory");
    assertEquals(memory["objects"]![0]!["objectId"], array.id);
    assertEquals(memory["holders"]![0]!["pid"], Deno.pid);
    const jobs = await desk.json<Record<string, Row[]>>("/api/jobs");
    assertEquals(jobs["programs"]!.map(({ pid }) => pid), [Deno.pid]);
    assertEquals(jobs["submitted"], []);
    type Logs = { lines: Row[]; seen: Record<string, number> };
    let logs: Logs = { lines: [], seen: {} };
    await until(async () => {
      logs = await desk.json<Logs>("/api/logs");
      return logs.lines.length > 0;
    }, "a line");
    assert(String(logs.lines[0]!["line"]).includes("held"));
    const seen = Object.entries(logs.seen).map((pair) => pair.join(":"));
    const later = await desk.json<Logs>(`/api/logs?seen=${seen}`);
    assertEquals(later, { ...logs, lines: [] });
    const { traceEvents } = await desk.json<{ traceEvents: Row[] }>(
      "/api/timeline",
    );
    assert(traceEvents.some(({ name }) => name === "fails"));
  });
  await t.step(
    "what is misused is refused, and nothing else is there",
    async () => {
      const cases: [string, number][] = [
        ["/api/tasks?limit=0", 400],
        ["/api/tasks?limit=many", 400],
        ["/api/tasks?limit=-1", 400],
        [`/api/why?id=${"a".repeat(300)}`, 400],
        ["/api/why", 400],
        ["/api/logs?seen=../../x:1", 400],
        ["/api/timeline?job=none", 404],
        ["/api/", 404],
        ["/api/constructor", 404],
        ["/dashboard.ts", 404],
      ];
      for (const [path, status] of cases) {
        const response = await desk.fetch(path);
        assertEquals(response.status, status, path);
        await response.body?.cancel();
      }
    },
  );
  await t.step(
    "who lacks the token, or says another name or origin, gets nothing of it",
    async () => {
      const host = `127.0.0.1:${desk.port}`;
      const authorization = `Bearer ${desk.token}`;
      for (const path of paths) {
        const of = (headers: Row, method?: string) =>
          desk.status(path, headers as Record<string, string>, method);
        assertEquals(await of({ host }), 401, path);
        const wrong = `Bearer ${desk.token.replace(/.$/, "x")}`;
        assertEquals(await of({ host, authorization: wrong }), 401, path);
        const other = { host: `evil.example:${desk.port}`, authorization };
        assertEquals(await of(other), 421, path);
        assertEquals(await of({ authorization }), 421, path);
        const origin = "http://evil.example";
        assertEquals(await of({ host, authorization, origin }), 403, path);
        for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
          assertEquals(await of({ host, authorization }, method), 405, path);
        }
      }
    },
  );
  await t.step("it ends with the runtime", async () => {
    await cancel(holding, { force: true });
    await shutdown();
    await assertRejects(() => fetch(desk.url), TypeError);
  });
});

Deno.test("A dashboard takes the port it is given, and says what it lacks", async () => {
  {
    await using runtime = await init({ numCpus: 1, dashboard: { port: 0 } });
    const { port } = new Desk(runtime.dashboardUrl!);
    await shutdown();
    await using again = await init({ numCpus: 1, dashboard: { port } });
    assertEquals(new Desk(again.dashboardUrl!).port, port);
    assert(again.dashboardUrl !== runtime.dashboardUrl);
  }
  {
    await using runtime = await init({ numCpus: 1, dashboard: false });
    assertEquals(runtime.dashboardUrl, undefined);
  }
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  const error = await rejection(init({ numCpus: 1, dashboard: { port } }));
  assert(
    error.message.includes(`127.0.0.1:${port}: another process`),
    `${error}`,
  );
  assertEquals(isInitialized(), false);
});

const shortProgram = `
import { get, init, remote } from "@manta/manta";
const runtime = await init({ numCpus: 1, dashboard: true });
const response = await fetch(runtime.dashboardUrl);
console.log(response.status, (await response.text()).length > 1000);
console.log(await get(remote(() => 7).remote()));
`;

Deno.test("A program with a dashboard ends by itself, and one that may not serve is told the flag", async () => {
  await using program = new Program();
  const ended = await program.run(shortProgram);
  assertEquals(ended.stdout, "200 true\n7\n", ended.stderr);
  assertEquals([ended.code, ended.stderr], [0, ""]);
  await program.gone();
  const needed = ["read", "write", "net", "sys", "run"];
  for (const lacking of ["--deny-net=127.0.0.1", "--deny-net"]) {
    const flags = [...needed.map((name) => `--allow-${name}`), lacking];
    const { code, stderr } = await program.run(shortProgram, { flags });
    assertEquals(code, 1);
    assert(/Cannot .* without .*--allow-net/.test(stderr), stderr);
  }
  await program.gone();
});

Deno.test("A cluster's head has a dashboard, and is asked for it by programs and commands", async () => {
  await using cluster = await TestCluster.start(1, {
    args: ["--num-cpus", "1"],
  });
  const url = cluster.head.ready.dashboardUrl!;
  await until(
    () => cluster.head.output.text.includes(`its dashboard:  ${url}\n`),
    "its URL among what the head prints",
  );
  assertEquals(cluster.nodes[0]!.ready.dashboardUrl, undefined);
  const desk = new Desk(url);
  const { address, token } = cluster;
  {
    await using runtime = await init({ address, token, dashboard: true });
    assertEquals(runtime.dashboardUrl, url);
    const { nodeId } = cluster.nodes[0]!.ready;
    await get(remote(() => 1, { schedulingStrategy: { nodeId } }).remote());
    const sums = await desk.json<Record<string, unknown>>("/api/summary");
    assertEquals([sums["nodeCount"], sums["isCluster"]], [2, true]);
    const workers = await desk.json("/api/workers");
    const nodes = workers.rows.filter(({ role }) => role === "worker")
      .map(({ node }) => node);
    assert(nodes.includes(nodeId), nodes.join());
    const jobs = await desk.json<Record<string, Row[]>>("/api/jobs");
    assertEquals(jobs["programs"]!.map(({ pid }) => pid), [Deno.pid]);
  }
  const { stdout } = await cluster.run("dashboard", "--json");
  assertEquals(JSON.parse(stdout), { url, isServedHere: false });
  await cluster.head.kill();
  await assertRejects(() => fetch(url), TypeError);
  await cluster.startHead();
  assertEquals(cluster.head.ready.dashboardUrl, url);
  assertEquals(await statusAt(url.replace("/?", "/api/jobs?")), 200);
  const taken = await cluster.command(
    ...["cluster", "--port", "0", "--dir", `${cluster.folder}/other`],
    ...["--dashboard-port", `${desk.port}`],
  );
  assertEquals(taken.code, 1, taken.stdout);
  assertEquals(taken.stderr.trim().split("\n").length, 1, taken.stderr);
  assert(taken.stderr.includes(`127.0.0.1:${desk.port}`), taken.stderr);
  const bad = await cluster.command("cluster", "--dashboard-port", "65536");
  assertEquals(bad.code, 2);
  assert(bad.stderr.includes("--dashboard-port"), bad.stderr);
  await cluster.head.kill();
  await cluster.startHead({ args: ["--num-cpus", "1", "--no-dashboard"] });
  assertEquals(cluster.head.ready.dashboardUrl, undefined);
  await assertRejects(() => fetch(url), TypeError);
});

const waitingProgram = `
import { get, init, remote } from "@manta/manta";
await init({ numCpus: 1, dashboard: Deno.args[0] === "on" });
const forever = remote(function forever() {
  return new Promise(() => {});
});
const ref = forever.remote();
console.log("ready");
await get(ref);
`;

Deno.test("The dashboard of a program on this machine: its own, or served by the command", async (t) => {
  await using program = new Program();
  const script = program.write("waits.ts", waitingProgram);
  const command = (...args: string[]) =>
    program.start(["run", "-A", cli, "dashboard", ...args]);
  const start = async (...args: string[]) => {
    const running = program.start(["run", "-A", script, ...args]);
    await running.said("ready");
    return {
      running,
      async [Symbol.asyncDispose]() {
        running.kill("SIGKILL");
        await running.ended;
        await program.gone();
      },
    };
  };
  await t.step("its own is named", async () => {
    await using _started = await start("on");
    const { stdout, code } = await command().ended;
    assertEquals(code, 0);
    assertEquals(await statusAt(stdout.trim()), 200);
  });
  await t.step(
    "where it has none, the command serves until Ctrl-C, or the program's end",
    async () => {
      let left: Running;
      {
        await using _started = await start();
        const first = command("--port", "0");
        const second = left = command("--port", "0", "--json");
        await first.complained("until Ctrl-C");
        const desk = new Desk(first.printed.trim());
        await until(async () => {
          const { rows } = await desk.json("/api/tasks?state=running");
          return rows.map(({ name }) => name).join() === "forever";
        }, "a task that runs");
        first.kill("SIGINT");
        assertEquals((await first.ended).code, 0);
        await second.complained("until Ctrl-C");
        const { url, isServedHere } = JSON.parse(second.printed);
        assertEquals(isServedHere, true);
        assertEquals(await statusAt(url), 200);
      }
      const { code, stderr } = await left.ended;
      assertEquals(code, 0);
      assert(stderr.includes("the program has ended"), stderr);
    },
  );
  await t.step("what is misused is refused", async () => {
    const cases: [number, string, string[]][] = [
      [2, "--port", ["--port", "many"]],
      [2, "--shiny", ["--shiny"]],
      [2, "surplus", ["surplus"]],
      [1, "--session", []],
    ];
    await Promise.all(cases.map(async ([status, named, args]) => {
      const { code, stderr } = await command(...args).ended;
      assertEquals(code, status, stderr);
      assertEquals(stderr.trim().split("\n").length, 1, stderr);
      assert(stderr.includes(named), stderr);
    }));
  });
});

if (browserPath === undefined) {
  console.error(
    "NO BROWSER: the dashboard's page is not tried in one; install Debian's chromium",
  );
}

Deno.test({
  name:
    "In a browser: every view is filled, as text, wide and narrow, until the program ends",
  ignore: browserPath === undefined,
  async fn() {
    await using runtime = await init({ numCpus: 1, dashboard: true });
    await using browser = await Browser.start(browserPath!);
    const ledger = remote(Ledger, { name: "ledger" }).remote();
    await get(ledger.count.remote());
    await get([1, 2, 3].map((x) => square.remote(x)));
    const array = put(new Float64Array(1 << 17));
    const holding = held.remote(array);
    get(holding).catch(() => {});
    const url = runtime.dashboardUrl!;
    const page = await browser.open(url, 380);
    await page.shows("Tasks by function");
    await page.shows(markup);
    await page.shows("object store");
    const { port, token } = new Desk(url);
    const where = await page.evaluate<string>("location.href");
    assertEquals(where, `http://127.0.0.1:${port}/`);
    const taskId = holding.id.slice(0, 28);
    const views: [string, string][] = [
      ["workers", "busy"],
      ["actors", "ledger"],
      ["tasks", taskId],
      ["objects", array.id],
      ["jobs", `${Deno.pid}`],
      ["logs", "held here"],
      ["timeline", "Download"],
      ["overview", "square"],
    ];
    const noScroll =
      "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
    for (const [view, text] of views) {
      await page.evaluate(`location.hash = "${view}"`);
      await page.shows(text);
      assert(await page.evaluate(noScroll), `${view} is wider than the page`);
    }
    await page.evaluate('location.hash = "tasks"');
    await page.shows(taskId);
    await page.evaluate(
      `document.querySelector('[data-id="${taskId}"]').click()`,
    );
    await page.shows(`task ${taskId} runs`);
    // Loaded again: the cookie opens the page, and the tab has the token.
    await page.send("Page.reload");
    await page.shows(taskId);
    assertEquals(
      await page.evaluate("document.querySelector('main img')"),
      null,
    );
    assert(await page.evaluate<boolean>("document.title !== 'broken'"));
    assertEquals(page.errors, []);
    const own = `http://127.0.0.1:${port}/`;
    const others = page.requested.filter((url) =>
      !url.startsWith(own) && !url.startsWith("data:")
    );
    assertEquals(others, []);
    const told = page.requested.filter((url) => url.includes(token));
    assertEquals(told, [url]);
    await cancel(holding, { force: true });
    await shutdown();
    await page.shows("The program has ended");
  },
});
