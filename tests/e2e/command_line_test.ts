import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import {
  cancel,
  get,
  init,
  kill,
  put,
  remote,
  runtimeContext,
} from "../../mod.ts";
import type { Runtime } from "../../src/runtime.ts";
import { sessionFoldersIn } from "../support/sessions.ts";
import { TestCluster } from "../support/cluster.ts";
import { until } from "../support/notes.ts";
import { Program, type Running } from "../support/program.ts";

const cli = fileURLToPath(new URL("../../cli.ts", import.meta.url));
type Row = Record<string, unknown>;

const square = remote(function square(x: number) {
  return x * x;
});
const fails = remote(function fails() {
  throw new RangeError("no such luck");
});
const held = remote(async function held(name: string, array: unknown) {
  console.log(`${name} is held`);
  await new Promise<never>(() => {});
  console.log(array);
});

class Ledger {
  write(line: string): void {
    console.log(line);
  }

  computes(untilMs: number): void {
    while (Date.now() < untilMs);
  }
}

/** One cluster and its commands. */
class Desk implements AsyncDisposable {
  readonly cluster: TestCluster;
  readonly program = new Program();

  constructor(cluster: TestCluster) {
    this.cluster = cluster;
  }

  async text(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.cluster.run(...args);
    assertEquals(code, 0, `${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  async json<T = Row[]>(...args: string[]): Promise<T> {
    return JSON.parse(await this.text(...args, "--json"));
  }

  /** Refused in one line that names what was wrong. */
  async refused(status: number, named: string, ...args: string[]) {
    const { code, stdout, stderr } = await this.cluster.run(...args);
    assertEquals(code, status, `${args.join(" ")}: ${stdout}${stderr}`);
    assertEquals(stderr.trim().split("\n").length, 1, stderr);
    assert(stderr.includes(named), stderr);
  }

  /** A command that goes on. */
  start(...args: string[]): Running {
    const { token, folder, address } = this.cluster;
    return this.program.start(
      ["run", "-A", cli, ...args, "--address", address],
      { env: { MANTA_TOKEN: token, HOME: folder, DENO_DIR: denoDir() } },
    );
  }

  async [Symbol.asyncDispose]() {
    await this.program[Symbol.asyncDispose]();
  }
}

Deno.test("The command line sees what runs in a cluster", async (t) => {
  await using cluster = await TestCluster.start(1);
  await using desk = new Desk(cluster);
  const { address, token } = cluster;
  await using _runtime: Runtime = await init({ address, token });
  const ledger = remote(Ledger, { name: "ledger" }).remote();
  await get(ledger.write.remote("the first line"));
  await get([1, 2, 3].map((x) => square.remote(x)));
  const failed = fails.remote();
  await get(failed).catch(() => {});
  const array = put(new Float64Array(1 << 20));
  const running = ["a", "b", "c", "d"].map((name) => held.remote(name, array));
  await until(
    async () => (await desk.text("logs")).split("is held").length === 5,
    "four tasks that run",
  );
  const late = held.remote("late", 0);
  const after = square.remote(late as never);
  const refs = [...running, late, after];
  for (const ref of refs) get(ref).catch(() => {});
  const taskOf = (ref: { id: string }) => ref.id.slice(0, 28);

  await t.step("list tasks: where each is, and why", async () => {
    let rows: Row[] = [];
    await until(async () => {
      rows = await desk.json("list", "tasks");
      const running = rows.filter(({ state }) => state === "running");
      return running.length === 4;
    }, "four tasks that are seen to run");
    const of = (ref: { id: string }) =>
      rows.find(({ taskId }) => taskId === taskOf(ref))!;
    for (const ref of running) {
      assertEquals([of(ref)["name"], of(ref)["state"]], ["held", "running"]);
      assert(Number(of(ref)["workerPid"]) > 0);
    }
    assertEquals(of(late)["state"], "waiting");
    assertEquals(of(after)["state"], "preparing");
    assert(String(of(after)["why"]).includes("waits for argument 1, ref "));
    await until(async () => {
      rows = await desk.json("list", "tasks", "--state", "failed");
      return rows.length > 0;
    }, "the failed task in the lineage file");
    assertEquals(rows.map(({ taskId }) => taskId), [taskOf(failed)]);
    assert(String(rows[0]!["why"]).includes("no such luck"));
    await until(async () => {
      const { length: total } = await desk.json("list", "tasks");
      const { stdout, stderr } = await cluster.run(
        ...["list", "tasks", "--limit", "2"],
      );
      assertEquals(stdout.trim().split("\n").length, 3, stdout);
      return stderr ===
        `manta: 2 of ${total} tasks are shown; --limit N shows more\n`;
    }, "word of all that are in the lineage file");
    const one = await cluster.run("list", "tasks", "--limit", "1");
    assert(/: 1 of \d+ tasks is shown/.test(one.stderr), one.stderr);
    const busy = await cluster.run(
      ...["list", "tasks", "--state", "running", "--limit", "3"],
    );
    assertEquals(busy.stdout.split("running").length, 4, busy.stdout);
    assert(busy.stderr.includes("3 of 4 tasks are shown"), busy.stderr);
  });

  await t.step("list nodes, workers and actors", async () => {
    const nodes = await desk.json("list", "nodes");
    const ids = [cluster.head, cluster.nodes[0]!].map((one) =>
      one.ready.nodeId
    );
    assertEquals(new Set(nodes.map(({ nodeId }) => nodeId)), new Set(ids));
    assert((await desk.text("list", "nodes")).includes(ids[0]!));
    const workers = await desk.json("list", "workers");
    const busy = workers.filter(({ role, state }) =>
      role === "worker" && state === "busy"
    );
    assertEquals(busy.length, 4);
    assertEquals(new Set(busy.map(({ node }) => node)), new Set(ids));
    assert(
      workers.some(({ role, pid }) => role === "driver" && pid === Deno.pid),
    );
    const [actor] = await desk.json("list", "actors");
    assertEquals(
      [actor!["className"], actor!["name"], actor!["state"]],
      ["Ledger", "ledger", "alive"],
    );
  });

  await t.step("objects and memory, the largest first", async () => {
    const [largest] = await desk.json("list", "objects");
    assertEquals(largest!["objectId"], array.id);
    assertEquals(largest!["where"], "shared memory");
    assert(Number(largest!["bytes"]) >= 8 << 20);
    const { heldBy, copiedTo } = largest as Record<string, string[]>;
    assertEquals(heldBy!.filter((by) => by.startsWith("worker")).length, 4);
    assertEquals(
      new Set(copiedTo),
      new Set([cluster.head, ...cluster.nodes].map((one) => one.ready.nodeId)),
    );
    const memory = await desk.json<Record<string, Row[]>>("memory");
    assertEquals(memory["objects"]![0]!["objectId"], array.id);
    assertEquals(memory["holders"]![0]!["pid"], Deno.pid);
    assert((await desk.text("memory")).includes(array.id));
  });

  await t.step("summary adds up by function", async () => {
    let sums = new Map<unknown, Row>();
    await until(async () => {
      const { functions, nodeCount } = await desk.json<
        { functions: Row[]; nodeCount: number }
      >("summary");
      assertEquals(nodeCount, 2);
      sums = new Map(functions.map((row) => [row["name"], row]));
      return Number(sums.get("square")?.["finished"]) === 3;
    }, "three finished squares in the lineage file");
    assertEquals(sums.get("held")!["running"], 4);
    assertEquals(sums.get("held")!["waiting"], 1);
    assertEquals(sums.get("fails")!["failed"], 1);
  });

  await t.step("why: of refs, actors, processes, and of nothing", async () => {
    const why = async (id: string) => await desk.text("why", id);
    assert((await why(late.id)).includes("waits for a worker"));
    assert((await why(taskOf(after))).includes("waits for argument 1, ref "));
    assert((await why(running[0]!.id)).includes('task "held"'));
    assert((await why(failed.id)).includes("no such luck"));
    assert((await why("ledger")).includes("is alive"));
    assert((await why(`${Deno.pid}`)).includes("driver"));
    const { kind } = await desk.json<Row>("why", cluster.head.ready.nodeId);
    assertEquals(kind, "node");
    assert((await why(array.id)).includes("is ready"));
    await desk.refused(2, "give more of it", "why", late.id.slice(0, 8));
    await desk.refused(1, "zzzz", "why", "zzzz");
    await desk.refused(2, "at least 4 digits", "why", late.id.slice(0, 3));
  });

  await t.step("logs: of all, of one, and of what comes", async () => {
    const own = await desk.text("logs", "ledger");
    assert(own.includes("the first line") && !own.includes("held"), own);
    const following = desk.start("logs", "--follow");
    await following.said("the first line");
    await get(ledger.write.remote("a later line"));
    await following.said("a later line");
    following.kill("SIGINT");
    await following.ended;
    await desk.refused(1, "nobody", "logs", "nobody");
  });

  await t.step("timeline: a trace of what ran", async () => {
    const path = `${cluster.folder}/trace.json`;
    await desk.text("timeline", path);
    const trace = JSON.parse(Deno.readTextFileSync(path));
    const names = trace.traceEvents.map(({ name }: Row) => name);
    assert(names.includes("fails"), names.join());
    await desk.text("timeline", path, "--job", runtimeContext().jobId);
    const own = JSON.parse(Deno.readTextFileSync(path));
    assert(own.traceEvents.some(({ name }: Row) => name === "fails"));
    await desk.refused(1, "job none", "timeline", path, "--job", "none");
    await desk.refused(1, "/none/", "timeline", "/none/trace.json");
  });

  await t.step("what is misused is refused", async () => {
    await desk.refused(2, "nodes, workers", "list", "dances");
    await desk.refused(2, "--limit", "list", "tasks", "--limit", "none");
    const states = 'nope": one of preparing, waiting, sent, running, finished';
    await desk.refused(2, states, "list", "tasks", "--state", "nope");
    await desk.refused(
      ...[2, "one of starting, alive", "list", "actors", "--state", "ready"],
    );
    await desk.refused(2, "OUT.json", "timeline");
    await desk.refused(2, "--shiny", "summary", "--shiny");
    await desk.refused(2, '"surplus"', "memory", "surplus");
  });
  await t.step(
    "a process that computes is told of, and waited for no longer",
    async () => {
      const computing = ledger.computes.remote(Date.now() + 60_000);
      await until(async () => {
        const { stderr } = await cluster.run("list", "objects");
        return /actor \d+ computes and did not answer/.test(stderr);
      }, "a note of the actor that computes");
      const line = await desk.text("why", computing.id);
      assert(line.includes("was sent to its actor"), line);
      get(computing).catch(() => {});
      await kill(ledger);
    },
  );
  await Promise.all(refs.map((ref) => cancel(ref, { force: true })));
});

const job = `
import { get, init, remote } from "@manta/manta";
await using _runtime = await init();
const next = remote(function next(n: number) { return n + 1; });
const path = Deno.args[0]!;
console.log("began with", await get(next.remote(1)), Deno.args.slice(1).join());
const isThere = () => Deno.stat(path).then(() => true, () => false);
while (!await isThere()) await new Promise((resolve) => setTimeout(resolve, 20));
console.log("went on with", await get(next.remote(Number(Deno.readTextFileSync(path)))));
if (Deno.args[1] === "fail") Deno.exit(7);
`;

Deno.test("Submitted programs run on the cluster, whoever leaves", async (t) => {
  await using cluster = await TestCluster.start(0);
  await using desk = new Desk(cluster);
  const script = desk.program.write("job.ts", job);
  const go = (name: string, n: number) => desk.program.write(name, `${n}`);
  const path = (name: string) => `${desk.program.folder}/${name}`;
  const submit = async (...args: string[]) => {
    const { address } = cluster;
    const { code, stdout, stderr } = await cluster.command(
      ...["submit", "--address", address, "--json", script, ...args],
    );
    assertEquals(code, 0, stderr);
    return JSON.parse(stdout).id as string;
  };
  const find = async (id: string) =>
    (await desk.json("jobs")).find((row) => row["id"] === id)!;

  await t.step("one that succeeds: its output, then its end", async () => {
    const id = await submit(path("go-1"), "one argument");
    const following = desk.start("jobs", "logs", id, "--follow");
    await following.said("began with 2 one argument");
    assertEquals((await find(id))["state"], "running");
    go("go-1", 10);
    const { code, stdout } = await following.ended;
    assertEquals(code, 0);
    assert(stdout.includes("went on with 11"), stdout);
    const row = await find(id);
    assertEquals([row["state"], row["exitCode"]], ["finished", 0]);
    assert((await desk.text("jobs")).includes(id));
    assert((await desk.text("logs", id)).includes("went on with 11"));
  });
  await t.step("one that fails has its status told", async () => {
    const id = await submit(path("go-1"), "fail");
    const { code, stderr } = await desk.start("jobs", "logs", id, "--follow")
      .ended;
    assertEquals(code, 1, stderr);
    assert(stderr.includes("failed with exit status 7"), stderr);
    assertEquals((await find(id))["state"], "failed");
  });
  await t.step("one that is stopped", async () => {
    const id = await submit(path("never"));
    await until(
      async () => (await desk.text("jobs", "logs", id)).includes("began"),
      "the job's first line",
    );
    const { pid } = await find(id);
    assertEquals(await desk.text("jobs", "stop", id), `${id} stopped\n`);
    assertEquals(isAlive(Number(pid)), false);
    // Twice is as good as once.
    assertEquals(await desk.text("jobs", "stop", id), `${id} stopped\n`);
  });
  await t.step("what can't be run, or is not there, is refused", async () => {
    const { address } = cluster;
    const refusals: [number, string, string[]][] = [
      [1, "/none.ts", ["submit", "--address", address, "/none.ts"]],
      [2, "script", ["submit", "--address", address]],
      [1, "job-00000000", ["jobs", "logs", "job-00000000"]],
      [1, "../head.db", ["jobs", "stop", "../head.db"]],
      [2, "jobs stop ID", ["jobs", "stop"]],
      [2, "jobs dance", ["jobs", "dance"]],
    ];
    for (const [status, named, args] of refusals) {
      const { code, stderr } = await cluster.command(
        ...args,
        ...args[0] === "submit" ? [] : ["--address", address],
      );
      assertEquals(code, status, stderr);
      assertEquals(stderr.trim().split("\n").length, 1, stderr);
      assert(stderr.includes(named), stderr);
    }
  });
  await t.step(
    "the head is killed: it goes on, and is known again",
    async () => {
      const id = await submit(path("go-2"));
      const said = async () => await desk.text("jobs", "logs", id);
      await until(async () => (await said()).includes("began"), "a first line");
      await cluster.head.kill();
      await cluster.startHead();
      assertEquals((await find(id))["state"], "running");
      go("go-2", 20);
      await until(
        async () => (await find(id))["state"] !== "running",
        "the job's end",
      );
      assert((await said()).includes("went on with 21"), await said());
      assertEquals((await find(id))["state"], "finished");
    },
  );
  await t.step("the cluster ends: so do they", async () => {
    const id = await submit(path("never"));
    await until(
      async () => (await desk.text("jobs", "logs", id)).includes("began"),
      "the job's first line",
    );
    const { pid } = await find(id);
    await desk.text("cluster", "stop");
    assertEquals(await cluster.head.ended(), 0);
    assertEquals(isAlive(Number(pid)), false);
  });
});

Deno.test("The command line finds a program that runs on this machine", async (t) => {
  await using program = new Program();
  const source = `
import { get, init, put, remote } from "@manta/manta";
await using _runtime = await init({ numCpus: 1, lineage: Deno.args[0] });
const square = remote(function square(x: number) { return x * x; });
await get([1, 2, 3].map((x) => square.remote(x)));
const held = remote(async function held(_: unknown) {
  console.log("held here");
  await new Promise(() => {});
});
const ref = held.remote(put(new Float64Array(100_000)));
const more = Array.from({ length: 5_000 }, () => held.remote(1));
console.log("ready", ref.id);
await get([ref, ...more]);
`;
  const script = program.write("held.ts", source);
  const command = (...args: string[]) =>
    program.start(["run", "-A", cli, ...args]).ended;
  const refused = async (status: number, named: string, ...args: string[]) => {
    const { code, stdout, stderr } = await command(...args);
    assertEquals(code, status, `${args.join(" ")}: ${stdout}${stderr}`);
    assertEquals(stderr.trim().split("\n").length, 1, stderr);
    assert(stderr.includes(named), stderr);
  };
  await using _first = killedAtEnd(program.start(["run", "-A", script]));
  await _first.running.said("ready");
  await _first.running.said("held here");

  await t.step("without being told where", async () => {
    const { stdout } = await command("summary", "--json");
    const { programs, functions } = JSON.parse(stdout);
    assertEquals(programs.length, 1);
    assertEquals(programs[0].pid, _first.running.pid);
    const held = functions.find(({ name }: Row) => name === "held");
    assertEquals(held.waiting + held.running, 5_001);
    const { stdout: text, stderr } = await command("list", "tasks");
    assert(text.includes("held"), text);
    assert(stderr.includes("--limit"), stderr);
    assert((await command("logs")).stdout.includes("held here"));
    assert((await command("memory")).stdout.includes("shared memory"));
    const help = await command("list", "--help");
    assertEquals(help.code, 0);
    assert(help.stdout.includes("--session"));
  });
  await t.step("one of two is chosen by its session", async () => {
    const lineage = `${program.folder}/second.db`;
    const second = program.start(["run", "-A", script, lineage]);
    await using _second = killedAtEnd(second);
    await second.said("ready");
    await refused(2, "--session", "list", "nodes");
    const session = sessionFoldersIn(program.temporary)
      .find((folder) => folder.includes(`-${second.pid}-`))!;
    const { stdout } = await command(
      ...["list", "nodes", "--json", "--session", session],
    );
    assertEquals(JSON.parse(stdout)[0].pid, second.pid);
    const trace = `${program.folder}/trace.json`;
    const ended = await command("timeline", trace, "--session", session);
    assertEquals(ended.code, 0, ended.stderr);
    const { traceEvents } = JSON.parse(Deno.readTextFileSync(trace));
    assert(traceEvents.some(({ name }: Row) => name === "square"));
    const file = await command(
      ...["list", "tasks", "--state", "finished", "--lineage", lineage],
    );
    assert(file.stdout.includes("square"), file.stderr);
    const from = ["--lineage", lineage];
    await refused(
      ...[2, "one of waiting, running, finished", "list", "tasks"],
      ...["--state", "nope", ...from],
    );
    await refused(2, "objects", "list", "objects", "--state", "ready", ...from);
  });
  await t.step("nobody is there any more", async () => {
    _first.running.kill("SIGKILL");
    await _first.running.ended;
    await program.gone();
    await refused(1, "--session", "list", "tasks");
    await refused(1, "no program", "summary", "--session", program.folder);
  });
});

Deno.test("doctor and bench say what this machine gives", async () => {
  await using program = new Program();
  const run = (...args: string[]) => program.start(["run", ...args]).ended;
  const all = JSON.parse((await run("-A", cli, "doctor", "--json")).stdout);
  const names = all.map(({ name }: Row) => name);
  assert(names.includes("--allow-ffi") && names.includes("shared memory"));
  const few = await run("--allow-read", "--no-prompt", cli, "doctor");
  assertEquals(few.code, 1, few.stderr);
  assert(/--allow-run +missing +not granted: no worker/.test(few.stdout));
  const { code, stdout, stderr } = await run(
    ...["-A", cli, "bench", "--rounds", "1", "--json"],
  );
  assertEquals(code, 0, stderr);
  for (const row of JSON.parse(stdout)) assert(row.median > 0, row.name);
  // A checkout of which all but the comparison is the real one.
  const checkout = `${program.folder}/checkout`;
  Deno.mkdirSync(`${checkout}/bench`, { recursive: true });
  for (const name of ["cli.ts", "deno.json", "deno.lock", "links", "src"]) {
    const real = fileURLToPath(new URL(`../../${name}`, import.meta.url));
    Deno.symlinkSync(real, `${checkout}/${name}`);
  }
  const full = () => run("-A", `${checkout}/cli.ts`, "bench", "--full");
  const lacking = await full();
  assertEquals(lacking.code, 2, lacking.stderr);
  assert(lacking.stderr.includes("checkout"), lacking.stderr);
  Deno.writeTextFileSync(
    `${checkout}/bench/main.ts`,
    'console.log("compares"); Deno.exit(3);',
  );
  const { code: status, stdout: said } = await full();
  assertEquals([status, said], [3, "compares\n"]);
});

/** A program that is ended with the block it is in. */
function killedAtEnd(running: Running) {
  return {
    running,
    async [Symbol.asyncDispose]() {
      try {
        running.kill("SIGKILL");
      } catch (error) {
        // The test has ended it.
        if (!(error instanceof TypeError)) throw error;
      }
      await running.ended;
    },
  };
}

function isAlive(pid: number): boolean {
  try {
    Deno.statSync(`/proc/${pid}`);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function denoDir(): string {
  return Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;
}
