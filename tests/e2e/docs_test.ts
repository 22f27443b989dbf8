/**
 * The examples of the documentation's pages: each page is one program, which
 * prints what its comments say.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { PageProgram } from "../support/pages.ts";
import { Program } from "../support/program.ts";

const docs = new URL("../../docs/", import.meta.url);

Deno.test("The pages' examples print what their comments say, type checked", async (t) => {
  await using program = new Program();
  const pages = ["tasks", "objects", "actors", "failures", "performance"].map(
    (name) => {
      const markdown = Deno.readTextFileSync(new URL(`${name}.md`, docs));
      const page = new PageProgram(markdown);
      return { name, page, path: program.write(`${name}.ts`, page.code) };
    },
  );
  for (const { name, page: { promised }, path } of pages) {
    await t.step(name, async () => {
      assert(promised.length >= 6, "The page has lost its comments");
      const { code, stdout, stderr } = await program.start(["run", "-A", path])
        .ended;
      assertEquals(stdout.trim().split("\n"), promised, stderr);
      assertEquals(code, 0, stderr);
    });
  }
  await t.step("type checked", async () => {
    const files = pages.map(({ path }) => path);
    const { code, stderr } = await program.start(["check", ...files]).ended;
    assertEquals(code, 0, stderr);
  });
  await program.gone();
});

Deno.test("Links between the pages lead somewhere", async () => {
  const names = [...Deno.readDirSync(docs)].map(({ name }) => `docs/${name}`);
  const root = new URL("../../", import.meta.url);
  const pages = ["README.md", "ARCHITECTURE.md", ...names]
    .filter((name) => name.endsWith(".md"));
  const broken: string[] = [];
  for (const page of pages) {
    const from = new URL(page, root);
    const text = (await Deno.readTextFile(from))
      .replaceAll(/```.*?```|`[^`]*`/gs, "");
    for (const [, link] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
      try {
        await Deno.stat(new URL(link!, from));
      } catch (error) {
        broken.push(`${page}: ${link}: ${error}`);
      }
    }
  }
  assertEquals(broken, []);
});
