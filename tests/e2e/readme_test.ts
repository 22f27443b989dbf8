/**
 * The README's tour, as a reader would run it: all its blocks as one script,
 * in a folder of its own that takes the package through `links`.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { PageProgram } from "../support/pages.ts";

const root = new URL("../../", import.meta.url);
const readme = await Deno.readTextFile(new URL("README.md", root));
const tour = readme.slice(readme.indexOf("## Tour"));
const { code: script, promised } = new PageProgram(tour);
const flags = [...readme.matchAll(/deno run ((?:--allow-\w+ ?)+)tour\.ts/g)]
  .map(([, text]) => text!.trim().split(" "))[0]!;

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

async function run(code: string, flags: string[]): Promise<Outcome> {
  const folder = await Deno.makeTempDir({ prefix: "manta-readme-" });
  try {
    const { imports } = JSON.parse(tour.match(/```json\n(.*?)```/s)![1]!);
    const config = { imports, links: [decodeURIComponent(root.pathname)] };
    await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify(config));
    await Deno.writeTextFile(`${folder}/tour.ts`, code);
    const { code: exitCode, stdout, stderr } = await new Deno.Command(
      Deno.execPath(),
      {
        args: ["run", "--no-prompt", ...flags, "tour.ts"],
        cwd: folder,
        env: { NO_COLOR: "1" },
      },
    ).output();
    const decoder = new TextDecoder();
    return {
      code: exitCode,
      stdout: decoder.decode(stdout),
      stderr: decoder.decode(stderr),
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("The README's tour prints what its comments say, type checked", async () => {
  assert(promised.length >= 15, "The tour has lost its comments");
  const { code, stdout, stderr } = await run(script, ["-A", "--check"]);
  assertEquals(stdout.trim().split("\n"), promised, stderr);
  assertEquals(code, 0);
});

Deno.test("The README's smallest flags are enough, and each missing one is named", async (t) => {
  const program = script.slice(0, script.indexOf("const rates"));
  assertEquals(flags.length, 5);
  await t.step("enough", async () => {
    const { code, stdout, stderr } = await run(program, flags);
    assertEquals([code, stdout], [0, "[ 1, 4, 9 ]\n"], stderr);
  });
  await Promise.all(flags.map(async (missing) => {
    const rest = flags.filter((flag) => flag !== missing);
    const { code, stderr } = await run(program, rest);
    assertMatch(stderr, new RegExp(missing));
    assert(code !== 0);
  }));
});
