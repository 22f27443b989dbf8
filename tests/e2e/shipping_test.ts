import { assert, assertEquals, assertMatch } from "@std/assert";
import { canHide, TestCluster } from "../support/cluster.ts";
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
  name: string,
): Promise<Record<string, unknown>> {
  const running = program.start(["run", "-A", name], { env: envOf(cluster) });
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
for (const [name, fn] of [["far", remote(lib.fail)], ["own", own]] as const) {
  try {
    await get(fn.remote());
  } catch (error) {
    out[name] = String(((error as TaskError).cause as Error).stack);
  }
}
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
    const out = await results(program, cluster, "main.ts");

    await t.step("static imports, import maps, JSON, npm, dynamic", () => {
      const { far: _, own: _own, ...values } = out;
      assertEquals(values, {
        byReference: 42,
        byValue: 41,
        dynamic: "late",
        dynamicHere: "late",
        npm: "Program",
        nested: 82,
        actor: 42,
        seen: "NotFound",
      });
    });
    await t.step("stacks name the program's own files and lines", () => {
      const folder = program.folder;
      assertMatch(String(out.far), new RegExp(`fail.*${folder}/lib.ts:15:9`));
      assertMatch(String(out.own), new RegExp(`${folder}/main.ts:16:9`));
      assert(!String(out.far).includes(cluster.folder), String(out.far));
      assert(!String(out.own).includes(cluster.folder), String(out.own));
    });
  },
});
