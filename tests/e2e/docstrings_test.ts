/**
 * The examples in doc comments of what `mod.ts` exports: each is a module that
 * prints what its comments say, all in one program.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import * as api from "../../mod.ts";
import { PageProgram } from "../support/pages.ts";
import { Program } from "../support/program.ts";

const root = new URL("../../", import.meta.url);

/** One example: the name it stands at, and its program. */
interface Example {
  readonly name: string;
  readonly page: PageProgram;
}

/** The examples of `mod.ts` itself and of the declarations that it exports. */
function examplesOf(): Example[] {
  const mod = Deno.readTextFileSync(new URL("mod.ts", root));
  const found = [{ name: "mod", page: pageOf(mod) }];
  for (const [, list, path] of mod.matchAll(/\{([^}]*)\}\s*from "(.*?)"/gs)) {
    if (!path!.startsWith("./")) continue;
    const exported = list!.split(",").map((name) =>
      name.replace("type", "").trim()
    );
    const text = Deno.readTextFileSync(new URL(path!, root));
    const declared =
      /\/\*\*((?:(?!\*\/).)*)\*\/\s*export (?:async )?\w+ (\w+)/gs;
    for (const [, comment, name] of text.matchAll(declared)) {
      if (!exported.includes(name!)) continue;
      const page = pageOf(comment!);
      if (page.code !== "") found.push({ name: name!, page });
    }
  }
  return found;
}

function pageOf(comment: string): PageProgram {
  return new PageProgram(comment.replaceAll(/^ *\* ?/gm, ""));
}

/** What wants no runtime before it; the other examples share one. */
const startsAnew = /\b(init|isInitialized)\(/;

/** Errors that are only caught: their parent shows how. */
function isPlainError(value: unknown): boolean {
  return typeof value === "function" &&
    value.prototype instanceof api.MantaError && value !== api.TaskError;
}

Deno.test("The examples of doc comments print what their comments say, type checked", async (t) => {
  const examples = examplesOf();
  await t.step("each function and class has one", () => {
    const without = Object.entries(api)
      .filter(([, value]) => !isPlainError(value))
      .map(([name]) => name)
      .filter((name) => !examples.some((example) => example.name === name));
    assertEquals(without, []);
  });
  await using program = new Program();
  const mark = "== ";
  const steps = examples.map(({ name, page: { code } }, at) => {
    program.write(`example_${at}.ts`, code);
    const isFirst = startsAnew.test(code);
    return `${isFirst ? "await shutdown();" : ""}
console.log("${mark}${name}");
await import("./example_${at}.ts");
${isFirst ? "await shutdown();" : ""}`;
  });
  const { code, stdout, stderr } = await program.run(
    `import { shutdown } from "@manta/manta";\n${steps.join("\n")}`,
    { flags: ["--check", "-A"] },
  );
  assertEquals(code, 0, stderr);
  const printed = stdout.trim().split(mark).slice(1);
  assertEquals(printed.length, examples.length);
  for (const [at, { name, page }] of examples.entries()) {
    await t.step(`${at} ${name}`, () => {
      const [title, ...lines] = printed[at]!.trimEnd().split("\n");
      assertEquals(title, name);
      assertEquals(lines, page.promised);
    });
  }
  assert(examples.some(({ page }) => page.promised.length > 0));
  await program.gone();
});
