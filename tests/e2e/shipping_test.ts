import { assert, assertEquals, assertMatch } from "@std/assert";
import { sessionFoldersIn } from "../support/sessions.ts";
import { canHide, TestCluster, type TestNode } from "../support/cluster.ts";
import { canMount, mountDisk } from "../support/disk.ts";
import { until } from "../support/notes.ts";
import { Program } from "../support/program.ts";

/** Starts a cluster whose nodes see nothing of where the program is. */
async function farFrom(program: Program): Promise<TestCluster> {
  return await TestCluster.start(1, {
    hidden: program.folder,
    args: ["--num-cpus", "1"],
  });
}

function envOf(cluster: TestCluster): Record<string, string> {
  return { MANTA_ADDRESS: cluster.address, MANTA_TOKEN: cluster.token };
}

async function results(
  program: Program,
  cluster: TestCluster,
  ...command: string[]
): Promise<Record<string, unknown>> {
  const running = program.start(["run", "-A", ...command], {
    env: envOf(cluster),
  });
  const { code, stdout, stderr } = await running.ended;
  assertEquals(code, 0, stderr);
  return JSON.parse(stdout);
}

Deno.test({
  name: "A program's modules go along to nodes that don't have them",
  ignore: !canHide,
  fn: async (t) => {
    await using program = new Program();
    await using cluster = await farFrom(program);
    const config = JSON.parse(
      Deno.readTextFileSync(`${program.folder}/deno.json`),
    );
    config.imports["#math/"] = "./math/";
    config.imports["parser"] = "npm:acorn@^8.14.0";
    program.write("deno.json", `// Comments, too.\n${JSON.stringify(config)}`);
    Deno.mkdirSync(`${program.folder}/math`);
    program.write("math/add.ts", `export { add } from "./real_add.ts";\n`);
    program.write(
      "math/real_add.ts",
      `export const add = (a: number, b: number): number => a + b;\n`,
    );
    program.write("data.json", `{ "limit": 40 }`);
    program.write("late.ts", `export const late: string = "late";\n`);
    program.write(
      "lib.ts",
      `import { add } from "#math/add.ts";
import data from "./data.json" with { type: "json" };
import { parse } from "parser";
import { get, remote } from "@manta/manta";
export function limited(x: number): number { return add(data.limit, x); }
export async function lately(): Promise<string> {
  return (await import("./late.ts")).late;
}
export function kindOf(text: string): string {
  return parse(text, { ecmaVersion: 2022 }).type;
}
interface Unused { a: number }

export function fail(): never {
  throw new TypeError("no");
}
export async function nested(): Promise<number> {
  const inner = remote((x: number) => limited(x));
  return await get(inner.remote(1)) + await get(remote(limited).remote(1));
}
export class Counter {
  count = data.limit;
  add(by: number): number { return this.count = add(this.count, by); }
}
`,
    );
    program.write(
      "main.ts",
      `import { get, remote, TaskError } from "@manta/manta";
import * as lib from "./lib.ts";
import { add } from "#math/add.ts";
const out: Record<string, unknown> = {};
out.byReference = await get(remote(lib.limited).remote(2));
out.byValue = await get(remote((x: number) => add(x, lib.limited(0))).remote(1));
out.dynamic = await get(remote(lib.lately).remote());
out.dynamicHere = await get(
  remote(async () => (await import("./late.ts")).late).remote(),
);
out.npm = await get(remote(lib.kindOf).remote("1"));
out.nested = await get(remote(lib.nested).remote());
const counter = remote(lib.Counter).remote();
out.actor = await get(counter.add.remote(2));
const own = remote((): never => {
  throw new Error("own");
});
const none = { runtimeEnv: { permissions: "none" } } as const;
const boxed = own.options(none);
const fails = [["far", remote(lib.fail)], ["own", own], ["boxed", boxed]] as const;
for (const [name, fn] of fails) {
  try {
    await get(fn.remote());
  } catch (error) {
    out[name] = String(((error as TaskError).cause as Error).stack);
  }
}
const name = "plugin";
const { plugin } = await import(\`./\${name}.ts\`);
const unknown = remote(async () => await import(\`./\${name}_none.ts\`));
out.unknown = await get(unknown.remote()).catch(({ cause }) => cause.message);
out.plugin = await get(remote(plugin).remote());
out.seen = await get(remote(() => {
  try {
    return Deno.readTextFileSync(${
        JSON.stringify(`${program.folder}/main.ts`)
      });
  } catch (error) {
    return (error as Error).name;
  }
}).remote());
console.log(JSON.stringify(out));
`,
    );
    program.write(
      "plugin.ts",
      `import { late } from "./plugin_part.ts";
export const plugin = (): string => late;
`,
    );
    program.write("plugin_part.ts", `export { late } from "./late.ts";\n`);
    const out = await results(program, cluster, "main.ts");

    await t.step("static imports, import maps, JSON, npm, dynamic", () => {
      const { far: _, own: _own, boxed: _boxed, ...values } = out;
      assertEquals(values, {
        byReference: 42,
        byValue: 41,
        dynamic: "late",
        dynamicHere: "late",
        npm: "Program",
        nested: 82,
        actor: 42,
        plugin: "late",
        unknown: `Module not found "file://${program.folder}/plugin_none.ts".`,
        seen: "NotFound",
      });
    });
    await t.step("stacks name the program's own files and lines", () => {
      const folder = program.folder;
      assertMatch(String(out.far), new RegExp(`fail.*${folder}/lib.ts:15:9`));
      assertMatch(String(out.own), new RegExp(`${folder}/main.ts:16:9`));
      assertMatch(String(out.boxed), new RegExp(`${folder}/main.ts:16:9`));
      assert(!String(out.boxed).includes(cluster.folder), String(out.boxed));
      assert(!String(out.far).includes(cluster.folder), String(out.far));
      assert(!String(out.own).includes(cluster.folder), String(out.own));
    });
  },
});

