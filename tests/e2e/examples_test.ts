import { assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";

/** What each example must print, wherever its times come in. */
const examples: Record<string, RegExp> = {
  aggregation: /addInTree: 36/,
  demo: /retries +1 task .*\n +lost +nothing/,
  counter: /after ten tasks added ten each: 203/,
  four_seconds: /answers: 10, 20, 30, 40/,
  matrix_dag: /equal to the same in one process: yes/,
  messages: /15 messages, drained/,
  parameter_server: /not seen: 0\.9\d/,
  squares: /sum of 0² to 99²: 328350/,
  word_count: /equal to the plain loop: yes/,
};

for (const [name, expected] of Object.entries(examples)) {
  Deno.test(`The example ${name} runs to its end and prints its answer`, async () => {
    const path = fileURLToPath(
      new URL(`../../examples/${name}.ts`, import.meta.url),
    );
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", path],
      env: { NO_COLOR: "1" },
    }).output();
    const text = new TextDecoder().decode(stdout);
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    assertMatch(text, expected);
  });
}
