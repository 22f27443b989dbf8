/**
 * The command line: clusters, programs that run on them, and what they did.
 *
 * @module
 */
import { MantaError } from "./src/base/errors.ts";
import { askHead } from "./src/cli/ask.ts";
import { clusterFlags, runCluster } from "./src/cli/cluster.ts";
import { examine } from "./src/cli/doctor.ts";
import { type Given, readFlags, UsageError } from "./src/cli/flags.ts";
import { helpOf } from "./src/cli/help.ts";
import { listable, listRows, table } from "./src/cli/list.ts";
import { runScript } from "./src/cli/run.ts";
import { clusterAddress } from "./src/cli/where.ts";
import { timelineOf } from "./src/store/timeline.ts";
import { statusText } from "./src/cli/status.ts";

/** Which cluster, and how it is reached. */
const reaching = ["address", "dir", "token-file", "tls-ca"];

async function run(args: string[]): Promise<number> {
  const [command, ...rest] = args;
  if (command === undefined || command === "--help" || command === "help") {
    console.log(helpOf(rest[0]));
    return command === undefined ? 2 : 0;
  }
  if (rest.includes("--help") && command !== "run") {
    console.log(helpOf(command));
    return 0;
  }
  switch (command) {
    case "cluster":
      return await cluster(rest);
    case "run": {
      const at = rest.findIndex((arg, at) =>
        !arg.startsWith("-") && !/^--(address|dir|token-file|tls-ca)$/.test(
          rest[at - 1] ?? "",
        )
      );
      const own = at < 0 ? rest : rest.slice(0, at);
      const given = readFlags(own, { texts: reaching });
      const address = clusterAddress(given);
      return await runScript(address, at < 0 ? [] : rest.slice(at));
    }
    case "doctor":
      return doctor(readFlags(rest, {}).has("json"));
    case "list":
      return list(readFlags(rest, { texts: ["lineage"] }));
    case "timeline": {
      const given = readFlags(rest, { texts: ["lineage", "job"] });
      const [out] = given.words;
      const lineage = given.text("lineage");
      if (out === undefined || lineage === undefined) {
        throw new UsageError("timeline OUT.json --lineage FILE");
      }
      const timeline = timelineOf(lineage, given.text("job"));
      Deno.writeTextFileSync(out, JSON.stringify(timeline));
      console.log(`${timeline.traceEvents.length} events in ${out}`);
      return 0;
    }
    default:
      throw new UsageError(`no such command "${command}"`);
  }
}

async function cluster(args: string[]): Promise<number> {
  const [verb] = args;
  switch (verb) {
    case "join": {
      const given = readFlags(args.slice(1), clusterFlags);
      const [address, ...others] = given.words;
      if (address === undefined || others.length > 0) {
        throw new UsageError("join which cluster? cluster join HOST:PORT");
      }
      return await runCluster(address, given);
    }
    case "status": {
      const given = readFlags(args.slice(1), { texts: reaching });
      const status = await askHead(
        { address: clusterAddress(given) },
        (head) => head.request("cluster.status", {}),
      );
      console.log(
        given.has("json")
          ? JSON.stringify(status, undefined, 2)
          : statusText(status, widthOf()),
      );
      return 0;
    }
    case "stop": {
      const given = readFlags(args.slice(1), { texts: reaching });
      await askHead(
        { address: clusterAddress(given) },
        (head) => head.request("cluster.stop", {}),
      );
      return 0;
    }
    case "drain": {
      const given = readFlags(args.slice(1), { texts: reaching });
      const [nodeId] = given.words;
      if (nodeId === undefined) {
        throw new UsageError("drain which node? cluster drain NODE");
      }
      const { failure } = await askHead(
        { address: clusterAddress(given) },
        (head) => head.request("node.drain", { nodeId }),
      );
      if (failure !== undefined) {
        throw new MantaError(`Cannot drain: ${failure}`);
      }
      return 0;
    }
    default: {
      const given = readFlags(args, clusterFlags);
      if (given.words.length > 0) {
        throw new UsageError(`no such command "cluster ${given.words[0]}"`);
      }
      return await runCluster(undefined, given);
    }
  }
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

function list(given: Given): number {
  const [kind] = given.words;
  const known = listable.find((name) => name === kind);
  if (known === undefined) {
    throw new UsageError(`list what? one of ${listable.join(", ")}`);
  }
  const lineage = given.text("lineage");
  if (lineage === undefined) {
    throw new UsageError(
      "list needs --lineage FILE, the file of init({ lineage })",
    );
  }
  const rows = listRows(lineage, known);
  console.log(
    given.has("json")
      ? JSON.stringify(rows, undefined, 2)
      : table(rows, widthOf()),
  );
  return 0;
}

function widthOf(): number {
  return Deno.stdout.isTerminal() ? Deno.consoleSize().columns : Infinity;
}

if (import.meta.main) {
  try {
    Deno.exit(await run(Deno.args));
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`manta: ${error.message}; see --help`);
      Deno.exit(2);
    }
    const isToldPlainly = error instanceof MantaError ||
      error instanceof TypeError || error instanceof Deno.errors.NotFound;
    if (!isToldPlainly) throw error;
    console.error(`manta: ${(error as Error).message}`);
    Deno.exit(1);
  }
}