Deno.test({
  name:
    "Modules that a program starts as workers go along, and packages' folders are named that don't",
  ignore: !canHide,
  fn: async () => {
    await using program = new Program();
    await using cluster = await farFrom(program);
    program.write("part.ts", `export const half = (x: number) => x / 2;\n`);
    program.write(
      "halver.ts",
      `import { half } from "./part.ts";
self.onmessage = ({ data }: MessageEvent) => self.postMessage(half(data));
`,
    );
    const body = `{
  const worker = new Worker(new URL("./halver.ts", import.meta.url), { type: "module" });
  const answer = Promise.withResolvers<number>();
  worker.onmessage = ({ data }) => answer.resolve(data);
  worker.onerror = (event) => (event.preventDefault(), answer.reject(new Error(event.message)));
  worker.postMessage(x);
  return await answer.promise.finally(() => worker.terminate());
}`;
    program.write(
      "lib.ts",
      `export async function halved(x: number) ${body}\n`,
    );
    Deno.mkdirSync(`${program.folder}/node_modules/left`, { recursive: true });
    program.write(
      "node_modules/left/index.js",
      "export const left = () => 1;\n",
    );
    program.write(
      "main.ts",
      `import { get, remote } from "@manta/manta";
import { halved } from "./lib.ts";
import { left } from "./node_modules/left/index.js";
const own = async (x: number) => ${body};
const failed = await get(remote(left).remote()).catch((error) => error);
console.log(JSON.stringify({
  byReference: await get(remote(halved).remote(4)),
  byValue: await get(remote(own).remote(6)),
  name: failed.cause?.name ?? failed.name,
  message: failed.cause?.message ?? failed.message,
}));
`,
    );
    const out = await results(program, cluster, "main.ts");
    assertEquals([out.byReference, out.byValue], [2, 3]);
    assertEquals(out.name, "SerializationError");
    assertMatch(String(out.message), /node_modules\/left.* do not go along/);
  },
});

/** Asks for its version; the older of two is edited, starts the newer one, and asks again. */
const asking = `import { get, remote } from "@manta/manta";
import { version } from "./lib.ts";
const asked = remote(version, { maxCalls: 1 });
const answers = [version(), await get(asked.remote())];
if (Deno.args[0] === "older") {
  Deno.writeTextFileSync("version.ts", 'export const version = () => "v2";');
  const newer = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "main.ts"],
    stdout: "inherit",
    stderr: "inherit",
  });
  await newer.output();
  answers.push(await get(asked.remote()));
}
console.log(answers.join(" "));
`;

Deno.test({
  name: "Each program runs its own version of a module",
  ignore: !canHide,
  fn: async (t) => {
    await using program = new Program();
    await using cluster = await farFrom(program);
    program.write("main.ts", asking);
    program.write("lib.ts", `export { version } from "./version.ts";\n`);
    program.write("version.ts", `export const version = () => "v1";\n`);

    await t.step("while another runs, and edited meanwhile", async () => {
      const args = ["run", "-A", "main.ts", "older"];
      const env = envOf(cluster);
      const { stdout, stderr } = await program.start(args, { env }).ended;
      assertEquals(stdout, "v2 v2\nv1 v1 v1\n", stderr);
    });
    await t.step("and leaves nothing of it on the nodes", async () => {
      await until(() => copiesIn(cluster).length === 0, "copies are removed");
    });
  },
});

Deno.test({
  name: "A file of a program that is gone is named, and the program goes on",
  ignore: !canHide,
  fn: async () => {
    await using program = new Program();
    await using cluster = await farFrom(program);
    program.write("gone.ts", `export const gone = 1;\n`);
    program.write(
      "lib.ts",
      `import { gone } from "./gone.ts";
export const one = (): number => gone;
`,
    );
    program.write("other.ts", `export const two = (): number => 2;\n`);
    program.write(
      "main.ts",
      `import { get, remote } from "@manta/manta";
import { one } from "./lib.ts";
import { two } from "./other.ts";
Deno.removeSync(new URL("./gone.ts", import.meta.url));
const error = await get(remote(one).remote()).catch((error) => error);
console.log(JSON.stringify({
  name: error.cause?.name ?? error.name,
  message: error.cause?.message ?? error.message,
  two: await get(remote(two).remote()),
}));
`,
    );
    const out = await results(program, cluster, "main.ts");
    assertEquals(out.name, "SerializationError");
    assertMatch(
      String(out.message),
      /gone\.ts" was gone from the program's machine/,
    );
    assertEquals(out.two, 2);
  },
});

