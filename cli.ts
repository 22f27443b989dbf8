/**
 * The command line: clusters, programs that run on them, and what they do.
 *
 * @module
 */
import { MantaError } from "./src/base/errors.ts";
import { checkLogLevel } from "./src/base/log.ts";
import { UsageError } from "./src/cli/flags.ts";
import { helpOf } from "./src/cli/help.ts";
import { note, write } from "./src/cli/show.ts";

/** Each command loads what it takes, and no more. */
const commands: Record<
  string,
  (args: string[]) => Promise<number | Promise<number>>
> = {
  cluster: async (args) => {
    const [verb, ...rest] = args;
    const { runCluster } = await import("./src/cli/cluster.ts");
    const seen = await import("./src/cli/cluster_status.ts");
    switch (verb) {
      case "join":
        return await runCluster("join", rest);
      case "status":
        return await seen.clusterStatus(rest);
      case "stop":
        return await seen.clusterStop(rest);
      case "drain":
        return await seen.clusterDrain(rest);
      default:
        return await runCluster("head", args);
    }
  },
  run: async (args) => (await import("./src/cli/run.ts")).runScript(args),
  submit: async (args) => (await import("./src/cli/jobs.ts")).submit(args),
  jobs: async (args) => (await import("./src/cli/jobs.ts")).jobs(args),
  list: async (args) => (await import("./src/cli/list.ts")).list(args),
  summary: async (args) => (await import("./src/cli/summary.ts")).summary(args),
  memory: async (args) => (await import("./src/cli/summary.ts")).memory(args),
  logs: async (args) => (await import("./src/cli/logs.ts")).logs(args),
  why: async (args) => (await import("./src/cli/why.ts")).why(args),
  timeline: async (args) =>
    (await import("./src/cli/timeline.ts")).timeline(args),
  doctor: async (args) => (await import("./src/cli/doctor.ts")).doctor(args),
  bench: async (args) => {
    const { bench } = await import("./src/cli/bench.ts");
    const { init } = await import("./src/runtime.ts");
    return await bench(args, { start: () => init({ address: "local" }) });
  },
  dashboard: async (args) =>
    (await import("./src/cli/dashboard.ts")).dashboard(args),
};

/** Those whose words from the script on are the script's own. */
const runsScripts = ["run", "submit"];

async function run(args: string[]): Promise<number> {
  const [command, ...rest] = args;
  if (command === undefined || command === "--help" || command === "-h") {
    write(`${helpOf(undefined)}\n`);
    return command === undefined ? 2 : 0;
  }
  const act = Object.hasOwn(commands, command) ? commands[command] : undefined;
  const asked = command === "help" ? rest[0] : command;
  const isHelpAsked = command === "help" ||
    (runsScripts.includes(command) ? rest[0] === "--help" : rest
      .includes("--help"));
  const help = isHelpAsked ? helpOf(asked) : undefined;
  if (help !== undefined) {
    write(`${help}\n`);
    return 0;
  }
  if (act === undefined) throw new UsageError(`no such command "${asked}"`);
  return await act(rest);
}

if (import.meta.main) {
  try {
    checkLogLevel();
    Deno.exit(await run(Deno.args));
  } catch (error) {
    if (error instanceof UsageError) {
      note(`${error.message}; see --help`);
      Deno.exit(2);
    }
    const isToldPlainly = error instanceof MantaError ||
      error instanceof TypeError || error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotCapable;
    if (!isToldPlainly) throw error;
    note((error as Error).message);
    Deno.exit(1);
  }
}
