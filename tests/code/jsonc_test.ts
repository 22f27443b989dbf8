import { assertEquals, assertRejects } from "@std/assert";
import { parseJsonc } from "../../src/code/jsonc.ts";

Deno.test("parseJsonc() reads what configuration files hold", async () => {
  const text = `// One.
{
  /* Two. */ "a": [1, -2.5, true, null,], "b": { "c://d/": "// no comment" },
}
// Three.`;
  assertEquals(await parseJsonc(text), {
    a: [1, -2.5, true, null],
    b: { "c://d/": "// no comment" },
  });
});

Deno.test("parseJsonc() refuses what is no data", async () => {
  for (const text of ["", "[1]", "1", `{ "a": f() }`, `{ "a": `, "{}; {}"]) {
    await assertRejects(() => parseJsonc(text), SyntaxError);
  }
});
