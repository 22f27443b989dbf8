/**
 * The command line: looks at a machine, and at what a program did.
 *
 * Clusters come later: their commands say so.
 *
 * @module
 */
import { parseArgs } from "@std/cli";
import { MantaError } from "./src/base/errors.ts";
import { examine } from "./src/cli/doctor.ts";
import { listable, listRows, table } from "./src/cli/list.ts";

const help =
  `manta: every core of this machine for ordinary functions and classes

Usage: deno run -A cli.ts COMMAND [OPTIONS]

  doctor                 what this machine and these permissions give
  list KIND --lineage F  ${listable.join(", ")} of a lineage file

Options:
  --json                 prints JSON instead of a table
  --help                 this text

Example:
  deno run -A cli.ts list tasks --lineage run.db
`;

const later = [
  "cluster",
  "run",
  "submit",
  "jobs",
  "summary",
  "logs",
  "memory",
  "timeline",
  "why",
  "dashboard",
  "bench",
];

/** A command that was misused: exit status 2. */
class UsageError extends Error {}

function run(args: string[]): number {
  const flags = parseArgs(args, {
    boolean: ["json", "help"],
    string: ["lineage"],
    unknown: (arg) => {
      if (arg.startsWith("-")) throw new UsageError(`no such option ${arg}`);
    },
  });
  const [command, kind] = flags._.map(String);
  if (flags.help || command === undefined) {
    console.log(help);
    return flags.help ? 0 : 2;
  }
  if (command === "doctor") return doctor(flags.json);
  if (command === "list") return list(kind, flags);
  throw new UsageError(
    later.includes(command)
      ? `"${command}" is not in this version yet`
      : `no such command "${command}"`,
  );
}

function doctor(isJson: boolean): number {
  const findings = examine();
  if (isJson) console.log(JSON.stringify(findings, undefined, 2));
  else {
    for (const { name, ok, note } of findings) {
      console.log(`${ok ? "ok  " : "MISS"}  ${name.padEnd(14)} ${note}`);
    }
  }
  return findings.every(({ ok }) => ok) ? 0 : 1;
}

function list(
  kind: string | undefined,
  { lineage, json }: { lineage?: string | undefined; json: boolean },
): number {
  const known = listable.find((name) => name === kind);
  if (known === undefined) {
    throw new UsageError(`list what? one of ${listable.join(", ")}`);
  }
  if (lineage === undefined) {
    throw new UsageError(
      "list needs --lineage FILE, the file of init({ lineage })",
    );
  }
  const rows = listRows(lineage, known);
  console.log(
    json ? JSON.stringify(rows, undefined, 2) : table(rows, widthOf()),
  );
  return 0;
}

function widthOf(): number {
  return Deno.stdout.isTerminal() ? Deno.consoleSize().columns : Infinity;
}

if (import.meta.main) {
  try {
    Deno.exit(run(Deno.args));
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`manta: ${error.message}; see --help`);
      Deno.exit(2);
    }
    if (error instanceof MantaError || error instanceof Deno.errors.NotFound) {
      console.error(`manta: ${error.message}`);
      Deno.exit(1);
    }
    throw error;
  }
}
