/**
 * `docs/from-ray.md` says of each name of Ray Core's what it is here, or that
 * it is none.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { rayNames, rayVersion } from "./support/ray_api.ts";

const page = Deno.readTextFileSync(
  new URL("../docs/from-ray.md", import.meta.url),
);
/** What stands in the left column of its tables: names in code, word by word. */
const named = new Set(
  page.split("\n").filter((line) => line.startsWith("|"))
    .map((line) => line.split(/(?<!\\)\|/)[1]!)
    .flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)])
    .flatMap(([, code]) => code!.split(/[^\w-]+/)),
);

Deno.test("From Ray: the page says which version it is about", () => {
  assertStringIncludes(page, `Ray ${rayVersion}`);
});

for (const [where, names] of Object.entries(rayNames)) {
  Deno.test(`From Ray: each name is there, ${where}`, () => {
    assertEquals(names.filter((name) => !named.has(name)), []);
  });
}

Deno.test("From Ray: a name that is none would be missed", () => {
  assert(!named.has("no_such_name"));
});
