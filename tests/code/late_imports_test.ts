import { assertEquals } from "@std/assert";
import { lateImportsOf, workerModulesOf } from "../../src/code/late_imports.ts";

const at = "file:///p/main.ts";

/** What a text imports late, without the folder. */
async function found(text: string): Promise<string[] | undefined> {
  const urls = await lateImportsOf(text, at);
  return urls?.map((url) => url.replace("file:///p/", "")).sort();
}

Deno.test("lateImportsOf() finds each import() of a literal", async () => {
  const texts: Record<string, string[]> = {
    'async () => (await import("./a.ts")).k': ["a.ts"],
    "async () => import('./a.ts')": ["a.ts"],
    "async () => import(`./a.ts`)": ["a.ts"],
    'async () => [await import("./a.ts"), await import("./b.ts")]': [
      "a.ts",
      "b.ts",
    ],
    'async () => { const u = "http://x"; await import("./a.ts"); }': ["a.ts"],
    'async () => 2\n * (await import("./a.ts")).k': ["a.ts"],
    'async () => import /* why */ (\n  // here\n  "./a.ts",\n)': ["a.ts"],
    'async () => import("./a.json", { with: { type: "json" } })': ["a.json"],
    'async () => import("./\\u0061.ts")': ["a.ts"],
    'async named() { return await import("./a.ts"); }': ["a.ts"],
    'function () { return import("./a.ts"); }': ["a.ts"],
    'class A { async load() { await import("./a.ts"); } }': ["a.ts"],
    'export async function f(x: number): Promise<void> { await import("./a.ts"); }\nenum E { a }':
      ["a.ts"],
    '() => "no import at all"': [],
  };
  for (const [text, expected] of Object.entries(texts)) {
    assertEquals(await found(text), expected, text);
  }
});

Deno.test("lateImportsOf() tells that an import() is known only when it runs", async () => {
  const texts = [
    "async (name) => import(`./${name}.ts`)",
    'async (name) => import("./" + name)',
    "async (url) => import(url)",
    'async (url) => { await import("./a.ts"); await import(url); }',
    "async (url) => import /* why */ (url)",
    // Nobody can read it, so it may be one.
    "async (url) => { <p>{await import(url)}</p>; @ }",
  ];
  for (const text of texts) {
    assertEquals(await found(text), undefined, text);
  }
});

Deno.test("lateImportsOf() takes nothing else for an import()", async () => {
  const texts = [
    "() => {\n  // once import(name)\n  return 1;\n}",
    "() => { /* import(name) */ }",
    '() => "import(name)"',
    "() => `import(${1})`",
    "(x) => x.import(1)",
    "() => import.meta.url",
    'import a from "./b.ts"; // not import(name)',
  ];
  for (const text of texts) assertEquals(await found(text), [], text);
});

Deno.test("workerModulesOf() finds modules beside this one that are started as workers", async () => {
  const texts: Record<string, string[]> = {
    'new Worker(new URL("./w.ts", import.meta.url), { type: "module" });': [
      "w.ts",
    ],
    "export const start = (): Worker => new Worker(\n  new URL(`../p/w.ts`, import.meta.url),\n);":
      ["w.ts"],
    'new Worker(import.meta.resolve("./w.ts"));': ["w.ts"],
    "const w = new Worker(url); new Worker(new URL(name, import.meta.url));":
      [],
    'new Worker(new URL("https://a.b/w.ts")); new Worker("./w.ts");': [],
    'new Other(new URL("./w.ts", import.meta.url));': [],
    '// new Worker(new URL("./w.ts", import.meta.url))': [],
    '"new Worker(@": @': [],
  };
  for (const [text, expected] of Object.entries(texts)) {
    const urls = await workerModulesOf(text, at);
    const names = urls.map((url) => url.replace("file:///p/", ""));
    assertEquals(names, expected, text);
  }
});
