import { assertEquals } from "@std/assert";
import {
  findBadImports,
  findCycles,
  findDeadFiles,
  findImpureState,
  findShapeFaults,
  findUnnamedRooms,
  type Tree,
} from "./support/house.ts";

const root = new URL("../", import.meta.url);

async function readTree(): Promise<Tree> {
  const tree: Record<string, string> = {};
  async function walk(folder: string): Promise<void> {
    for await (const entry of Deno.readDir(new URL(folder, root))) {
      const path = folder + entry.name;
      if (entry.isDirectory) await walk(`${path}/`);
      else if (path.endsWith(".ts")) await read(path);
    }
  }
  async function read(path: string): Promise<void> {
    tree[path] = await Deno.readTextFile(new URL(path, root));
  }
  await walk("src/");
  for await (const entry of Deno.readDir(root)) {
    if (["mod.ts", "cli.ts"].includes(entry.name)) await read(entry.name);
  }
  return tree;
}

const tree = await readTree();

Deno.test("The house: imports go down, never up or sideways", () => {
  assertEquals(findBadImports(tree), []);
});

Deno.test("The house: no imports in a circle", () => {
  assertEquals(findCycles(tree), []);
});

Deno.test("The house: every file is reached from an entry", () => {
  assertEquals(findDeadFiles(tree), []);
});

Deno.test("The house: ARCHITECTURE.md names every room, and none that is gone", async () => {
  const text = await Deno.readTextFile(new URL("ARCHITECTURE.md", root));
  assertEquals(findUnnamedRooms(tree, text), []);
});

Deno.test("The house: each fault of docs/faults.md names a test that there is", async () => {
  const table = await Deno.readTextFile(new URL("docs/faults.md", root));
  const tests: string[] = [];
  for await (const { name } of Deno.readDir(new URL("tests/e2e/", root))) {
    tests.push(await Deno.readTextFile(new URL(`tests/e2e/${name}`, root)));
  }
  const store = new URL("tests/store/database_test.ts", root);
  tests.push(await Deno.readTextFile(store));
  const named = [...table.matchAll(/"([^"]+)"\s*\|\s*$/gm)].map(([, name]) =>
    name!
  );
  assertEquals(named.length > 20, true);
  const missing = named.filter((name) =>
    !tests.some((text) => text.includes(`"${name}"`))
  );
  assertEquals(missing, []);
});

Deno.test("The house: files are short and open with what they are", () => {
  assertEquals(findShapeFaults(tree), []);
});

Deno.test("The house: state/ decides without clocks, chance, waiting or I/O", () => {
  assertEquals(findImpureState(tree), []);
});

Deno.test("findBadImports() finds imports up, sideways, and to no file or layer", () => {
  const faults = findBadImports({
    "mod.ts": 'export { a } from "./src/cluster.ts";',
    "src/cluster.ts": 'import "./node/a.ts";',
    "src/node/a.ts": 'import type { B } from "../owner/b.ts";\n' +
      'import {\n  c,\n  d,\n} from "../client/c.ts";',
    "src/owner/b.ts": 'const x = await import("../base/gone.ts");',
    "src/client/c.ts": '// import { x } from "../worker/x.ts";',
    "src/utils/d.ts": "",
  });
  assertEquals(faults, [
    "src/node/a.ts imports sideways: src/owner/b.ts",
    "src/node/a.ts imports upward: src/client/c.ts",
    "src/owner/b.ts imports src/base/gone.ts: no file",
    "src/utils/d.ts belongs to no layer",
  ]);
});

Deno.test("findBadImports() lets a file name a higher one as a worker's entry", () => {
  const faults = findBadImports({
    "src/node/a.ts": 'new URL("../worker/b.ts", import.meta.url);',
    "src/worker/b.ts": "",
  });
  assertEquals(faults, []);
});

Deno.test("findCycles() shows a circle, by types too", () => {
  const faults = findCycles({
    "src/base/a.ts": 'import { b } from "./b.ts";',
    "src/base/b.ts": 'export * from "./c.ts";',
    "src/base/c.ts": 'import type { A } from "./a.ts";',
  });
  assertEquals(faults, [
    "src/base/a.ts -> src/base/b.ts -> src/base/c.ts -> src/base/a.ts",
  ]);
});

Deno.test("findDeadFiles() counts imports, lazy imports and worker entries", () => {
  const dead = findDeadFiles({
    "mod.ts": 'import "./src/a.ts";',
    "cli.ts": 'await import("./src/b.ts");',
    "src/a.ts": 'new URL("./c.ts", import.meta.url);',
    "src/b.ts": "",
    "src/c.ts": 'export { d } from "./d.ts";',
    "src/d.ts": "",
    "src/e.ts": 'import "./f.ts";',
    "src/f.ts": "",
  });
  assertEquals(dead, ["src/e.ts", "src/f.ts"]);
});

Deno.test("findShapeFaults() finds long files and missing module docs", () => {
  const doc = "/**\n * What it is.\n *\n * @module\n */\n";
  const faults = findShapeFaults({
    "src/a.ts": doc + "x;\n".repeat(395),
    "src/b.ts": doc + "x;\n".repeat(396),
    "src/c.ts": "// nothing\n" + doc,
    "src/d.ts": "/** A function, not the module. */\nx;\n",
  });
  assertEquals(faults, [
    "src/b.ts has 401 lines",
    "src/c.ts does not open with a module doc",
    "src/d.ts does not open with a module doc",
  ]);
});

Deno.test("findImpureState() finds each kind of impurity, in state/ alone", () => {
  const impure = [
    "await x;",
    "Date.now();",
    "performance.now();",
    "setTimeout(f);",
    "Math.random();",
    "Deno.exit();",
    'import { a } from "node:fs";',
  ].join("\n");
  const faults = findImpureState({
    "src/state/a.ts": impure,
    "src/node/a.ts": impure,
    "src/state/b.ts": '// await here\nthrow new Error("Date.now");',
  });
  assertEquals(faults, [
    "src/state/a.ts uses await",
    "src/state/a.ts uses Date.now",
    "src/state/a.ts uses performance.now",
    "src/state/a.ts uses setTimeout",
    "src/state/a.ts uses Math.random",
    "src/state/a.ts uses Deno.exit",
    "src/state/a.ts imports node:fs",
  ]);
});

Deno.test("findUnnamedRooms() compares each section's names with its folder", () => {
  const faults = findUnnamedRooms(
    { "src/node/a.ts": "", "src/node/b.ts": "", "src/owner/b.ts": "" },
    "## Rooms\n### node: one machine\n| `a` `c` |\n### owner: a process\n| `b` |\n## Decisions\n`d`\n",
  );
  assertEquals(faults, ["node/b is not named", "node/c is no room"]);
});
