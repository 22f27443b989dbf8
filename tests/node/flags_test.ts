import { assertEquals } from "@std/assert";
import { ownFlags, workerFlags } from "../../src/node/flags.ts";

const own = (...args: string[]) => ownFlags(["deno", "run", ...args]);

Deno.test("ownFlags() stops at the script, whatever a flag before it takes", () => {
  const cases: [args: string[], flags: string[]][] = [
    [["-A", "main.ts", "--allow-run"], ["-A"]],
    [["-L", "info", "-A", "main.ts", "-R"], ["-A"]],
    [["-Linfo", "-A", "main.ts", "-R"], ["-A"]],
    [["-qL", "info", "-A", "main.ts", "-R"], ["-A"]],
    [["--log-level", "info", "-A", "main.ts"], ["-A"]],
    [["--log-level=info", "-A", "main.ts"], ["-A"]],
    [["-qRW", "main.ts", "-N"], ["-R", "-W"]],
    [["-R=/etc", "main.ts"], ["-R=/etc"]],
    [["-c", "deno.json", "-A", "main.ts"], ["-c=deno.json", "-A"]],
    [["-cdeno.json", "-A", "main.ts"], ["-c=deno.json", "-A"]],
    [["--lock", "my.lock", "-A", "main.ts"], ["--lock=my.lock", "-A"]],
    [["--lock", "-A", "main.ts"], ["--lock", "-A"]],
    // Their values stand behind `=` only: what follows is the script.
    [["--env-file", "main.ts", "-A"], []],
    [["--allow-read", "main.ts", "-A"], ["--allow-read"]],
    [["-P", "main.ts", "-A"], ["-P"]],
    [["--v8-flags", "main.ts", "-A"], ["--v8-flags"]],
    [["-A", "--", "main.ts", "-R"], ["-A"]],
  ];
  for (const [args, flags] of cases) {
    assertEquals(own(...args), flags, args.join(" "));
  }
});

Deno.test("ownFlags() knows every flag of this Deno that takes its value from the next argument", async () => {
  const unknown: string[] = [];
  for (const subcommand of ["run", "test", "bench", "serve", "repl", "eval"]) {
    for (const flag of await valueFlags(subcommand)) {
      const flags = ownFlags(["deno", subcommand, flag, "value", "-A"]);
      if (!flags.includes("-A")) unknown.push(`${subcommand} ${flag}`);
    }
  }
  assertEquals(unknown, []);
});

/** Flags that `deno help` shows with a value behind a space. */
async function valueFlags(subcommand: string): Promise<string[]> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [subcommand, "--help=full"],
    env: { NO_COLOR: "1" },
    stderr: "null",
  }).output();
  const flags: string[] = [];
  for (const line of new TextDecoder().decode(stdout).split("\n")) {
    const found = /^ +(?:(-\w), )?(--[\w-]+) \[?</.exec(line);
    if (found === null) continue;
    flags.push(found[2]!);
    if (found[1] !== undefined) flags.push(found[1]);
  }
  if (flags.length < 5) throw new Error(`Unreadable help of ${subcommand}`);
  return [...flags, "-L", "--log-level"];
}

Deno.test("workerFlags() names files by their whole paths, and a configuration always", () => {
  const flags = workerFlags({
    argv: ["deno", "run", "-L", "debug", "-c", "my.json", "-A", "main.ts"],
    mainModule: "file:///home/me/main.ts",
    cwd: "/home/me",
    granted: () => "whole",
    exists: () => false,
  });
  assertEquals(flags, ["--config=/home/me/my.json", "-A", "--no-prompt"]);
});