Deno.test({
  name:
    "A node that can't write a program's files: its tasks run elsewhere, or are told which node and why",
  ignore: !canHide || !canMount,
  fn: async (t) => {
    await using program = new Program();
    using disk = mountDisk("1m");
    await using cluster = await farFrom(program);
    const full = await cluster.join({
      hidden: program.folder,
      args: ["--num-cpus", "4", "--resources", '{"only":4}'],
      env: { TMPDIR: disk.path },
    });
    const { nodeId } = full.ready;
    program.write("lib.ts", `export const one = (): number => 1;\n`);
    program.write(
      "main.ts",
      `import { get, remote } from "@manta/manta";
import { one } from "./lib.ts";
const told = (error: Error) => ({ name: error.name, message: error.message });
const here = remote(one);
const only = here.options({ resources: { only: 1 } });
class Counter { count() { return 1; } }
const asked = Array.from({ length: 6 }, () => only.remote());
const actor = remote(Counter).remote();
const onlyActor = remote(Counter, { resources: { only: 1 } }).remote();
console.log(JSON.stringify({
  elsewhere: await get(Array.from({ length: 12 }, () => here.remote())),
  only: await Promise.all(asked.map((ref) => get(ref).catch(told))),
  actor: await get(actor.count.remote()),
  onlyActor: await get(onlyActor.count.remote()).catch(told),
}));
`,
    );
    const room = disk.fill();
    await t.step("its disk is full", async () => {
      const out = await results(program, cluster, "main.ts");
      assertEquals(out.elsewhere, new Array(12).fill(1));
      assertEquals(out.actor, 1);
      const only = out.only as { name: string; message: string }[];
      for (const { name, message } of only) {
        assertEquals(name, "RuntimeEnvSetupError");
        assert(message.includes(nodeId), message);
        assertMatch(message, /No space left/);
      }
      const { name, message } = out.onlyActor as typeof only[0];
      assertEquals(name, "ActorDiedError");
      assertMatch(message, /No space left/);
    });
    room.release();
    await t.step("and has room again", async () => {
      const out = await results(program, cluster, "main.ts");
      assertEquals(out.only, new Array(6).fill(1));
      assertEquals(out.onlyActor, 1);
    });
  },
});

Deno.test({
  name: "A detached actor has its program's files when the program is gone",
  ignore: !canHide,
  fn: async () => {
    await using program = new Program();
    await using cluster = await farFrom(program);
    program.write("late.ts", `export const late = "late";\n`);
    program.write(
      "lib.ts",
      `export class Kept {
  pidOf(): number { return Deno.pid; }
  async late(): Promise<string> { return (await import("./late.ts")).late; }
}
`,
    );
    program.write(
      "main.ts",
      `import { get, remote } from "@manta/manta";
import { Kept } from "./lib.ts";
const options = { name: "kept", namespace: "n", lifetime: "detached", maxRestarts: -1, schedulingStrategy: { nodeId: Deno.args[0]!, soft: true } } as const;
const kept = remote(Kept, options).remote();
console.log(JSON.stringify({ pid: await get(kept.pidOf.remote()) }));
`,
    );
    program.write(
      "later.ts",
      `import { get, getActor, kill } from "@manta/manta";
import type { Kept } from "./lib.ts";
const kept = await getActor<Kept>("kept", "n");
const late = await get(kept.late.remote());
const pid = await get(kept.pidOf.remote());
kill(kept);
console.log(JSON.stringify({ late, pid }));
`,
    );
    const [node] = cluster.nodes;
    const on = node!.ready.nodeId;
    const { pid } = await results(program, cluster, "main.ts", on);
    assert(copiesIn(cluster, node).length > 0);
    // It starts again where nothing of its program ever was.
    await node!.kill("SIGTERM");
    const later = await results(program, cluster, "later.ts");
    assertEquals(later.late, "late");
    assert(later.pid !== pid);
    await until(
      () => copiesIn(cluster, cluster.head).length === 0,
      "copies are removed",
    );
  },
});

/** What lies of programs on a cluster's nodes. */
function copiesIn(cluster: TestCluster, of?: TestNode): string[] {
  return sessionFoldersIn(cluster.folder)
    .filter((folder) => folder.includes(`/manta-${of?.pid ?? ""}`))
    .map((folder) => `${folder}/code`)
    .flatMap((folder) => {
      try {
        return [...Deno.readDirSync(folder)].map(({ name }) => name);
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return [];
        throw error;
      }
    });
}
