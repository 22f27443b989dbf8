import { assertEquals, assertNotEquals } from "@std/assert";
import { hashCode, importsOf, ModuleGraph } from "../../src/code/modules.ts";
import { loadParser } from "../../src/code/syntax.ts";

const parser = await loadParser();

Deno.test("importsOf() knows every form of import, wherever it stands", () => {
  const source = `// a comment
"use strict";
/* another */ import "./effect.ts";
import one, { two, three as drei } from "./a.ts";
import * as all from 'b';
import { default as fallback, "odd name" as odd } from "c";
import data from "./d.json" with { type: "json" };
const text = \`
import fake from "nowhere";
\`;
import late from "./late.ts";
const lazy = import("./lazy.ts");
const { url } = import.meta;
`;
  assertEquals(Object.fromEntries(importsOf(source, parser)), {
    one: { specifier: "./a.ts", name: "default" },
    two: { specifier: "./a.ts", name: "two" },
    drei: { specifier: "./a.ts", name: "three" },
    all: { specifier: "b", name: "*" },
    fallback: { specifier: "c", name: "default" },
    odd: { specifier: "c", name: "odd name" },
    data: {
      specifier: "./d.json",
      name: "default",
      attributes: { type: "json" },
    },
    late: { specifier: "./late.ts", name: "default" },
  });
});

Deno.test("importsOf() reads no further than the imports at the head of a module", () => {
  const source = 'import a from "a";\nconst b = a;\nthis is no program';
  assertEquals(importsOf(source, parser).size, 1);
});

Deno.test("ModuleGraph.containsMain() follows static imports and nothing else", async () => {
  const texts: Record<string, string> = {
    "file:///p/main.ts": 'import "./a.ts"; import "./safe.ts";',
    "file:///p/a.ts": 'export * from "./b.ts";',
    "file:///p/b.ts": 'import {\n  x,\n} from "../p/main.ts"; import "./a.ts";',
    "file:///p/safe.ts":
      'import "node:fs"; const later = () => import("./main.ts"); export { y } from "./leaf.ts";',
    "file:///p/leaf.ts": "export const y = 1;",
  };
  let readCount = 0;
  const graph = new ModuleGraph({
    moduleSources(urls) {
      readCount += urls.length;
      return Promise.resolve(new Map(urls.map((url) => [url, texts[url]!])));
    },
  }, "file:///p/main.ts");
  assertEquals(await graph.containsMain("file:///p/main.ts"), true);
  assertEquals(await graph.containsMain("file:///p/a.ts"), true);
  assertEquals(await graph.containsMain("file:///p/b.ts"), true);
  assertEquals(await graph.containsMain("file:///p/safe.ts"), false);
  assertEquals(await graph.containsMain("npm:acorn"), false);
  const before = readCount;
  await graph.containsMain("file:///p/a.ts");
  await graph.containsMain("file:///p/leaf.ts");
  assertEquals(readCount, before);
});

Deno.test("hashCode() tells where the description ends and the values begin", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  assertEquals(hashCode("ab", [bytes("c")]), hashCode("ab", [bytes("c")]));
  assertNotEquals(hashCode("ab", [bytes("c")]), hashCode("a", [bytes("bc")]));
  assertEquals(hashCode("", []).length, 64);
});

Deno.test("hashCode() counts every buffer, and where one ends", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const hashes = [
    ["s", "ab", "c"],
    ["s", "a", "bc"],
    ["s", "abc"],
    ["s", "ab"],
    ["s", "ab", "d"],
  ].map((parts) => hashCode("meta", parts.map(bytes)));
  assertEquals(new Set(hashes).size, hashes.length);
});
