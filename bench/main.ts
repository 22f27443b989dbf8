/**
 * `deno task bench`: the rows of `ray microbenchmark`, run by manta and, with
 * `--peers`, by others in the same run. Try `--help`.
 *
 * Exit status: 0 done, 1 a row failed, 2 misused.
 *
 * @module
 */
import { fullPace, Harness, type Outcomes, quickPace } from "./harness.ts";
import { help, type Options, optionsFrom } from "./options.ts";
import { ownCommands, peerCommands } from "./peers.ts";
import { plotOf, tableOf, withTable } from "./page.ts";
import { machineLine, machineNow, reportRow, Table } from "./report.ts";
import type { Row } from "./rows.ts";

const pagePath = new URL("../docs/performance.md", import.meta.url);
const plotPath = new URL("../docs/performance.svg", import.meta.url);

if (import.meta.main) Deno.exit(await main(Deno.args));

async function main(args: string[]): Promise<number> {
  if (args.join(" ").replace("=", " ") === "--rows cluster") {
    await import("./cluster_bench.ts"); // Prints its own table.
    return 0;
  }
  let options: Options | undefined;
  try {
    options = optionsFrom(args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 2;
  }
  if (options !== undefined) return await bench(options);
  console.log(help);
  return 0;
}

async function bench(options: Options): Promise<number> {
  const pace = options.isQuick ? quickPace : fullPace;
  const all = ownCommands();
  for (const peer of options.peers) all.push(...await peerCommands(peer));
  const { only } = options;
  const commands = all.filter(({ name }) => only?.includes(name) ?? true);
  const rows = options.rows.filter(({ contenders }) =>
    commands.some(({ name }) => contenders.includes(name))
  );
  if (rows.length === 0) {
    console.error("Cannot run anything: none of --only has any of the rows");
    return 2;
  }
  const loadAverage = Deno.loadavg();
  const table = new Table(rows, commands.map(({ name }) => name));
  const results = new Map<Row, Outcomes>();

  await using harness = new Harness(commands, pace);
  // The contenders have process groups of their own: Ctrl-C does not reach them.
  for (const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    Deno.addSignalListener(signal, () => {
      harness.kill();
      Deno.exit(status);
    });
  }
  console.log(table.header());
  for (const row of rows) {
    const outcomes = await harness.run(row);
    results.set(row, outcomes);
    console.log(table.row(row, outcomes));
  }
  console.log(table.footer(results));
  const { versions } = harness;
  const machine = machineNow(pace, { loadAverage, versions });
  console.log(machineLine(machine));

  const reports = [...results].map(([row, outcomes]) =>
    reportRow(row, outcomes)
  );
  if (options.jsonPath !== undefined) {
    const json = JSON.stringify({ machine, rows: reports }, null, 2);
    await Deno.writeTextFile(options.jsonPath, `${json}\n`);
  }
  if (options.isForDocs) {
    const columns = commands.map(({ name }) => name);
    const table = tableOf(reports, { columns, machine });
    const page = await Deno.readTextFile(pagePath);
    await Deno.writeTextFile(pagePath, withTable(page, table));
    await Deno.writeTextFile(plotPath, plotOf(reports, "ray"));
  }
  const outcomes = [...results.values()].flatMap((one) => [...one.values()]);
  return outcomes.some((outcome) => "failure" in outcome) ? 1 : 0;
}
